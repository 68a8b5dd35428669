//! How loud speech is, told apart from the silence between: method B of ITU-T Recommendation P.56 (12/2011).
//!
//! An envelope follows the sound; for each of several thresholds it is counted how long the envelope was above it, or had
//! been within the last 200 ms. The sound's whole energy over that time is a level for each threshold, and the active
//! level is the one that lies 15.9 dB above its own threshold. All levels are in dBFS: 0 is the power of a square wave at
//! full scale, so that the loudest sine has -3.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::LINE_RATE;

/// The lowest threshold is 2 to the power of minus this.
const THRESHOLDS: usize = 15;

/// The time constant of the envelope, in samples: 30 ms.
const SMOOTHING: f32 = 0.03 * LINE_RATE as f32;

/// How long sound counts as speech after the envelope fell: 200 ms.
const HANGOVER: u32 = LINE_RATE / 5;

/// An envelope below this is none: without it silence would be reckoned with subnormal numbers, which take long.
const NO_ENVELOPE: f32 = 1e-20;

/// How far above its threshold the active level lies, in dB.
const MARGIN_DB: f64 = 15.9;

/// How loud one direction of a call is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// The loudest sample, in dBFS.
    pub peak_dbfs: f32,
    /// The active speech level, in dBFS.
    pub active_dbfs: f32,
    /// How much of the time was speech, 0 to 1.
    pub activity: f32,
}

/// Levels that one thread tells others, in one piece; nothing at first.
#[derive(Debug, Default)]
pub struct LevelCell(AtomicU64);

impl LevelCell {
    /// Tells what is known now: to a hundredth of a dB.
    pub fn set(&self, levels: Option<Levels>) {
        let bits = levels.map_or(0, |levels| {
            // As casts of floats are, these are bounded.
            let level = |dbfs: f32| u64::from((-dbfs * 100.0).round() as u16);
            let activity = u64::from((levels.activity * 10_000.0).round() as u16);
            1 << 48 | activity << 32 | level(levels.peak_dbfs) << 16 | level(levels.active_dbfs)
        });
        self.0.store(bits, Ordering::Relaxed);
    }

    /// Returns what was told last.
    #[must_use]
    pub fn get(&self) -> Option<Levels> {
        let bits = self.0.load(Ordering::Relaxed);
        let part = |shift: u32| f32::from((bits >> shift) as u16);
        (bits != 0).then(|| Levels {
            peak_dbfs: -part(16) / 100.0,
            active_dbfs: -part(0) / 100.0,
            activity: part(32) / 10_000.0,
        })
    }
}

/// How much of a peak is left after one sample: it falls by 20 dB in 1.7 s, as the needle of a peak programme meter does
/// (IEC 60268-10, type I).
const FALLS: f32 = 0.999_831;

/// The needle of one direction, as it stands now: moved by one thread, read by anybody, at any time and as often as wanted.
///
/// It jumps up with a sample and falls slowly, so that whoever looks ten times a second misses nothing.
#[derive(Debug, Default)]
pub struct Needle(AtomicU32);

impl Needle {
    /// Takes sound in, full scale 1. For one thread alone.
    pub fn push(&self, sound: &[f32]) {
        let mut stands = f32::from_bits(self.0.load(Ordering::Relaxed));
        for sample in sound {
            stands = (stands * FALLS).max(sample.abs());
        }
        // Below this nobody sees it, and subnormal numbers take long.
        let stands = if stands < NO_ENVELOPE { 0.0 } else { stands };
        self.0.store(stands.to_bits(), Ordering::Relaxed);
    }

    /// Returns where it stands, in dBFS; nothing where nothing was heard.
    #[must_use]
    pub fn dbfs(&self) -> Option<f32> {
        let stands = f32::from_bits(self.0.load(Ordering::Relaxed));
        (stands > 0.0).then(|| 20.0 * stands.log10())
    }
}

