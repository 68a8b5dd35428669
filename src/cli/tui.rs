//! `offhook tui`: a telephone in the terminal, over the control socket as the other verbs.
//!
//! [`model`] holds what is known and [`keys`] what a key does, both without clock, socket or terminal; [`draw`] makes a screen
//! of it. [`link`] asks the daemon, [`screen`] has the terminal. This file carries between them.

mod draw;
mod keys;
mod link;
mod model;
mod screen;
#[cfg(test)]
mod tests;
mod trend;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::failure::Failure;
use super::flags::{Control, Flags};
use super::terminal::{Stop, person_is_there};
use super::{Context, runtime};
use crate::control::{Recall, Request};
use crate::lang::tui::Tui;
use crate::pure::book::history::HistoryQuery;
use draw::Theme;
use keys::Wanted;
use link::{Answer, Link};
use model::Model;
use screen::{Screen, What};

/// How often the screen is drawn where nothing happens: the times on it go on.
const DRAWN: Duration = Duration::from_millis(250);

/// How long after a call the history is read once more: it is written beside.
const WRITTEN: Duration = Duration::from_secs(1);

/// How many of the last calls are asked for.
const LAST_CALLS: u32 = 50;

/// What `offhook tui` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook tui                  # digits and Enter dial, Enter answers, x hangs up, ? lists the keys\n  \
        NO_COLOR=1 offhook tui\n\n\
        The telephone runs in the daemon: when this ends, a call talks on.")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

/// Shows the telephone until a person has enough of it.
pub(crate) fn run(_args: &Args, context: &Context) -> Result<(), Failure> {
    let lang = context.local.lang;
    if !std::io::stdout().is_terminal() || !person_is_there() {
        return Err(
            Failure::usage(Tui::NeedsTerminal.text(lang)).hint(Tui::NeedsTerminalHint.text(lang))
        );
    }
    let theme = Theme {
        colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let runtime = runtime()?;
    let unusable = |cause| Failure::world("the terminal cannot be used").caused_by(&cause);
    let mut screen = Screen::open().map_err(unusable)?;
    let ended = runtime.block_on(show(context, theme, &mut screen));
    drop(screen);
    // Threads that wait for the daemon or a key end with the process.
    runtime.shutdown_background();
    match ended {
        Ok(()) => Ok(()),
        Err(Ended::Failed(failure)) => Err(failure),
        // A terminal that is gone is the end of a telephone on it, and no fault.
        Err(Ended::Screen(_)) if !std::io::stdout().is_terminal() => Ok(()),
        Err(Ended::Screen(cause)) => Err(unusable(cause)),
    }
}

/// Why it ended before a person wanted that.
enum Ended {
    Failed(Failure),
    Screen(std::io::Error),
}

impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Ended {
        Ended::Screen(error)
    }
}

/// Carries keys, answers and time into the model, its wishes to the daemon, and the model to the screen.
async fn show(context: &Context, theme: Theme, screen: &mut Screen) -> Result<(), Ended> {
    let lang = context.local.lang;
    let mut stop = Stop::new().map_err(Ended::Failed)?;
    let mut back = signal(SignalKind::from_raw(nix::libc::SIGCONT))?;
    let mut typed = screen::keys();
    let (link, mut answers) = Link::start(&context.local.socket);
    let mut model = Model::new(lang, SystemTime::now());
    let mut ticks = tokio::time::interval(DRAWN);
    let mut history_again: Option<Instant> = None;
    loop {
        screen.draw(|frame| draw::render(&model, theme, frame))?;
        tokio::select! {
            () = stop.wait() => return Ok(()),
            // Whoever stopped us had the terminal meanwhile.
            _ = back.recv() => screen.begin_anew()?,
            _ = ticks.tick() => {}
            what = typed.recv() => match what {
                None => return Ok(()),
                Some(What::Resized) => {}
                Some(What::Key(key)) => {
                    model.tick(SystemTime::now());
                    match model.press(key) {
                        None => {}
                        Some(Wanted::Quit) => return Ok(()),
                        Some(Wanted::Redraw) => screen.begin_anew()?,
                        Some(Wanted::Ask(request)) => link.ask(request),
                    }
                }
            },
            Some(answer) = answers.recv() => {
                take(answer, &mut model, &link, &mut history_again);
                // All that has come meanwhile makes one screen.
                drain(&mut answers, |answer| take(answer, &mut model, &link, &mut history_again));
            }
        }
        model.tick(SystemTime::now());
        model.asked = link.slow();
        if history_again.is_some_and(|at| at <= Instant::now()) {
            history_again = None;
            link.ask(last_calls());
        }
        if screen.is_broken() {
            return Err(Ended::Failed(Failure::ours(
                "a part of the telephone is broken",
            )));
        }
    }
}

fn take(answer: Answer, model: &mut Model, link: &Link, history_again: &mut Option<Instant>) {
    model.tick(SystemTime::now());
    let is_poll = answer.request == Request::Status;
    match answer.outcome {
        Ok(reply) => {
            if model.learn(&answer.request, reply) {
                *history_again = Some(Instant::now() + WRITTEN);
                link.ask(last_calls());
            }
        }
        Err(why) if is_poll => model.lose(link::sentence(&why, model.lang)),
        Err(why) => model.told = Some(link::sentence(&why, model.lang)),
    }
    if !is_poll {
        link.look();
    }
}

fn drain<T>(from: &mut mpsc::Receiver<T>, mut with: impl FnMut(T)) {
    while let Ok(one) = from.try_recv() {
        with(one);
    }
}

fn last_calls() -> Request {
    let query = HistoryQuery {
        limit: Some(LAST_CALLS),
        ..HistoryQuery::default()
    };
    Request::Recall(Recall::History { query })
}
