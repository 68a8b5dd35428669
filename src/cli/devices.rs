//! `offhook devices`: what there is to speak into and to hear from, and a try of it.

mod meter;
mod play;

use serde_json::{Value, json};

use super::Context;
use super::failure::Failure;
use super::flags::{Devices, Flags};
use super::output::{print, print_json};
use crate::audio::{Ability, DeviceInfo, devices};
use crate::config;
use crate::lang::{Lang, Message};

/// What `offhook devices` takes.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        offhook devices\n  \
        offhook devices --json\n  \
        offhook devices test\n  \
        offhook devices play busy --country fr\n  \
        offhook devices play marimba --ring-volume 70\n  \
        offhook devices test --capture pulseaudio:my_headset --playout pulseaudio:my_headset\n\n\
        A name, with or without its sound system, chooses a device: OFFHOOK_CAPTURE, OFFHOOK_PLAYOUT, OFFHOOK_RINGER."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Devices>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Play a tone, and show how loud the microphone is
    Test(meter::Args),
    /// Play a tone of a country, or a ringtone
    Play(play::Args),
}

impl Args {
    /// Returns the settings that were given as flags.
    pub(super) fn given(&self) -> &std::collections::BTreeMap<String, String> {
        match &self.verb {
            Some(Verb::Test(args)) => args.flags.given(),
            Some(Verb::Play(args)) => args.flags.given(),
            None => self.flags.given(),
        }
    }
}

/// Lists the devices, or tries those that are chosen.
pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let settings = config::load_audio(&context.sources)?;
    match args.verb {
        Some(Verb::Test(args)) => meter::run(&args, &settings, context.local.lang),
        Some(Verb::Play(args)) => {
            let country = config::load_country(&context.sources)?;
            play::run(&args, &settings, country, context.local.lang)
        }
        None => {
            let list = devices(settings.host.as_deref()).map_err(Failure::usage)?;
            if args.json {
                print_json(&list.iter().map(to_json).collect::<Vec<_>>())
            } else {
                print(&page(&list, context.local.lang))
            }
        }
    }
}

fn to_json(device: &DeviceInfo) -> Value {
    let ability = |ability: &Option<Ability>| {
        ability.as_ref().map(|can| {
            json!({
                "rate": can.rate,
                "channels": can.channels,
                "rates": { "least": can.rates.0, "most": can.rates.1 },
                "most_channels": can.most_channels,
                "formats": can.formats,
            })
        })
    };
    json!({
        "host": device.host,
        "name": device.name,
        "description": device.description,
        "capture": ability(&device.capture),
        "playout": ability(&device.playout),
        "default_capture": device.default_capture,
        "default_playout": device.default_playout,
    })
}

/// Writes the list for a person: a paragraph for each device, defaults marked.
fn page(list: &[DeviceInfo], lang: Lang) -> String {
    let mut lines = Vec::new();
    if list.is_empty() {
        lines.push(Message::NoDevices.text(lang));
    }
    for device in list {
        lines.push(format!("{}:{}", device.host, device.name));
        if !device.description.is_empty() && device.description != device.name {
            lines.push(format!("    {}", device.description));
        }
        if let Some(can) = &device.capture {
            let (rate, channels) = (can.rate, can.channels);
            let message = Message::Captures { rate, channels };
            let default = device.default_capture.then_some(Message::DefaultMicrophone);
            lines.push(marked(message, default, lang));
            lines.push(supports(can, lang));
        }
        if let Some(can) = &device.playout {
            let (rate, channels) = (can.rate, can.channels);
            let message = Message::Plays { rate, channels };
            let default = device.default_playout.then_some(Message::DefaultSpeaker);
            lines.push(marked(message, default, lang));
            lines.push(supports(can, lang));
        }
    }
    lines.push(Message::OwnDevices.text(lang));
    lines.join("\n")
}

fn supports(can: &Ability, lang: Lang) -> String {
    let message = Message::Supports {
        rates: can.rates,
        channels: can.most_channels,
        formats: &can.formats.join(" "),
    };
    format!("      {}", message.text(lang))
}

fn marked(message: Message<'_>, mark: Option<Message<'_>>, lang: Lang) -> String {
    let text = message.text(lang);
    match mark {
        Some(mark) => format!("    {text}  ({})", mark.text(lang)),
        None => format!("    {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can(rate: u32, channels: u16) -> Ability {
        Ability {
            rate,
            channels,
            rates: (8_000, 48_000),
            most_channels: 2,
            formats: vec!["f32".to_owned(), "i16".to_owned()],
        }
    }

    fn headset() -> DeviceInfo {
        DeviceInfo {
            host: "pulseaudio".to_owned(),
            name: "headset".to_owned(),
            description: "A headset".to_owned(),
            capture: Some(can(16_000, 1)),
            playout: Some(can(48_000, 2)),
            default_capture: true,
            default_playout: false,
        }
    }

    #[test]
    fn the_list_tells_what_a_device_can_and_marks_the_defaults() {
        let page = page(&[headset()], Lang::En);
        assert!(
            page.starts_with(
                "pulseaudio:headset\n    A headset\n    captures 16000 Hz, channels: 1  (default microphone)\n      \
                 can: 8000 to 48000 Hz, up to 2 channels, f32 i16\n    \
                 plays 48000 Hz, channels: 2\n      can: "
            ),
            "{page}"
        );
        assert!(page.contains("file:PATH.wav"));
    }

    #[test]
    fn a_script_gets_the_same() {
        let device = to_json(&headset());
        let capture = &device["capture"];
        assert_eq!(
            (&capture["rate"], &capture["channels"]),
            (&json!(16_000), &json!(1))
        );
        assert_eq!(capture["rates"], json!({"least": 8_000, "most": 48_000}));
        assert_eq!(capture["formats"], json!(["f32", "i16"]));
        assert_eq!(device["default_playout"], false);
    }
}
