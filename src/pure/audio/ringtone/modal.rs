//! Tunes of struck things: each note is a few decaying partials, and a strike only gives them more swing.
//!
//! A partial is a phasor that turns and shrinks with every sample; what is heard is its imaginary part. A strike adds to the
//! real part, so that the sound itself never jumps, however often and whenever something is struck: the method is modal
//! synthesis (Adrien, "The missing link: modal synthesis", 1991), with coupled-form resonators.

use super::super::DeviceRate;
use super::super::tone::{Country, ringing};

/// A tune.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tune {
    /// A rising figure on wooden bars.
    Marimba,
    /// Two warm chords.
    Chime,
    /// A hammer between two gongs, in the country's cadence.
    Mechanical,
}

/// Partials of all notes of a tune at most.
const MOST_PARTIALS: usize = 24;

/// A partial of every note: its frequency as a multiple of the note's, its share of a strike, and how long it takes to fall
/// by 60 dB, in s.
struct Partial {
    ratio: f64,
    share: f32,
    decay: f64,
}

/// When which note is struck, how hard.
struct Strike {
    ms: u32,
    note: usize,
    strength: f32,
}

const fn strike(ms: u32, note: usize, strength: f32) -> Strike {
    Strike { ms, note, strength }
}

const fn partial(ratio: f64, share: f32, decay: f64) -> Partial {
    Partial {
        ratio,
        share,
        decay,
    }
}

/// A bar of wood is tuned so that its partials are at one, four and ten times its note (Fletcher and Rossing, "The Physics
/// of Musical Instruments", chapter 19).
const WOOD: &[Partial] = &[
    partial(1.0, 0.8, 1.1),
    partial(3.98, 0.14, 0.35),
    partial(9.7, 0.05, 0.12),
];

/// Soft and long, with little above.
const WARM: &[Partial] = &[
    partial(1.0, 0.7, 2.6),
    partial(2.0, 0.2, 1.6),
    partial(3.01, 0.07, 0.9),
];

/// A small gong of steel is far from harmonic; measured bells differ as much among themselves as from this.
const STEEL: &[Partial] = &[
    partial(1.0, 0.5, 0.9),
    partial(1.52, 0.22, 0.7),
    partial(2.31, 0.18, 0.5),
    partial(2.98, 0.1, 0.35),
];

/// C major without its fourth and seventh, upwards from G4.
const BARS: &[f64] = &[392.0, 523.25, 587.33, 659.26, 783.99, 1046.5];

const FIGURE: &[Strike] = &[
    strike(0, 0, 0.22),
    strike(160, 1, 0.22),
    strike(320, 3, 0.24),
    strike(480, 4, 0.26),
    strike(800, 2, 0.2),
    strike(960, 4, 0.24),
    strike(1_120, 5, 0.24),
];

/// F major with its ninth, and C major above E.
const CHORDS: &[f64] = &[349.23, 440.0, 523.25, 587.33, 659.26, 783.99];

const CHORD_PAIR: &[Strike] = &[
    strike(0, 0, 0.1),
    strike(0, 1, 0.09),
    strike(0, 3, 0.08),
    strike(700, 2, 0.1),
    strike(700, 4, 0.09),
    strike(700, 5, 0.08),
];

/// Two gongs a third apart.
const GONGS: &[f64] = &[1_180.0, 1_480.0];

/// Ringing current of 20 Hz swings the hammer so often, in ms from gong to gong.
const SWING_MS: u32 = 25;

impl Tune {
    fn notes(self) -> (&'static [f64], &'static [Partial]) {
        match self {
            Tune::Marimba => (BARS, WOOD),
            Tune::Chime => (CHORDS, WARM),
            Tune::Mechanical => (GONGS, STEEL),
        }
    }

    /// Returns the strikes of a figure, and how long until it begins anew, in ms; nothing for the hammer.
    fn figure(self) -> Option<(&'static [Strike], u32)> {
        match self {
            Tune::Marimba => Some((FIGURE, 3_200)),
            Tune::Chime => Some((CHORD_PAIR, 4_000)),
            Tune::Mechanical => None,
        }
    }
}

/// What counts as silence: -180 dBFS.
const FAINT: f32 = 1e-9;