/// The meter of one direction, at the rate of the line. Neither it nor anything it does allocates.
#[derive(Clone, Debug)]
pub struct LevelMeter {
    /// How much of itself the envelope keeps from sample to sample.
    keeps: f32,
    smoothed: f32,
    envelope: f32,
    energy: f64,
    samples: u64,
    peak: f32,
    /// For each threshold, the highest first: samples that were active, and samples since the envelope was above it.
    active: [u64; THRESHOLDS],
    since: [u32; THRESHOLDS],
}

impl Default for LevelMeter {
    fn default() -> Self {
        LevelMeter {
            keeps: (-1.0 / SMOOTHING).exp(),
            smoothed: 0.0,
            envelope: 0.0,
            energy: 0.0,
            samples: 0,
            peak: 0.0,
            active: [0; THRESHOLDS],
            since: [HANGOVER; THRESHOLDS],
        }
    }
}

impl LevelMeter {
    /// Takes sound in, full scale 1.
    pub fn push(&mut self, sound: &[f32]) {
        let takes = 1.0 - self.keeps;
        for sample in sound {
            let loud = sample.abs();
            self.smoothed = self.keeps * self.smoothed + takes * loud;
            self.envelope = self.keeps * self.envelope + takes * self.smoothed;
            if self.smoothed < NO_ENVELOPE {
                self.smoothed = 0.0;
            }
            if self.envelope < NO_ENVELOPE {
                self.envelope = 0.0;
            }
            self.energy += f64::from(loud) * f64::from(loud);
            self.peak = self.peak.max(loud);
            let mut threshold = 0.5;
            for (active, since) in self.active.iter_mut().zip(&mut self.since) {
                if self.envelope >= threshold {
                    *since = 0;
                    *active += 1;
                } else if *since < HANGOVER {
                    *since += 1;
                    *active += 1;
                }
                threshold *= 0.5;
            }
        }
        self.samples += sound.len() as u64;
    }

