//! The log of events in the words of the HTTP API, for everybody who writes it: `/api/events`, `offhook watch`, hooks, MQTT.

use serde::{Deserialize, Serialize};

use super::call_report::{CallReport, direction_word, reason_word};
use super::ids::Party;
use super::phone::{Event, Happening, Reason, Target};
use super::time::rfc3339;

/// Whatever stands on one line of the log.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LogLine {
    /// How everything stands; what comes after it is told by events.
    Snapshot(SnapshotReport),
    /// Something happened.
    Event(Box<EventReport>),
    /// Events were lost to the reader; a snapshot follows.
    Lost(LostReport),
}

/// How everything stands, in the words of the HTTP API.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SnapshotReport {
    /// The number of the newest event that it holds.
    pub seq: u64,
    /// The calls, oldest first.
    pub calls: Vec<CallReport>,
    /// Whether the desk is kept from ringing.
    pub do_not_disturb: bool,
    /// How many messages nobody has heard yet.
    #[serde(default)]
    pub voicemails_waiting: u64,
}

/// That events were lost.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LostReport {
    /// The last event that the reader has seen.
    pub after: u64,
    /// `overtaken`: the reader was too slow, or away for too long; `restarted`: the daemon began anew meanwhile.
    pub reason: String,
}

/// One entry of the log of events, in the words of the HTTP API.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct EventReport {
    /// Its number.
    pub seq: u64,
    /// Our name for the call; nothing where it concerns the desk.
    pub call: Option<String>,
    /// What happened: one of [`EVENTS`].
    pub event: String,
    /// Why.
    pub reason: String,
    /// When: RFC 3339, in UTC.
    pub at: String,
    /// The carrier's name for the call, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// `incoming` or `outgoing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Who called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Who was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What the far end is called among the contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the call is moved: `desk`, `browser`, `number` or `conference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// To which number it is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Which key the far end pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digit: Option<char>,
    /// Whether the desk is kept from ringing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
}

/// The words for everything that happens.
pub const EVENTS: [&str; 26] = [
    "began",
    "rings",
    "far_end_rings",
    "rings_browsers",
    "answered",
    "held",
    "resumed",
    "merged",
    "parted",
    "muted",
    "unmuted",
    "recording",
    "recording_ended",
    "recording_paused",
    "recording_resumed",
    "moves",
    "moved",
    "joined",
    "came_back",
    "forwarded",
    "voicemail",
    "leaves_message",
    "key",
    "ended",
    "missed",
    "do_not_disturb",
];

