//! Sound that was made ready to be sent or heard: a greeting, a beep, a recording that is played back.
//!
//! A [`Clip`] is read and converted beforehand, wherever that may take its time. A [`ClipPlayer`] gives its samples at
//! [`LINE_RATE`] and neither allocates nor waits, so that it may stand on either way of sound.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ringtone::{Melody, RingStyle, Ringer, Tune, convert};
use super::tone::Country;
use super::{DeviceRate, LINE_RATE};

/// The beep after which a message is taken: its frequency in Hz, its length in ms, its peak in dBFS. It must be far from
/// the tones of networks, heard by everybody, and no shock behind a greeting.
const BEEP: (f32, u32, f32) = (1_000.0, 500, -15.0);

/// The sign that a call is recorded: the same of it, and how often it begins, in ms.
const RECORDING_TONE: (f32, u32, f32) = (1_400.0, 500, -22.0);
const RECORDING_TONE_EVERY_MS: u64 = 15_000;

/// Begins and ends fade for so long, in ms.
const EDGE_MS: u32 = 5;

/// The chime before a greeting is so long, in ms: both of its chords, and what is heard of their fading.
const CHIME_MS: u32 = 1_800;

/// Sound at 8 kHz, one channel. Cheap to clone.
#[derive(Clone, Eq, PartialEq)]
pub struct Clip {
    samples: Arc<[i16]>,
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clip")
            .field("length", &self.length())
            .finish()
    }
}

impl Clip {
    /// Takes samples as they are.
    #[must_use]
    pub fn new(samples: Vec<i16>) -> Clip {
        Clip {
            samples: samples.into(),
        }
    }

    /// Converts sound of any rate to that of the line; of several channels it is the mean.
    #[must_use]
    pub fn of_channels(rate: DeviceRate, channels: &[Vec<f32>]) -> Clip {
        let length = channels.iter().map(Vec::len).max().unwrap_or(0);
        let mut mean = vec![0.0; length];
        for channel in channels {
            for (mean, sample) in mean.iter_mut().zip(channel) {
                *mean += sample / channels.len() as f32;
            }
        }
        Clip::of_floats(&convert(&mean, rate, DeviceRate::LINE))
    }

    /// Puts the ends of a call together, each as loud as it was.
    #[must_use]
    pub fn of_ends(ends: &[Vec<i16>]) -> Clip {
        let length = ends.iter().map(Vec::len).max().unwrap_or(0);
        let sum = |n: usize| {
            let samples = ends.iter().filter_map(|end| end.get(n));
            samples.fold(0_i16, |sum, sample| sum.saturating_add(*sample))
        };
        Clip {
            samples: (0..length).map(sum).collect(),
        }
    }

    /// A pleasant sign that something is to be said.
    #[must_use]
    pub fn chime() -> Clip {
        let style = RingStyle {
            melody: Melody::Tune(Tune::Chime),
            ..RingStyle::default()
        };
        let mut bell = Ringer::new(style, DeviceRate::LINE);
        // A tune has no country's cadence.
        bell.ring(Some(Country::default()));
        let mut sound = vec![0.0; samples_of(CHIME_MS)];
        bell.add_to(&mut sound);
        fade(&mut sound, samples_of(CHIME_MS / 6));
        Clip::of_floats(&sound)
    }

    /// The beep after which a message is taken: 1,000 Hz for 500 ms, its peak at -15 dBFS.
    #[must_use]
    pub fn beep() -> Clip {
        Clip::burst(BEEP)
    }

    fn burst((hz, ms, peak): (f32, u32, f32)) -> Clip {
        let gain = 10_f32.powf(peak / 20.0);
        let mut sound: Vec<f32> = (0..samples_of(ms))
            .map(|n| (n as f32 * std::f32::consts::TAU * hz / LINE_RATE as f32).sin() * gain)
            .collect();
        let edge = samples_of(EDGE_MS);
        for (n, sample) in sound.iter_mut().enumerate().take(edge) {
            *sample *= n as f32 / edge as f32;
        }
        fade(&mut sound, edge);
        Clip::of_floats(&sound)
    }

