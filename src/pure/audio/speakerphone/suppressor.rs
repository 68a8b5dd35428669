//! What the linear filter leaves: residual echo and noise are turned down bin by bin, and comfort noise fills what is
//! turned down too far.
//!
//! The residual's power is the greater of two estimates: what the canceller doubts of itself, and the echo's estimate times
//! a leakage that is a low quantile of what was seen (near-end speech only ever adds, so the low values are the echo's).
//! Where all of what is left is about as strong as that, only the far end talks, and the gain is strict; where it is much
//! stronger, the near end talks too, and the gain is gentle. The gain is Wiener's with the decision-directed estimate of
//! Ephraim and Malah (1984); the noise is followed by its minima after Martin (2001), over 3 s.

use realfft::num_complex::Complex32;

use super::BLOCK;
use super::fft::{BINS, Fft, WINDOW};

/// The leakage's quantile, and its step in dB a block.
const LEAKAGE: (f32, f32) = (0.3, 1.0);

/// How often the residual's power is subtracted where only the far end talks, and where the near end talks too.
const STRICT: f32 = 30.0;
const GENTLE: f32 = 1.5;

/// How far above the residual what is left must be, in dB, to be taken for the near end: not at all, and quite.
const NEAR_DB: (f32, f32) = (3.0, 9.0);

/// How much of the near end's presence remains after a block without it.
const NEAR_FADES: f32 = 0.8;

/// The canceller's doubt is multiplied by this: it takes its errors for independent, which they are not.
const DOUBT: f32 = 2.0;

/// How long an echo's estimate stands for the residual, a block later.
const LINGERS: f32 = 0.7;

/// The weight of the past in the decision-directed estimate.
const SMOOTH: f32 = 0.92;

/// What is left of noise: -14 dB.
const NOISE_LEFT: f32 = 0.2;

/// Blocks after which the noise's minimum is looked for anew.
const MINIMUM: usize = 150;

/// Blocks that the smoothing takes to settle.
const SETTLES: usize = 10;

/// How much more the noise's mean is than the minimum of its smoothed power.
const BIAS: f32 = 1.6;

/// The noise's greatest power in a bin, and up to which it needs no company: a tone of -50 dBFS has as much. A bin above
/// that is noise only as far as it stands no more than so many times (15 dB) above the quiet quarter of its neighbours: a
/// tone or a chord is somebody's sound, not the room's.
const MOST_NOISE: f32 = 1.0;
const NEEDS_NO_COMPANY: f32 = 0.05;
const STANDS_OUT: f32 = 30.0;

/// A tone weaker than this (-40 dBFS) becomes noise after all, with this weight: it is lowered after some 10 s.
const HUM: (f32, f32) = (0.5, 0.00015);

/// How many bins on each side are neighbours, and how often they are asked, in blocks.
const NEIGHBOURS: usize = 12;
const ASKED: usize = 8;

/// The least power that is kept: what is smaller would turn into numbers that take a processor long (subnormal).
const LEAST: f32 = 1e-15;

/// The suppressor.
#[derive(Debug)]
pub(super) struct Suppressor {
    quiets_noise: bool,
    fft: Fft,
    window: Vec<f32>,
    last_left: [f32; BLOCK],
    last_echo: [f32; BLOCK],
    tail: [f32; BLOCK],
    time: Vec<f32>,
    echo: Vec<Complex32>,
    left: Vec<Complex32>,
    echo_power: Vec<f32>,
    leakage_db: Vec<f32>,
    residual: Vec<f32>,
    noise: Vec<f32>,
    smoothed: Vec<f32>,
    minimum: Vec<f32>,
    candidate: Vec<f32>,
    // What a bin may be at most for its neighbours to bear it out as noise.
    borne_out: Vec<f32>,
    passed: Vec<f32>,
    blocks: usize,
    near: f32,
    chance: u32,
}

impl Suppressor {
    /// Makes one that lowers noise, or leaves it as it is.
    pub(super) fn new(quiets_noise: bool) -> Suppressor {
        let window = (0..WINDOW)
            .map(|n| (std::f32::consts::PI * (n as f32 + 0.5) / WINDOW as f32).sin())
            .collect();
        Suppressor {
            quiets_noise,
            fft: Fft::new(),
            window,
            last_left: [0.0; BLOCK],
            last_echo: [0.0; BLOCK],
            tail: [0.0; BLOCK],
            time: vec![0.0; WINDOW],
            echo: vec![Complex32::default(); BINS],
            left: vec![Complex32::default(); BINS],
            echo_power: vec![0.0; BINS],
            leakage_db: vec![0.0; BINS],
            residual: vec![0.0; BINS],
            noise: vec![1e-5; BINS],
            smoothed: vec![0.0; BINS],
            minimum: vec![f32::MAX; BINS],
            candidate: vec![f32::MAX; BINS],
            borne_out: vec![NEEDS_NO_COMPANY; BINS],
            passed: vec![0.0; BINS],
            blocks: 0,
            near: 0.0,
            chance: 1,
        }
    }

