//! The control socket: how the command line talks to the running daemon.
//!
//! A Unix socket that only its owner can open. One JSON request on a line, one JSON reply on a line, as often as wanted;
//! but whoever wants to watch gets the log of events from then on, a line for each, until they go.
//! This file holds the words that both sides use; [`Server`] is the daemon's side, [`ask`] the command line's.

mod client;
mod memory;
mod report;
mod server;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::config::live::SettingReport;
pub use crate::phone::memory::{ContactPage, ContactQuery, Imported, Recall, Recalled};
pub use crate::phone::shelf::{ShelfWish, Shelved};
pub use crate::pure::call_report::{CallReport, PastCall};
pub use crate::pure::event_report::{EventReport, LogLine, LostReport, SnapshotReport};
pub use client::{AskError, Watch, ask, watch};
pub use memory::Recalling;
pub use report::DaemonDesk;
pub use server::{BindError, Changing, Commanded, Desk, Refused, Remembered, Server};
pub use watch::Lines;

/// The longest path that a Unix socket may have, in bytes (`sun_path` of Linux, less its closing zero).
pub const PATH_LIMIT: usize = 107;

/// The longest request, in bytes: room for a contact with all that it may have.
pub const REQUEST_LIMIT: usize = 1 << 16;

/// The longest reply, in bytes: room for hundreds of calls.
const REPLY_LIMIT: usize = 1 << 20;

/// What the command line wants.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "request", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// How is it going?
    Status,
    /// Which calls were the last?
    Calls,
    /// Pick up.
    Answer {
        /// Which call, by our name for it or the carrier's; nothing: the one that rings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
    },
    /// Hang up.
    Hangup {
        /// Which call; nothing: the one at the desk, or the one that rings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
    },
    /// Dial.
    Dial {
        /// Whom.
        to: String,
        /// A wish with the same key is fulfilled once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// Do something else with a call.
    Do {
        /// Which call; nothing: the one that must be meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        /// What.
        wish: Wish,
    },
    /// Dial somebody for a call that waits meanwhile, to be joined with it.
    Consult {
        /// Which call; nothing: the one at the desk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        /// Whom.
        to: String,
    },
    /// Keep the desk from ringing, or let it ring again.
    #[serde(rename = "do_not_disturb")]
    DoNotDisturb {
        /// Whether it is kept.
        on: bool,
    },
    /// Tell what happens, from now on.
    Watch {
        /// The event that was seen last; nothing: how everything stands comes first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// What do the settings say?
    Settings,
    /// Change settings, all or none.
    #[serde(rename = "change_settings")]
    ChangeSettings {
        /// What they are to be, by name; null gives a change up.
        change: Map<String, Value>,
    },
    /// What does it remember?
    Recall(Recall),
}

/// What is done with a call, but for answering it and hanging it up.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Wish {
    /// Turn it away.
    Reject,
    /// Let the far end wait.
    Hold,
    /// Talk again.
    Resume,
    /// Keep the desk's sound from the far end, or let it through again.
    Mute {
        /// Whether it is kept.
        on: bool,
    },
    /// Record it, or stop that.
    Record {
        /// Whether it is recorded.
        on: bool,
    },
    /// Leave out of its recording what is said from now on, or go on with it.
    PauseRecording {
        /// Whether it pauses.
        on: bool,
    },
    /// Send keys; none: those behind a stop.
    Dtmf {
        /// Which.
        digits: String,
    },
    /// Take it to the desk, the browsers or a number.
    Move {
        /// `desk`, `browser` or a number.
        to: String,
    },
    /// Meet it and another at the desk.
    Merge {
        /// The other, by our name for it or the carrier's.
        with: String,
    },
    /// Join it with the call that was dialled for it.
    Join,
}

/// What the daemon says.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// How it is going.
    Status(Box<Status>),
    /// The last calls that are over, the newest first.
    Calls(Vec<PastCall>),
    /// Done; so the call stands now.
    Call(Box<CallReport>),
    /// Done.
    Done,
    /// What the settings say, by name.
    Settings(BTreeMap<String, SettingReport>),
    /// What it remembers.
    Recalled(Box<Recalled>),
    /// Not done.
    Error {
        /// A word for programs.
        code: String,
        /// A sentence for people.
        message: String,
    },
}

