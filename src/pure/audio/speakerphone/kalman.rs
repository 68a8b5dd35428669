//! The linear echo canceller: a filter in partitions of one block, adapted by a Kalman filter in the frequency domain.
//!
//! Each coefficient carries its own uncertainty, so that the filter learns fast while it knows little, and near-end speech
//! does not lead it astray: no detector of double talk is needed. After Enzner and Vary, "Frequency-domain adaptive Kalman
//! filter for acoustic echo control in hands-free telephones" (2006), and Kuech, Mabande and Enzner, "State-space
//! architecture of the partitioned-block-based acoustic echo controller" (2014), with the covariance's diagonal alone.

use realfft::num_complex::Complex32;

use super::BLOCK;
use super::fft::{BINS, Fft, WINDOW};

/// Partitions of the filter: 400 ms of bulk delay and room.
pub(super) const PARTITIONS: usize = 40;

/// How much of itself the echo path is taken to keep from block to block: it forgets over some 100 s.
const KEEPS: f32 = 0.9999;

/// The uncertainty of the first partition's coefficients before anything was heard, and what each later one has of its
/// neighbour's: together an echo as loud as the loudspeaker's signal.
const PRIOR: (f32, f32) = (0.15, 0.9);

/// The weight of the past in the spectrum of what the filter does not explain.
const NEAR_KEEPS: f32 = 0.4;

/// The share of its information that a block is taken to bring. A block's worth of zero-padded error is worth half a
/// window (0.5); less than that makes up for the covariances that the diagonal leaves out. The gain itself takes the
/// doubt whole, since with half of it the filter oversteps where one pitch fills many blocks.
const INFORMS: f32 = 0.3;

/// The least power of a bin that counts: far below one step of mu-law.
const LEAST: f32 = 1e-6;

/// The least power of a block that is played for the path to count as used, a sample: -60 dBFS. While nothing is played,
/// nothing is heard of the path, and the filter is no more doubted than before.
pub(super) const PLAYS: f32 = 1e-6;

/// How uncertain the filter remains while it finds no echo, as a share of what it is at first: an echo that comes is found.
const STAYS_OPEN: f32 = 0.1;

/// The weight of one block in the powers by which a filter that does harm is known: about 200 ms.
const HARM_WEIGHT: f32 = 0.05;

/// The canceller.
#[derive(Debug)]
pub(super) struct Kalman {
    fft: Fft,
    // The reference's spectra, a ring of partitions; `newest` is the one of this block.
    reference: Vec<Complex32>,
    newest: usize,
    last_reference: [f32; BLOCK],
    filter: Vec<Complex32>,
    // How uncertain each coefficient is: the expected square of its error.
    unsure: Vec<f32>,
    near: Vec<f32>,
    time: Vec<f32>,
    bins: Vec<Complex32>,
    /// The powers of what is left and of the microphone, over some 200 ms.
    pub(super) powers: (f32, f32),
    /// Whether the filter is to be ready for an echo that it does not know.
    pub(super) open: bool,
    /// What the filter takes for echo in the last block.
    pub(super) echo: [f32; BLOCK],
    /// What is left of the microphone's last block.
    pub(super) left: [f32; BLOCK],
    /// The spectrum of what is left, of this block alone.
    pub(super) left_bins: Vec<Complex32>,
    /// The spectrum of the echo's slope: of its change for a sample of delay.
    pub(super) slope_bins: Vec<Complex32>,
    /// The power of what is left, smoothed.
    pub(super) near_power: Vec<f32>,
    /// The power of echo that may be left, as far as the filter knows itself.
    pub(super) doubt: Vec<f32>,
}

