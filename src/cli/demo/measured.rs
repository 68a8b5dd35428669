//! What a call of the demonstration was like, for a person, for a script, and as a verdict.

use std::path::Path;

use serde_json::{Value, json};

use super::files::Files;
use crate::audio::StreamStats;
use crate::failure::Failure;
use crate::lang::{Lang, Message};
use crate::sim::CallReport;

/// What a call was like, seen from both ends.
#[derive(Debug)]
pub(super) struct Measured {
    /// From the caller's end.
    pub(super) report: CallReport,
    /// From ours; nothing where it never came to a stream.
    pub(super) stats: Option<StreamStats>,
}

impl Measured {
    /// Says whether all went as it should.
    ///
    /// # Errors
    /// What did not.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        if self.report.is_fine() && self.stats.is_some() {
            return Ok(());
        }
        let what = match self.report.warnings.first() {
            Some(warning) => format!("Twilio would have complained of this call: {warning}"),
            None => format!("the call went wrong: {}", self.report.ended),
        };
        Err(Failure::world(what).hint("the log tells more with --log debug"))
    }

    /// Writes it for a person, a line for each thing.
    pub(super) fn page(&self, files: &Files, lang: Lang) -> String {
        let mut messages = Vec::new();
        match &self.stats {
            Some(stats) => {
                messages.push(Message::MeasuredFrames {
                    down: stats.frames_down,
                    up: stats.frames_up,
                });
                messages.push(Message::MeasuredGaps {
                    dry: stats.underruns,
                    missing_ms: stats.missing_samples / 8,
                    dropped: stats.dropped_up + stats.way_up.shed_frames,
                });
                messages.push(Message::MeasuredBuffer {
                    depth: stats.depth_ms,
                    most: stats.depth_max_ms,
                    shed: stats.shed_samples / 8,
                });
                messages.push(match delays(stats) {
                    Some((up, down)) => Message::MeasuredDelays {
                        up,
                        down,
                        back: there_and_back(up, down),
                    },
                    None => Message::NoDelays,
                });
                messages.push(Message::MeasuredLate {
                    late: self.report.stream.late_frames,
                    timer: self.report.stream.late_timer,
                });
            }
            None => messages.push(Message::NeverTalked),
        }
        let mut lines: Vec<String> = messages
            .into_iter()
            .map(|message| message.text(lang))
            .collect();
        let text = |path: &Path| path.display().to_string();
        if let Some(path) = &files.near_end {
            lines.push(Message::MicrophoneFile { path: &text(path) }.text(lang));
        }
        if let Some(path) = &files.speaker {
            lines.push(Message::SpeakerFile { path: &text(path) }.text(lang));
        }
        if let Some(path) = &files.caller {
            lines.push(Message::CallerFile { path: &text(path) }.text(lang));
        }
        if self.verdict().is_ok() {
            lines.push(Message::AllWell.text(lang));
        }
        lines.join("\n")
    }

    /// Returns it for a script.
    pub(super) fn to_json(&self, files: &Files) -> Value {
        let stats = self.stats.unwrap_or_default();
        let delays = delays(&stats);
        json!({
            "fine": self.verdict().is_ok(),
            "frames_down": stats.frames_down,
            "frames_up": stats.frames_up,
            "dropped_up": stats.dropped_up + stats.way_up.shed_frames,
            "underruns": stats.underruns,
            "missing_ms": stats.missing_samples / 8,
            "shed_ms": stats.shed_samples / 8,
            "buffer_ms": stats.depth_ms,
            "buffer_most_ms": stats.depth_max_ms,
            "up_ms": delays.map(|(up, _)| up),
            "down_ms": delays.map(|(_, down)| down),
            "round_trip_ms": delays.map(|(up, down)| there_and_back(up, down)),
            "caller": self.report.to_json(),
            "files": {
                "microphone": files.near_end,
                "speaker": files.speaker,
                "caller": files.caller,
            },
        })
    }
}

/// Returns the time from the microphone to the speaker by way of a far end that sends back at once, in ms.
///
/// It is half a frame longer than the two ways together: the way up counts a sample until its message leaves, the way down
/// counts it from where it lies in the message, and on average half of a message lies between the two.
fn there_and_back(up: f32, down: f32) -> f32 {
    const HALF_A_FRAME: f32 = 10.0;
    up + HALF_A_FRAME + down
}

/// Returns the delay up and down, in ms; nothing where one of them is not known.
fn delays(stats: &StreamStats) -> Option<(f32, f32)> {
    stats.up_ms.zip(stats.down_ms)
}
