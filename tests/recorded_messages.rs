//! Recorded media sockets, in the form that `--record-stream` writes: replayed whole, cut short and shuffled.
//!
//! The recordings in `tests/data` were written after Twilio's documents, as no call over the real Twilio was recorded
//! yet; a real one takes its place beside them as it is.

use std::path::PathBuf;
use std::time::Duration;

use offhook::pure::phone::StreamEnd;
use offhook::pure::time::Time;
use offhook::pure::twilio::session::{Action, Faults, Heard, Session};
use offhook::pure::twilio::stream::{StreamError, decode};
use serde_json::Value;

/// Returns every recording with its name: what the carrier said, message by message.
fn recordings() -> Vec<(PathBuf, Vec<String>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let mut recordings = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of recordings") {
        let path = entry.expect("readable").path();
        if path
            .extension()
            .is_none_or(|extension| extension != "jsonl")
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let said = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"))
            .filter(|line| line["by"] == "carrier")
            .map(|line| line["message"].to_string())
            .collect();
        recordings.push((path, said));
    }
    assert!(!recordings.is_empty());
    recordings
}

fn recording(name: &str) -> Vec<String> {
    let (_, said) = recordings()
        .into_iter()
        .find(|(path, _)| path.ends_with(name))
        .expect("the recording");
    said
}

/// What came of a replay.
#[derive(Debug, Default)]
struct Replay {
    samples: Vec<(u64, u8)>,
    keys: String,
    ends: Vec<StreamEnd>,
    faults: Faults,
}

/// Plays messages to a session that admits whatever is offered.
fn replay<'a>(said: impl IntoIterator<Item = &'a str>) -> Replay {
    let mut session = Session::new(Time::START);
    let (mut now, mut actions, mut replay) = (Time::START, Vec::new(), Replay::default());
    for text in said {
        now = now + Duration::from_millis(20);
        session.hear(Heard::Text(text), now, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Offer { .. } => session.admitted(now),
                Action::Down(frame) => {
                    for i in 0..frame.len {
                        let sample = frame.ulaw[usize::from(i)];
                        replay.samples.push((frame.at + u64::from(i), sample));
                    }
                }
                Action::Key(key) => replay.keys.push(key),
                Action::Ended(end) => replay.ends.push(end),
                Action::Mark(_) | Action::Ping | Action::Close(_) | Action::Drop => {}
            }
        }
    }
    replay.faults = session.faults();
    replay
}

#[test]
fn an_ordinary_call_is_heard_whole() {
    let said = recording("ordinary-call.jsonl");
    let replay = replay(said.iter().map(String::as_str));
    assert_eq!(replay.samples.len(), 1600);
    let places = replay.samples.iter().map(|(at, _)| *at);
    assert!(places.eq(40..1640), "every sample follows the one before");
    assert_eq!(replay.keys, "5");
    assert_eq!(replay.ends, [StreamEnd::Stopped]);
    assert_eq!(replay.faults, Faults::default());
}

#[test]
fn a_ragged_call_is_heard_as_far_as_it_came() {
    let said = recording("ragged-call.jsonl");
    let replay = replay(said.iter().map(String::as_str));
    let whole = 1 + 7 + 80 + 160 + 161 + 320 + 1000 + 3 + 4000;
    let places: Vec<u64> = replay.samples.iter().map(|(at, _)| *at).collect();
    assert!(
        places[..whole].iter().copied().eq(0..whole as u64),
        "no gap where there is none"
    );
    assert_eq!(places.len(), whole + 3 * 160);
    assert!(
        places[whole] >= whole as u64 + 299 * 8,
        "a gap where there is one"
    );
    assert_eq!(replay.keys, "#");
    let faults = Faults {
        duplicates: 1,
        unknown: 1,
        late: 1,
        skipped: 1,
        misplaced: 1,
        ..Faults::default()
    };
    assert_eq!(replay.faults, faults);
}

#[test]
fn every_prefix_of_every_message_is_refused_or_read() {
    for (path, said) in recordings() {
        for message in said {
            for end in (0..message.len()).filter(|end| message.is_char_boundary(*end)) {
                let cut = decode(&message[..end]);
                assert_eq!(cut, Err(StreamError::NotJson), "{}", path.display());
            }
        }
    }
}

/// Rotations of one recording that are tried, spread over its length.
const MOST_ROTATIONS: usize = 100;

#[test]
fn a_call_in_any_rotation_of_its_messages_ends_at_most_once() {
    for (path, said) in recordings() {
        // A long call has thousands of messages, and each rotation replays them all.
        for first in (0..said.len()).step_by(said.len().div_ceil(MOST_ROTATIONS).max(1)) {
            let rotated = said[first..].iter().chain(&said[..first]);
            let replay = replay(rotated.map(String::as_str));
            assert!(replay.ends.len() <= 1, "{} from {first}", path.display());
        }
    }
}

#[test]
fn no_recording_holds_a_secret() {
    for (path, said) in recordings() {
        for message in said {
            let message: Value = serde_json::from_str(&message).expect("JSON");
            for account in [
                &message["start"]["accountSid"],
                &message["stop"]["accountSid"],
            ] {
                assert!(
                    account.is_null() || account == "removed",
                    "{}",
                    path.display()
                );
            }
            let token = &message["start"]["customParameters"]["token"];
            assert!(token.is_null() || token == "removed", "{}", path.display());
        }
    }
}
