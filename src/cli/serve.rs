//! `offhook serve`: the phone in the foreground.

use std::io::IsTerminal;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::info;

use super::failure::Failure;
use super::flags::{Everything, Flags};
use super::output::{tell, warn};
use super::{Context, ask, runtime};
use crate::config::Settings;
use crate::daemon::Daemon;
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
    if settings.auth_tokens.is_empty() {
        warn(
            "signatures are NOT checked: whoever reaches this port can ring, and dial at your cost",
        );
    }
    runtime()?.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let daemon = Daemon::start(settings).await?;
    tell(&format!(
        "the phone is ready at {}, and to the carrier at {}",
        daemon.local_url(),
        daemon.public_url().as_str()
    ));
    if let Some(path) = daemon.api_key_path() {
        tell(&format!("the API key is in {}", path.display()));
    }
    tell("emergency numbers cannot be called from here: use another telephone for them");
    let keys = terminal_lines();
    if keys.is_some() {
        tell("Enter answers, h and Enter hangs up, Ctrl-C stops");
    }
    attend(daemon.phone(), keys).await?;
    tell("stopping");
    daemon.stop().await;
    Ok(())
}

/// Obeys the keyboard until the process is told to stop.
async fn attend(
    phone: &PhoneHandle,
    mut keys: Option<mpsc::Receiver<String>>,
) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    loop {
        let line = tokio::select! {
            () = stop.wait() => return Ok(()),
            line = next_line(&mut keys) => line,
        };
        let Some(line) = line else {
            // The terminal is gone; the phone is not.
            keys = None;
            continue;
        };
        let command = match line.trim() {
            "" => Command::Answer,
            "h" => Command::HangUp,
            other => {
                tell(&format!(
                    "`{other}` means nothing here: Enter answers, h and Enter hangs up"
                ));
                continue;
            }
        };
        match phone.command_current(command).await {
            Ok(call) if call.stage == Stage::Talking => {
                tell(&format!("talking with {}", call.from.to_text()))
            }
            Ok(_) => tell("hung up"),
            Err(refused) => tell(&refused.to_string()),
        }
    }
}

/// The signals that end the program in order.
pub(super) struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    /// Listens from now on.
    pub(super) fn new() -> Result<Stop, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|cause| {
                Failure::ours("the signals of the system cannot be heard").caused_by(&cause)
            })
        };
        Ok(Stop {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Returns once one of them has come.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => info!("interrupted"),
            _ = self.terminate.recv() => info!("told to terminate"),
        }
    }
}

/// Reads lines where the standard input is a terminal; one that is none is never read.
pub(super) fn terminal_lines() -> Option<mpsc::Receiver<String>> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return None;
    }
    let (lines, read) = mpsc::channel(4);
    // A read cannot be called off, so it has a thread that ends with the process.
    std::thread::spawn(move || {
        let mut line = String::new();
        while input.read_line(&mut line).is_ok_and(|count| count > 0) {
            if lines.blocking_send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    Some(read)
}

async fn next_line(keys: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match keys {
        Some(keys) => keys.recv().await,
        None => std::future::pending().await,
    }
}