impl EventReport {
    /// Writes what happened.
    #[must_use]
    pub fn new(event: &Event) -> EventReport {
        let call = event.call.as_ref();
        let number = match &event.happening {
            Happening::Moves(Target::Number(number)) | Happening::Moved(Target::Number(number)) => {
                Some(number.as_str().to_owned())
            }
            Happening::Began
            | Happening::Rings
            | Happening::RingsBrowsers
            | Happening::FarEndRings
            | Happening::Answered
            | Happening::Held
            | Happening::Resumed
            | Happening::Merged
            | Happening::Parted
            | Happening::Muted
            | Happening::Unmuted
            | Happening::RecordingBegan
            | Happening::RecordingEnded
            | Happening::RecordingPaused
            | Happening::RecordingResumed
            | Happening::Moves(_)
            | Happening::Moved(_)
            | Happening::CameBack
            | Happening::Forwarded
            | Happening::ReachedVoicemail
            | Happening::LeavesMessage
            | Happening::Key(_)
            | Happening::Ended(_)
            | Happening::Missed(_)
            | Happening::DoNotDisturb(_) => None,
        };
        let (word, place, digit, on) = match &event.happening {
            Happening::Began => ("began", None, None, None),
            Happening::Rings => ("rings", None, None, None),
            Happening::RingsBrowsers => ("rings_browsers", None, None, None),
            Happening::FarEndRings => ("far_end_rings", None, None, None),
            Happening::Answered => ("answered", None, None, None),
            Happening::Held => ("held", None, None, None),
            Happening::Resumed => ("resumed", None, None, None),
            Happening::Merged => ("merged", None, None, None),
            Happening::Parted => ("parted", None, None, None),
            Happening::Muted => ("muted", None, None, None),
            Happening::Unmuted => ("unmuted", None, None, None),
            Happening::RecordingBegan => ("recording", None, None, None),
            Happening::RecordingEnded => ("recording_ended", None, None, None),
            Happening::RecordingPaused => ("recording_paused", None, None, None),
            Happening::RecordingResumed => ("recording_resumed", None, None, None),
            Happening::Moves(to) => ("moves", Some(place_word(to)), None, None),
            Happening::Moved(Target::Conference(_)) => ("joined", Some("conference"), None, None),
            Happening::Moved(to) => ("moved", Some(place_word(to)), None, None),
            Happening::CameBack => ("came_back", None, None, None),
            Happening::Forwarded => ("forwarded", Some("number"), None, None),
            Happening::ReachedVoicemail => ("voicemail", None, None, None),
            Happening::LeavesMessage => ("leaves_message", None, None, None),
            Happening::Key(digit) => ("key", None, Some(*digit), None),
            Happening::Ended(_) => ("ended", None, None, None),
            Happening::Missed(_) => ("missed", None, None, None),
            Happening::DoNotDisturb(on) => ("do_not_disturb", None, None, Some(*on)),
        };
        EventReport {
            seq: event.seq,
            call: call.map(|call| call.id.as_str().to_owned()),
            event: word.to_owned(),
            reason: why_word(event.reason).to_owned(),
            at: rfc3339(event.at),
            sid: call
                .and_then(|call| call.leg.as_ref())
                .map(|leg| leg.as_str().to_owned()),
            direction: call.map(|call| direction_word(call.direction).to_owned()),
            from: call.map(|call| Party::to_text(&call.from)),
            to: call.map(|call| Party::to_text(&call.to)),
            name: call.and_then(|call| call.name.clone()),
            place: place.map(str::to_owned),
            number,
            digit,
            on,
        }
    }

    /// Returns the number, or whatever else the far end is known by; empty where it concerns no call.
    #[must_use]
    pub fn party(&self) -> &str {
        let party = match self.direction.as_deref() {
            Some("outgoing") => &self.to,
            Some(_) | None => &self.from,
        };
        party.as_deref().unwrap_or_default()
    }
}

fn place_word(target: &Target) -> &'static str {
    match target {
        Target::Desk => "desk",
        Target::Browsers => "browser",
        Target::Number(_) => "number",
        Target::Voicemail => "voicemail",
        Target::Conference(_) => "conference",
    }
}

