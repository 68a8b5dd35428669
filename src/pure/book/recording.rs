//! Recordings and voicemails as the book keeps them: which file holds what. The files are the recorder's.

use serde::{Deserialize, Serialize};

/// What a file holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingKind {
    /// Both sides of a call.
    Recording,
    /// A message that a caller left.
    Voicemail,
}

impl RecordingKind {
    /// Returns the word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            RecordingKind::Recording => "recording",
            RecordingKind::Voicemail => "voicemail",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<RecordingKind> {
        [RecordingKind::Recording, RecordingKind::Voicemail]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// One file of the recorder's.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Recording {
    /// Its name within the folder of recordings, which is also its name for programs.
    pub file: String,
    /// What it holds.
    pub kind: RecordingKind,
    /// Our name for the call that it is of.
    pub call: Option<String>,
    /// Who was at the far end: who called, or was called. Empty where that is not known any more.
    pub from: String,
    /// When it began: RFC 3339, in UTC.
    pub began: String,
    /// How long it is.
    pub seconds: u64,
    /// How large it is.
    pub bytes: u64,
    /// Whether somebody has heard it.
    pub seen: bool,
}

/// A message that a caller left.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Voicemail {
    /// Its name for programs: that of its file.
    pub id: String,
    /// Our name for the call in which it was left.
    pub call: Option<String>,
    /// Who left it. Empty where that is not known any more.
    pub from: String,
    /// What they are called among the contacts now.
    pub name: Option<String>,
    /// When it began: RFC 3339, in UTC.
    pub began: String,
    /// How long it is.
    pub seconds: u64,
    /// How large its file is.
    pub bytes: u64,
    /// Whether somebody has heard it.
    pub heard: bool,
}

impl Voicemail {
    /// Makes one of its file, and of the name of whoever left it.
    #[must_use]
    pub fn new(recording: Recording, name: Option<String>) -> Voicemail {
        Voicemail {
            id: recording.file,
            call: recording.call,
            from: recording.from,
            name,
            began: recording.began,
            seconds: recording.seconds,
            bytes: recording.bytes,
            heard: recording.seen,
        }
    }
}

/// How long recordings are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordingLimits {
    /// For how many days.
    pub days: Option<u32>,
    /// How many bytes all of them may have together; the oldest go first.
    pub bytes: Option<u64>,
}
