//! WAV: written with a header that is valid at all times, and read from whatever bytes there are.

use std::time::Duration;

use super::{Frame, Write};
use crate::pure::audio::LINE_RATE;

/// Bytes of the header that is written.
const HEADER: usize = 44;

/// Bytes of one sample of both ends.
const BLOCK: u32 = 4;

/// Bytes of sound that a file holds at most: its header counts them, and itself, in 32 bits. 37 hours.
const MOST: u32 = (u32::MAX - 1_000) / BLOCK * BLOCK;

/// A file that is being made: two channels of 16 bits at 8 kHz.
#[derive(Debug, Default)]
pub struct WavFile {
    waiting: Vec<u8>,
    /// Bytes of sound that were written.
    written: u32,
}

impl WavFile {
    /// Begins a file, with what is to be written first.
    pub(super) fn begin() -> (WavFile, Vec<Write>) {
        let file = WavFile::default();
        let writes = vec![Write::Append(header(0)), Write::Sync];
        (file, writes)
    }

    pub(super) fn push(&mut self, frame: &Frame) {
        for (near, far) in frame[0].iter().zip(&frame[1]) {
            self.waiting.extend_from_slice(&near.to_le_bytes());
            self.waiting.extend_from_slice(&far.to_le_bytes());
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.written == MOST
    }

    /// Hands on what waits. The header counts it only once it is on the disk, so that it never promises what is not there.
    pub(super) fn flush(&mut self, writes: &mut Vec<Write>) {
        let mut sound = std::mem::take(&mut self.waiting);
        sound.truncate((MOST - self.written) as usize);
        if sound.is_empty() {
            return;
        }
        self.written += u32::try_from(sound.len()).unwrap_or(0);
        writes.extend([
            Write::Append(sound),
            Write::Sync,
            Write::Head(header(self.written)),
            Write::Sync,
        ]);
    }

    pub(super) fn finish(mut self, writes: &mut Vec<Write>) {
        self.flush(writes);
    }
}

/// The header of a file with so many bytes of sound (Microsoft, "Multimedia Programming Interface and Data Specifications
/// 1.0", 1991).
fn header(sound: u32) -> Vec<u8> {
    header_of(sound, 2)
}

/// Makes a file of sound of the line: one channel of 16 bits at 8 kHz.
#[must_use]
pub fn of_line(samples: &[i16]) -> Vec<u8> {
    let bytes = u32::try_from(samples.len() * 2).unwrap_or(MOST).min(MOST);
    let mut file = header_of(bytes, 1);
    let sound = samples.iter().take(bytes as usize / 2);
    file.extend(sound.flat_map(|sample| sample.to_le_bytes()));
    file
}

fn header_of(sound: u32, channels: u16) -> Vec<u8> {
    let block = u32::from(channels) * 2;
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(sound + HEADER as u32 - 8).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes());
    header.extend_from_slice(&channels.to_le_bytes());
    header.extend_from_slice(&LINE_RATE.to_le_bytes());
    header.extend_from_slice(&(LINE_RATE * block).to_le_bytes());
    header.extend_from_slice(&(block as u16).to_le_bytes());
    header.extend_from_slice(&16_u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&sound.to_le_bytes());
    header
}

/// Returns the header that makes a file of so many bytes true to all of its sound, where its own one is not; for files of
/// [`WavFile`] that were cut off. `begins` are its first bytes.
#[must_use]
pub fn mend(begins: &[u8], length: u64) -> Option<Vec<u8>> {
    let ours = header(0);
    let begins = begins.get(..HEADER)?;
    // All but the two lengths.
    if begins[..4] != ours[..4] || begins[8..40] != ours[8..40] {
        return None;
    }
    let sound = length.saturating_sub(HEADER as u64).min(u64::from(MOST)) as u32 / BLOCK * BLOCK;
    let mended = header(sound);
    (begins != mended).then_some(mended)
}

/// Returns how long a file of [`WavFile`] of so many bytes plays.
#[must_use]
pub fn length(bytes: u64) -> Duration {
    let samples = bytes.saturating_sub(HEADER as u64) / u64::from(BLOCK);
    Duration::from_micros(samples.saturating_mul(1_000_000) / u64::from(LINE_RATE))
}

/// Sound that was read, at a rate of its own, full scale 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// One or more channels, each as long as the others.
    pub channels: Vec<Vec<f32>>,
    /// Whether there was more than was wanted.
    pub is_cut: bool,
}

