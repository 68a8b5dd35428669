//! Call progress tones: which frequencies, in which cadence, in which country; the classic bell; the warning beep.
//!
//! [`Tone::progress`] makes any of them; `table` says how each sounds, with its sources.

mod beep;
mod country;
mod table;
mod teller;

pub use beep::Beep;
pub use country::Country;
pub use teller::Teller;

use super::DeviceRate;
use table::{Beat, Cadence};

#[cfg(test)]
mod tests;

/// What a tone tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// It rings at the far end.
    Ringback,
    /// A number may be dialled.
    Dial,
    /// The far end is taken, or has hung up.
    Busy,
    /// The network does not get through; in North America: reorder.
    Congestion,
    /// The number is not in use; in most countries the special information tone.
    Unobtainable,
    /// Another call waits while this one is held.
    CallWaiting,
    /// What was wanted of the network is done; only where the country has such a tone.
    Confirmation,
}

impl Progress {
    /// Every one of them.
    pub const ALL: [Progress; 7] = [
        Progress::Ringback,
        Progress::Dial,
        Progress::Busy,
        Progress::Congestion,
        Progress::Unobtainable,
        Progress::CallWaiting,
        Progress::Confirmation,
    ];

    /// Returns its name, as it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Progress::Ringback => "ringback",
            Progress::Dial => "dial",
            Progress::Busy => "busy",
            Progress::Congestion => "congestion",
            Progress::Unobtainable => "unobtainable",
            Progress::CallWaiting => "call-waiting",
            Progress::Confirmation => "confirmation",
        }
    }

    /// Reads its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Progress> {
        Progress::ALL.into_iter().find(|tone| tone.name() == name)
    }
}

/// The loudness of each frequency: two together are about -19 dBFS.
pub(super) const LEVEL: f32 = 0.08;

/// How long a tone takes to come and to go, in ms, so that it does not click.
const RAMP_MS: u32 = 5;

/// The notes of the classic bell: A5 and C sharp 6, a major third that small speakers carry well.
const BELL: [f64; 2] = [880.0, 1108.73];

/// A tone in its cadence: bounded by 0.32, without a click, its phase running on where one note follows another.
#[derive(Clone, Debug)]
pub struct Tone {
    cadence: Cadence,
    /// What sounds instead of the beats' own frequencies.
    notes: Option<[f64; 2]>,
    rate: u32,
    level: f32,
    ramp: u32,
    /// The beat that sounds, how often all of them did before, and the samples left of it.
    beat: usize,
    round: u32,
    left: u32,
    /// Beats with sound that may still begin; nothing: all.
    beats_left: Option<u32>,
    gain: f32,
    phase: [f64; 2],
    stage: Stage,
}

/// How far a tone is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Sounds,
    Fades,
    Over,
}

impl Tone {
    /// Makes a tone, or nothing where the country has none of the kind. Only [`Progress::Confirmation`] is missing anywhere.
    #[must_use]
    pub fn progress(tone: Progress, country: Country, rate: DeviceRate) -> Option<Tone> {
        table::cadence(tone, country).map(|cadence| Tone::new(cadence, None, LEVEL, rate))
    }

    /// What a caller hears while it rings, in a country's cadence.
    #[must_use]
    pub fn ringback(country: Country, rate: DeviceRate) -> Tone {
        Tone::new(table::ringback(country), None, LEVEL, rate)
    }

    /// The classic bell: two notes a third apart, in a country's cadence, louder than what is on the line.
    #[must_use]
    pub fn bell(country: Country, rate: DeviceRate) -> Tone {
        Tone::new(table::ringback(country), Some(BELL), 2.0 * LEVEL, rate)
    }

    /// Ends after so many beats with sound.
    #[must_use]
    pub fn for_beats(mut self, beats: u32) -> Tone {
        self.beats_left = Some(beats);
        self.begin_beat();
        self
    }

    /// Is softer, by a factor.
    #[must_use]
    fn softer(mut self, factor: f32) -> Tone {
        self.level *= factor;
        self
    }

    fn new(cadence: Cadence, notes: Option<[f64; 2]>, level: f32, rate: DeviceRate) -> Tone {
        let mut tone = Tone {
            cadence,
            notes,
            rate: rate.hz(),
            level,
            ramp: (rate.hz() * RAMP_MS / 1000).max(1),
            beat: 0,
            round: 0,
            left: 0,
            beats_left: None,
            gain: 0.0,
            phase: [0.0; 2],
            stage: Stage::Sounds,
        };
        tone.left = tone.samples(0);
        tone
    }

    /// Lets it fade away now.
    pub fn stop(&mut self) {
        if self.stage == Stage::Sounds {
            self.stage = Stage::Fades;
        }
    }

    /// Says whether nothing more comes of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Adds the tone to a block.
    pub fn add_to(&mut self, block: &mut [f32]) {
        for sample in block {
            *sample += self.next();
        }
    }

    /// Returns its next sample.
    pub(super) fn next(&mut self) -> f32 {
        if self.stage == Stage::Over {
            return 0.0;
        }
        while self.left == 0 {
            self.beat = (self.beat + 1) % self.cadence.beats.len();
            self.round += u32::from(self.beat == 0);
            self.left = self.samples(self.beat);
            self.begin_beat();
        }
        let beat = self.cadence.beats[self.beat];
        let next = self.cadence.beats[(self.beat + 1) % self.cadence.beats.len()];
        // The last of a beat is the ramp, unless another note follows at once.
        let ends = self.left <= self.ramp && !sounds(next);
        let aim = if ends || !sounds(beat) || self.stage == Stage::Fades {
            0.0
        } else {
            beat.level
        };
        let step = 1.0 / self.ramp as f32;
        self.gain += (aim - self.gain).clamp(-step, step);
        self.left -= 1;
        if self.gain == 0.0 {
            // Each beat begins at the same place of the wave.
            self.phase = [0.0; 2];
            if self.stage == Stage::Fades {
                self.stage = Stage::Over;
            }
            return 0.0;
        }
        let mut sum = 0.0;
        let notes = self.notes.filter(|_| sounds(beat)).unwrap_or(beat.hz);
        for (phase, hz) in self.phase.iter_mut().zip(notes) {
            sum += phase.sin();
            *phase = (*phase + std::f64::consts::TAU * hz / f64::from(self.rate))
                % std::f64::consts::TAU;
        }
        sum as f32 * self.level * self.gain
    }

    /// Counts a beat that begins, and ends the tone where it may not.
    fn begin_beat(&mut self) {
        let begins = sounds(self.cadence.beats[self.beat]);
        if self.cadence.times > 0 && self.round >= self.cadence.times {
            self.stop();
        } else if begins {
            match &mut self.beats_left {
                Some(0) => self.stop(),
                Some(left) => *left -= 1,
                None => {}
            }
        }
    }

    fn samples(&self, beat: usize) -> u32 {
        let ms = u64::from(self.cadence.beats[beat].ms);
        u32::try_from(ms * u64::from(self.rate) / 1000)
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

fn sounds(beat: Beat) -> bool {
    beat.hz[0] > 0.0
}

/// Returns the stretches of ringing in a country's cadence: each on and off in ms.
pub(super) fn ringing(country: Country) -> impl Iterator<Item = (bool, u32)> + Clone {
    table::ringback(country)
        .beats
        .iter()
        .map(|beat| (sounds(*beat), beat.ms))
}
