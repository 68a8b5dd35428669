//! `offhook status`: what the running daemon does.

mod figures;

use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::answer::refusal;
use super::failure::Failure;
use super::flags::{Control, Flags};
use super::{Context, output};
use crate::control::{self, AskError, CallReport, Device, Reply, Request, Status};
use crate::lang::book::Told;
use crate::lang::{Lang, Message};

/// What `offhook status` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  offhook status\n  offhook status --json | jq .calls\n  offhook status --calls"
)]
pub(crate) struct Args {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    /// Print the last 100 calls that are over instead, the newest first
    #[arg(long)]
    calls: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

/// Prints how the daemon does.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let request = if args.calls {
        Request::Calls
    } else {
        Request::Status
    };
    match ask(context, &request)? {
        Reply::Calls(calls) if args.json => output::print_json(&calls),
        Reply::Calls(calls) => output::print(&figures::past(&calls, context.local.lang)),
        Reply::Status(status) if args.json => output::print_json(&status),
        Reply::Status(status) => output::print(&page(&status, context.local.lang)),
        Reply::Error { code, message } => Err(refusal(&code, message)),
        Reply::Call(_) | Reply::Done | Reply::Settings(_) | Reply::Recalled(_) => {
            Err(Failure::ours("the daemon answered another question"))
        }
    }
}

/// Asks the daemon that the settings name.
pub(crate) fn ask(context: &Context, request: &Request) -> Result<Reply, Failure> {
    control::ask(&context.local.socket, request).map_err(|error| unreachable(context, error))
}

/// Says why the daemon that the settings name cannot be asked, and what to do.
pub(crate) fn unreachable(context: &Context, error: AskError) -> Failure {
    let socket = &context.local.socket;
    let demo = context.local.data_dir.join("demo");
    let demo_text = demo.display().to_string();
    let (what, hint) = match error {
        // A socket may outlive whoever made it, so it is tried.
        AskError::NotRunning(_) if UnixStream::connect(demo.join("control.sock")).is_ok() => {
            (Message::NoDaemon, Message::DemoRuns { folder: &demo_text })
        }
        AskError::NotRunning(_) => (Message::NoDaemon, Message::StartDaemon),
        AskError::PathTooLong => {
            let most = control::PATH_LIMIT;
            (Message::SocketPathTooLong { most }, Message::ShorterPath)
        }
        AskError::Broken(_) => (Message::DaemonBroken, Message::DaemonHangs),
        AskError::Refused(_) | AskError::Stranger(_) => {
            (Message::DaemonStranger, Message::RestartDaemon)
        }
    };
    let text = |message: Message<'_>| message.text(context.local.lang);
    let failure = Failure::world(format!("{} (`{}`)", text(what), socket.display()));
    let failure = match std::error::Error::source(&error) {
        Some(cause) => failure.caused_by(cause),
        None => failure,
    };
    failure.hint(text(hint))
}

/// Writes the whole status for a person.
fn page(status: &Status, lang: Lang) -> String {
    let text = |message: Message<'_>| message.text(lang);
    let mut lines = vec![
        text(Message::Listening {
            address: &status.address,
        }),
        // Plain http is the origin of a daemon that nothing else was said of.
        if status.public_url.starts_with("http://") {
            text(Message::ReachedFromHere)
        } else {
            text(Message::PublicOrigin {
                origin: &status.public_url,
            })
        },
        text(Message::UpFor {
            time: Duration::from_secs(status.uptime_seconds),
        }),
    ];
    let devices = &status.devices;
    for (name, device) in [
        (Message::Microphone, &devices.capture),
        (Message::Speaker, &devices.playout),
        (Message::Bell, &devices.ringer),
    ] {
        lines.push(format!("{}: {}", text(name), device_words(device, lang)));
    }
    if status.do_not_disturb {
        lines.push(text(Message::NotDisturbed));
    }
    if status.voicemails_waiting > 0 {
        lines.push(Told::VoicemailsWaiting(status.voicemails_waiting).text(lang));
    }
    if let Some(quiet) = &status.quiet {
        let until = quiet.until.as_deref();
        lines.push(Message::QuietTime { until }.text(lang));
    }
    if status.calls.is_empty() {
        lines.push(text(Message::NoCalls));
    }
    let over = |call: &&CallReport| call.state == "ended";
    let (ended, live): (Vec<_>, Vec<_>) = status.calls.iter().partition(over);
    for call in live.into_iter().chain(ended) {
        lines.push(call_line(call, lang));
        if let Some(quality) = call.quality.as_ref().filter(|_| call.state == "talking") {
            lines.extend(figures::lines(quality, lang));
        }
    }
    lines.join("\n")
}

fn device_words(device: &Device, lang: Lang) -> String {
    let detail = &device.detail;
    let message = if device.works {
        Message::DeviceWorks { what: detail }
    } else {
        Message::DeviceBroken { why: detail }
    };
    message.text(lang)
}

/// Writes one call for a person, on one line.
pub(crate) fn call_line(call: &CallReport, lang: Lang) -> String {
    let state = state_word(&call.state, lang);
    let name = call.name.as_deref();
    let party = party(&call.direction, &call.from, &call.to, name, lang);
    let mut line = format!("{}  {state}  {party}", call.id);
    for (is_so, message) in [
        (call.held, Message::Held),
        (call.merged, Message::Merged),
        (call.muted, Message::Muted),
        (call.recording && !call.recording_paused, Message::Recording),
        (call.recording_paused, Message::RecordingPaused),
    ] {
        if is_so {
            line.push_str(&format!("  ({})", message.text(lang)));
        }
    }
    for more in [&call.place, &call.end_reason].into_iter().flatten() {
        line.push_str(&format!("  ({})", word(more, lang)));
    }
    line.push_str(&format!("  {}", call.since));
    line
}

