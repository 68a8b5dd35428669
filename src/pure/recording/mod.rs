//! A recording of one call: both ends in, each with the moments of its sound; the bytes of a file out.
//!
//! [`Recording`] is the whole of it. [`timeline`] keeps both ends in time with each other; [`opus`] and [`wav`] make files
//! that can be played up to their last second wherever their writing stops, and read them; [`keep`] decides what is
//! deleted when, and [`name`] what a file is called. Nothing here touches a file: a [`Write`] says what to do to it.

pub mod keep;
pub mod name;
pub mod opus;
pub mod timeline;
pub mod wav;

use std::time::Duration;

use crate::pure::audio::{FRAME_LEN, LINE_RATE};
use crate::pure::time::Time;
use opus::OpusFile;
use timeline::{Lost, Timeline};
use wav::WavFile;

/// Which end of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// What the desk says: the left channel.
    Near,
    /// What the desk hears: the right channel.
    Far,
}

/// 20 ms of both ends, near and far.
pub type Frame = [[i16; FRAME_LEN]; 2];

/// How a call is kept.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Format {
    /// Ogg Opus: some 2 MB for ten minutes.
    #[default]
    Opus,
    /// WAV of 16 bits at 8 kHz: 19 MB for ten minutes.
    Wav,
}

impl Format {
    /// Returns how the names of its files end.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Format::Opus => "opus",
            Format::Wav => "wav",
        }
    }
}

/// What to do to the file, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Write {
    /// Write behind what is there.
    Append(Vec<u8>),
    /// Write over its first bytes.
    Head(Vec<u8>),
    /// Wait until all of it is on the disk.
    Sync,
}

/// The codec refused; only a fault of our own makes it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the sound cannot be encoded: {0}")]
pub struct CodecError(pub(crate) String);

/// Sound is written so often, in frames: 0.4 s. With what the timeline holds back, a file is never 0.8 s behind.
const EVERY: usize = 20;

#[derive(Debug)]
enum File {
    Opus(Box<OpusFile>),
    Wav(WavFile),
}

/// A recording that is being made.
#[derive(Debug)]
pub struct Recording {
    timeline: Timeline,
    file: File,
    paused: bool,
    frames: u64,
    waiting: usize,
}

impl Recording {
    /// Begins one at `now`, with what is to be written first. `serial` is any number: files that are put together must not
    /// have the same.
    ///
    /// # Errors
    /// Where there is no encoder.
    pub fn begin(
        format: Format,
        serial: u32,
        comments: &[String],
        now: Time,
    ) -> Result<(Recording, Vec<Write>), CodecError> {
        let (file, writes) = match format {
            Format::Opus => {
                let (file, writes) = OpusFile::begin(serial, comments)?;
                (File::Opus(Box::new(file)), writes)
            }
            Format::Wav => {
                let (file, writes) = WavFile::begin();
                (File::Wav(file), writes)
            }
        };
        let recording = Recording {
            timeline: Timeline::new(now),
            file,
            paused: false,
            frames: 0,
            waiting: 0,
        };
        Ok((recording, writes))
    }

    /// Takes sound of one end, 8 kHz; `at` is the moment of its first sample. While it pauses, nothing is taken.
    pub fn push(&mut self, end: End, at: Time, samples: &[i16]) {
        if !self.paused {
            self.timeline.push(end, at, samples);
        }
    }

    /// Returns what is to be written by `now`.
    ///
    /// # Errors
    /// Where the encoder refuses.
    pub fn advance(&mut self, now: Time) -> Result<Vec<Write>, CodecError> {
        let mut writes = Vec::new();
        if self.paused {
            return Ok(writes);
        }
        while let Some(frame) = self.timeline.next(now) {
            self.take(&frame, &mut writes)?;
        }
        Ok(writes)
    }

    /// Stops taking: of what sounds from `now` on nothing is kept, until it goes on. What came before is written.
    ///
    /// # Errors
    /// Where the encoder refuses.
    pub fn pause(&mut self, now: Time) -> Result<Vec<Write>, CodecError> {
        let mut writes = Vec::new();
        if self.paused {
            return Ok(writes);
        }
        self.drain(now, &mut writes)?;
        self.flush(&mut writes);
        self.paused = true;
        Ok(writes)
    }

    /// Goes on with what sounds from `now` on.
    pub fn resume(&mut self, now: Time) {
        if std::mem::take(&mut self.paused) {
            self.timeline.resume(now);
        }
    }

    /// Says whether it pauses.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Ends it at `now`, and returns what is left to be written, and how long it is then.
    ///
    /// # Errors
    /// Where the encoder refuses.
    pub fn finish(mut self, now: Time) -> Result<(Vec<Write>, Duration), CodecError> {
        let mut writes = Vec::new();
        if !self.paused {
            self.drain(now, &mut writes)?;
        }
        let length = self.length();
        match self.file {
            File::Opus(file) => file.finish(&mut writes)?,
            File::Wav(file) => file.finish(&mut writes),
        }
        Ok((writes, length))
    }

    /// Returns how long it is, pauses left out.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.frames * FRAME_LEN as u64 * 1000 / u64::from(LINE_RATE))
    }

    /// Returns what was not kept of both ends, near and far.
    #[must_use]
    pub fn lost(&self) -> [Lost; 2] {
        self.timeline.lost()
    }

    /// Says whether its format holds no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match &self.file {
            File::Opus(_) => false,
            File::Wav(file) => file.is_full(),
        }
    }

    fn drain(&mut self, now: Time, writes: &mut Vec<Write>) -> Result<(), CodecError> {
        while let Some(frame) = self.timeline.next_at_end(now) {
            self.take(&frame, writes)?;
        }
        self.timeline.clear();
        Ok(())
    }

    fn take(&mut self, frame: &Frame, writes: &mut Vec<Write>) -> Result<(), CodecError> {
        match &mut self.file {
            File::Opus(file) => file.push(frame)?,
            File::Wav(file) => file.push(frame),
        }
        self.frames += 1;
        self.waiting += 1;
        if self.waiting == EVERY {
            self.flush(writes);
        }
        Ok(())
    }

    fn flush(&mut self, writes: &mut Vec<Write>) {
        self.waiting = 0;
        match &mut self.file {
            File::Opus(file) => file.flush(writes),
            File::Wav(file) => file.flush(writes),
        }
    }
}

#[cfg(test)]
mod tests;
