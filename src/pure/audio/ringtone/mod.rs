//! What rings: built-in tunes and a person's own recording, with a volume of its own, rising at first.
//!
//! [`Ringer`] is all that a device needs: told whether it is to ring, it adds what is heard to a block. It allocates nothing
//! but where it is made and where it moves to another rate, and no way to begin, to stop or to begin anew makes a click.

mod modal;
mod rate;

use std::sync::Arc;

use super::DeviceRate;
use super::comfort::Volume;
use super::fader::Fader;
use super::tone::{Country, Tone};
use modal::Modal;

pub(super) use modal::Phasor;
pub use modal::Tune;
pub use rate::convert;

/// The rate of a person's own recording, as a [`RingStyle`] holds it.
pub const RECORDING_RATE: DeviceRate = DeviceRate::HZ_48000;

/// The peak that a recording is brought to: that of the built-in tunes.
const PEAK: f32 = 0.32;

/// The most that a quiet recording is turned up, as a factor: 12 dB.
const MOST_UP: f32 = 4.0;

/// How much softer a rising bell begins: -18 dB.
const SOFT: f32 = 0.125;

/// How long it rises, in s: two rings of most countries.
const RISES: f32 = 8.0;

/// The ends of a recording fade for so long, in ms, for it may begin and end in the middle of a sound.
const EDGE_MS: u32 = 10;

/// The pause before a recording is played again, in s.
const PAUSE: u32 = 1;

/// What is heard.
#[derive(Clone, Debug, Default)]
pub enum Melody {
    /// Two notes in the country's cadence.
    #[default]
    Classic,
    /// A tune of struck things.
    Tune(Tune),
    /// A recording at [`RECORDING_RATE`], made by [`Melody::recording`].
    Recording(Arc<[f32]>),
}

impl Melody {
    /// Takes a recording of one channel at [`RECORDING_RATE`], full scale 1, and brings its peak to that of the others.
    #[must_use]
    pub fn recording(mut samples: Vec<f32>) -> Melody {
        let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let gain = (PEAK / peak.max(1e-6)).min(MOST_UP);
        let edge = (RECORDING_RATE.hz() * EDGE_MS / 1000) as usize;
        let length = samples.len();
        for (n, sample) in samples.iter_mut().enumerate() {
            let from_end = n.min(length - 1 - n);
            *sample *= gain * (from_end as f32 / edge as f32).min(1.0);
        }
        Melody::Recording(samples.into())
    }
}

/// How it rings.
#[derive(Clone, Debug, Default)]
pub struct RingStyle {
    /// What is heard.
    pub melody: Melody,
    /// How loud.
    pub volume: Volume,
    /// Whether it begins softly, and rises.
    pub rises: bool,
}

/// A bell at one device.
#[derive(Debug)]
pub struct Ringer {
    style: RingStyle,
    rate: DeviceRate,
    /// The recording at the device's rate; empty for other melodies.
    recording: Arc<[f32]>,
    volume: Fader,
    /// Whose cadence is wanted; nothing: silence.
    wanted: Option<Country>,
    ringing: Option<(Country, Voice)>,
    fader: Fader,
    risen: f32,
    /// The factor by which it rises with each sample.
    rise: f32,
}

/// What makes the sound of a ring.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would have to be made in a callback"
)]
#[derive(Debug)]
enum Voice {
    Tone(Tone),
    Modal(Modal),
    /// How far a recording is.
    Recording(usize),
}

impl Ringer {
    /// Makes a bell that is silent. Allocates where a recording needs another rate.
    #[must_use]
    pub fn new(style: RingStyle, rate: DeviceRate) -> Ringer {
        let mut ringer = Ringer {
            volume: Fader::new(style.volume.gain(), rate),
            style,
            rate,
            recording: Arc::default(),
            wanted: None,
            ringing: None,
            fader: Fader::new(0.0, rate),
            risen: 1.0,
            rise: 1.0,
        };
        ringer.set_rate(rate);
        ringer
    }

    /// Moves to a device of another rate, and rings on from the beginning. Allocates where a recording needs another rate.
    pub fn set_rate(&mut self, rate: DeviceRate) {
        self.rate = rate;
        self.recording = match &self.style.melody {
            Melody::Recording(samples) if rate == RECORDING_RATE => Arc::clone(samples),
            Melody::Recording(samples) => convert(samples, RECORDING_RATE, rate).into(),
            Melody::Classic | Melody::Tune(_) => Arc::default(),
        };
        self.rise = SOFT.powf(-1.0 / (RISES * rate.hz() as f32));
        self.fader = Fader::new(0.0, rate);
        self.volume.set_rate(rate);
        self.ringing = None;
    }

    /// Rings in a country's cadence from now on, or stops. What is said again changes nothing.
    pub fn ring(&mut self, cadence: Option<Country>) {
        self.wanted = cadence;
    }

    /// Rings as loud as this from now on. What is said again changes nothing.
    pub fn set_volume(&mut self, volume: Volume) {
        self.volume.set(volume.gain());
    }

    /// Says whether it rings or is to.
    #[must_use]
    pub fn rings(&self) -> bool {
        self.wanted.is_some()
    }

    /// Adds what is heard to a block.
    pub fn add_to(&mut self, block: &mut [f32]) {
        for sample in block {
            if self.ringing.is_none() {
                let Some(country) = self.wanted else {
                    return;
                };
                self.begin(country);
            }
            *sample += self.next();
        }
    }

    fn begin(&mut self, country: Country) {
        let voice = match self.style.melody {
            Melody::Classic => Voice::Tone(Tone::bell(country, self.rate)),
            Melody::Tune(tune) => Voice::Modal(Modal::new(tune, country, self.rate)),
            Melody::Recording(_) => Voice::Recording(0),
        };
        self.ringing = Some((country, voice));
        self.risen = if self.style.rises { SOFT } else { 1.0 };
    }

    fn next(&mut self) -> f32 {
        let Some((country, voice)) = &mut self.ringing else {
            return 0.0;
        };
        let stays = self.wanted == Some(*country);
        let sound = match voice {
            Voice::Tone(tone) => tone.next(),
            Voice::Modal(modal) => modal.next(),
            Voice::Recording(at) => {
                let sound = self.recording.get(*at).copied().unwrap_or(0.0);
                *at += 1;
                if *at >= self.recording.len() + (PAUSE * self.rate.hz()) as usize {
                    *at = 0;
                }
                sound
            }
        };
        self.fader.set(if stays { 1.0 } else { 0.0 });
        let gain = self.fader.advance();
        if !stays && gain == 0.0 {
            self.ringing = None;
        }
        self.risen = (self.risen * self.rise).min(1.0);
        sound * gain * self.risen * self.volume.advance()
    }
}

#[cfg(test)]
mod tests;