/// Why bytes hold no sound that can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotWav {
    /// It does not begin as a WAV file does, or has no description of its sound.
    #[error("it is no WAV file")]
    NoHeader,
    /// A kind that is not read.
    #[error("its sound is coded in a way that is not read (format {format}, {bits} bits)")]
    Unknown {
        /// The format's tag.
        format: u16,
        /// Bits a sample.
        bits: u16,
    },
    /// Not 1 to 8 channels.
    #[error("it has {0} channels, not 1 to 8")]
    Channels(u16),
}

/// How its samples are coded.
#[derive(Clone, Copy)]
enum Code {
    /// Whole numbers of so many bytes; those of one byte have no sign.
    Whole(usize),
    Float,
    MuLaw,
}

/// Reads WAV of whole numbers of 8 to 32 bits, of floats of 32, or of mu-law, at most `most` samples of each channel. A file that
/// was cut off gives what is there of it.
///
/// # Errors
/// Where it is no WAV file, or of a kind that is not read.
pub fn read(bytes: &[u8], most: impl FnOnce(u32) -> usize) -> Result<Sound, NotWav> {
    let body = bytes
        .strip_prefix(b"RIFF")
        .and_then(|rest| rest.get(4..))
        .and_then(|rest| rest.strip_prefix(b"WAVE"))
        .ok_or(NotWav::NoHeader)?;
    let mut chunks = body;
    let mut format = None;
    while let Some((head, rest)) = chunks.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let chunk = &rest[..length.min(rest.len())];
        match &head[..4] {
            b"fmt " => format = Some(parse_format(chunk)?),
            b"data" => {
                let (rate, channels, code) = format.ok_or(NotWav::NoHeader)?;
                return Ok(decode(chunk, rate, channels, code, most(rate)));
            }
            _ => {}
        }
        // Chunks begin at even places.
        let next = length.saturating_add(length % 2);
        chunks = rest.get(next..).unwrap_or_default();
    }
    let (rate, channels, code) = format.ok_or(NotWav::NoHeader)?;
    Ok(decode(&[], rate, channels, code, 0))
}

fn parse_format(chunk: &[u8]) -> Result<(u32, usize, Code), NotWav> {
    let word = |at: usize| {
        let two = chunk.get(at..at + 2).ok_or(NotWav::NoHeader)?;
        Ok(u16::from_le_bytes([two[0], two[1]]))
    };
    let (mut format, channels, bits) = (word(0)?, word(2)?, word(14)?);
    let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
    if format == 0xFFFE {
        // What it is stands in the extension.
        format = word(24)?;
    }
    let code = match (format, bits) {
        (1, 8 | 16 | 24 | 32) => Code::Whole(usize::from(bits / 8)),
        (3, 32) => Code::Float,
        (7, 8) => Code::MuLaw,
        _ => return Err(NotWav::Unknown { format, bits }),
    };
    if !(1..=8).contains(&channels) {
        return Err(NotWav::Channels(channels));
    }
    Ok((rate, usize::from(channels), code))
}

fn decode(bytes: &[u8], rate: u32, count: usize, code: Code, most: usize) -> Sound {
    let width = match code {
        Code::Whole(width) => width,
        Code::Float => 4,
        Code::MuLaw => 1,
    };
    let mut channels = vec![Vec::new(); count];
    for block in bytes.chunks_exact(width * count).take(most) {
        for (channel, sample) in channels.iter_mut().zip(block.chunks_exact(width)) {
            channel.push(value(sample, code));
        }
    }
    Sound {
        rate,
        channels,
        is_cut: bytes.len() / (width * count) > most,
    }
}

fn value(sample: &[u8], code: Code) -> f32 {
    let value = match (code, sample) {
        (Code::Float, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
        (Code::MuLaw, [byte]) => crate::pure::audio::g711::decode_f32(*byte),
        (Code::Whole(_), [byte]) => (f32::from(*byte) - 128.0) / 128.0,
        (Code::Whole(_), _) => {
            // To the top of 32 bits, whatever the width.
            let mut wide = [0; 4];
            wide[4 - sample.len()..].copy_from_slice(sample);
            i32::from_le_bytes(wide) as f32 / 2_147_483_648.0
        }
        (Code::Float | Code::MuLaw, _) => 0.0,
    };
    if value.is_finite() { value } else { 0.0 }
}