/// How the daemon does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The number of its line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Where it listens.
    pub address: String,
    /// Where Twilio reaches it.
    pub public_url: String,
    /// For how many seconds it has been up.
    pub uptime_seconds: u64,
    /// Its devices.
    pub devices: Devices,
    /// Its calls, oldest first; those that ended stay for a minute.
    pub calls: Vec<CallReport>,
    /// Whether the desk is kept from ringing.
    pub do_not_disturb: bool,
    /// The quiet time that the timetable has now, if any.
    #[serde(default)]
    pub quiet: Option<QuietTime>,
    /// How loud the calls are that talk at the desk, at this moment.
    #[serde(default)]
    pub levels: Vec<CallLevels>,
    /// How many messages nobody has heard yet.
    #[serde(default)]
    pub voicemails_waiting: u64,
}

/// A quiet time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QuietTime {
    /// When it is over: RFC 3339, in UTC; nothing where it lasts for over a week.
    pub until: Option<String>,
}

/// How loud a call is at this moment. Its needles jump with a sample and fall by 20 dB in 1.7 s.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CallLevels {
    /// Our name for the call.
    pub call: String,
    /// The microphone, as the far end gets it, in dBFS; nothing while it is muted.
    pub microphone_dbfs: Option<f32>,
    /// The far end, in dBFS.
    pub far_end_dbfs: Option<f32>,
}

/// How the devices do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Devices {
    /// The microphone.
    pub capture: Device,
    /// The speaker.
    pub playout: Device,
    /// The bell.
    pub ringer: Device,
}

/// How one device does.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Device {
    /// Whether it works.
    pub works: bool,
    /// Which it is, or why it does not work.
    pub detail: String,
}

/// Says whether a path is short enough for a Unix socket.
fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= PATH_LIMIT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_wish_is_understood_by_whoever_reads_it() {
        let some = || Some("c1".to_owned());
        let to = || "+15145550100".to_owned();
        for wish in [
            Wish::Reject,
            Wish::Hold,
            Wish::Resume,
            Wish::Mute { on: true },
            Wish::Dtmf {
                digits: "1".to_owned(),
            },
            Wish::Move { to: to() },
            Wish::Merge {
                with: "c2".to_owned(),
            },
            Wish::Join,
            Wish::Record { on: true },
            Wish::PauseRecording { on: true },
        ] {
            for call in [None, some()] {
                let request = Request::Do {
                    call,
                    wish: wish.clone(),
                };
                let text = serde_json::to_string(&request).expect("plain");
                assert_eq!(
                    serde_json::from_str::<Request>(&text).expect(&text),
                    request
                );
            }
        }
        for request in [
            Request::Dial {
                to: to(),
                key: None,
            },
            Request::Dial {
                to: to(),
                key: some(),
            },
            Request::Consult {
                call: some(),
                to: to(),
            },
            Request::DoNotDisturb { on: true },
            Request::Watch { after: None },
            Request::Watch { after: Some(7) },
            Request::Settings,
            Request::ChangeSettings {
                change: Map::from_iter([("ring".to_owned(), Value::Null)]),
            },
        ] {
            let text = serde_json::to_string(&request).expect("plain");
            assert_eq!(
                serde_json::from_str::<Request>(&text).expect(&text),
                request
            );
        }
    }

    #[test]
    fn requests_are_read_and_written_as_documented() {
        for (text, request) in [
            (r#"{"request":"status"}"#, Request::Status),
            (r#"{"request":"calls"}"#, Request::Calls),
            (r#"{"request":"answer"}"#, Request::Answer { call: None }),
            (
                r#"{"request":"hangup","call":"CA1"}"#,
                Request::Hangup {
                    call: Some("CA1".to_owned()),
                },
            ),
        ] {
            assert_eq!(serde_json::from_str::<Request>(text).expect(text), request);
            assert_eq!(serde_json::to_string(&request).expect("plain"), text);
        }
    }

    proptest! {
        #[test]
        fn any_line_is_a_request_or_refused(text in "\\PC{0,60}") {
            if let Ok(request) = serde_json::from_str::<Request>(&text) {
                let again = serde_json::to_string(&request).expect("plain");
                prop_assert_eq!(serde_json::from_str::<Request>(&again).expect("ours"), request);
            }
        }
    }
}
