//! The high-pass: takes rumble, hum and a table's knocks away before they reach the line.

use crate::pure::audio::LINE_RATE;

/// Where it is 3 dB down, in Hz.
const CORNER: f32 = 110.0;

/// A Butterworth filter of second order, by the bilinear transform.
#[derive(Debug)]
pub(super) struct HighPass {
    forward: [f32; 3],
    back: [f32; 2],
    state: [f32; 2],
}

impl HighPass {
    pub(super) fn new() -> HighPass {
        let warped = (std::f32::consts::PI * CORNER / LINE_RATE as f32).tan();
        let scale = 1.0 / (1.0 + std::f32::consts::SQRT_2 * warped + warped * warped);
        HighPass {
            forward: [scale, -2.0 * scale, scale],
            back: [
                2.0 * (warped * warped - 1.0) * scale,
                (1.0 - std::f32::consts::SQRT_2 * warped + warped * warped) * scale,
            ],
            state: [0.0; 2],
        }
    }

    pub(super) fn process(&mut self, block: &mut [f32]) {
        for sample in block {
            let out = self.forward[0] * *sample + self.state[0];
            self.state[0] = self.forward[1] * *sample - self.back[0] * out + self.state[1];
            self.state[1] = self.forward[2] * *sample - self.back[1] * out;
            *sample = out;
        }
        // What is too small to be heard would only cost time.
        for state in &mut self.state {
            if state.abs() < 1e-20 || !state.is_finite() {
                *state = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain_db(hz: f32) -> f32 {
        let mut filter = HighPass::new();
        let mut sound: Vec<f32> = (0..8_000)
            .map(|n| (n as f32 * std::f32::consts::TAU * hz / 8_000.0).sin())
            .collect();
        filter.process(&mut sound);
        let power = sound[4_000..].iter().map(|s| s * s).sum::<f32>() / 2_000.0;
        10.0 * power.log10()
    }

    #[test]
    fn hum_goes_and_speech_stays() {
        assert!(gain_db(20.0) < -25.0, "{}", gain_db(20.0));
        assert!(gain_db(50.0) < -12.0, "{}", gain_db(50.0));
        assert!((gain_db(110.0) + 3.0).abs() < 0.3, "{}", gain_db(110.0));
        assert!(gain_db(300.0).abs() < 0.3, "{}", gain_db(300.0));
        assert!(gain_db(3_000.0).abs() < 0.1, "{}", gain_db(3_000.0));
    }
}
