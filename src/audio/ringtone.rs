//! From what a person chose to ring, or to be heard on hold, to what is heard: reads their own recording.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::own::Recording;
use crate::pure::audio::clip::Clip;
use crate::pure::audio::comfort::{Comfort, HoldMusic, Ringtone};
use crate::pure::audio::hold::Music;
use crate::pure::audio::ringtone::{Melody, RECORDING_RATE, RingStyle, Tune, convert};
use crate::pure::audio::{DeviceRate, LINE_RATE};
use crate::pure::recording::opus;

/// A recording is heard for so long at most, in s, and then from its beginning.
const LONGEST: usize = 30;

/// And so long on hold.
const LONGEST_MUSIC: usize = 300;

/// Bytes of an Opus file that are read at most: five minutes at Opus's highest rate of 510 kbit/s, and some.
const LARGEST_OPUS: u64 = 24_000_000;

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives no thread.
    #[error("the threads for sound cannot be started")]
    Thread(#[from] std::io::Error),
    /// The file that is to ring cannot be used; the text says why.
    #[error("the ringtone cannot be used: {0}")]
    Ringtone(String),
    /// The file for those who wait cannot be used; the text says why.
    #[error("the music on hold cannot be used: {0}")]
    HoldMusic(String),
}

/// Makes what rings. Reads and converts a file, so it takes its time.
pub(super) fn style(comfort: &Comfort) -> Result<RingStyle, StartError> {
    let melody = match &comfort.ringtone {
        Ringtone::Classic => Melody::Classic,
        Ringtone::Marimba => Melody::Tune(Tune::Marimba),
        Ringtone::Chime => Melody::Tune(Tune::Chime),
        Ringtone::Mechanical => Melody::Tune(Tune::Mechanical),
        Ringtone::File(path) => {
            let samples = read(path, LONGEST, RECORDING_RATE).map_err(StartError::Ringtone)?;
            Melody::recording(samples)
        }
    };
    Ok(RingStyle {
        melody,
        volume: comfort.ring_volume,
        rises: comfort.ring_rising,
    })
}

/// Makes what is heard on hold. Reads and converts a file, so it takes its time.
pub(super) fn music(choice: &HoldMusic) -> Result<Music, StartError> {
    match choice {
        HoldMusic::BuiltIn => Ok(Music::built_in()),
        HoldMusic::Silence => Ok(Music::silence()),
        HoldMusic::File(path) => match opus_in(path) {
            Some(samples) => samples,
            None => read(path, LONGEST_MUSIC, DeviceRate::LINE),
        }
        .map(Music::recording)
        .map_err(StartError::HoldMusic),
    }
}

/// Reads a file's first five minutes at the line's rate, all its channels as one, if it is Ogg.
fn opus_in(path: &Path) -> Option<Result<Vec<f32>, String>> {
    let file = File::open(path).ok()?;
    let mut bytes = Vec::new();
    // What is not there cannot be read as anything else either, which is told then.
    file.take(LARGEST_OPUS).read_to_end(&mut bytes).ok()?;
    if !bytes.starts_with(b"OggS") {
        return None;
    }
    let sound = match opus::read(&bytes, LONGEST_MUSIC * LINE_RATE as usize) {
        Ok(sound) => sound,
        Err(why) => return Some(Err(format!("{}: {why}", path.display()))),
    };
    let clip = Clip::of_ends(&sound.channels);
    if clip.samples().is_empty() {
        return Some(Err(format!("{} holds no sound", path.display())));
    }
    let floats = clip.samples().iter().map(|s| f32::from(*s) / 32_768.0);
    Some(Ok(floats.collect()))
}