impl Kalman {
    pub(super) fn new() -> Kalman {
        let zero = Complex32::default();
        let mut kalman = Kalman {
            fft: Fft::new(),
            reference: vec![zero; PARTITIONS * BINS],
            newest: 0,
            last_reference: [0.0; BLOCK],
            filter: vec![zero; PARTITIONS * BINS],
            unsure: vec![0.0; PARTITIONS * BINS],
            near: vec![0.0; BINS],
            time: vec![0.0; WINDOW],
            bins: vec![zero; BINS],
            powers: (0.0, 0.0),
            open: false,
            echo: [0.0; BLOCK],
            left: [0.0; BLOCK],
            left_bins: vec![zero; BINS],
            slope_bins: vec![zero; BINS],
            near_power: vec![0.0; BINS],
            doubt: vec![0.0; BINS],
        };
        kalman.forget();
        kalman
    }

    /// Forgets the echo path, but not what was played.
    pub(super) fn forget(&mut self) {
        self.filter.fill(Complex32::default());
        let mut prior = PRIOR.0;
        for partition in self.unsure.chunks_exact_mut(BINS) {
            partition.fill(prior);
            prior *= PRIOR.1;
        }
        self.powers = (0.0, 0.0);
    }

    /// Returns the energy of the filter's partitions, oldest last.
    pub(super) fn energies(&self) -> impl Iterator<Item = f32> {
        self.filter
            .chunks_exact(BINS)
            .map(|partition| partition.iter().map(Complex32::norm_sqr).sum())
    }

    /// Moves the echo path by whole blocks, since the reference is read so many blocks earlier (above 0) or later.
    pub(super) fn shift(&mut self, blocks: isize) {
        if blocks.unsigned_abs() >= PARTITIONS {
            return self.forget();
        }
        let by = blocks.unsigned_abs() * BINS;
        let all = PARTITIONS * BINS;
        if blocks > 0 {
            self.filter.copy_within(by..all, 0);
            self.unsure.copy_within(by..all, 0);
            self.filter[all - by..].fill(Complex32::default());
        } else {
            self.filter.copy_within(0..all - by, by);
            self.unsure.copy_within(0..all - by, by);
            self.filter[..by].fill(Complex32::default());
        }
    }

    /// Doubts the filter as much as after so many samples unheard, of which a share may have been missed or doubled.
    pub(super) fn doubt_after(&mut self, skipped: f32, share: f32) {
        let late = skipped * share;
        for n in 0..PARTITIONS * BINS {
            let turns = std::f32::consts::PI * (n % BINS) as f32 / BLOCK as f32 * late;
            self.unsure[n] += (turns * turns).min(1.0) * self.filter[n].norm_sqr();
        }
    }

    /// Takes a block of the reference and of the microphone, as it sounded at the same time or later.
    pub(super) fn process(&mut self, reference: &[f32; BLOCK], microphone: &[f32; BLOCK]) {
        self.take_reference(reference);
        self.estimate(microphone);
        self.judge(microphone);
        self.adapt();
    }

    /// Takes a block that was played, of which the microphone's counterpart was never heard.
    pub(super) fn take_reference(&mut self, reference: &[f32; BLOCK]) {
        self.newest = (self.newest + 1) % PARTITIONS;
        self.time[..BLOCK].copy_from_slice(&self.last_reference);
        self.time[BLOCK..].copy_from_slice(reference);
        self.last_reference = *reference;
        let at = self.newest * BINS;
        self.fft
            .forward(&mut self.time, &mut self.reference[at..at + BINS]);
    }

    /// Returns where the spectrum begins that partition `n` filters.
    fn heard_by(newest: usize, n: usize) -> usize {
        (newest + PARTITIONS - n) % PARTITIONS * BINS
    }

