//! The command line: verbs, what they share, errors as a person reads them.
//!
//! Every verb is a module with its `Args` and a `run(args, &Context) -> Result<(), Failure>`. Data goes to standard output
//! through `output`, everything else to standard error. A standard input that is no terminal is never read.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod block;
mod call;
pub(crate) mod completions;
pub(crate) mod contacts;
pub(crate) mod demo;
pub(crate) mod devices;
pub(crate) mod flags;
pub(crate) mod history;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod record;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod sim;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod terminal;
pub(crate) mod tui;
pub(crate) mod voicemail;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Local, Sources, table};
pub(crate) use crate::failure;
use failure::Failure;

/// A telephone that lives in a daemon: a Twilio number on a desk.
#[derive(Debug, Parser)]
#[command(
    name = "offhook",
    version,
    about,
    propagate_version = true,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Examples:\n  \
        offhook demo                      hear a call without an account\n  \
        offhook serve                     be the telephone of a Twilio number\n  \
        offhook serve --ring browser      leave the desk in peace\n  \
        offhook devices                   list microphones and speakers\n  \
        offhook status --json             what the running daemon does\n  \
        offhook answer                    pick up what rings\n\n\
        Settings come from flags, the environment, `.env` in the working directory and a TOML file, in this order; \
        secrets never from flags. `offhook.example.toml` explains every one."
)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Be the telephone: answer Twilio's webhooks and hold calls at the desk and in browsers
    Serve(serve::Args),
    /// Hear a call without an account: the built-in simulator rings this telephone
    Demo(demo::Args),
    /// Play Twilio's side, against this program or any other
    Sim(sim::Args),
    /// List sound devices, or try them
    Devices(devices::Args),
    /// Say what the running daemon does
    Status(status::Args),
    /// Tell what happens, as it happens
    Watch(watch::Args),
    /// Pick up the call that rings
    Answer(answer::AnswerArgs),
    /// Hang up the call at the desk, or turn away the one that rings
    Hangup(answer::HangupArgs),
    /// Dial
    Call(call::DialArgs),
    /// Turn away the call that rings
    Reject(call::OneCall),
    /// Let the far end wait
    Hold(call::OneCall),
    /// Talk again with whoever waits; whoever talks waits then
    Resume(call::OneCall),
    /// Talk with whoever waits, and let whoever talks wait
    Swap(call::OneCall),
    /// Let another call meet the one that talks: all hear each other
    Merge(call::MergeArgs),
    /// Keep your microphone from the far end, or let it through again
    Mute(call::MuteArgs),
    /// Record the call; list, play, export or delete recordings
    #[command(alias = "recordings")]
    Record(record::Args),
    /// Send keys to the far end
    Dtmf(call::DtmfArgs),
    /// Hand the call over to another number
    Transfer(call::TransferArgs),
    /// Take the call to the desk, the browsers or a number
    Move(call::MoveArgs),
    /// Keep the desk from ringing
    Dnd(call::DisturbArgs),
    /// Say what the settings are, or change one that may be changed while the daemon runs
    Settings(settings::Args),
    /// Say how loud the far end is, and make it louder or softer
    Volume(settings::VolumeArgs),
    /// List the calls that were, missed ones among them, or write them for other programs
    History(history::Args),
    /// List, change, import and export contacts
    Contacts(contacts::Args),
    /// List, play, export or delete messages, and record the greeting
    Voicemail(voicemail::Args),
    /// Say who is not let through
    Block(block::Args),
    /// Be at the telephone in the terminal: calls, levels and keys
    Tui(tui::Args),
    /// Write a shell's completions to standard output
    Completions(completions::Args),
    /// Print which verb the settings call for: serve or demo
    #[command(hide = true)]
    WhatToStart(start::Args),
}

impl Verb {
    /// Returns the settings that were given as flags; nothing for a verb that needs no settings.
    fn flags(&self) -> Option<&BTreeMap<String, String>> {
        match self {
            Verb::Serve(args) => Some(args.flags.given()),
            Verb::Demo(args) => Some(args.flags.given()),
            Verb::Sim(args) => Some(args.given()),
            Verb::Devices(args) => Some(args.given()),
            Verb::Status(args) => Some(args.flags.given()),
            Verb::Watch(args) => Some(args.flags.given()),
            Verb::Answer(args) => Some(args.flags.given()),
            Verb::Hangup(args) => Some(args.flags.given()),
            Verb::Call(args) => Some(args.common.flags.given()),
            Verb::Reject(args) | Verb::Hold(args) | Verb::Resume(args) | Verb::Swap(args) => {
                Some(args.common.flags.given())
            }
            Verb::Merge(args) => Some(args.common.flags.given()),
            Verb::Mute(args) => Some(args.common.flags.given()),
            Verb::Record(args) => Some(args.flags.given()),
            Verb::Dtmf(args) => Some(args.common.flags.given()),
            Verb::Transfer(args) => Some(args.common.flags.given()),
            Verb::Move(args) => Some(args.common.flags.given()),
            Verb::Dnd(args) => Some(args.common.flags.given()),
            Verb::Settings(args) => Some(args.flags.given()),
            Verb::Volume(args) => Some(args.flags.given()),
            Verb::History(args) => Some(args.flags.given()),
            Verb::Contacts(args) => Some(args.given()),
            Verb::Voicemail(args) => Some(args.flags.given()),
            Verb::Block(args) => Some(args.given()),
            Verb::Tui(args) => Some(args.flags.given()),
            Verb::Completions(_) | Verb::WhatToStart(_) => None,
        }
    }
}

