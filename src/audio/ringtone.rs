//! From what a person chose to ring to what rings: reads their own recording.

use std::path::Path;

use super::own::Recording;
use crate::pure::audio::comfort::{Comfort, Ringtone};
use crate::pure::audio::ringtone::{Melody, RECORDING_RATE, RingStyle, Tune, convert};

/// A recording is heard for so long at most, in s, and then from its beginning.
const LONGEST: usize = 30;

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives no thread.
    #[error("the threads for sound cannot be started")]
    Thread(#[from] std::io::Error),
    /// The file that is to ring cannot be used; the text says why.
    #[error("the ringtone cannot be used: {0}")]
    Ringtone(String),
}

/// Makes what rings. Reads and converts a file, so it takes its time.
pub(super) fn style(comfort: &Comfort) -> Result<RingStyle, StartError> {
    let melody = match &comfort.ringtone {
        Ringtone::Classic => Melody::Classic,
        Ringtone::Marimba => Melody::Tune(Tune::Marimba),
        Ringtone::Chime => Melody::Tune(Tune::Chime),
        Ringtone::Mechanical => Melody::Tune(Tune::Mechanical),
        Ringtone::File(path) => read(path).map_err(StartError::Ringtone)?,
    };
    Ok(RingStyle {
        melody,
        volume: comfort.ring_volume,
        rises: comfort.ring_rising,
    })
}

fn read(path: &Path) -> Result<Melody, String> {
    let Recording { rate, samples, .. } = Recording::read(path, |rate| {
        let hz = rate.hz();
        if !(8_000..=96_000).contains(&hz) {
            return Err(format!(
                "{} has {hz} samples a second, not 8000 to 96000",
                path.display()
            ));
        }
        Ok(LONGEST * hz as usize)
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
    Ok(Melody::recording(convert(&samples, rate, RECORDING_RATE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &Path) -> String {
        let comfort = Comfort {
            ringtone: Ringtone::File(path.to_owned()),
            ..Comfort::default()
        };
        match style(&comfort) {
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
            let Ok(Melody::Recording(samples)) = read(&path) else {
                panic!("{rate} Hz, {bits} bits");
            };
            assert_eq!(samples.len(), 48_000, "{rate} Hz");
            let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
            assert!((peak - 0.32).abs() < 0.01, "{rate} Hz, {bits} bits: {peak}");
        }
        write(&path, 8_000, 16, (0..40 * 8_000).map(|n| (n % 2) as f32));
        let Ok(Melody::Recording(samples)) = read(&path) else {
            panic!("a long one");
        };
        assert_eq!(samples.len(), 30 * 48_000);
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