    /// The sign that a call is recorded, with the silence until it is to come again: a burst of 1,400 Hz, half a second in
    /// every 15, which Federal Standard 1037C calls the recorder warning tone. It sounds over a voice, so its peak is at
    /// -22 dBFS, about as loud as the voice on average.
    #[must_use]
    pub fn recording_tone() -> Clip {
        let every = Duration::from_millis(RECORDING_TONE_EVERY_MS);
        let sound = Clip::burst(RECORDING_TONE);
        let silence = Clip::silence(every.saturating_sub(sound.length()));
        Clip::sequence(&[sound, silence])
    }

    /// So much silence.
    #[must_use]
    pub fn silence(length: Duration) -> Clip {
        let samples = length.as_millis() * u128::from(LINE_RATE) / 1000;
        Clip::new(vec![0; usize::try_from(samples).unwrap_or(0)])
    }

    /// Returns several, one after the other.
    #[must_use]
    pub fn sequence(clips: &[Clip]) -> Clip {
        let samples = clips.iter().flat_map(|clip| clip.samples.iter().copied());
        Clip {
            samples: samples.collect(),
        }
    }

    /// Returns how long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        time_of(self.samples.len())
    }

    /// Returns its samples.
    #[must_use]
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    fn of_floats(sound: &[f32]) -> Clip {
        let samples = sound
            .iter()
            .map(|sample| (sample * 32_768.0).round() as i16);
        Clip {
            samples: samples.collect(),
        }
    }
}

fn samples_of(ms: u32) -> usize {
    (ms * LINE_RATE / 1000) as usize
}

fn time_of(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(LINE_RATE))
}

/// Lets the last samples fade.
fn fade(sound: &mut [f32], edge: usize) {
    for (n, sample) in sound.iter_mut().rev().enumerate().take(edge) {
        *sample *= n as f32 / edge as f32;
    }
}

/// A clip that is being played. What begins in the middle of a sound, or stops there, does so over 5 ms.
#[derive(Clone, Debug)]
pub struct ClipPlayer {
    clip: Clip,
    at: usize,
    /// How loud it is now, and is to be.
    gain: f32,
    aim: f32,
}

impl ClipPlayer {
    /// Begins at the first sample.
    #[must_use]
    pub fn new(clip: Clip) -> ClipPlayer {
        ClipPlayer {
            clip,
            at: 0,
            gain: 1.0,
            aim: 1.0,
        }
    }

    /// Adds the next samples to a block at the line's rate, full scale 1. Safe in real time.
    pub fn add_to(&mut self, block: &mut [f32]) {
        let step = 1.0 / (LINE_RATE * EDGE_MS / 1000) as f32;
        for sample in block {
            if self.is_over() {
                return;
            }
            self.gain += (self.aim - self.gain).clamp(-step, step);
            let next = self.clip.samples.get(self.at).copied().unwrap_or(0);
            *sample += f32::from(next) / 32_768.0 * self.gain;
            self.at += 1;
        }
    }

    /// Goes on elsewhere: at `place`, or at the end where that lies beyond it.
    pub fn seek(&mut self, place: Duration) {
        let samples = place.as_micros() * u128::from(LINE_RATE) / 1_000_000;
        self.at = usize::try_from(samples).map_or(self.clip.samples.len(), |at| {
            at.min(self.clip.samples.len())
        });
        self.gain = 0.0;
    }

    /// Lets it fade and be over.
    pub fn stop(&mut self) {
        self.aim = 0.0;
    }

