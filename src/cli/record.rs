//! `offhook record`: the call that talks, and the recordings that there are.

use clap::ValueEnum;

use super::answer::command;
use super::failure::Failure;
use super::flags::{Control, Flags};
use super::history::{another_question, recall};
use super::{Context, output};
use crate::control::{Recall, Recalled, Request, Wish};
use crate::lang::book::Told;
use crate::pure::book::recording::Recording;

/// What `offhook record` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook record            # from now on, both ends\n  \
        offhook record pause      # a card number is not to be kept\n  \
        offhook record resume\n  \
        offhook record off\n  \
        offhook record list\n  \
        offhook record delete 20260101T000000Z-call-c1f0a2b3c4d5.opus\n\n\
        The files lie in the folder `recordings` of the data folder. The law of many places asks you to tell the other.")]
pub(crate) struct Args {
    /// What to do
    #[arg(value_enum, default_value = "on")]
    what: What,
    /// The recording to delete, as `list` names it
    #[arg(required_if_eq("what", "delete"))]
    file: Option<String>,
    /// The call, by our id or Twilio's CallSid [default: the one that talks, else the one that waits]
    #[arg(long)]
    call: Option<String>,
    /// Print the call, or the recordings, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Record the call
    On,
    /// Record it no longer
    Off,
    /// Leave out what is said from now on
    Pause,
    /// Go on behind a pause
    Resume,
    /// List what was recorded
    List,
    /// Delete a recording
    Delete,
}

/// Does what is asked.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (needless, option) = match args.what {
        What::On | What::Off | What::Pause | What::Resume => (args.file.is_some(), "FILE"),
        What::List => (
            args.file.is_some() || args.call.is_some(),
            "FILE and `--call`",
        ),
        What::Delete => (args.call.is_some(), "`--call`"),
    };
    if needless {
        return Err(Failure::usage(format!("{option} has no meaning here")));
    }
    let wish = |wish| {
        let call = args.call.clone();
        command(context, &Request::Do { call, wish }, args.json)
    };
    match args.what {
        What::On => wish(Wish::Record { on: true }),
        What::Off => wish(Wish::Record { on: false }),
        What::Pause => wish(Wish::PauseRecording { on: true }),
        What::Resume => wish(Wish::PauseRecording { on: false }),
        What::List => list(context, args.json),
        What::Delete => delete(context, args.file.as_deref().unwrap_or_default(), args.json),
    }
}

fn list(context: &Context, json: bool) -> Result<(), Failure> {
    let Recalled::Recordings(list) = recall(context, Recall::Recordings)? else {
        return Err(another_question());
    };
    if json {
        return output::print_json(&list);
    }
    let lang = context.local.lang;
    if list.is_empty() {
        return output::print(&Told::NoRecordings.text(lang));
    }
    let lines: Vec<String> = list.iter().map(line).collect();
    output::print(&lines.join("\n"))
}

fn line(one: &Recording) -> String {
    let (minutes, seconds) = (one.seconds / 60, one.seconds % 60);
    format!(
        "{}  {minutes}:{seconds:02}  {}  {}",
        one.began, one.from, one.file
    )
}

fn delete(context: &Context, file: &str, json: bool) -> Result<(), Failure> {
    let file = file.to_owned();
    let Recalled::Recording(gone) = recall(context, Recall::DeleteRecording { file })? else {
        return Err(another_question());
    };
    if json {
        return output::print_json(&gone);
    }
    output::print(&Told::Deleted(&gone.file).text(context.local.lang))
}
