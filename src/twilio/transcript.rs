//! `--record-stream FILE`: keeps what was said on one media socket, both ways, as JSON lines for a later test.
//!
//! A line is `{"at_us":…,"by":"carrier"|"us","message":…}`: microseconds since the socket was opened, who spoke, and the
//! message. The account's sid and every custom parameter, our token among them, are blotted out. What is no JSON is kept
//! by its length only, since nobody can say what stands in it. The sound stays: it is what a test needs.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use serde_json::{Value, json};
use tracing::warn;

/// Lines that may wait for the disk: some 20 s of a call. When it is full, lines are left out and counted.
const WAITING: usize = 2048;

/// What stands in the place of a secret.
const BLOTTED: &str = "removed";

/// Messages that are kept in memory until a stream is let in: Twilio sends two.
const MOST_EARLY: usize = 16;

/// The longest of them that is kept, in bytes.
const LONGEST_EARLY: usize = 16 * 1024;

/// Whether a stream is recorded. The file is the next stream's that is let in, so that a socket which is turned away does
/// not take it.
#[derive(Debug)]
pub(super) enum Record {
    /// It is not.
    No,
    /// It will be, once it is let in; what the carrier said until then.
    IfAdmitted {
        /// When the socket was opened.
        began: Instant,
        /// What was said, and when.
        early: Vec<(Instant, String)>,
    },
    /// It is.
    Yes(Transcript),
}

impl Record {
    /// Begins with a socket just opened.
    pub(super) fn new(wanted: bool) -> Record {
        if wanted {
            Record::IfAdmitted {
                began: Instant::now(),
                early: Vec::new(),
            }
        } else {
            Record::No
        }
    }

    /// Keeps a message, if it is to be kept.
    pub(super) fn keep(&mut self, by: By, text: &str) {
        match self {
            Record::No => {}
            // We say nothing before.
            Record::IfAdmitted { early, .. } => {
                if early.len() < MOST_EARLY && text.len() <= LONGEST_EARLY {
                    early.push((Instant::now(), text.to_owned()));
                }
            }
            Record::Yes(transcript) => transcript.keep(by, text),
        }
    }

    /// The stream is let in; `path` is where it is to be kept, unless another one came first.
    pub(super) fn admitted(&mut self, path: Option<&Path>) {
        let Record::IfAdmitted { began, early } = std::mem::replace(self, Record::No) else {
            return;
        };
        let Some(path) = path else {
            return;
        };
        match Transcript::begin(path, began) {
            Ok(mut transcript) => {
                for (at, text) in early {
                    transcript.keep_at(at, By::Carrier, &text);
                }
                *self = Record::Yes(transcript);
            }
            Err(error) => {
                warn!(path = %path.display(), %error, "the transcript of the stream cannot be kept");
            }
        }
    }
}

/// Who spoke.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum By {
    /// The carrier.
    Carrier,
    /// We.
    Us,
}

/// The transcript of one stream; finished when it is dropped.
#[derive(Debug)]
pub(super) struct Transcript {
    lines: SyncSender<(u128, By, String)>,
    began: Instant,
    left_out: u64,
}

impl Transcript {
    /// Begins a file (mode 0600, since it holds what was said), in the place of an older one; times count from `began`.
    fn begin(path: &Path, began: Instant) -> std::io::Result<Transcript> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = BufWriter::new(options.open(path)?);
        let (lines, waiting) = sync_channel::<(u128, By, String)>(WAITING);
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("transcript".to_owned())
            .spawn(move || {
                let written = waiting
                    .iter()
                    .try_for_each(|(at, by, text)| writeln!(file, "{}", line(at, by, &text)))
                    .and_then(|()| file.flush());
                if let Err(error) = written {
                    warn!(path = %path.display(), %error, "the transcript of the stream is not whole");
                }
            })?;
        Ok(Transcript {
            lines,
            began,
            left_out: 0,
        })
    }

    /// Keeps a message. Never waits.
    fn keep(&mut self, by: By, text: &str) {
        self.keep_at(Instant::now(), by, text);
    }

    fn keep_at(&mut self, at: Instant, by: By, text: &str) {
        let at = at.saturating_duration_since(self.began).as_micros();
        match self.lines.try_send((at, by, text.to_owned())) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => self.left_out += 1,
        }
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        if self.left_out > 0 {
            warn!(
                lines = self.left_out,
                "the disk was too slow for the transcript of the stream"
            );
        }
    }
}

fn line(at_us: u128, by: By, text: &str) -> Value {
    let message = match serde_json::from_str(text) {
        Ok(mut message) => {
            blot(&mut message);
            message
        }
        Err(_) => json!({ "unreadable_bytes": text.len() }),
    };
    let by = match by {
        By::Carrier => "carrier",
        By::Us => "us",
    };
    json!({ "at_us": u64::try_from(at_us).unwrap_or(u64::MAX), "by": by, "message": message })
}

/// Blots out what is secret, at whatever depth it stands.
fn blot(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match name.as_str() {
                    "accountSid" => *value = BLOTTED.into(),
                    "customParameters" => {
                        if let Value::Object(parameters) = value {
                            parameters.values_mut().for_each(|v| *v = BLOTTED.into());
                        } else {
                            *value = BLOTTED.into();
                        }
                    }
                    _ => blot(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(blot),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_and_account_are_blotted_out_and_the_rest_is_kept() {
        let start = r#"{"event":"start","streamSid":"MZ1","start":{"accountSid":"AC1","callSid":"CA1","customParameters":{"token":"hush","x":"hush"}}}"#;
        let kept = line(7, By::Carrier, start);
        assert_eq!(
            kept,
            json!({"at_us": 7, "by": "carrier", "message": {"event": "start", "streamSid": "MZ1", "start": {
                "accountSid": "removed", "callSid": "CA1",
                "customParameters": {"token": "removed", "x": "removed"}}}})
        );
        for odd in [
            r#"{"start":{"customParameters":"hush"}}"#,
            r#"{"start":{"customParameters":{"token":{"deep":"hush"}}}}"#,
            r#"[{"accountSid":["hush"]}]"#,
        ] {
            assert!(
                !line(0, By::Carrier, odd).to_string().contains("hush"),
                "{odd}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_kept_by_its_length() {
        assert_eq!(
            line(0, By::Us, r#"{"token":"hush"#),
            json!({"at_us": 0, "by": "us", "message": {"unreadable_bytes": 14}})
        );
    }

    #[test]
    fn a_socket_that_is_turned_away_leaves_no_file_and_keeps_little() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stream.jsonl");
        let mut record = Record::new(true);
        for _ in 0..100 {
            record.keep(By::Carrier, r#"{"event":"connected"}"#);
        }
        record.keep(By::Carrier, &"x".repeat(100_000));
        let Record::IfAdmitted { early, .. } = &record else {
            panic!("it was not let in");
        };
        assert_eq!(early.len(), MOST_EARLY);
        drop(record);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_holds_one_line_for_each_message_and_is_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stream.jsonl");
        let mut record = Record::new(true);
        record.keep(By::Carrier, r#"{"event":"connected"}"#);
        record.admitted(Some(&path));
        record.keep(By::Us, r#"{"event":"clear"}"#);
        drop(record);
        // The writing thread ends by itself once the transcript is dropped.
        let limit = Instant::now() + std::time::Duration::from_secs(10);
        let mut text = String::new();
        while text.lines().count() < 2 && Instant::now() < limit {
            std::thread::yield_now();
            text = std::fs::read_to_string(&path).expect("readable");
        }
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines[0]["message"]["event"], "connected", "said before");
        assert_eq!(lines[1]["by"], "us");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path)
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
