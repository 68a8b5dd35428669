//! `offhook voicemail`: messages that callers left, and the greeting that they hear before.

use std::path::PathBuf;

use clap::ValueEnum;

use super::failure::Failure;
use super::flags::{Control, Flags};
use super::history::another_question;
use super::record::{export, shelf, tell_playing};
use super::{Context, output};
use crate::control::{ShelfWish, Shelved};
use crate::lang::Lang;
use crate::lang::book::Told;
use crate::phone::shelf::Greeting;
use crate::pure::book::recording::Voicemail;

/// What `offhook voicemail` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook voicemail                    # lists them\n  \
        offhook voicemail play               # the oldest that nobody has heard, at the desk\n  \
        offhook voicemail stop\n  \
        offhook voicemail export 20260101T000000Z-voicemail-c1f0a2b3c4d5.opus anna.opus\n  \
        offhook voicemail greeting record    # speak, then:\n  \
        offhook voicemail greeting stop\n  \
        offhook voicemail greeting import greeting.wav")]
pub(crate) struct Args {
    /// What to do
    #[arg(value_enum, default_value = "list")]
    what: What,
    /// The message, as `list` names it [default: the oldest that nobody has heard, else the newest]; or what to do with
    /// the greeting: show, record, stop, play, remove, import
    which: Option<String>,
    /// The file to write, or to import
    file: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum What {
    /// List the messages
    List,
    /// Play one at the desk
    Play,
    /// Stop what is played
    Stop,
    /// Delete one
    Delete,
    /// Write one's file here
    Export,
    /// Mark one as heard
    Heard,
    /// Mark one as not heard
    Unheard,
    /// Show, record, play, remove or import the greeting
    Greeting,
}

/// Does what is asked.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let takes_file = matches!(args.what, What::Export | What::Greeting);
    let takes_none = matches!(args.what, What::List | What::Stop);
    if (args.file.is_some() && !takes_file) || (args.which.is_some() && takes_none) {
        return Err(Failure::usage("that takes no further argument"));
    }
    match args.what {
        What::List => list(context, args.json),
        What::Stop => tell_playing(context, &ShelfWish::StopPlaying, args.json),
        What::Play => {
            let id = named(context, args)?;
            tell_playing(context, &ShelfWish::PlayVoicemail { id }, args.json)
        }
        What::Delete => {
            let id = args.which.clone();
            let id = id.ok_or_else(|| Failure::usage("say which message is to be deleted"))?;
            let gone = message(context, ShelfWish::DeleteVoicemail { id })?;
            tell(&gone, args.json, &Told::Deleted(&gone.id), context)
        }
        What::Export => export(
            context,
            named(context, args)?,
            args.file.as_deref(),
            args.json,
        ),
        What::Heard | What::Unheard => {
            let id = named(context, args)?;
            let heard = args.what == What::Heard;
            let message = message(context, ShelfWish::HearVoicemail { id, heard })?;
            if args.json {
                return output::print_json(&message);
            }
            output::print(&line(&message, context.local.lang))
        }
        What::Greeting => greeting(args, context),
    }
}

fn tell(
    message: &Voicemail,
    json: bool,
    told: &Told<'_>,
    context: &Context,
) -> Result<(), Failure> {
    if json {
        return output::print_json(message);
    }
    output::print(&told.text(context.local.lang))
}

fn messages(context: &Context) -> Result<Vec<Voicemail>, Failure> {
    match shelf(context, ShelfWish::Voicemails)? {
        Shelved::Voicemails(list) => Ok(list),
        Shelved::Playing(_) | Shelved::Where(_) | Shelved::Voicemail(_) | Shelved::Greeting(_) => {
            Err(another_question())
        }
    }
}

fn message(context: &Context, wish: ShelfWish) -> Result<Voicemail, Failure> {
    match shelf(context, wish)? {
        Shelved::Voicemail(message) => Ok(message),
        Shelved::Playing(_) | Shelved::Where(_) | Shelved::Voicemails(_) | Shelved::Greeting(_) => {
            Err(another_question())
        }
    }
}

/// Returns the message that is meant.
fn named(context: &Context, args: &Args) -> Result<String, Failure> {
    if let Some(id) = &args.which {
        return Ok(id.clone());
    }
    let list = messages(context)?;
    let meant = list.iter().rfind(|message| !message.heard);
    let meant = meant.or_else(|| list.first());
    meant
        .map(|message| message.id.clone())
        .ok_or_else(|| Failure::world(Told::NoVoicemails.text(context.local.lang)))
}

fn list(context: &Context, json: bool) -> Result<(), Failure> {
    let list = messages(context)?;
    if json {
        return output::print_json(&list);
    }
    let lang = context.local.lang;
    if list.is_empty() {
        return output::print(&Told::NoVoicemails.text(lang));
    }
    let lines: Vec<String> = list.iter().map(|message| line(message, lang)).collect();
    output::print(&lines.join("\n"))
}

fn line(message: &Voicemail, lang: Lang) -> String {
    let (minutes, seconds) = (message.seconds / 60, message.seconds % 60);
    let who = match &message.name {
        Some(name) => format!("{name} {}", message.from),
        None => message.from.clone(),
    };
    let mut line = format!(
        "{}  {minutes}:{seconds:02}  {}",
        message.began,
        Told::From(&who).text(lang)
    );
    if !message.heard {
        line.push_str("  ");
        line.push_str(&Told::New.text(lang));
    }
    format!("{line}  {}", message.id)
}

fn greeting(args: &Args, context: &Context) -> Result<(), Failure> {
    let what = args.which.as_deref().unwrap_or("show");
    let wish = match (what, &args.file) {
        ("import", Some(file)) => {
            // The daemon may run in another folder.
            let path = std::path::absolute(file).map_err(|cause| {
                Failure::world(format!("`{}` has no place", file.display())).caused_by(&cause)
            })?;
            ShelfWish::ImportGreeting { path }
        }
        ("import", None) => return Err(Failure::usage("say which file is to be the greeting")),
        (_, Some(_)) => return Err(Failure::usage("FILE is for `greeting import` alone")),
        ("show", None) => ShelfWish::Greeting,
        ("record", None) => ShelfWish::RecordGreeting { on: true },
        ("stop", None) => ShelfWish::RecordGreeting { on: false },
        ("remove", None) => ShelfWish::RemoveGreeting,
        ("play", None) => {
            return tell_playing(context, &ShelfWish::PlayGreeting, args.json);
        }
        (other, None) => {
            return Err(Failure::usage(format!(
                "`{other}` is none of show, record, stop, play, remove and import"
            )));
        }
    };
    match shelf(context, wish)? {
        Shelved::Greeting(greeting) if args.json => output::print_json(&greeting),
        Shelved::Greeting(greeting) => output::print(&sentence(&greeting, context.local.lang)),
        Shelved::Playing(_)
        | Shelved::Where(_)
        | Shelved::Voicemails(_)
        | Shelved::Voicemail(_) => Err(another_question()),
    }
}

fn sentence(greeting: &Greeting, lang: Lang) -> String {
    if greeting.recording {
        return Told::SpeakNow.text(lang);
    }
    let seconds = greeting.length_ms.div_ceil(1_000);
    if greeting.own {
        Told::OwnGreeting(seconds).text(lang)
    } else {
        Told::BuiltInGreeting(seconds).text(lang)
    }
}
