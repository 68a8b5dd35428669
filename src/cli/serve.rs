//! `offhook serve`: the phone in the foreground.

mod tell;

use std::io::IsTerminal as _;

use super::failure::Failure;
use super::flags::{Everything, Flags};
use super::output::{tell, warn};
use super::terminal::{Keyboard, Stop};
use super::{Context, ask, runtime};
use crate::audio::{AudioStatus, DeviceState, NO_SOUND_CARD};
use crate::config::Settings;
use crate::daemon::Daemon;
use crate::lang::{Lang, Message};
use crate::phone::PhoneHandle;
use crate::pure::ids::Party;
use crate::pure::phone::{Command, CommandError, Ring};
use tell::Teller;

/// What `offhook serve` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook serve\n  \
        offhook serve --ring desk --auto-answer 3\n  \
        PUBLIC_URL=https://phone.example.com offhook serve --port 4000\n\n\
        Secrets have no flag: TWILIO_AUTH_TOKEN, TWILIO_AUTH_TOKEN_NEXT, TWILIO_API_SECRET and OFFHOOK_API_KEY come from \
        the environment or `.env`, or from the file that NAME_FILE names.")]
pub(crate) struct Args {
    /// Take webhooks that nobody signed: for a laptop without a tunnel only
    #[arg(long)]
    pub(crate) insecure_no_signature: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Everything>,
}

/// Runs the phone until it is told to stop.
pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut sources = context.sources.clone();
    sources.insecure_no_signature = args.insecure_no_signature;
    let settings = ask::settings(sources, context.local.lang)?;
    runtime()?.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let lang = settings.lang;
    let say = |message: Message<'_>| tell(&message.text(lang));
    let (by_default, ring) = (settings.public_url_by_default, settings.ring);
    if settings.insecure_no_signature {
        warn(&Message::SignaturesUnchecked.text(lang));
    }
    // Whoever ends the phone while it starts ends it in order, too.
    let stop = Stop::new()?;
    let daemon = Daemon::start(settings).await?;
    say(Message::Listening {
        address: &daemon.local_url(),
    });
    let devices = daemon.phone().media().status().borrow().clone();
    for sentence in what_is_broken(&devices, ring, lang) {
        warn(&sentence);
    }
    let origin = daemon.public_url().as_str();
    if by_default {
        warn(&Message::OnlyThisMachine { origin }.text(lang));
    } else {
        say(Message::PublicOrigin { origin });
    }
    if let Some(path) = daemon.api_key_path() {
        say(Message::ApiKeyFile {
            path: &path.display().to_string(),
        });
    }
    say(Message::NoEmergencies);
    let keyboard = Keyboard::new();
    if keyboard.is_there() {
        say(Message::Keys);
    }
    say(Message::CtrlCEnds);
    attend(daemon.phone(), keyboard, stop, lang).await;
    say(Message::Stopping);
    daemon.stop().await;
    Ok(())
}

/// Says what does not work at the desk, and what becomes of the calls meanwhile. A machine without any sound says so once.
fn what_is_broken(devices: &AudioStatus, ring: Ring, lang: Lang) -> Vec<String> {
    let then = match ring {
        Ring::Desk => Message::DeskTakesNone,
        Ring::Browser | Ring::DeskThenBrowser => Message::BrowsersTakeThem,
    }
    .text(lang);
    let is_cardless =
        |state: &DeviceState| matches!(state, DeviceState::Broken(why) if why == NO_SOUND_CARD);
    if is_cardless(&devices.capture) && is_cardless(&devices.playout) {
        return vec![Message::DeskWithoutCard { then: &then }.text(lang)];
    }
    [
        (Message::Microphone, &devices.capture),
        (Message::Speaker, &devices.playout),
    ]
    .into_iter()
    .filter_map(|(device, state)| match state {
        DeviceState::Broken(why) => {
            let (device, then) = (&device.text(lang), &then);
            Some(Message::DeskBroken { device, why, then }.text(lang))
        }
        DeviceState::Works(_) => None,
    })
    .collect()
}

/// Obeys the keyboard and tells of the calls until the process is told to stop.
async fn attend(phone: &PhoneHandle, mut keyboard: Keyboard, mut stop: Stop, lang: Lang) {
    let mut snapshots = phone.snapshots();
    // Elsewhere the log's own lines are enough.
    let mut teller = std::io::stderr().is_terminal().then(|| Teller::new(lang));
    loop {
        if let Some(teller) = &mut teller {
            let known = phone.store().known();
            let name = |party: &Party| known.book.find(party).map(|card| card.name.clone());
            for sentence in teller.news(&snapshots.borrow_and_update(), name) {
                tell(&sentence);
            }
        }
        let line = tokio::select! {
            () = stop.wait() => return,
            line = keyboard.line() => line,
            changed = snapshots.changed(), if teller.is_some() => {
                if changed.is_err() {
                    // The phone is gone; there is no more to tell.
                    teller = None;
                }
                continue;
            }
        };
        let (command, nothing) = match line.as_str() {
            "" => (Command::Answer, Message::NothingRings),
            "h" => (Command::HangUp, Message::NothingToHangUp),
            _ => {
                tell(&Message::Keys.text(lang));
                continue;
            }
        };
        match phone.command_current(command).await {
            // What becomes of it is told with the rest.
            Ok(_) => {}
            Err(CommandError::NoSuchCall) => tell(&nothing.text(lang)),
            Err(_) => tell(&Message::WrongState.text(lang)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(capture: &str, playout: &str) -> AudioStatus {
        let state = |why: &str| match why {
            "" => DeviceState::Works("headset".to_owned()),
            why => DeviceState::Broken(why.to_owned()),
        };
        AudioStatus {
            capture: state(capture),
            playout: state(playout),
            ringer: state(playout),
        }
    }

    #[test]
    fn a_machine_without_a_sound_card_says_so_once_and_where_the_calls_go() {
        let told = |ring| what_is_broken(&devices(NO_SOUND_CARD, NO_SOUND_CARD), ring, Lang::En);
        let [desk] = &told(Ring::Desk)[..] else {
            panic!("one sentence")
        };
        assert!(desk.contains("there is no sound card here"), "{desk}");
        assert!(desk.contains("nobody here can take a call"), "{desk}");
        assert!(!desk.contains("browsers"), "{desk}");
        assert!(desk.contains("--capture none --playout none"), "{desk}");
        let [both] = &told(Ring::DeskThenBrowser)[..] else {
            panic!("one sentence")
        };
        assert!(both.contains("calls go to the browsers"), "{both}");
    }

    #[test]
    fn one_broken_device_is_named() {
        assert_eq!(
            what_is_broken(&devices("", ""), Ring::Desk, Lang::En),
            [""; 0]
        );
        let told = what_is_broken(&devices("gone", ""), Ring::Desk, Lang::En);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("the microphone does not work: gone; "));
    }
}
