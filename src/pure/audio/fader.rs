//! A gain that never jumps.

use super::DeviceRate;

/// How long a gain takes from nothing to full, in ms.
const RAMP_MS: u32 = 10;

/// A gain that moves to where it is wanted in steps of 1/10 ms of full scale.
#[derive(Clone, Debug)]
pub struct Fader {
    gain: f32,
    aim: f32,
    step: f32,
}

impl Fader {
    /// Makes a gain that stands at `gain`, for sound of `rate`.
    #[must_use]
    pub fn new(gain: f32, rate: DeviceRate) -> Fader {
        let mut fader = Fader {
            gain,
            aim: gain,
            step: 1.0,
        };
        fader.set_rate(rate);
        fader
    }

    /// Goes on at another rate.
    pub fn set_rate(&mut self, rate: DeviceRate) {
        self.step = 1000.0 / (RAMP_MS * rate.hz()) as f32;
    }

    /// Moves to another gain from now on.
    pub fn set(&mut self, gain: f32) {
        self.aim = gain;
    }

    /// Falls silent at once and comes back from there: for sound that begins in the middle.
    pub fn begin_anew(&mut self) {
        self.gain = 0.0;
    }

    /// Returns the gain as it stands.
    #[must_use]
    pub fn gain(&self) -> f32 {
        self.gain
    }

    /// Applies the gain; at 1 not a bit changes.
    pub fn process(&mut self, block: &mut [f32]) {
        if self.gain == self.aim && self.gain == 1.0 {
            return;
        }
        for sample in block {
            *sample *= self.advance();
        }
    }

    /// Moves on by a sample, and returns the gain for it.
    pub fn advance(&mut self) -> f32 {
        self.gain += (self.aim - self.gain).clamp(-self.step, self.step);
        self.gain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_takes_ten_milliseconds_and_arrives_exactly() {
        let mut fader = Fader::new(1.0, DeviceRate::HZ_48000);
        for aim in [0.0, 1.0, 0.25, 1.0] {
            fader.set(aim);
            let mut block = vec![1.0; 481];
            fader.process(&mut block);
            assert_eq!(block[480], aim);
            let steepest = block
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).abs())
                .fold(0.0, f32::max);
            assert!(steepest <= 1.0 / 479.0, "{steepest}");
        }
    }
}