    /// Returns how surely the near end talks, 0 to 1.
    pub(super) fn near(&self) -> f32 {
        self.near
    }

    /// Returns the noise's power in one block of samples.
    pub(super) fn noise_power(&self) -> f32 {
        let inner: f32 = self.noise[1..BINS - 1].iter().sum();
        (2.0 * inner + self.noise[0] + self.noise[BINS - 1]) / WINDOW as f32
    }

    /// Turns down the echo and the noise in `block`, what the canceller left; what comes out is one block older. `echo` is
    /// what it took away, `doubt` its own estimate of what it left, bin by bin, and `there` how surely there is an echo at
    /// all, 0 to 1.
    pub(super) fn process(
        &mut self,
        block: &mut [f32; BLOCK],
        echo: &[f32; BLOCK],
        doubt: Option<&[f32]>,
        there: f32,
    ) {
        self.analyse(block, echo);
        self.follow_noise();
        self.follow_leakage();
        self.estimate_residual(doubt, there);
        self.attenuate();
        self.fft.inverse(&mut self.left, &mut self.time);
        for (sample, window) in self.time.iter_mut().zip(&self.window) {
            *sample *= window;
        }
        for ((out, tail), new) in block.iter_mut().zip(&self.tail).zip(&self.time) {
            *out = tail + new;
        }
        self.tail.copy_from_slice(&self.time[BLOCK..]);
    }

    fn analyse(&mut self, block: &[f32; BLOCK], echo: &[f32; BLOCK]) {
        for (last, new, bins) in [
            (&mut self.last_left, block, &mut self.left),
            (&mut self.last_echo, echo, &mut self.echo),
        ] {
            self.time[..BLOCK].copy_from_slice(last);
            self.time[BLOCK..].copy_from_slice(new);
            *last = *new;
            for (sample, window) in self.time.iter_mut().zip(&self.window) {
                *sample *= window;
            }
            self.fft.forward(&mut self.time, bins);
        }
        self.blocks += 1;
        for k in 0..BINS {
            // Neighbours leak into one another through the window.
            let from = k.saturating_sub(1);
            let near = &self.echo[from..(k + 2).min(BINS)];
            let power = near.iter().map(Complex32::norm_sqr).sum::<f32>() / near.len() as f32;
            self.echo_power[k] = power.max(self.echo_power[k] * LINGERS).max(LEAST);
        }
    }

    fn follow_noise(&mut self) {
        if self.blocks.is_multiple_of(ASKED) {
            self.ask_neighbours();
        }
        for k in 0..BINS {
            self.smoothed[k] = 0.8 * self.smoothed[k] + 0.2 * self.left[k].norm_sqr().max(LEAST);
            // The smoothing begins at nothing, which is no noise; and until there is a minimum, nobody knows what is.
            if self.blocks <= SETTLES {
                continue;
            }
            self.candidate[k] = self.candidate[k].min(self.smoothed[k]);
            self.minimum[k] = self.minimum[k].min(self.smoothed[k]);
            if self.blocks.is_multiple_of(MINIMUM) {
                self.minimum[k] = self.candidate[k];
                self.candidate[k] = self.smoothed[k];
            }
            let found = (self.minimum[k] * BIAS).min(MOST_NOISE);
            let most = self.borne_out[k];
            let (found, rises) = if found <= most {
                (found, 0.02)
            } else if found < HUM.0 {
                (found, HUM.1)
            } else {
                (most.min(MOST_NOISE), 0.02)
            };
            let weight = if found < self.noise[k] { 0.1 } else { rises };
            self.noise[k] += weight * (found - self.noise[k]);
        }
    }

    /// Asks each bin's neighbours how much noise there is, by the quiet quarter of them.
    fn ask_neighbours(&mut self) {
        for k in 0..BINS {
            // The lowest bins are the high-pass's and know nothing.
            let from = k.saturating_sub(NEIGHBOURS).max(2);
            let to = (k + NEIGHBOURS + 1).min(BINS);
            let mut near = [0.0; 2 * NEIGHBOURS + 1];
            let near = &mut near[..to - from];
            near.copy_from_slice(&self.minimum[from..to]);
            let quarter = near.len() / 4;
            let (_, quiet, _) = near.select_nth_unstable_by(quarter, f32::total_cmp);
            self.borne_out[k] = (*quiet * BIAS * STANDS_OUT).max(NEEDS_NO_COMPANY);
        }
    }

