//! The transform that canceller and suppressor share: two blocks of real samples, and back.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::BLOCK;

/// Samples in a transform.
pub(super) const WINDOW: usize = 2 * BLOCK;

/// Its bins, from 0 Hz to half the line's rate.
pub(super) const BINS: usize = BLOCK + 1;

/// The transform, with all the room that it needs.
pub(super) struct Fft {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    scratch: Vec<Complex32>,
}

impl Fft {
    pub(super) fn new() -> Fft {
        let mut planner = RealFftPlanner::<f32>::new();
        let forward = planner.plan_fft_forward(WINDOW);
        let inverse = planner.plan_fft_inverse(WINDOW);
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Fft {
            forward,
            inverse,
            scratch: vec![Complex32::default(); scratch],
        }
    }

    /// Transforms [`WINDOW`] samples, which it overwrites, to [`BINS`] bins.
    pub(super) fn forward(&mut self, time: &mut [f32], bins: &mut [Complex32]) {
        // The lengths are fixed, so that there is nothing to fail.
        let _ = self
            .forward
            .process_with_scratch(time, bins, &mut self.scratch);
    }

    /// Transforms [`BINS`] bins, which it overwrites, to [`WINDOW`] samples, scaled so that there and back is the same.
    pub(super) fn inverse(&mut self, bins: &mut [Complex32], time: &mut [f32]) {
        // A real signal has no imaginary part at both ends.
        bins[0].im = 0.0;
        bins[BINS - 1].im = 0.0;
        let _ = self
            .inverse
            .process_with_scratch(bins, time, &mut self.scratch);
        for sample in time {
            *sample *= 1.0 / WINDOW as f32;
        }
    }
}

impl std::fmt::Debug for Fft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fft").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_same() {
        let mut fft = Fft::new();
        let sound: Vec<f32> = (0..WINDOW).map(|n| ((n * n) as f32).sin()).collect();
        let (mut time, mut bins) = (sound.clone(), vec![Complex32::default(); BINS]);
        fft.forward(&mut time, &mut bins);
        fft.inverse(&mut bins, &mut time);
        for (sample, was) in time.iter().zip(&sound) {
            assert!((sample - was).abs() < 1e-5);
        }
    }
}