    /// Says whether nothing more is to be heard of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.at >= self.clip.samples.len() || (self.aim == 0.0 && self.gain == 0.0)
    }

    /// Says whether it was stopped, and nothing more is to be heard of it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.aim == 0.0 && self.is_over()
    }

    /// Returns how far it is.
    #[must_use]
    pub fn place(&self) -> Duration {
        time_of(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(player: &mut ClipPlayer, block: usize, blocks: usize) -> Vec<f32> {
        let mut sound = vec![0.0; block * blocks];
        for block in sound.chunks_mut(block) {
            player.add_to(block);
        }
        sound
    }

    /// The frequency by zero crossings, and the peak.
    fn tone(samples: &[i16]) -> (f32, f32) {
        let rises = samples.windows(2).filter(|p| p[0] < 0 && p[1] >= 0).count();
        let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
        let seconds = samples.len() as f32 / 8_000.0;
        (
            rises as f32 / seconds,
            20.0 * (f32::from(peak) / 32_768.0).log10(),
        )
    }

    #[test]
    fn the_beep_is_1000_hz_for_half_a_second_at_minus_15_dbfs() {
        let beep = Clip::beep();
        assert_eq!(beep.length(), Duration::from_millis(500));
        let (hz, peak) = tone(beep.samples());
        assert!((hz - 1_000.0).abs() < 4.0, "{hz} Hz");
        assert!((peak + 15.0).abs() < 0.1, "{peak} dBFS");
        let steps = beep.samples().windows(2).map(|p| p[1].abs_diff(p[0]));
        let own = 32_768.0 * 0.178 * std::f32::consts::TAU / 8.0;
        assert!(steps.max().is_some_and(|step| f32::from(step) < own * 1.05));
    }

    #[test]
    fn the_recording_tone_is_1400_hz_for_half_a_second_of_fifteen_at_minus_22_dbfs() {
        let clip = Clip::recording_tone();
        assert_eq!(clip.length(), Duration::from_secs(15));
        let (sounds, silent) = clip.samples().split_at(4_000);
        let (hz, peak) = tone(sounds);
        assert!((hz - 1_400.0).abs() < 4.0, "{hz} Hz");
        assert!((peak + 22.0).abs() < 0.1, "{peak} dBFS");
        assert!(silent.iter().all(|sample| *sample == 0));
    }

    #[test]
    fn the_chime_is_heard_from_its_beginning_and_fades_to_nothing() {
        let chime = Clip::chime();
        assert_eq!(chime.length(), Duration::from_millis(1_800));
        let (_, peak) = tone(&chime.samples()[..800]);
        assert!(peak > -25.0, "{peak} dBFS at first");
        let (_, all) = tone(chime.samples());
        assert!(all < -6.0, "{all} dBFS at most");
        assert!(chime.samples().last().is_some_and(|s| s.abs() < 100));
    }

    #[test]
    fn a_clip_is_played_once_whatever_the_blocks() {
        let clip = Clip::new((1..=1_000).collect());
        for block in [1, 7, 160, 1_500] {
            let mut player = ClipPlayer::new(clip.clone());
            let sound = play(&mut player, block, 2_000 / block + 1);
            assert!(player.is_over());
            assert_eq!(player.place(), Duration::from_millis(125));
            for (n, sample) in sound.iter().enumerate() {
                let wanted = if n < 1_000 { (n + 1) as f32 } else { 0.0 };
                assert!((sample * 32_768.0 - wanted).abs() < 0.01, "{block}, {n}");
            }
        }
    }

    #[test]
    fn what_begins_or_stops_in_the_middle_does_not_click() {
        let mut player = ClipPlayer::new(Clip::new(vec![16_384; 8_000]));
        player.seek(Duration::from_millis(500));
        let mut sound = play(&mut player, 160, 5);
        assert_eq!(sound.last(), Some(&0.5));
        player.stop();
        sound.extend(play(&mut player, 160, 5));
        assert!(player.is_over());
        assert_eq!(sound.last(), Some(&0.0));
        let steps = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        assert!(steps.fold(0.0, f32::max) < 0.02);
        player.seek(Duration::from_secs(90));
        assert!(player.is_over(), "beyond the end there is nothing");
    }

    #[test]
    fn sound_of_any_rate_and_number_of_channels_becomes_a_clip() {
        let rate = DeviceRate::HZ_48000;
        let left: Vec<f32> = (0..48_000)
            .map(|n| (n as f32 * std::f32::consts::TAU * 500.0 / 48_000.0).sin() * 0.8)
            .collect();
        let clip = Clip::of_channels(rate, &[left, vec![0.0; 48_000]]);
        assert_eq!(clip.length(), Duration::from_secs(1));
        let (hz, peak) = tone(&clip.samples()[400..7_600]);
        assert!(
            (hz - 500.0).abs() < 3.0 && (peak + 7.96).abs() < 0.2,
            "{hz}, {peak}"
        );
        assert_eq!(Clip::of_channels(rate, &[]).length(), Duration::ZERO);
    }

    #[test]
    fn both_ends_of_a_call_are_heard_as_loud_as_they_were() {
        let clip = Clip::of_ends(&[vec![1, 2, 32_000], vec![10, 20, 32_000, 7]]);
        assert_eq!(clip.samples(), [11, 22, 32_767, 7]);
    }

    #[test]
    fn clips_follow_each_other() {
        let all = Clip::sequence(&[
            Clip::new(vec![1]),
            Clip::silence(Duration::from_millis(1)),
            Clip::new(vec![2]),
        ]);
        assert_eq!(all.samples(), [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    }
}
