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
    /// Begins a file (mode 0600, since it holds what was said), in the place of an older one.
    pub(super) fn begin(path: &Path) -> std::io::Result<Transcript> {
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
            began: Instant::now(),
            left_out: 0,
        })
    }

    /// Keeps a message. Never waits.
    pub(super) fn keep(&mut self, by: By, text: &str) {
        let at = self.began.elapsed().as_micros();
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
    fn a_file_holds_one_line_for_each_message_and_is_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stream.jsonl");
        let mut transcript = Transcript::begin(&path).expect("a file");
        transcript.keep(By::Carrier, r#"{"event":"connected"}"#);
        transcript.keep(By::Us, r#"{"event":"clear"}"#);
        drop(transcript);
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
        assert_eq!(lines[0]["message"]["event"], "connected");
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
