//! Plays sounds through NetEq, as its Rust port has it, over the traces that the `voice` benchmark wrote.
//!
//! ```text
//! offhook-voice-neteq DIR [MOST_DELAY_MS]
//! ```
//!
//! For each `DIR/trace/NAME.txt` it reads `DIR/ulaw/NAME.ulaw`, and writes `DIR/wav/NAME.neteq.wav` and what NetEq says of
//! itself to `DIR/told/NAME.neteq.txt`. It runs in simulated time: the crate through which NetEq reads the clock is
//! replaced by one that is told the time. Blocks are asked for every 10 ms, as from the other engines.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use neteq::codec::AudioDecoder;
use neteq::{AudioPacket, NetEq, NetEqConfig, RtpHeader};

/// Samples a second.
const RATE: u32 = 8_000;

/// Samples of a frame of 20 ms.
const FRAME_LEN: usize = 160;

/// Mu-law's payload type (RFC 3551).
const PCMU: u8 = 0;

/// Microseconds of a block, and of what is played after the last frame came.
const BLOCK_US: u64 = 10_000;
const TAIL_US: u64 = 3_000_000;

/// The bound of NetEq's target in ms. Without one it begins at 2,000 ms and needs seconds to come down; among 100, 200, 300
/// and none, this gave it the best marks.
const MOST_DELAY_MS: u32 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .ok_or("usage: offhook-voice-neteq DIR [MOST_DELAY_MS]")?;
    let folder = Path::new(&folder);
    let most_delay_ms = arguments
        .next()
        .map_or(Ok(MOST_DELAY_MS), |ms| ms.parse())?;
    for entry in fs::read_dir(folder.join("trace"))? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let trace = read_trace(&fs::read_to_string(&path)?)?;
        let sound = fs::read(folder.join(format!("ulaw/{name}.ulaw")))?;
        let (output, told) = play(&sound, &trace, most_delay_ms)?;
        fs::write(folder.join(format!("wav/{name}.neteq.wav")), wav(&output))?;
        fs::write(folder.join(format!("told/{name}.neteq.txt")), told)?;
    }
    Ok(())
}

/// Reads a trace: for each frame its position in samples and when it came, in microseconds.
fn read_trace(text: &str) -> Result<Vec<(usize, u64)>, Box<dyn Error>> {
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [at, _, came] = words[..] else {
                return Err(format!("no line of a trace: {line}").into());
            };
            Ok((at.parse()?, came.parse()?))
        })
        .collect()
}

/// Plays a sound; returns what came out, and concealed, slower, faster and dropped ms in one line.
fn play(
    sound: &[u8],
    trace: &[(usize, u64)],
    most_delay_ms: u32,
) -> Result<(Vec<i16>, String), Box<dyn Error>> {
    web_time::set(Duration::ZERO);
    let mut neteq = NetEq::new(NetEqConfig {
        sample_rate: RATE,
        max_delay_ms: most_delay_ms,
        ..NetEqConfig::default()
    })?;
    neteq.register_decoder(PCMU, Box::new(Ulaw));
    let mut output = Vec::new();
    let mut told = neteq.get_statistics().lifetime;
    let mut next = 0;
    let end = trace.last().map_or(0, |(_, came)| *came) + TAIL_US;
    for now in (0..end).step_by(BLOCK_US as usize) {
        // The clock stands at each frame's own arrival while it is taken.
        while let Some((at, came)) = trace.get(next).copied().filter(|(_, came)| *came <= now) {
            web_time::set(Duration::from_micros(came));
            // What was never sent has no number: the timestamps alone jump.
            let header = RtpHeader::new(next as u16, at as u32, 1, PCMU, false);
            let payload = sound[at..at + FRAME_LEN].to_vec();
            neteq.insert_packet(AudioPacket::new(header, payload, RATE, 1, 20))?;
            next += 1;
        }
        web_time::set(Duration::from_micros(now));
        let frame = neteq.get_audio()?;
        output.extend(
            frame
                .samples
                .iter()
                .map(|sample| (sample * 32_768.0).round() as i16),
        );
        // What it does once the stream is over is no figure of the network's.
        if next < trace.len() {
            told = neteq.get_statistics().lifetime;
        }
    }
    let figures = [
        told.concealed_samples,
        told.inserted_samples_for_deceleration,
        told.removed_samples_for_acceleration,
    ];
    let [concealed, slower, faster] = figures.map(|samples| samples / 8);
    Ok((output, format!("{concealed} {slower} {faster} -")))
}

/// Mu-law, by the arithmetic of ITU-T G.711.
struct Ulaw;

impl AudioDecoder for Ulaw {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, encoded: &[u8]) -> neteq::Result<Vec<f32>> {
        Ok(encoded
            .iter()
            .map(|code| f32::from(linear(*code)) / 32_768.0)
            .collect())
    }
}

fn linear(code: u8) -> i16 {
    let code = !code;
    let magnitude = (((i16::from(code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// A WAV of 8 kHz, 16 bits and one channel.
fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = samples.len() as u32 * 2;
    let mut wav = Vec::with_capacity(44 + bytes as usize);
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    wav.extend([RATE, RATE * 2].map(u32::to_le_bytes).concat());
    wav.extend([2_u16, 16].map(u16::to_le_bytes).concat());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}
