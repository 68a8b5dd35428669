//! `offhook serve`: the phone in the foreground.

use super::failure::Failure;
use super::flags::{Everything, Flags};
use super::output::{tell, warn};
use super::terminal::{Keyboard, Stop};
use super::{Context, ask, runtime};
use crate::config::Settings;
use crate::daemon::Daemon;
use crate::lang::{Lang, Message};
use crate::phone::PhoneHandle;
use crate::pure::phone::{Command, Stage};

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
    if settings.insecure_no_signature {
        warn(
            "signatures are NOT checked: whoever reaches this port can ring, and dial at your cost",
        );
    }
    runtime()?.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let lang = settings.lang;
    let say = |message: Message<'_>| tell(&message.text(lang));
    let daemon = Daemon::start(settings).await?;
    say(Message::Listening {
        address: &daemon.local_url(),
    });
    say(Message::PublicOrigin {
        origin: daemon.public_url().as_str(),
    });
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
    attend(daemon.phone(), keyboard, lang).await?;
    say(Message::Stopping);
    daemon.stop().await;
    Ok(())
}

/// Obeys the keyboard until the process is told to stop.
async fn attend(phone: &PhoneHandle, mut keyboard: Keyboard, lang: Lang) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    loop {
        let line = tokio::select! {
            () = stop.wait() => return Ok(()),
            line = keyboard.line() => line,
        };
        let command = match line.as_str() {
            "" => Command::Answer,
            "h" => Command::HangUp,
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
            Err(refused) => tell(&refused.to_string()),
        }
    }
}
