//! `offhook history`: the calls that were, for a person and for other programs.

use clap::ValueEnum;

use super::answer::refusal;
use super::failure::Failure;
use super::flags::{Control, Flags};
use super::{Context, output, status};
use crate::control::{Recall, Recalled, Reply, Request};
use crate::lang::Lang;
use crate::lang::book::Told;
use crate::pure::book::history::{
    HistoryEntry, HistoryPage, HistoryQuery, LONGEST_PAGE, csv_header, csv_lines,
};

/// What chooses among the calls that are listed, and means nothing where one is changed.
const SELECTING: [&str; 8] = [
    "missed",
    "unseen",
    "search",
    "from",
    "to",
    "direction",
    "all",
    "export",
];

/// What `offhook history` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook history --missed\n  \
        offhook history --search anna --from 2026-01\n  \
        offhook history --all --export csv > calls.csv\n  \
        offhook history --mark-seen\n  \
        offhook history --delete CALL")]
pub(crate) struct Args {
    /// Only missed calls
    #[arg(long)]
    missed: bool,
    /// Only missed calls that are new
    #[arg(long)]
    unseen: bool,
    /// Only calls with this part of a name or a number
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only calls from then on: a year, month, day or moment in UTC, such as 2026-01-31
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// Only calls until then
    #[arg(long, value_name = "MOMENT")]
    to: Option<String>,
    /// Only calls that came in, or that were dialled
    #[arg(long)]
    direction: Option<Direction>,
    /// How many calls at most
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Every call that fits
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Write them for other programs
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    export: Option<Export>,
    /// Mark a missed call as seen, or all
    #[arg(long, value_name = "CALL", num_args = 0..=1, default_missing_value = "all", group = "change", conflicts_with_all = SELECTING)]
    mark_seen: Option<String>,
    /// Delete a call from the history, or `all`
    #[arg(long, value_name = "CALL", group = "change", conflicts_with_all = SELECTING)]
    delete: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Direction {
    Incoming,
    Outgoing,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Export {
    Csv,
    Json,
}

/// Lists calls, or changes what is known of them.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let named = |call: &String| (call != "all").then(|| call.clone());
    if let Some(call) = &args.mark_seen {
        let call = named(call);
        return counted(args, context, Recall::SeeCalls { call }, Told::Seen);
    }
    if let Some(call) = &args.delete {
        let call = named(call);
        return counted(args, context, Recall::ForgetCalls { call }, Told::Forgotten);
    }
    let page = calls(args, context)?;
    match args.export {
        Some(Export::Json) => output::print_json(&page.calls),
        Some(Export::Csv) => {
            let text = csv_header() + &csv_lines(&page.calls);
            // The last line's end is printed with it.
            output::print(text.strip_suffix('\n').unwrap_or(&text))
        }
        None if args.json => output::print_json(&page),
        None => output::print(&list(&page, context.local.lang)),
    }
}

fn counted(
    args: &Args,
    context: &Context,
    what: Recall,
    told: fn(u64) -> Told<'static>,
) -> Result<(), Failure> {
    let Recalled::Calls(count) = recall(context, what)? else {
        return Err(another_question());
    };
    if args.json {
        return output::print_json(&serde_json::json!({ "calls": count }));
    }
    output::print(&told(count).text(context.local.lang))
}

/// Asks for page after page until there is as much as is wanted.
fn calls(args: &Args, context: &Context) -> Result<HistoryPage, Failure> {
    let direction = args.direction.map(|direction| match direction {
        Direction::Incoming => "incoming".to_owned(),
        Direction::Outgoing => "outgoing".to_owned(),
    });
    let mut query = HistoryQuery {
        search: args.search.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        direction,
        missed: args.missed,
        unseen: args.unseen,
        limit: None,
        before: None,
    };
    let mut calls: Vec<HistoryEntry> = Vec::new();
    loop {
        let left = if args.all {
            LONGEST_PAGE
        } else {
            args.limit - u32::try_from(calls.len()).unwrap_or(args.limit)
        };
        query.limit = Some(left.min(LONGEST_PAGE));
        let what = Recall::History {
            query: query.clone(),
        };
        let Recalled::History(page) = recall(context, what)? else {
            return Err(another_question());
        };
        let is_last = page.next.is_none();
        query.before = page.next;
        calls.extend(page.calls);
        if is_last || (!args.all && calls.len() >= args.limit as usize) {
            return Ok(HistoryPage {
                calls,
                ..page_end(page.unseen, page.next)
            });
        }
    }
}

fn page_end(unseen: u64, next: Option<i64>) -> HistoryPage {
    HistoryPage {
        calls: Vec::new(),
        unseen,
        next,
    }
}

fn list(page: &HistoryPage, lang: Lang) -> String {
    let mut lines: Vec<String> = page.calls.iter().map(|call| line(call, lang)).collect();
    if lines.is_empty() {
        lines.push(Told::NoCalls.text(lang));
    }
    if page.next.is_some() {
        lines.push(Told::MoreCalls.text(lang));
    }
    if page.unseen > 0 {
        lines.push(Told::Unseen(page.unseen).text(lang));
    }
    lines.join("\n")
}

fn line(call: &HistoryEntry, lang: Lang) -> String {
    let incoming = call.direction == "incoming";
    let number = if incoming { &call.from } else { &call.to };
    let who = match &call.name {
        Some(name) => format!("{name} ({number})"),
        None => number.clone(),
    };
    let who = if incoming {
        Told::From(&who)
    } else {
        Told::To(&who)
    };
    let mut line = format!("{}  {}", call.began, who.text(lang));
    if call.talk_seconds > 0 {
        let seconds = call.talk_seconds;
        line.push_str(&format!("  {}:{:02}", seconds / 60, seconds % 60));
    }
    let mark = match (call.missed, call.seen, &call.end_reason) {
        (true, false, _) => Some(Told::MissedNew.text(lang)),
        (true, true, _) => Some(Told::Missed.text(lang)),
        (false, _, None) => Some(Told::GoesOn.text(lang)),
        (false, _, Some(_)) => None,
    };
    if let Some(mark) = mark {
        line.push_str("  ");
        line.push_str(&mark);
    }
    if let Some(reason) = &call.end_reason {
        line.push_str(&format!("  ({})", status::word(reason, lang)));
    }
    format!("{line}  {}", call.id)
}

/// Asks the daemon for what it remembers.
pub(super) fn recall(context: &Context, what: Recall) -> Result<Recalled, Failure> {
    match status::ask(context, &Request::Recall(what))? {
        Reply::Recalled(recalled) => Ok(*recalled),
        Reply::Error { code, message } => {
            let told = match code.as_str() {
                "no_such_call" => Told::NoSuchCall,
                "no_such_contact" => Told::NoSuchContact,
                "not_blocked" => Told::NotBlocked,
                "no_such_recording" => Told::NoSuchRecording,
                "no_such_voicemail" => Told::NoSuchVoicemail,
                "desk_busy" => Told::DeskBusy,
                "not_recording" => Told::NotRecording,
                "no_answer" => Told::NoAnswer,
                // What is wrong with a number or a query is told as it is of settings: in English.
                _ => return Err(refusal(&code, message)),
            };
            Err(refusal(&code, told.text(context.local.lang)))
        }
        Reply::Status(_) | Reply::Calls(_) | Reply::Call(_) | Reply::Settings(_) | Reply::Done => {
            Err(another_question())
        }
    }
}

pub(super) fn another_question() -> Failure {
    Failure::ours("the daemon answered another question")
}
