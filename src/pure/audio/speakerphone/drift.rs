//! How much faster or slower the loudspeaker's clock runs than the microphone's, told by the echo itself.
//!
//! Where the reference is read a little too late or too early, what the filter leaves resembles the slope of the echo that
//! it takes away. A Kalman filter of two states, offset and rate, follows that resemblance, weighted bin by bin with
//! what else is heard, so that near-end speech counts for little. The echo path has the time to absorb an offset itself;
//! only the rate is what no filter can follow.

use realfft::num_complex::Complex32;

use super::BLOCK;

/// The fastest drift that is followed, in parts per million: twice what two bad crystals differ by.
const MOST_PPM: f64 = 500.0;

/// How uncertain the rate is at first, in samples a block: 100 ppm.
const RATE_UNSURE: f32 = 0.008;

/// How many blocks the canceller takes to absorb an offset.
const ABSORBS: f32 = 20.0;

/// What offset and rate may change by in a block, in samples: the room moves, a crystal hardly.
const CHANGES: (f32, f32) = (1e-3, 2e-6);

/// What an error's spectrum is trusted less than one of white noise would be: it has the echo's own colour.
const DISTRUST: f32 = 50.0;

/// The most that a block is stretched for its offset, in samples.
const MOST_STEP: f32 = 0.05;

/// The follower.
#[derive(Debug)]
pub(super) struct Drift {
    // The covariance of offset and rate: both variances, and what they share in the middle.
    unsure: [f32; 3],
    // In samples a block.
    rate: f64,
}

impl Drift {
    /// Begins with a drift that was learned before, or 0.
    pub(super) fn new(ppm: f64) -> Drift {
        Drift {
            unsure: [0.0, 0.0, RATE_UNSURE * RATE_UNSURE],
            rate: ppm.clamp(-MOST_PPM, MOST_PPM) * 1e-6 * BLOCK as f64,
        }
    }

    /// Returns how many samples of the reference a block is worth beyond its length, by the drift alone.
    pub(super) fn beyond(&self) -> f64 {
        self.rate
    }

    /// Takes in that so many ppm more samples are made of what the microphone brings from now on.
    pub(super) fn trimmed(&mut self, ppm: f64) {
        let most = MOST_PPM * 1e-6 * BLOCK as f64;
        self.rate = (self.rate - ppm * 1e-6 * BLOCK as f64).clamp(-most, most);
    }

    /// Takes in that so many samples went by unheard, over which the rate may have erred by a share.
    pub(super) fn skipped(&mut self, samples: f32, share: f32) {
        self.unsure[0] = (self.unsure[0] + (samples * share).powi(2)).min(1.0);
    }

    /// Returns the drift in parts per million, above 0 where the loudspeaker is faster.
    pub(super) fn ppm(&self) -> f64 {
        self.rate / BLOCK as f64 * 1e6
    }

    /// Takes a block's spectra and returns how many samples of the reference the next block is worth beyond its length.
    pub(super) fn follow(&mut self, left: &[Complex32], slope: &[Complex32], near: &[f32]) -> f64 {
        let (mut likeness, mut information) = (0.0_f32, 0.0_f32);
        for ((left, slope), near) in left.iter().zip(slope).zip(near) {
            let weight = 1.0 / (near + 1e-6);
            likeness += (left * slope.conj()).re * weight;
            information += slope.norm_sqr() * weight;
        }
        let fades = 1.0 - 1.0 / ABSORBS;
        let [offset, both, rate] = self.unsure;
        let offset = fades * fades * offset + 2.0 * fades * both + rate + CHANGES.0 * CHANGES.0;
        let both = fades * both + rate;
        let rate = (rate + CHANGES.1 * CHANGES.1).min(RATE_UNSURE * RATE_UNSURE);
        self.unsure = [offset.min(1.0), both.clamp(-1.0, 1.0), rate];
        let measured = likeness / information;
        if information < 1e-3 || !measured.is_finite() {
            return self.rate;
        }
        let measured = measured.clamp(-1.0, 1.0);
        let [offset, both, rate] = self.unsure;
        let trust = 1.0 / (offset + DISTRUST / information);
        let gains = (offset * trust, both * trust);
        self.unsure = [
            offset * (1.0 - gains.0),
            both * (1.0 - gains.0),
            (rate - gains.1 * both).max(0.0),
        ];
        let most = MOST_PPM * 1e-6 * BLOCK as f64;
        self.rate = (self.rate + f64::from(gains.1 * measured)).clamp(-most, most);
        self.rate + f64::from((gains.0 * measured).clamp(-MOST_STEP, MOST_STEP))
    }
}
