//! `offhook serve`: the phone in the foreground.

use super::failure::Failure;
use super::flags::{Everything, Flags};
use super::output::{tell, warn};
use super::terminal::{Keyboard, Stop};
use super::{Context, ask, runtime};
use crate::audio::DeviceState;
use crate::config::Settings;
use crate::daemon::Daemon;
use crate::lang::{Lang, Message};
use crate::phone::PhoneHandle;
use crate::pure::phone::{Command, CommandError, Stage};

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
    let by_default = settings.public_url_by_default;
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
    for (device, state) in [
        (Message::Microphone, devices.capture),
        (Message::Speaker, devices.playout),
    ] {
        if let DeviceState::Broken(why) = state {
            let device = &device.text(lang);
            warn(&Message::DeskBroken { device, why: &why }.text(lang));
        }
    }
    say(Message::PublicOrigin {
        origin: daemon.public_url().as_str(),
    });
    if by_default {
        let origin = daemon.public_url().as_str();
        warn(&Message::OnlyThisMachine { origin }.text(lang));
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

/// Obeys the keyboard until the process is told to stop.
async fn attend(phone: &PhoneHandle, mut keyboard: Keyboard, mut stop: Stop, lang: Lang) {
    loop {
        let line = tokio::select! {
            () = stop.wait() => return,
            line = keyboard.line() => line,
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
            Ok(call) => {
                let party = &call.from.to_text();
                let message = match call.stage {
                    Stage::Talking => Message::CallAnswered { party },
                    Stage::Dialing | Stage::Ringing | Stage::Connecting | Stage::Ended => {
                        Message::CallEnded { party }
                    }
                };
                tell(&message.text(lang));
            }
            Err(CommandError::NoSuchCall) => tell(&nothing.text(lang)),
            Err(_) => tell(&Message::WrongState.text(lang)),
        }
    }
}