/// Says where a call stands.
pub(super) fn state_word(state: &str, lang: Lang) -> String {
    match state {
        "dialing" => Message::StateDialing.text(lang),
        "ringing" => Message::StateRinging.text(lang),
        "connecting" => Message::StateConnecting.text(lang),
        "talking" => Message::StateTalking.text(lang),
        "voicemail" => Message::StateVoicemail.text(lang),
        "ended" => Message::StateEnded.text(lang),
        // A newer daemon may know more states than we do.
        other => other.to_owned(),
    }
}

/// Says with whom a call is, or was.
fn party(direction: &str, from: &str, to: &str, name: Option<&str>, lang: Lang) -> String {
    if direction == "outgoing" {
        let party = &named(name, to);
        Message::CallTo { party }.text(lang)
    } else {
        let party = &named(name, from);
        Message::CallFrom { party }.text(lang)
    }
}

/// Returns a far end as people know it: by its name, where it has one, and its number.
pub(super) fn named(name: Option<&str>, party: &str) -> String {
    match name {
        Some(name) => format!("{name} ({party})"),
        None => party.to_owned(),
    }
}

/// Says where a call is, or why it is over.
pub(super) fn word(word: &str, lang: Lang) -> String {
    match word {
        "desk" => Message::AtDesk.text(lang),
        "browser" => Message::InBrowser.text(lang),
        "number" => Message::AtNumber.text(lang),
        "conference" => Message::InConference.text(lang),
        "rejected" => Message::Rejected.text(lang),
        "blocked" => Message::Blocked.text(lang),
        "busy" => Message::Busy.text(lang),
        "too_long" => Message::TooLong.text(lang),
        "hung_up_here" => Message::HungUpHere.text(lang),
        "hung_up_there" => Message::HungUpThere.text(lang),
        "not_answered" => Message::NotAnswered.text(lang),
        "refused" => Message::Refused.text(lang),
        "failed" => Message::Failed.text(lang),
        "stream_lost" => Message::StreamLost.text(lang),
        "left_message" => Message::LeftMessage.text(lang),
        "interrupted" => Message::Interrupted.text(lang),
        // A newer daemon may know more of them than we do.
        other => other.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Devices;
    use crate::pure::quality::CallQuality;

    #[test]
    fn a_status_reads_as_a_page() {
        let broken = Device {
            works: false,
            detail: "no such device".to_owned(),
        };
        let works = Device {
            works: true,
            detail: "none".to_owned(),
        };
        let status = Status {
            version: "0.1.0".to_owned(),
            pid: 7,
            number: None,
            address: "http://127.0.0.1:3000".to_owned(),
            public_url: "https://phone.example.com".to_owned(),
            uptime_seconds: 61,
            devices: Devices {
                capture: broken,
                playout: works.clone(),
                ringer: works,
            },
            do_not_disturb: false,
            quiet: None,
            levels: Vec::new(),
            voicemails_waiting: 2,
            calls: vec![CallReport {
                id: "c1".to_owned(),
                sid: Some("CA1".to_owned()),
                direction: "outgoing".to_owned(),
                from: "client:kitchen".to_owned(),
                to: "+15145550100".to_owned(),
                name: Some("Anna".to_owned()),
                state: "ended".to_owned(),
                place: None,
                since: "2026-01-01T00:00:00Z".to_owned(),
                muted: false,
                held: false,
                merged: false,
                recording: false,
                recording_paused: false,
                end_reason: Some("hung_up_here".to_owned()),
                quality: Some(CallQuality::default()),
            }],
        };
        assert_eq!(
            page(&status, Lang::En),
            "listening on http://127.0.0.1:3000\n\
             Twilio reaches it at https://phone.example.com\n\
             up for 0:01:01\n\
             microphone: does not work: no such device\n\
             speaker: none\n\
             bell: none\n\
             new messages: 2\n\
             c1  ended  to Anna (+15145550100)  (hung up here)  2026-01-01T00:00:00Z"
        );
        let alone = Status {
            public_url: "http://127.0.0.1:3000".to_owned(),
            ..status.clone()
        };
        let alone = page(&alone, Lang::En);
        assert!(!alone.contains("Twilio reaches"), "{alone}");
        assert!(alone.contains("only this machine reaches it"), "{alone}");
        let mut several = status.clone();
        let mut live = several.calls[0].clone();
        (live.id, live.state) = ("c2".to_owned(), "held".to_owned());
        several.calls.push(live);
        let several = page(&several, Lang::En);
        assert!(several.find("c2") < several.find("c1"), "{several}");
        let mut talking = status.clone();
        talking.calls[0].state = "talking".to_owned();
        let lines = page(&talking, Lang::En).lines().count();
        assert_eq!(
            lines,
            8 + 5,
            "what it is like stands below it while they talk"
        );
        let french = page(&status, Lang::Fr);
        assert!(french.contains("hors service : no such device"));
        assert!(french.contains("c1  terminé  vers Anna (+15145550100)  (raccroché ici)"));
    }
}
