//! `offhook devices`: what there is to speak into and to hear from, and a try of it.

mod meter;
mod play;

use super::Context;
use super::failure::Failure;
use super::flags::{Devices, Flags};
use super::output::{print, print_json};
use crate::audio::{AudioSettings, DeviceChoice, DeviceInfo, devices};
use crate::config;
use crate::lang::{Lang, Message};
use crate::web::device_json;

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
                print_json(&list.iter().map(device_json).collect::<Vec<_>>())
            } else {
                print(&page(&list, &settings, context.local.lang))
            }
        }
    }
}

/// Reads how many seconds something is to last.
fn seconds(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "it is not a whole number of seconds, such as 5".to_owned())
}

/// Returns the place in the list of the device that Offhook would take. The best sound system's are the first.
fn taken(
    list: &[DeviceInfo],
    choice: &DeviceChoice,
    is_default: impl Fn(&DeviceInfo) -> bool,
    goes: impl Fn(&DeviceInfo) -> bool,
) -> Option<usize> {
    match choice {
        DeviceChoice::Default => list.iter().position(is_default),
        DeviceChoice::Named(name) => {
            let by = |is_it: &dyn Fn(&DeviceInfo) -> bool| {
                list.iter().position(|device| goes(device) && is_it(device))
            };
            by(&|device| format!("{}:{}", device.host, device.name) == *name)
                .or_else(|| by(&|device| device.name == *name))
                .or_else(|| by(&|device| device.description == *name))
        }
        DeviceChoice::None | DeviceChoice::Loopback | DeviceChoice::File(_) => None,
    }
}

/// Writes the list for a person: a paragraph for each device, those marked that Offhook takes.
fn page(list: &[DeviceInfo], settings: &AudioSettings, lang: Lang) -> String {
    let microphone = taken(
        list,
        &settings.capture,
        |device| device.default_capture,
        |device| device.capture.is_some(),
    );
    let speaker = taken(
        list,
        &settings.playout,
        |device| device.default_playout,
        |device| device.playout.is_some(),
    );
    let mut lines = Vec::new();
    if list.is_empty() {
        lines.push(Message::NoDevices.text(lang));
    }
    for (n, device) in list.iter().enumerate() {
        lines.push(format!("{}:{}", device.host, device.name));
        if !device.description.is_empty() && device.description != device.name {
            lines.push(format!("    {}", device.description));
        }
        if let Some(can) = &device.capture {
            let (rate, channels) = (can.rate, can.channels);
            let message = Message::Captures { rate, channels };
            let mark = (microphone == Some(n)).then_some(Message::TakenMicrophone);
            lines.push(marked(message, mark, lang));
        }
        if let Some(can) = &device.playout {
            let (rate, channels) = (can.rate, can.channels);
            let message = Message::Plays { rate, channels };
            let mark = (speaker == Some(n)).then_some(Message::TakenSpeaker);
            lines.push(marked(message, mark, lang));
        }
    }
    lines.push(Message::OwnDevices.text(lang));
    lines.join("\n")
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
    use serde_json::json;

    use super::*;
    use crate::audio::Ability;

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
    fn the_list_tells_what_a_device_does_and_marks_the_one_that_is_taken() {
        let of_alsa = DeviceInfo {
            host: "alsa".to_owned(),
            default_playout: true,
            ..headset()
        };
        let list = [headset(), of_alsa];
        let of_pulse = "pulseaudio:headset\n    A headset\n    captures 16000 Hz, channels: 1";
        let by_default = page(&list, &AudioSettings::default(), Lang::En);
        assert_eq!(
            by_default,
            format!(
                "{of_pulse}  (this is the microphone)\n    plays 48000 Hz, channels: 2\n\
                 alsa:headset\n    A headset\n    captures 16000 Hz, channels: 1\n    \
                 plays 48000 Hz, channels: 2  (this is the speaker)\n\
                 everywhere: none, loopback, file:PATH.wav"
            )
        );
        let chosen = AudioSettings {
            capture: DeviceChoice::Named("alsa:headset".to_owned()),
            playout: DeviceChoice::None,
            ..AudioSettings::default()
        };
        let chosen = page(&list, &chosen, Lang::En);
        assert!(chosen.contains(&format!("{of_pulse}\n")), "{chosen}");
        assert_eq!(chosen.matches("this is the").count(), 1, "{chosen}");
    }

    #[test]
    fn seconds_are_a_whole_number() {
        assert_eq!(seconds("5"), Ok(5));
        for wrong in ["abc", "-1", "1.5", ""] {
            let why = seconds(wrong).expect_err(wrong);
            assert!(why.contains("whole number of seconds"), "{why}");
        }
    }

    #[test]
    fn a_script_gets_the_same() {
        let device = device_json(&headset());
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