    fn follow_leakage(&mut self) {
        let (quantile, step) = LEAKAGE;
        for k in 0..BINS {
            if self.echo_power[k] > 10.0 * self.noise[k] {
                let more = (self.left[k].norm_sqr() - self.noise[k]).max(1e-12);
                let seen_db = 10.0 * (more / self.echo_power[k]).log10();
                let was = self.leakage_db[k];
                let to = if seen_db < was {
                    was - step * (1.0 - quantile)
                } else {
                    was + step * quantile
                };
                self.leakage_db[k] = to.clamp(-50.0, 6.0);
            }
        }
    }

    fn estimate_residual(&mut self, doubt: Option<&[f32]>, there: f32) {
        let (mut heard, mut explained) = (0.0_f32, 0.0_f32);
        for k in 0..BINS {
            let from = k.saturating_sub(2);
            let near = &self.leakage_db[from..(k + 3).min(BINS)];
            let leakage_db = near.iter().sum::<f32>() / near.len() as f32;
            let leaked = 10_f32.powf(leakage_db / 10.0) * self.echo_power[k];
            self.residual[k] = doubt.map_or(0.0, |doubt| there * leaked.max(DOUBT * doubt[k]));
            // 150 to 3,450 Hz: what a telephone carries.
            if (3..70).contains(&k) {
                heard += self.left[k].norm_sqr();
                explained += self.residual[k] + self.noise[k];
            }
        }
        let above_db = 10.0 * ((heard + 1e-12) / (explained + 1e-12)).log10();
        let now = ((above_db - NEAR_DB.0) / (NEAR_DB.1 - NEAR_DB.0)).clamp(0.0, 1.0);
        self.near = now.max(self.near * NEAR_FADES);
    }

    fn attenuate(&mut self) {
        let often = STRICT.powf(1.0 - self.near) * GENTLE.powf(self.near);
        let (noise_left, noise_often) = if self.quiets_noise {
            (NOISE_LEFT, 1.5)
        } else {
            (1.0, 0.0)
        };
        for k in 0..BINS {
            let (noise, residual) = (self.noise[k], self.residual[k]);
            let power = self.left[k].norm_sqr();
            let unwanted = often * residual + noise_often * noise + 1e-9;
            let now = (power / unwanted - 1.0).max(0.0);
            let ratio = SMOOTH * self.passed[k] / unwanted + (1.0 - SMOOTH) * now;
            let wiener = ratio / (1.0 + ratio);
            // No bin falls below what is left of the noise, so that nothing sounds like a hole.
            let floor = noise_left * (noise / (noise + residual + 1e-12)).sqrt();
            let gain = wiener.max(floor).min(1.0);
            self.passed[k] = (gain * gain * power).max(LEAST);
            let wanted = noise_left * noise_left * noise;
            let missing = wanted - gain * gain * power.min(noise + residual);
            self.left[k] *= gain;
            if missing > 0.0 && residual > noise {
                // Half of it, since the window's halves overlap and the floor already passes some.
                let fill = (0.5 * missing).sqrt();
                let turn = self.turn();
                self.left[k] += Complex32::from_polar(fill, turn);
            }
        }
    }

    /// Returns an angle of which no ear can tell that it is not chance (a linear congruence; Knuth, vol. 2).
    fn turn(&mut self) -> f32 {
        self.chance = self
            .chance
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.chance >> 8) as f32 * (std::f32::consts::TAU / (1 << 24) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_leaves_no_numbers_that_take_long() {
        let mut suppressor = Suppressor::new(true);
        let doubt = [0.0; BINS];
        for n in 0..3_000 {
            let level = if n < 100 { 0.1 } else { 0.0 };
            let mut block: [f32; BLOCK] =
                std::array::from_fn(|k| ((n * BLOCK + k) as f32).powi(2).sin() * level);
            let echo = block;
            suppressor.process(&mut block, &echo, Some(&doubt), 1.0);
        }
        for state in [
            &suppressor.echo_power,
            &suppressor.noise,
            &suppressor.smoothed,
            &suppressor.passed,
            &suppressor.residual,
        ] {
            assert!(state.iter().all(|x| !x.is_subnormal()));
        }
    }
}
