//! A call in the words of the HTTP API, for everybody who writes them.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::phone::{CallView, Direction, EndReason, Place, Stage};
use super::quality::CallQuality;
use super::time::rfc3339;

/// One call, in the words of the HTTP API.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CallReport {
    /// Our name for it.
    pub id: String,
    /// The carrier's name for it; nothing until the carrier has told it.
    pub sid: Option<String>,
    /// `incoming` or `outgoing`.
    pub direction: String,
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// What the far end is called among the contacts.
    #[serde(default)]
    pub name: Option<String>,
    /// `dialing`, `ringing`, `connecting`, `talking` or `ended`.
    pub state: String,
    /// `desk`, `browser`, `number`, `conference`, or nothing.
    pub place: Option<String>,
    /// Since when it stands there: RFC 3339, in UTC.
    pub since: String,
    /// Whether the near end is not heard.
    pub muted: bool,
    /// Whether the far end waits.
    pub held: bool,
    /// Whether it meets others at the desk.
    #[serde(default)]
    pub merged: bool,
    /// Whether it is being recorded.
    #[serde(default)]
    pub recording: bool,
    /// Whether that pauses.
    #[serde(default)]
    pub recording_paused: bool,
    /// Why it is over, once it is.
    pub end_reason: Option<String>,
    /// What it is like, or was, for one that was answered at the desk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<CallQuality>,
}

impl CallReport {
    /// Writes a call; `since` is [`CallView::since`] on the wall clock.
    #[must_use]
    pub fn new(call: &CallView, since: SystemTime) -> CallReport {
        let place = match call.place {
            Place::Nowhere => None,
            Place::Desk => Some("desk"),
            Place::Browser => Some("browser"),
            Place::Number => Some("number"),
            Place::Conference => Some("conference"),
        };
        CallReport {
            id: call.id.as_str().to_owned(),
            sid: call.leg.as_ref().map(|leg| leg.as_str().to_owned()),
            direction: direction_word(call.direction).to_owned(),
            from: call.from.to_text(),
            to: call.to.to_text(),
            name: None,
            state: call.stage.word().to_owned(),
            place: place.map(str::to_owned),
            since: rfc3339(since),
            muted: call.muted,
            held: call.held,
            merged: call.merged,
            recording: call.recorded,
            recording_paused: call.recording_paused,
            end_reason: call.end_reason.map(|reason| reason_word(reason).to_owned()),
            quality: None,
        }
    }

    /// Adds what the far end is called among the contacts.
    #[must_use]
    pub fn with_name(self, name: Option<String>) -> CallReport {
        CallReport { name, ..self }
    }

    /// Adds what the call is like.
    #[must_use]
    pub fn with_quality(self, quality: Option<CallQuality>) -> CallReport {
        CallReport { quality, ..self }
    }
}

/// One call that is over, as it is kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PastCall {
    /// Our name for it.
    pub id: String,
    /// The carrier's name for it; empty where it was never dialled.
    pub sid: String,
    /// `incoming` or `outgoing`.
    pub direction: String,
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// When it began: RFC 3339, in UTC.
    pub began: String,
    /// For how many seconds there was talk, wherever.
    pub talk_seconds: u64,
    /// Why it is over; nothing where the daemon went before the call did.
    pub end_reason: Option<String>,
    /// What it was like, for one that was answered at the desk.
    pub quality: Option<CallQuality>,
}

impl PastCall {
    /// Writes a call that is over, with when it began on the wall clock and for how long there was talk.
    #[must_use]
    pub fn new(
        call: &CallView,
        began: SystemTime,
        talked: Duration,
        quality: Option<CallQuality>,
    ) -> PastCall {
        PastCall {
            id: call.id.as_str().to_owned(),
            sid: call
                .leg
                .as_ref()
                .map_or_else(String::new, |leg| leg.as_str().to_owned()),
            direction: direction_word(call.direction).to_owned(),
            from: call.from.to_text(),
            to: call.to.to_text(),
            began: rfc3339(began),
            talk_seconds: talked.as_secs(),
            end_reason: call.end_reason.map(|reason| reason_word(reason).to_owned()),
            quality,
        }
    }
}

pub(super) fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Incoming => "incoming",
        Direction::Outgoing => "outgoing",
    }
}

/// Every stage, in the order of a call's life.
pub const STAGES: [Stage; 6] = [
    Stage::Dialing,
    Stage::Ringing,
    Stage::Connecting,
    Stage::Talking,
    Stage::Voicemail,
    Stage::Ended,
];

/// Returns the word for why a call is over.
#[must_use]
pub fn reason_word(reason: EndReason) -> &'static str {
    match reason {
        EndReason::HungUpHere => "hung_up_here",
        EndReason::Rejected => "rejected",
        EndReason::Blocked => "blocked",
        EndReason::Busy => "busy",
        EndReason::TooLong => "too_long",
        EndReason::HungUpThere => "hung_up_there",
        EndReason::NotAnswered => "not_answered",
        EndReason::Refused => "refused",
        EndReason::Failed => "failed",
        EndReason::StreamLost => "stream_lost",
        EndReason::LeftMessage => "left_message",
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::pure::ids::{CallId, LegId, Party};
    use crate::pure::time::Time;

    #[test]
    fn a_call_is_told_in_the_words_of_the_api() {
        let call = CallView {
            id: CallId::new("c1"),
            leg: Some(LegId::new("CAc1")),
            direction: Direction::Incoming,
            from: Party::parse("+15145550100"),
            to: Party::parse("client:kitchen"),
            stage: Stage::Talking,
            place: Place::Desk,
            since: Time::START,
            muted: false,
            held: false,
            merged: false,
            recorded: false,
            recording_paused: false,
            consults: None,
            stream: None,
            end_reason: None,
        };
        let at = UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(
            serde_json::to_string(&CallReport::new(&call, at)).expect("plain"),
            r#"{"id":"c1","sid":"CAc1","direction":"incoming","from":"+15145550100","to":"client:kitchen","name":null,"state":"talking","place":"desk","since":"1970-01-01T00:00:01Z","muted":false,"held":false,"merged":false,"recording":false,"recording_paused":false,"end_reason":null}"#
        );
        let over = CallView {
            stage: Stage::Ended,
            place: Place::Nowhere,
            end_reason: Some(EndReason::StreamLost),
            ..call
        };
        let report = CallReport::new(&over, at);
        assert_eq!(report.state, "ended");
        assert_eq!(report.place, None);
        assert_eq!(report.end_reason.as_deref(), Some("stream_lost"));
    }
}
