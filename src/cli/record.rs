//! `offhook record`: the call that talks, and the recordings that there are.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::answer::command;
use super::failure::Failure;
use super::flags::{Control, Flags};
use super::history::{another_question, recall};
use super::{Context, output};
use crate::control::{Recall, Recalled, Request, ShelfWish, Shelved, Wish};
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
        offhook record play 20260101T000000Z-call-c1f0a2b3c4d5.opus\n  \
        offhook record stop\n  \
        offhook record export 20260101T000000Z-call-c1f0a2b3c4d5.opus anna.opus\n  \
        offhook record delete 20260101T000000Z-call-c1f0a2b3c4d5.opus\n\n\
        The files lie in the folder `recordings` of the data folder. The law of many places asks you to tell the other.")]
pub(crate) struct Args {
    /// What to do
    #[arg(value_enum, default_value = "on")]
    what: What,
    /// The recording to delete, play or export, as `list` names it
    #[arg(required_if_eq_any([("what", "delete"), ("what", "play"), ("what", "export")]))]
    file: Option<String>,
    /// The file to write [default: of the same name, here]
    to: Option<PathBuf>,
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
    /// Play one at the desk
    Play,
    /// Stop what is played
    Stop,
    /// Write one's file here
    Export,
}

/// Does what is asked.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (needless, option) = match args.what {
        What::On | What::Off | What::Pause | What::Resume => (args.file.is_some(), "FILE"),
        What::List | What::Stop => (
            args.file.is_some() || args.call.is_some(),
            "FILE and `--call`",
        ),
        What::Delete | What::Play | What::Export => (args.call.is_some(), "`--call`"),
    };
    if args.to.is_some() && !matches!(args.what, What::Export) {
        return Err(Failure::usage("a file to write is for `export` alone"));
    }
    if needless {
        return Err(Failure::usage(format!("{option} has no meaning here")));
    }
    let wish = |wish| {
        let call = args.call.clone();
        command(context, &Request::Do { call, wish }, args.json)
    };
    let file = || args.file.clone().unwrap_or_default();
    match args.what {
        What::Play => tell_playing(context, &ShelfWish::Play { file: file() }, args.json),
        What::Stop => tell_playing(context, &ShelfWish::StopPlaying, args.json),
        What::Export => export(context, file(), args.to.as_deref(), args.json),
        What::On => wish(Wish::Record { on: true }),
        What::Off => wish(Wish::Record { on: false }),
        What::Pause => wish(Wish::PauseRecording { on: true }),
        What::Resume => wish(Wish::PauseRecording { on: false }),
        What::List => list(context, args.json),
        What::Delete => delete(context, args.file.as_deref().unwrap_or_default(), args.json),
    }
}

/// Asks the daemon for something of recordings, messages or the greeting.
pub(super) fn shelf(context: &Context, wish: ShelfWish) -> Result<Shelved, Failure> {
    match recall(context, Recall::Shelf(wish))? {
        Recalled::Shelf(shelved) => Ok(shelved),
        Recalled::History(_)
        | Recalled::Calls(_)
        | Recalled::Contacts(_)
        | Recalled::Contact(_)
        | Recalled::Imported(_)
        | Recalled::Recordings(_)
        | Recalled::Recording(_)
        | Recalled::BlockList(_)
        | Recalled::Blocked(_) => Err(another_question()),
    }
}

/// Has something played, or stopped, and says what is played or was.
pub(super) fn tell_playing(context: &Context, wish: &ShelfWish, json: bool) -> Result<(), Failure> {
    let Shelved::Playing(playing) = shelf(context, wish.clone())? else {
        return Err(another_question());
    };
    if json {
        return output::print_json(&playing);
    }
    let told = match &playing {
        Some(playing) if *wish == ShelfWish::StopPlaying => Told::Stopped(&playing.file),
        Some(playing) => Told::Plays(&playing.file),
        None => Told::NothingPlays,
    };
    output::print(&told.text(context.local.lang))
}

/// Copies a recording's file out of the daemon's folder; what is there already stays.
pub(super) fn export(
    context: &Context,
    file: String,
    to: Option<&Path>,
    json: bool,
) -> Result<(), Failure> {
    let Shelved::Where(path) = shelf(context, ShelfWish::Where { file: file.clone() })? else {
        return Err(another_question());
    };
    let to = to.map_or_else(|| PathBuf::from(&file), Path::to_owned);
    let name = to.display().to_string();
    let failed =
        |cause: io::Error| Failure::world(format!("`{name}` cannot be written")).caused_by(&cause);
    let mut from = File::open(&path).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let bytes = options
        .open(&to)
        .and_then(|mut to| io::copy(&mut from, &mut to))
        .map_err(failed)?;
    if json {
        return output::print_json(&serde_json::json!({ "file": name, "bytes": bytes }));
    }
    output::print(&Told::Exported(&name).text(context.local.lang))
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