    /// Subtracts what the filter takes for echo.
    fn estimate(&mut self, microphone: &[f32; BLOCK]) {
        let played = self.last_reference.iter().map(|s| s * s).sum::<f32>();
        let keeps = if played > PLAYS * BLOCK as f32 {
            KEEPS * KEEPS
        } else {
            1.0
        };
        self.bins.fill(Complex32::default());
        self.doubt.fill(0.0);
        for n in 0..PARTITIONS {
            let heard = Self::heard_by(self.newest, n);
            let heard = &self.reference[heard..heard + BINS];
            let filter = &self.filter[n * BINS..(n + 1) * BINS];
            let unsure = &mut self.unsure[n * BINS..(n + 1) * BINS];
            for k in 0..BINS {
                unsure[k] = keeps * unsure[k] + (1.0 - keeps) * filter[k].norm_sqr();
                self.bins[k] += heard[k] * filter[k];
                self.doubt[k] += heard[k].norm_sqr() * unsure[k];
            }
        }
        for (k, (slope, bin)) in self.slope_bins.iter_mut().zip(&self.bins).enumerate() {
            let omega = std::f32::consts::PI * k as f32 / BLOCK as f32;
            *slope = Complex32::new(-bin.im, bin.re) * omega;
        }
        self.slope_bins[BINS - 1] = Complex32::default();
        self.fft.inverse(&mut self.bins, &mut self.time);
        self.echo.copy_from_slice(&self.time[BLOCK..]);
        for ((left, sample), echo) in self.left.iter_mut().zip(microphone).zip(&self.echo) {
            *left = sample - echo;
        }
        // Of a circular convolution's window only the second half is true.
        self.fft.inverse(&mut self.slope_bins, &mut self.time);
        self.time[..BLOCK].fill(0.0);
        self.fft.forward(&mut self.time, &mut self.slope_bins);
        self.time[..BLOCK].fill(0.0);
        self.time[BLOCK..].copy_from_slice(&self.left);
        self.fft.forward(&mut self.time, &mut self.left_bins);
    }

    /// Begins anew where the filter adds echo instead of taking it away, as it does when the path has changed.
    fn judge(&mut self, microphone: &[f32; BLOCK]) {
        let power = |samples: &[f32; BLOCK]| samples.iter().map(|s| s * s).sum::<f32>();
        let (left, heard) = (power(&self.left), power(microphone));
        self.powers.0 += (left - self.powers.0) * HARM_WEIGHT;
        self.powers.1 += (heard - self.powers.1) * HARM_WEIGHT;
        let does_harm = self.powers.0 > 1.5 * self.powers.1 + BLOCK as f32 * 1e-6;
        if does_harm || !left.is_finite() {
            self.forget();
            self.left = *microphone;
            self.echo = [0.0; BLOCK];
            self.left_bins.fill(Complex32::default());
            self.slope_bins.fill(Complex32::default());
        }
    }

    fn adapt(&mut self) {
        for (near, left) in self.near_power.iter_mut().zip(&self.left_bins) {
            *near = NEAR_KEEPS * *near + (1.0 - NEAR_KEEPS) * left.norm_sqr().max(1e-15);
        }
        for ((near, doubt), power) in self.near.iter_mut().zip(&self.doubt).zip(&self.near_power) {
            *near = 1.0 / (doubt + power + LEAST);
        }
        for n in 0..PARTITIONS {
            let heard = Self::heard_by(self.newest, n);
            let heard = &self.reference[heard..heard + BINS];
            let unsure = &mut self.unsure[n * BINS..(n + 1) * BINS];
            let least = if self.open {
                STAYS_OPEN * PRIOR.0 * PRIOR.1.powi(n as i32)
            } else {
                0.0
            };
            for k in 0..BINS {
                unsure[k] = unsure[k].max(least);
                let gain = unsure[k] * self.near[k];
                self.bins[k] = heard[k].conj() * self.left_bins[k] * gain;
                unsure[k] *= 1.0 - INFORMS * gain * heard[k].norm_sqr();
            }
            // A partition is one block long; what would lie behind is the window's wrapping around.
            self.fft.inverse(&mut self.bins, &mut self.time);
            self.time[BLOCK..].fill(0.0);
            self.fft.forward(&mut self.time, &mut self.bins);
            let filter = &mut self.filter[n * BINS..(n + 1) * BINS];
            for (tap, step) in filter.iter_mut().zip(&self.bins) {
                *tap += step;
            }
        }
    }
}
