//! `offhook watch`: what happens, a line for each thing, as it happens.
//!
//! It outlives the daemon: where that goes, it is waited for, and the log is taken up again behind what was seen last.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::failure::Failure;
use super::flags::{Control, Flags};
use super::{Context, output, status};
use crate::control::{self, AskError, EventReport, LogLine, SnapshotReport, Watch};
use crate::lang::event::{Happened, Why};
use crate::lang::{Lang, Message};

/// How often a daemon that went is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What `offhook watch` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook watch\n  \
        offhook watch --json | jq --unbuffered 'select(.event == \"missed\")'\n  \
        offhook watch --json --after 1767225600005   # what came behind that event, then the rest\n\n\
        Where the daemon is started anew, it is waited for. The log holds the last 1000 events: whoever reads more \
        slowly than that, or comes back later, is told `lost` and how everything stands.")]
pub(crate) struct Args {
    /// Print JSON, one object on each line
    #[arg(long)]
    json: bool,
    /// Begin behind the event of this number, as its `seq` says, and not with how everything stands
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

/// Tells what happens until nobody reads any more.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let lang = context.local.lang;
    let mut seen = args.after;
    let mut was_there = false;
    loop {
        match control::watch(&context.local.socket, seen) {
            Ok(watch) => {
                was_there = true;
                if follow(watch, &mut seen, args.json, context)? == Gone::Reader {
                    return Ok(());
                }
                output::tell(&Why::DaemonWent.text(lang));
            }
            // While it starts, it may not be ready to answer.
            Err(AskError::NotRunning(_) | AskError::Broken(_)) if was_there => {}
            Err(error) => return Err(status::unreachable(context, error)),
        }
        if wait(None, LOOK_EVERY)? == Ready::ReaderGone {
            return Ok(());
        }
    }
}

/// Who went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gone {
    Daemon,
    Reader,
}

fn follow(
    mut watch: Watch,
    seen: &mut Option<u64>,
    json: bool,
    context: &Context,
) -> Result<Gone, Failure> {
    loop {
        // Nothing may happen for hours, and whoever read what we print may have gone meanwhile.
        if !watch.has_more() && wait(Some(&watch), Duration::MAX)? == Ready::ReaderGone {
            return Ok(Gone::Reader);
        }
        let next = match watch.next_line() {
            Ok(next) => next,
            Err(AskError::Refused(why)) => return Err(Failure::world(why)),
            Err(error) => return Err(status::unreachable(context, error)),
        };
        let Some((text, line)) = next else {
            return Ok(Gone::Daemon);
        };
        match &line {
            LogLine::Snapshot(snapshot) => *seen = Some(snapshot.seq),
            LogLine::Event(event) => *seen = Some(event.seq),
            LogLine::Lost(_) => {}
        }
        if json {
            output::print(text)?;
        } else {
            output::print(&words(&line, context.local.lang))?;
        }
    }
}

/// What there is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ready {
    Line,
    ReaderGone,
    TimeUp,
}

/// Waits for a line, for the reader's going, or for so long.
fn wait(watch: Option<&Watch>, most: Duration) -> Result<Ready, Failure> {
    let out = io::stdout();
    let mut fds = vec![PollFd::new(&out, PollFlags::empty())];
    if let Some(watch) = watch {
        fds.push(PollFd::new(watch.socket(), PollFlags::IN));
    }
    let most = Timespec::try_from(most).ok();
    loop {
        match poll(&mut fds, most.as_ref()) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                let error = io::Error::from(error);
                return Err(Failure::ours("the output cannot be waited for").caused_by(&error));
            }
        }
    }
    let gone = PollFlags::ERR | PollFlags::HUP;
    if fds[0].revents().intersects(gone) {
        return Ok(Ready::ReaderGone);
    }
    let line = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
    Ok(if line { Ready::Line } else { Ready::TimeUp })
}

/// Says in words what stands on a line.
fn words(line: &LogLine, lang: Lang) -> String {
    match line {
        LogLine::Snapshot(snapshot) => standing(snapshot, lang),
        LogLine::Event(event) => sentence(event, lang),
        LogLine::Lost(lost) if lost.reason == "restarted" => Why::Restarted(lost.after).text(lang),
        LogLine::Lost(lost) => Why::Overtaken(lost.after).text(lang),
    }
}

fn standing(snapshot: &SnapshotReport, lang: Lang) -> String {
    let mut lines: Vec<String> = snapshot
        .calls
        .iter()
        .map(|call| status::call_line(call, lang))
        .collect();
    if lines.is_empty() {
        lines.push(Message::NoCalls.text(lang));
    }
    if snapshot.do_not_disturb {
        lines.push(Message::NotDisturbed.text(lang));
    }
    lines.join("\n")
}