/// A partial that sounds.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::pure::audio) struct Phasor {
    re: f32,
    im: f32,
    turn_re: f32,
    turn_im: f32,
}

impl Phasor {
    pub(in crate::pure::audio) fn new(hz: f64, decay: f64, rate: f64) -> Phasor {
        // What lies beyond the device's reach would come back as another note.
        if hz > 0.45 * rate {
            return Phasor::default();
        }
        // 60 dB are a factor of 1000.
        let shrink = (-(1000_f64.ln()) / (decay * rate)).exp();
        let (im, re) = (std::f64::consts::TAU * hz / rate).sin_cos();
        Phasor {
            re: 0.0,
            im: 0.0,
            turn_re: (shrink * re) as f32,
            turn_im: (shrink * im) as f32,
        }
    }

    /// Gives it more swing.
    pub(in crate::pure::audio) fn strike(&mut self, strength: f32) {
        self.re += strength;
    }

    pub(in crate::pure::audio) fn next(&mut self) -> f32 {
        let re = self.re * self.turn_re - self.im * self.turn_im;
        let im = self.re * self.turn_im + self.im * self.turn_re;
        // Far below what any device plays; numbers smaller still would take the processor a hundred times as long.
        let rests = re.abs() + im.abs() < FAINT;
        (self.re, self.im) = if rests { (0.0, 0.0) } else { (re, im) };
        self.im
    }
}

/// A tune that is being played.
#[derive(Debug)]
pub(super) struct Modal {
    tune: Tune,
    country: Country,
    rate: u32,
    partials: [Phasor; MOST_PARTIALS],
    /// Samples since the figure, or the cadence, began.
    at: u32,
    /// The strike that comes next, and when, in samples.
    next: usize,
    due: u32,
}

impl Modal {
    pub(super) fn new(tune: Tune, country: Country, rate: DeviceRate) -> Modal {
        let mut modal = Modal {
            tune,
            country,
            rate: rate.hz(),
            partials: [Phasor::default(); MOST_PARTIALS],
            at: 0,
            next: 0,
            due: 0,
        };
        let (notes, partials) = tune.notes();
        let each = notes
            .iter()
            .flat_map(|note| partials.iter().map(move |partial| (note, partial)));
        for (phasor, (note, partial)) in modal.partials.iter_mut().zip(each) {
            *phasor = Phasor::new(note * partial.ratio, partial.decay, f64::from(rate.hz()));
        }
        modal
    }

    pub(super) fn next(&mut self) -> f32 {
        while self.at == self.due {
            self.strike();
        }
        self.at += 1;
        self.partials.iter_mut().map(Phasor::next).sum()
    }

    /// Strikes what is due, and finds what comes next.
    fn strike(&mut self) {
        match self.tune.figure() {
            Some((figure, period)) => {
                if let Some(strike) = figure.get(self.next) {
                    self.hit(strike.note, strike.strength);
                    self.next += 1;
                } else {
                    (self.at, self.next) = (0, 0);
                }
                let ms = figure.get(self.next).map_or(period, |strike| strike.ms);
                self.due = self.samples(ms);
            }
            None => self.swing(),
        }
    }

    /// Lets the hammer swing once, where it swings now.
    fn swing(&mut self) {
        // Where the swing lies in the cadence, by whole swings from its beginning.
        let now = u32::try_from(self.next).unwrap_or(0) * SWING_MS;
        let mut begin = 0;
        for (rings, ms) in ringing(self.country) {
            if (begin..begin + ms).contains(&now) {
                if rings {
                    self.hit(self.next % GONGS.len(), 0.075);
                }
                self.next += 1;
                self.due = self.samples(now + SWING_MS);
                return;
            }
            begin += ms;
        }
        (self.at, self.next, self.due) = (0, 0, 0);
    }

    fn hit(&mut self, note: usize, strength: f32) {
        let (_, partials) = self.tune.notes();
        let first = note * partials.len();
        let struck = self.partials.iter_mut().skip(first);
        for (phasor, partial) in struck.zip(partials) {
            phasor.strike(strength * partial.share);
        }
    }

    fn samples(&self, ms: u32) -> u32 {
        u32::try_from(u64::from(ms) * u64::from(self.rate) / 1000).unwrap_or(u32::MAX)
    }
}