/// Reads a file's first `longest` seconds, at another rate.
fn read(path: &Path, longest: usize, to: DeviceRate) -> Result<Vec<f32>, String> {
    let Recording { rate, samples, .. } = Recording::read(path, |rate| {
        let hz = rate.hz();
        if !(8_000..=96_000).contains(&hz) {
            return Err(format!(
                "{} has {hz} samples a second, not 8000 to 96000",
                path.display()
            ));
        }
        Ok(longest * hz as usize)
    })?;
    if samples.is_empty() {
        return Err(format!("{} holds no sound", path.display()));
    }
    if samples.iter().any(|sample| !sample.is_finite()) {
        return Err(format!(
            "{} holds numbers that are no sound",
            path.display()
        ));
    }
    Ok(convert(&samples, rate, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(path: &Path) -> Comfort {
        Comfort {
            ringtone: Ringtone::File(path.to_owned()),
            ..Comfort::default()
        }
    }

    fn told(path: &Path) -> String {
        match style(&rings(path)) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    fn write(path: &Path, rate: u32, bits: u16, samples: impl Iterator<Item = f32>) {
        let float = bits == 32;
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: rate,
            bits_per_sample: bits,
            sample_format: if float {
                hound::SampleFormat::Float
            } else {
                hound::SampleFormat::Int
            },
        };
        let mut file = hound::WavWriter::create(path, spec).expect("it opens");
        for sample in samples {
            for _ in 0..2 {
                if float {
                    file.write_sample(sample).expect("room");
                } else {
                    let full = ((1_i64 << (bits - 1)) - 1) as f32;
                    file.write_sample((sample * full) as i32).expect("room");
                }
            }
        }
        file.finalize().expect("room");
    }

    #[test]
    fn a_recording_of_any_usual_kind_rings_and_a_long_one_is_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ring.wav");
        for (rate, bits) in [(8_000, 16), (44_100, 24), (48_000, 32), (96_000, 16)] {
            let tone = (0..rate)
                .map(|n| (n as f32 * 400.0 * std::f32::consts::TAU / rate as f32).sin() * 0.5);
            write(&path, rate, bits, tone);
            let style = style(&rings(&path)).expect("a recording");
            let Melody::Recording(samples) = style.melody else {
                panic!("{rate} Hz, {bits} bits");
            };
            assert_eq!(samples.len(), 48_000, "{rate} Hz");
            let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
            assert!((peak - 0.32).abs() < 0.01, "{rate} Hz, {bits} bits: {peak}");
        }
        write(&path, 8_000, 16, (0..40 * 8_000).map(|n| (n % 2) as f32));
        let samples = read(&path, LONGEST, RECORDING_RATE).expect("a recording");
        assert_eq!(samples.len(), 30 * 48_000);
    }

    #[test]
    fn a_recording_is_heard_on_hold_at_the_rate_of_the_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("wait.wav");
        let choice = HoldMusic::File(path.clone());
        let tone = |n: u32| (n as f32 * 400.0 * std::f32::consts::TAU / 44_100.0).sin() * 0.5;
        write(&path, 44_100, 16, (0..88_200).map(tone));
        assert_eq!(music(&choice).expect("music").len(), 16_000);
        std::fs::write(&path, "no sound").expect("room");
        let error = music(&choice).expect_err("no sound");
        assert!(
            error
                .to_string()
                .contains("the music on hold cannot be used")
        );
        std::fs::write(&path, b"OggS, and then nothing").expect("room");
        assert!(
            music(&choice)
                .expect_err("no sound")
                .to_string()
                .contains("wait.wav")
        );
        let spoken = include_bytes!("../recorder/voice/greeting-en.opus");
        std::fs::write(&path, spoken).expect("room");
        assert!(music(&choice).expect("music").len() > 8_000);
        let built_in = music(&HoldMusic::BuiltIn).expect("music");
        assert!(built_in.len() > 160_000);
        assert!(music(&HoldMusic::Silence).expect("music").is_empty());
    }

    #[test]
    fn what_cannot_ring_is_told_by_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ring.wav");
        assert!(told(&path).contains("ring.wav cannot be read as a WAV file"));
        std::fs::write(&path, "no sound").expect("room");
        assert!(told(&path).contains("ring.wav cannot be read as a WAV file"));
        write(&path, 48_000, 16, std::iter::empty());
        assert!(told(&path).contains("ring.wav holds no sound"));
        write(&path, 4_000, 16, std::iter::once(0.5));
        assert!(told(&path).contains("has 4000 samples a second, not 8000 to 96000"));
        write(&path, 48_000, 32, std::iter::once(f32::NAN));
        assert!(told(&path).contains("holds numbers that are no sound"));
    }
}