/// Returns the word for why something happened.
#[must_use]
pub fn why_word(reason: Reason) -> &'static str {
    match reason {
        Reason::ByPerson => "by_person",
        Reason::FarEnd => "far_end",
        Reason::ByItself => "by_itself",
        Reason::Elsewhere => "elsewhere",
        Reason::Settings => "settings",
        Reason::DoNotDisturb => "do_not_disturb",
        Reason::NoDesk => "no_desk",
        Reason::DeskTaken => "desk_taken",
        Reason::StageUnanswered => "stage_unanswered",
        Reason::NotAnsweredElsewhere => "not_answered_elsewhere",
        Reason::Alone => "alone",
        Reason::AnotherCall => "another_call",
        Reason::Swap => "swap",
        Reason::CameBack => "came_back",
        Reason::LeftDesk => "left_desk",
        Reason::Failed => "failed",
        Reason::End(reason) => reason_word(reason),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::pure::ids::{CallId, LegId, PhoneNumber};
    use crate::pure::phone::{Direction, EndReason, EventCall};

    const CALL: &str = r#""sid":"CA1","direction":"incoming","from":"+15145550100","to":"+15145550199","name":"Anna""#;

    fn event(happening: Happening) -> Event {
        Event {
            seq: 7,
            call: Some(EventCall {
                id: CallId::new("c1"),
                leg: Some(LegId::new("CA1")),
                direction: Direction::Incoming,
                from: Party::parse("+15145550100"),
                to: Party::parse("+15145550199"),
                name: Some("Anna".to_owned()),
            }),
            reason: happening.usual_reason(),
            happening,
            at: UNIX_EPOCH + Duration::from_secs(2),
        }
    }

    #[test]
    fn an_event_is_told_in_the_words_of_the_api() {
        let number = PhoneNumber::parse("+15145550123").expect("a number");
        for (happening, word, reason, rest) in [
            (Happening::Rings, "rings", "far_end", ""),
            (Happening::Key('#'), "key", "far_end", r##","digit":"#""##),
            (
                Happening::Ended(EndReason::NotAnswered),
                "ended",
                "not_answered",
                "",
            ),
            (
                Happening::Moves(Target::Number(number)),
                "moves",
                "by_person",
                r#","place":"number","number":"+15145550123""#,
            ),
            (
                Happening::Moved(Target::Conference(CallId::new("c2"))),
                "joined",
                "by_person",
                r#","place":"conference""#,
            ),
        ] {
            let line = LogLine::Event(Box::new(EventReport::new(&event(happening))));
            let text = format!(
                r#"{{"type":"event","seq":7,"call":"c1","event":"{word}","reason":"{reason}","at":"1970-01-01T00:00:02Z",{CALL}{rest}}}"#
            );
            assert_eq!(serde_json::to_string(&line).expect("plain"), text);
            assert_eq!(serde_json::from_str::<LogLine>(&text).expect("ours"), line);
        }
    }

    #[test]
    fn what_concerns_the_desk_names_no_call() {
        let quiet = Event {
            call: None,
            ..event(Happening::DoNotDisturb(true))
        };
        let line = LogLine::Event(Box::new(EventReport::new(&quiet)));
        assert_eq!(
            serde_json::to_string(&line).expect("plain"),
            r#"{"type":"event","seq":7,"call":null,"event":"do_not_disturb","reason":"by_person","at":"1970-01-01T00:00:02Z","on":true}"#
        );
    }

    #[test]
    fn a_snapshot_begins_with_its_kind_and_number_and_so_does_a_loss() {
        let snapshot = LogLine::Snapshot(SnapshotReport {
            seq: 4,
            calls: Vec::new(),
            do_not_disturb: false,
            voicemails_waiting: 0,
        });
        assert_eq!(
            serde_json::to_string(&snapshot).expect("plain"),
            r#"{"type":"snapshot","seq":4,"calls":[],"do_not_disturb":false,"voicemails_waiting":0}"#
        );
        let lost = LogLine::Lost(LostReport {
            after: 3,
            reason: "overtaken".to_owned(),
        });
        assert_eq!(
            serde_json::to_string(&lost).expect("plain"),
            r#"{"type":"lost","after":3,"reason":"overtaken"}"#
        );
    }

    #[test]
    fn every_word_for_what_happens_is_in_the_list() {
        let end = EndReason::NotAnswered;
        let conference = Target::Conference(CallId::new("c2"));
        let words: Vec<String> = [
            Happening::Began,
            Happening::Rings,
            Happening::FarEndRings,
            Happening::RingsBrowsers,
            Happening::Answered,
            Happening::Held,
            Happening::Resumed,
            Happening::Merged,
            Happening::Parted,
            Happening::Muted,
            Happening::Unmuted,
            Happening::RecordingBegan,
            Happening::RecordingEnded,
            Happening::RecordingPaused,
            Happening::RecordingResumed,
            Happening::Moves(Target::Desk),
            Happening::Moved(Target::Browsers),
            Happening::Moved(conference),
            Happening::CameBack,
            Happening::Forwarded,
            Happening::ReachedVoicemail,
            Happening::LeavesMessage,
            Happening::Key('1'),
            Happening::Ended(end),
            Happening::Missed(end),
            Happening::DoNotDisturb(true),
        ]
        .into_iter()
        .map(|happening| EventReport::new(&event(happening)).event)
        .collect();
        assert_eq!(words, EVENTS);
    }
}
