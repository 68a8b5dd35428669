//! Sound that is played into calls or to the desk: a person's own greeting, a recording, and what is said where there is none.
//!
//! All of it is read and converted here, before anything is played.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lang::Lang;
use crate::pure::audio::clip::Clip;
use crate::pure::audio::{DeviceRate, LINE_RATE};
use crate::pure::recording::{Format, opus, wav};

/// A greeting is heard for so long at most.
pub const LONGEST_GREETING: Duration = Duration::from_secs(180);

/// A recording is played back for so long at most: 115 MB of memory.
pub const LONGEST_PLAYBACK: Duration = Duration::from_secs(2 * 3600);

/// Bytes of a file at most.
const LARGEST: u64 = 400_000_000;

/// The pause between what is said and the beep.
const PAUSE: Duration = Duration::from_millis(300);

/// Sound that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Loaded {
    /// The sound.
    pub clip: Clip,
    /// Whether the file holds more than is played.
    pub is_cut: bool,
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is larger than any sound that is played.
    #[error("it has {0} bytes, more than {LARGEST}")]
    TooLarge(u64),
    /// It is neither WAV nor Ogg Opus.
    #[error("it is neither a WAV file nor an Ogg Opus file")]
    Unknown,
    /// It is WAV, but not such as is read.
    #[error("{0}")]
    Wav(#[from] wav::NotWav),
    /// It is Ogg, but not such as is read.
    #[error("{0}")]
    Opus(#[from] opus::NotOpus),
    /// A rate that no sound has.
    #[error("it has {0} samples a second, not 4000 to 768000")]
    Rate(u32),
    /// There is nothing in it.
    #[error("it holds no sound")]
    Empty,
}

/// The names of a person's own greeting, the first that is there.
pub const GREETINGS: [&str; 2] = ["greeting.opus", "greeting.wav"];

/// Returns where a person's own greeting lies, if there is one.
#[must_use]
pub fn own_greeting_in(folder: &Path) -> Option<PathBuf> {
    let paths = GREETINGS.map(|name| folder.join(name));
    paths.into_iter().find(|path| path.exists())
}

/// Reads a person's own greeting, WAV or Ogg Opus of any rate and number of channels.
///
/// # Errors
/// What is wrong with the file, as a sentence about it.
pub fn own_greeting(path: &Path) -> Result<Loaded, ClipError> {
    let sound = read(path, LONGEST_GREETING)?;
    let channels: Vec<Vec<f32>> = match sound.ends {
        Ends::Line(ends) => {
            let floats = |end: Vec<i16>| end.into_iter().map(|s| f32::from(s) / 32_768.0);
            ends.into_iter().map(|end| floats(end).collect()).collect()
        }
        Ends::Floats(channels) => channels,
    };
    let clip = Clip::of_channels(sound.rate, &channels);
    filled(clip, sound.is_cut)
}

/// Reads a recording to be played back, both of its ends together.
///
/// # Errors
/// What is wrong with the file, as a sentence about it.
pub fn recording(path: &Path) -> Result<Loaded, ClipError> {
    let sound = read(path, LONGEST_PLAYBACK)?;
    let ends: Vec<Vec<i16>> = match sound.ends {
        Ends::Line(ends) => ends,
        // The recorder's own WAV files are of the line's rate, and 16 bits are whole in a float.
        Ends::Floats(channels) => {
            let whole = |end: Vec<f32>| end.into_iter().map(|s| (s * 32_768.0).round() as i16);
            channels
                .into_iter()
                .map(|end| whole(end).collect())
                .collect()
        }
    };
    if sound.rate != DeviceRate::LINE {
        return Err(ClipError::Rate(sound.rate.hz()));
    }
    filled(Clip::of_ends(&ends), sound.is_cut)
}

/// What a caller hears where nobody has recorded a greeting: a chime, and a request to leave a message.
#[must_use]
pub fn greeting(lang: Lang) -> Clip {
    let spoken = match lang {
        Lang::En => stored(include_bytes!("voice/greeting-en.opus")),
        Lang::Fr => stored(include_bytes!("voice/greeting-fr.opus")),
    };
    Clip::sequence(&[Clip::chime(), spoken])
}

/// What is said where both ends are to know that the call is recorded.
#[must_use]
pub fn notice(lang: Lang) -> Clip {
    match lang {
        Lang::En => stored(include_bytes!("voice/notice-en.opus")),
        Lang::Fr => stored(include_bytes!("voice/notice-fr.opus")),
    }
}

/// A greeting with the beep behind it, after which the message begins.
#[must_use]
pub fn before_message(greeting: &Clip) -> Clip {
    Clip::sequence(&[greeting.clone(), Clip::silence(PAUSE), Clip::beep()])
}

fn stored(bytes: &[u8]) -> Clip {
    // A test reads every one of them.
    let sound = opus::read(bytes, usize::MAX).unwrap_or_default();
    Clip::of_ends(&sound.channels)
}

fn filled(clip: Clip, is_cut: bool) -> Result<Loaded, ClipError> {
    if clip.samples().is_empty() {
        return Err(ClipError::Empty);
    }
    Ok(Loaded { clip, is_cut })
}

struct Sound {
    rate: DeviceRate,
    ends: Ends,
    is_cut: bool,
}

enum Ends {
    Line(Vec<Vec<i16>>),
    Floats(Vec<Vec<f32>>),
}

fn read(path: &Path, longest: Duration) -> Result<Sound, ClipError> {
    let size = std::fs::metadata(path)?.len();
    if size > LARGEST {
        return Err(ClipError::TooLarge(size));
    }
    let bytes = std::fs::read(path)?;
    let most = |rate: u32| longest.as_secs() as usize * rate as usize;
    let format = match bytes.first_chunk::<4>() {
        Some(b"OggS") => Format::Opus,
        Some(b"RIFF") => Format::Wav,
        Some(_) | None => return Err(ClipError::Unknown),
    };
    match format {
        Format::Opus => {
            let sound = opus::read(&bytes, most(LINE_RATE))?;
            Ok(Sound {
                rate: DeviceRate::LINE,
                ends: Ends::Line(sound.channels),
                is_cut: sound.is_cut,
            })
        }
        Format::Wav => {
            let sound = wav::read(&bytes, most)?;
            Ok(Sound {
                rate: DeviceRate::new(sound.rate).ok_or(ClipError::Rate(sound.rate))?,
                ends: Ends::Floats(sound.channels),
                is_cut: sound.is_cut,
            })
        }
    }
}