fn sentence(event: &EventReport, lang: Lang) -> String {
    let place = || match (&event.number, &event.place) {
        (Some(number), _) => number.clone(),
        (None, Some(place)) => status::word(place, lang),
        (None, None) => String::new(),
    };
    let place = place();
    let happened = match event.event.as_str() {
        "began" if event.direction.as_deref() == Some("outgoing") => Happened::IsCalled,
        "began" => Happened::Calls,
        "rings" => Happened::RingsHere,
        "far_end_rings" => Happened::RingsThere,
        "rings_browsers" => Happened::RingsBrowsers,
        "answered" => Happened::Answered,
        "held" => Happened::Held,
        "resumed" => Happened::Resumed,
        "merged" => Happened::Merged,
        "parted" => Happened::Parted,
        "muted" => Happened::Muted,
        "unmuted" => Happened::Unmuted,
        "recording" => Happened::Recording,
        "recording_ended" => Happened::RecordingEnded,
        "recording_paused" => Happened::RecordingPaused,
        "recording_resumed" => Happened::RecordingResumed,
        "moves" => Happened::Moves(&place),
        "moved" => Happened::Moved(&place),
        "joined" => Happened::Joined,
        "came_back" => Happened::CameBack,
        "forwarded" => Happened::Forwarded,
        "voicemail" => Happened::ReachedVoicemail,
        "leaves_message" => Happened::LeavesMessage,
        "key" => Happened::Key(event.digit.unwrap_or('?')),
        "ended" => Happened::Ended,
        "missed" => Happened::Missed,
        "do_not_disturb" => Happened::DoNotDisturb(event.on == Some(true)),
        // A newer daemon may know more of them than we do.
        other => Happened::Other(other),
    };
    let mut line = event.at.clone();
    if event.call.is_some() {
        let who = status::named(event.name.as_deref(), event.party());
        line.push_str(&format!("  {who}:"));
    }
    line.push_str(&format!("  {}", happened.text(lang)));
    if let Some(why) = why(event, lang) {
        line.push_str(&format!(" ({why})"));
    }
    line
}

/// Says why, where that does not go without saying.
fn why(event: &EventReport, lang: Lang) -> Option<String> {
    let over = matches!(event.event.as_str(), "ended" | "missed");
    let why = match event.reason.as_str() {
        reason if over => return Some(status::word(reason, lang)),
        "by_person" | "far_end" => return None,
        "by_itself" => Why::ByItself,
        "elsewhere" => Why::Elsewhere,
        "settings" => Why::Settings,
        "do_not_disturb" => Why::DoNotDisturb,
        "no_desk" => Why::NoDesk,
        "desk_taken" => Why::DeskTaken,
        "stage_unanswered" => Why::StageUnanswered,
        "not_answered_elsewhere" => Why::NotAnsweredElsewhere,
        "alone" => Why::Alone,
        "another_call" => Why::AnotherCall,
        "swap" => Why::Swap,
        "came_back" => Why::CameBack,
        "left_desk" => Why::LeftDesk,
        "failed" => Why::Failed,
        other => Why::Other(other),
    };
    Some(why.text(lang))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::event_report::EVENTS;

    fn event(word: &str, reason: &str) -> EventReport {
        EventReport {
            seq: 7,
            call: Some("c1".to_owned()),
            event: word.to_owned(),
            reason: reason.to_owned(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            direction: Some("incoming".to_owned()),
            from: Some("+15145550100".to_owned()),
            to: Some("+15145550199".to_owned()),
            name: Some("Anna".to_owned()),
            ..EventReport::default()
        }
    }

    #[test]
    fn an_event_reads_as_a_sentence_with_its_reason() {
        let told = |event: EventReport, lang| words(&LogLine::Event(Box::new(event)), lang);
        let who = "2026-01-01T00:00:00Z  Anna (+15145550100):  ";
        for (word, reason, en, fr) in [
            ("began", "far_end", "calls", "appelle"),
            ("held", "by_person", "waits", "patiente"),
            (
                "held",
                "swap",
                "waits (two calls changed places)",
                "patiente (deux appels ont permuté)",
            ),
            (
                "ended",
                "hung_up_there",
                "the call is over (hung up there)",
                "l'appel est terminé (raccroché par l'autre)",
            ),
            (
                "new_thing",
                "new_reason",
                "new thing (new reason)",
                "new thing (new reason)",
            ),
        ] {
            assert_eq!(told(event(word, reason), Lang::En), format!("{who}{en}"));
            assert_eq!(told(event(word, reason), Lang::Fr), format!("{who}{fr}"));
        }
        let quiet = EventReport {
            call: None,
            on: Some(true),
            ..event("do_not_disturb", "by_person")
        };
        let text = "2026-01-01T00:00:00Z  the desk is kept from ringing";
        assert_eq!(told(quiet, Lang::En), text);
    }

    #[test]
    fn everything_that_happens_has_words_of_its_own() {
        for word in EVENTS {
            let other = sentence(&event("something_else", "far_end"), Lang::Fr);
            let told = sentence(&event(word, "far_end"), Lang::Fr);
            assert_ne!(told, other);
            assert!(!told.ends_with(&word.replace('_', " ")), "{told}");
        }
    }
}
