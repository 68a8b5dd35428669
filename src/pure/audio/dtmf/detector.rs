//! Keys out of what a far end sends, for networks that say nothing beside the sound.
//!
//! Every 5 ms the last 20 are looked at. Eight Goertzel filters (Goertzel, 1958) tell the strongest frequency of each
//! group; how its phase moves from the first half to the second tells how far it is off; and two sines of just these
//! frequencies are fitted to the sound. What they leave over must be little: that is what tells a key from a voice, whose
//! vowels have more than two partials and do not stand still. A key is one that was seen four times in a row, so that 40 ms
//! are enough (ITU-T Q.24) and 20 are not; it is over when nothing was seen of it for 30 ms, so that a pause of 40 ms parts
//! two keys and an interruption of 10 ms does not.
//!
//! Within ITU-T Q.24, table A-1: frequencies that are 1.5 % off are taken and those 3.5 % off are not; levels down to
//! -30 dBm0 each; the high group up to 6 dB stronger than the low one, and up to 10 dB weaker. In 3 h 51 min of synthesised
//! speech (espeak-ng in four languages, flite with four voices) it found no key. No allocation, no clock.

use super::{HIGH, KEYS, LOW};
use crate::pure::audio::{LINE_RATE, g711};
use crate::pure::keys::Key;

/// How much is looked at, how often, and the halves between which phases are compared.
const WINDOW: usize = samples(20);
const HOP: usize = samples(5);
const HALF: usize = WINDOW / 2;

/// So often in a row a key must be seen.
const SEEN: u32 = 4;

/// So often in a row nothing may be seen of it until it is over.
const MISSED: u32 = 8;

/// The least amplitude of each frequency: -30 dBm0, where a sine of full scale has 3.17 dBm0 (ITU-T G.711).
const LEAST: f32 = 0.022;

/// The most by which the high group may be stronger, and the low one, as factors: 6 and 10 dB.
const TWIST: (f32, f32) = (2.0, 3.16);

/// How far a frequency may be off, as a share: halfway between what is to be taken and what is not.
const OFF: f64 = 0.025;

/// The most that the two sines may leave over, as a share of the power: 10 dB below it.
const LEFT: f32 = 0.1;

/// The least share of the power that the two strongest filters must have for a closer look: a frequency that is 2.5 % off
/// leaves little in a filter of 50 Hz.
const WORTH: f32 = 0.2;

const fn samples(ms: usize) -> usize {
    ms * LINE_RATE as usize / 1000
}

/// Tells keys from sound, one stream's.
#[derive(Clone, Debug)]
pub struct KeyDetector {
    /// The last of the sound.
    window: [f32; WINDOW],
    /// Samples that came since it was last looked at.
    fresh: usize,
    seen: Option<(usize, usize)>,
    times: u32,
    /// What is down, and how often nothing was seen of it since.
    down: Option<((usize, usize), u32)>,
}

impl Default for KeyDetector {
    fn default() -> KeyDetector {
        KeyDetector {
            window: [0.0; WINDOW],
            fresh: 0,
            seen: None,
            times: 0,
            down: None,
        }
    }
}

impl KeyDetector {
    /// Takes sound in, and tells each key once, some 35 ms after it began.
    pub fn hear(&mut self, ulaw: &[u8], mut pressed: impl FnMut(Key)) {
        for piece in ulaw.chunks(HOP) {
            // As much at once as ends with a hop.
            let mut rest = piece;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(HOP - self.fresh));
                self.window.copy_within(now.len().., 0);
                for (sample, code) in self.window[WINDOW - now.len()..].iter_mut().zip(now) {
                    *sample = g711::decode_f32(*code);
                }
                self.fresh += now.len();
                if self.fresh == HOP {
                    self.fresh = 0;
                    if let Some((row, column)) = self.look()
                        && let Some(key) = Key::new(KEYS[row][column])
                    {
                        pressed(key);
                    }
                }
                rest = later;
            }
        }
    }

    /// Forgets what it heard: what comes next does not follow on it.
    pub fn begin_anew(&mut self) {
        *self = KeyDetector::default();
    }

    /// Returns the key that is down now: a key is, up to 40 ms beyond its end.
    #[must_use]
    pub fn down(&self) -> Option<Key> {
        let ((row, column), _) = self.down?;
        Key::new(KEYS[row][column])
    }

    /// Looks at the window, and returns a key that has just been pressed.
    fn look(&mut self) -> Option<(usize, usize)> {
        let sees = see(&self.window);
        self.times = if sees == self.seen { self.times + 1 } else { 1 };
        self.seen = sees;
        if let Some((key, missed)) = &mut self.down {
            *missed = if sees == Some(*key) { 0 } else { *missed + 1 };
            if *missed >= MISSED {
                self.down = None;
            }
        }
        let key = sees.filter(|_| self.times == SEEN)?;
        let is_new = self.down.is_none_or(|(down, _)| down != key);
        self.down = Some((key, 0));
        is_new.then_some(key)
    }
}

/// Returns the row and the column of the key that a window holds from one end to the other.
fn see(window: &[f32; WINDOW]) -> Option<(usize, usize)> {
    let power = window.iter().map(|s| s * s).sum::<f32>() / WINDOW as f32;
    if power < LEAST * LEAST {
        return None;
    }
    let (row, low) = strongest(window, LOW);
    let (column, high) = strongest(window, HIGH);
    if low + high < WORTH * power {
        return None;
    }
    let (first, second) = pair(window, LOW[row], HIGH[column]);
    if off(first, LOW[row]) > OFF || off(second, HIGH[column]) > OFF {
        return None;
    }
    let (low, high, left) = fit(window, first, second)?;
    let is_key = low >= LEAST
        && high >= LEAST
        && high <= TWIST.0 * low
        && low <= TWIST.1 * high
        && left <= LEFT * power;
    is_key.then_some((row, column))
}