/// What every verb gets to know.
pub(crate) struct Context {
    /// Where all settings come from.
    pub(crate) sources: Sources,
    /// The few that every verb needs, read already.
    pub(crate) local: Local,
}

/// Runs the program and returns its exit code: 0 done; 1 the world or the person; 2 usage or settings; 70 ours.
pub fn main() -> ExitCode {
    output::tell_of_panics();
    ExitCode::from(exit_code_of(|| {
        let command_line = match CommandLine::try_parse() {
            Ok(command_line) => command_line,
            Err(error) => return output::print_clap_error(&error, wants_json()),
        };
        match dispatch(command_line.verb) {
            Ok(()) => 0,
            Err(failure) => {
                if !failure.is_silent() {
                    output::tell(&if wants_json() {
                        failure.to_json().to_string()
                    } else {
                        failure.to_string()
                    });
                }
                failure.exit_code()
            }
        }
    }))
}

/// Returns what the program returns, or 70 where it panics; the hook has told of it already.
fn exit_code_of(program: impl FnOnce() -> u8 + std::panic::UnwindSafe) -> u8 {
    std::panic::catch_unwind(program).unwrap_or(70)
}

/// Says whether whoever runs the program reads JSON: then failures are told as such too.
fn wants_json() -> bool {
    std::env::args_os()
        .take_while(|word| word != "--")
        .any(|word| word == "--json")
}

fn dispatch(verb: Verb) -> Result<(), Failure> {
    let flags = verb.flags().cloned();
    let is_daemon = matches!(verb, Verb::Serve(_));
    let is_beside_others = matches!(verb, Verb::Sim(_));
    let context = || -> Result<Context, Failure> {
        let mut sources = Sources::of_process(flags.unwrap_or_default())?;
        if is_beside_others {
            // The `.env` of this folder may be that of the program that is to be called.
            for warning in config::forgive_dotenv(&mut sources) {
                output::warn(&warning);
            }
        }
        let mut local = Local::load(&sources)?;
        let asked = sources.text(&table::OFFHOOK_LOG).is_some();
        if !is_daemon && !asked {
            // What such a verb has to say it says itself.
            local.log = "warn".to_owned();
        }
        log::start(&local.log, asked);
        Ok(Context { sources, local })
    };
    match verb {
        Verb::Serve(args) => serve::run(args, &context()?),
        Verb::Demo(args) => demo::run(args, &context()?),
        Verb::Sim(args) => sim::run(args, &context()?),
        Verb::Devices(args) => devices::run(args, &context()?),
        Verb::Status(args) => status::run(&args, &context()?),
        Verb::Watch(args) => watch::run(&args, &context()?),
        Verb::Answer(args) => answer::answer(&args, &context()?),
        Verb::Hangup(args) => answer::hang_up(&args, &context()?),
        Verb::Call(args) => call::dial(&args, &context()?),
        Verb::Reject(args) => call::reject(&args, &context()?),
        Verb::Hold(args) => call::hold(&args, &context()?),
        Verb::Resume(args) | Verb::Swap(args) => call::resume(&args, &context()?),
        Verb::Merge(args) => call::merge(&args, &context()?),
        Verb::Mute(args) => call::mute(&args, &context()?),
        Verb::Record(args) => record::run(&args, &context()?),
        Verb::Dtmf(args) => call::dtmf(&args, &context()?),
        Verb::Transfer(args) => call::transfer(&args, &context()?),
        Verb::Move(args) => call::move_to(&args, &context()?),
        Verb::Dnd(args) => call::disturb(&args, &context()?),
        Verb::Settings(args) => settings::run(&args, &context()?),
        Verb::Volume(args) => settings::volume(&args, &context()?),
        Verb::History(args) => history::run(&args, &context()?),
        Verb::Contacts(args) => contacts::run(&args, &context()?),
        Verb::Voicemail(args) => voicemail::run(&args, &context()?),
        Verb::Block(args) => block::run(&args, &context()?),
        Verb::Tui(args) => tui::run(&args, &context()?),
        Verb::Completions(args) => completions::run(&args),
        Verb::WhatToStart(args) => start::run(&args),
    }
}

/// Starts the machinery for verbs that wait for several things at once.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::world("the threads cannot be started").caused_by(&error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_panic_is_ours() {
        assert_eq!(exit_code_of(|| panic!("a broken promise")), 70);
        assert_eq!(exit_code_of(|| 1), 1);
    }
}