    /// Returns how many samples were taken in.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Returns the levels of all that was taken in, once that is a second and there was speech among it.
    #[must_use]
    pub fn levels(&self) -> Option<Levels> {
        if self.samples < u64::from(LINE_RATE) {
            return None;
        }
        // Thresholds from the lowest up: the level over the active time rises more slowly than the threshold does.
        let mut below: Option<(f64, f64)> = None;
        for n in (0..THRESHOLDS).rev() {
            if self.active[n] == 0 {
                return None;
            }
            let level = 10.0 * (self.energy / self.active[n] as f64).log10();
            let above = level - 20.0 * 0.5_f64.powi(n as i32 + 1).log10();
            if above <= MARGIN_DB {
                // Nothing was louder than the lowest threshold by the margin: that is no speech.
                let (lower_level, lower_above) = below?;
                let share = (lower_above - MARGIN_DB) / (lower_above - above);
                let active_dbfs = lower_level + share * (level - lower_level);
                let power = 10_f64.powf(active_dbfs / 10.0);
                let peak_dbfs = 20.0 * self.peak.log10();
                return Some(Levels {
                    peak_dbfs,
                    // Of a crack that is over before it counts as active, more energy than time is known.
                    active_dbfs: (active_dbfs as f32).min(peak_dbfs),
                    activity: (self.energy / power / self.samples as f64).min(1.0) as f32,
                });
            }
            below = Some((level, above));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tone of so many dBFS that comes and goes every so many milliseconds.
    fn bursts(dbfs: f32, on_ms: usize, off_ms: usize, seconds: usize) -> Vec<f32> {
        let amplitude = 10_f32.powf(dbfs / 20.0) * std::f32::consts::SQRT_2;
        let period = (on_ms + off_ms) * 8;
        (0..seconds * 8_000)
            .map(|n| {
                let on = n % period < on_ms * 8;
                let tone = (n as f32 * std::f32::consts::TAU * 440.0 / 8_000.0).sin();
                if on { tone * amplitude } else { 0.0 }
            })
            .collect()
    }

    fn measured(sound: &[f32]) -> Levels {
        let mut meter = LevelMeter::default();
        for block in sound.chunks(80) {
            meter.push(block);
        }
        meter.levels().expect("there is speech")
    }

    #[test]
    fn pauses_do_not_make_speech_less_loud() {
        for dbfs in [-45.0, -26.0, -10.0] {
            let steady = measured(&bursts(dbfs, 1_000, 0, 20));
            assert!((steady.active_dbfs - dbfs).abs() < 0.3, "{steady:?}");
            assert!(steady.activity > 0.97, "{steady:?}");
            assert!((steady.peak_dbfs - dbfs - 3.01).abs() < 0.1, "{steady:?}");
            let halting = measured(&bursts(dbfs, 2_000, 6_000, 80));
            // 200 ms of each pause still count as speech: 10 log(2.0/2.2) is -0.4 dB.
            assert!(
                (halting.active_dbfs - dbfs + 0.4).abs() < 0.5,
                "{halting:?}"
            );
            assert!((halting.activity - 0.275).abs() < 0.03, "{halting:?}");
        }
    }

    #[test]
    fn noise_far_below_the_voice_is_a_pause() {
        let mut sound = bursts(-20.0, 1_000, 3_000, 40);
        let mut seed = 1_u32;
        for sample in &mut sound {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample += (seed as f32 / u32::MAX as f32 - 0.5) * 0.003;
        }
        let levels = measured(&sound);
        assert!((levels.active_dbfs + 20.8).abs() < 0.6, "{levels:?}");
        assert!((levels.activity - 0.3).abs() < 0.05, "{levels:?}");
    }

    #[test]
    fn silence_has_no_level() {
        let mut meter = LevelMeter::default();
        assert_eq!(meter.levels(), None);
        meter.push(&[0.0; 8_000]);
        assert_eq!(meter.levels(), None);
    }

    #[test]
    fn silence_is_not_reckoned_with_subnormal_numbers() {
        let mut meter = LevelMeter::default();
        meter.push(&[0.5; 8_000]);
        for _ in 0..1_000 {
            meter.push(&[0.0; 80]);
            assert!(!meter.smoothed.is_subnormal() && !meter.envelope.is_subnormal());
        }
        assert_eq!((meter.smoothed, meter.envelope), (0.0, 0.0));
    }

    #[test]
    fn a_needle_jumps_with_a_sample_and_falls_by_20_db_in_1_7_s() {
        let needle = Needle::default();
        assert_eq!(needle.dbfs(), None);
        needle.push(&[0.0, -0.5, 0.1]);
        let jumped = needle.dbfs().expect("it was heard");
        assert!((jumped + 6.02).abs() < 0.05, "{jumped}");
        for _ in 0..170 {
            needle.push(&[0.0; 80]);
        }
        let fallen = needle.dbfs().expect("still to be seen");
        assert!((jumped - fallen - 20.0).abs() < 0.1, "{fallen}");
        for _ in 0..10_000 {
            needle.push(&[0.0; 80]);
        }
        assert_eq!(needle.dbfs(), None);
    }

    #[test]
    fn levels_are_told_in_one_piece() {
        let cell = LevelCell::default();
        assert_eq!(cell.get(), None);
        let levels = Levels {
            peak_dbfs: -0.02,
            active_dbfs: -26.25,
            activity: 0.4375,
        };
        cell.set(Some(levels));
        assert_eq!(cell.get(), Some(levels));
        cell.set(None);
        assert_eq!(cell.get(), None);
    }

    proptest! {
        #[test]
        fn any_sound_has_sensible_levels(
            parts in prop::collection::vec((0.0..1.0_f32, 1..2_000_usize), 1..20),
            seed in any::<u32>(),
        ) {
            let mut meter = LevelMeter::default();
            let mut chance = seed;
            let mut next = || {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                chance as f32 / u32::MAX as f32 * 2.0 - 1.0
            };
            for (loud, ms) in parts {
                let part: Vec<f32> = (0..ms * 8).map(|_| next() * loud).collect();
                meter.push(&part);
            }
            if let Some(levels) = meter.levels() {
                prop_assert!(levels.peak_dbfs <= 0.0);
                prop_assert!(levels.active_dbfs <= levels.peak_dbfs + 0.01);
                prop_assert!((0.0..=1.0).contains(&levels.activity));
            }
        }
    }
}