/// Returns the frequency of a group that is strongest, and its share of the power.
fn strongest(window: &[f32], group: [f64; 4]) -> (usize, f32) {
    let powers = group.map(|hz| {
        let (re, im) = goertzel(window, hz);
        2.0 * (re * re + im * im) / (WINDOW * WINDOW) as f32
    });
    let mut best = (0, powers[0]);
    for (n, power) in powers.into_iter().enumerate() {
        if power > best.1 {
            best = (n, power);
        }
    }
    best
}

/// Returns the exact frequencies near two, in Hz: each is measured where the other has been taken away.
fn pair(window: &[f32; WINDOW], low: f64, high: f64) -> (f64, f64) {
    let (mut first, mut second) = (low, high);
    for _ in 0..2 {
        first = measured(&without(window, second), low);
        second = measured(&without(window, first), high);
    }
    (first, second)
}

/// Returns the frequency near `hz`, told by how far its phase moves from one half to the other.
fn measured(window: &[f32; WINDOW], hz: f64) -> f64 {
    let (a, b) = (goertzel(&window[..HALF], hz), goertzel(&window[HALF..], hz));
    // Each is turned back by what `hz` itself turns in a half.
    let turn = std::f64::consts::TAU * hz * HALF as f64 / f64::from(LINE_RATE);
    let moved = f64::from(b.1).atan2(f64::from(b.0)) - f64::from(a.1).atan2(f64::from(a.0)) - turn;
    let moved = moved - (moved / std::f64::consts::TAU).round() * std::f64::consts::TAU;
    hz + moved * f64::from(LINE_RATE) / (std::f64::consts::TAU * HALF as f64)
}

fn off(is: f64, wanted: f64) -> f64 {
    (is / wanted - 1.0).abs()
}

/// Returns a piece of sound at one frequency, as a complex sum over its samples.
fn goertzel(sound: &[f32], hz: f64) -> (f32, f32) {
    let step = std::f64::consts::TAU * hz / f64::from(LINE_RATE);
    let (sin, cos) = step.sin_cos();
    let twice = (2.0 * cos) as f32;
    let (mut one, mut two) = (0.0_f32, 0.0_f32);
    for sample in sound {
        (one, two) = (sample + twice * one - two, one);
    }
    // As if the phase were that of the first sample.
    let (re, im) = (one - two * cos as f32, two * sin as f32);
    let (back_im, back_re) = (-step * (sound.len() - 1) as f64).sin_cos();
    let (back_re, back_im) = (back_re as f32, back_im as f32);
    (re * back_re - im * back_im, re * back_im + im * back_re)
}

/// Returns a window without what it holds of one frequency.
fn without(window: &[f32; WINDOW], hz: f64) -> [f32; WINDOW] {
    let (re, im) = goertzel(window, hz);
    let (re, im) = (2.0 * re / WINDOW as f32, 2.0 * im / WINDOW as f32);
    let mut left = *window;
    for (sample, (cos, sin)) in left.iter_mut().zip(turns(hz)) {
        *sample -= re * cos - im * sin;
    }
    left
}

/// Returns cosine and sine of a frequency, sample by sample.
fn turns(hz: f64) -> impl Iterator<Item = (f32, f32)> {
    let (sin, cos) = (std::f64::consts::TAU * hz / f64::from(LINE_RATE)).sin_cos();
    std::iter::successors(Some((1.0_f64, 0.0_f64)), move |(re, im)| {
        Some((re * cos - im * sin, re * sin + im * cos))
    })
    .map(|(re, im)| (re as f32, im as f32))
}

/// Fits two sines to a window by least squares. Returns their amplitudes, and the power that they leave over.
fn fit(window: &[f32; WINDOW], low: f64, high: f64) -> Option<(f32, f32, f32)> {
    // The normal equations of cosine and sine of both, and the sound behind them.
    let mut rows = [[0.0_f64; 5]; 4];
    let mut power = 0.0;
    for ((sample, (a, b)), (c, d)) in window.iter().zip(turns(low)).zip(turns(high)) {
        let all = [a, b, c, d, *sample].map(f64::from);
        power += all[4] * all[4];
        for (row, own) in rows.iter_mut().zip(all) {
            for (sum, other) in row.iter_mut().zip(all) {
                *sum += own * other;
            }
        }
    }
    let sound = rows.map(|row| row[4]);
    for n in 0..4 {
        let pivot = rows[n];
        if pivot[n] < 1e-6 {
            return None;
        }
        for (_, row) in rows.iter_mut().enumerate().filter(|(m, _)| *m != n) {
            let share = row[n] / pivot[n];
            for (value, pivot) in row.iter_mut().zip(pivot) {
                *value -= share * pivot;
            }
        }
    }
    let of: [f64; 4] = std::array::from_fn(|n| rows[n][4] / rows[n][n]);
    let explained: f64 = of.iter().zip(sound).map(|(of, sound)| of * sound).sum();
    let left = (power - explained).max(0.0) / WINDOW as f64;
    Some((
        of[0].hypot(of[1]) as f32,
        of[2].hypot(of[3]) as f32,
        left as f32,
    ))
}

#[cfg(test)]
#[path = "detector_tests.rs"]
mod tests;
