//! Sounds to listen to: a speech-like one of our own for when there is nothing else, and WAV files.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use offhook::pure::audio::{LINE_RATE, g711};

/// What goes wrong with a file.
pub(crate) type Trouble = Box<dyn std::error::Error>;

/// Makes a sound as mu-law that has what a jitter buffer must cope with in speech: voiced syllables whose pitch glides,
/// hisses, pauses, and a line's noise in all of them.
pub(crate) fn babble(seconds: usize) -> Vec<u8> {
    let mut chance = Chance(0x0FF_400C);
    let mut codes = Vec::with_capacity(seconds * LINE_RATE as usize);
    let mut phase = 0.0_f64;
    while codes.len() < codes.capacity() {
        let kind = chance.share();
        let length = 600 + (chance.share() * 1_200.0) as usize;
        let (from, to) = (90.0 + 120.0 * chance.share(), 90.0 + 120.0 * chance.share());
        let formant = 400.0 + 1_200.0 * chance.share();
        for n in 0..length.min(codes.capacity() - codes.len()) {
            let share = n as f64 / length as f64;
            let envelope = (share * std::f64::consts::PI).sin();
            let noise = chance.share() - 0.5;
            let pitch = from + (to - from) * share;
            phase += pitch / f64::from(LINE_RATE);
            let sound = match kind {
                ..0.65 => {
                    (1..=(3_400.0 / pitch) as u32)
                        .map(f64::from)
                        .fold(0.0, |sum, harmonic| {
                            let off = (harmonic * pitch - formant) / 400.0;
                            sum + (harmonic * phase * std::f64::consts::TAU).sin()
                                / (1.0 + off * off)
                        })
                        * 0.12
                }
                0.65..0.8 => noise * 0.3,
                _ => 0.0,
            };
            let sample = sound * envelope + noise * 0.003;
            codes.push(g711::encode_f32(sample as f32));
        }
    }
    codes
}

/// Reads a WAV of 8 kHz, 16 bits and one channel, as mu-law, whole frames only.
pub(crate) fn read_ulaw(path: &Path) -> Result<Vec<u8>, Trouble> {
    let samples = read(path)?;
    Ok(samples.iter().map(|sample| g711::encode(*sample)).collect())
}

/// Reads a WAV of 8 kHz, 16 bits and one channel.
pub(crate) fn read(path: &Path) -> Result<Vec<i16>, Trouble> {
    let mut wav = WavReader::open(path)?;
    let spec = wav.spec();
    if spec != SPEC {
        return Err(format!(
            "{} is no WAV of 8 kHz, 16 bits, one channel",
            path.display()
        )
        .into());
    }
    Ok(wav.samples::<i16>().collect::<Result<_, _>>()?)
}

/// Writes a WAV of 8 kHz, 16 bits and one channel.
pub(crate) fn write(path: &Path, samples: impl IntoIterator<Item = i16>) -> Result<(), Trouble> {
    let mut wav = WavWriter::create(path, SPEC)?;
    for sample in samples {
        wav.write_sample(sample)?;
    }
    Ok(wav.finalize()?)
}

const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: LINE_RATE,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// A stream of chance from a seed: `SplitMix64` (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    /// Returns a number from 0 to below 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}
