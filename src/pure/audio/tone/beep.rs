//! One short warning beep.

use super::{LEVEL, RAMP_MS};
use crate::pure::audio::DeviceRate;

/// One short warning beep: 1,400 Hz for 200 ms.
#[derive(Clone, Debug)]
pub struct Beep {
    left: u32,
    length: u32,
    ramp: u32,
    gain: f32,
    phase: f64,
    step: f64,
}

impl Beep {
    /// A beep that has not begun.
    #[must_use]
    pub fn new(rate: DeviceRate) -> Beep {
        Beep {
            left: 0,
            length: rate.hz() / 5,
            ramp: (rate.hz() * RAMP_MS / 1000).max(1),
            gain: 0.0,
            phase: 0.0,
            step: std::f64::consts::TAU * 1_400.0 / f64::from(rate.hz()),
        }
    }

    /// Begins; one that sounds already goes on for as long as a new one would.
    pub fn start(&mut self) {
        self.left = self.length;
    }

    /// Adds what is left of the beep to a block.
    pub fn add_to(&mut self, block: &mut [f32]) {
        let step = 1.0 / self.ramp as f32;
        for sample in block {
            if self.left == 0 {
                self.phase = 0.0;
                self.gain = 0.0;
                return;
            }
            let aim = if self.left > self.ramp { 1.0 } else { 0.0 };
            self.gain += (aim - self.gain).clamp(-step, step);
            *sample += self.phase.sin() as f32 * 1.5 * LEVEL * self.gain;
            self.phase = (self.phase + self.step) % std::f64::consts::TAU;
            self.left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{line, steepest, stretches};
    use super::*;

    #[test]
    fn a_beep_sounds_once() {
        let mut beep = Beep::new(line());
        let mut sound = vec![0.0; 8_000];
        beep.add_to(&mut sound);
        assert!(sound.iter().all(|sample| *sample == 0.0));
        beep.start();
        beep.add_to(&mut sound);
        assert_eq!(stretches(&sound), [(0, 4)]);
        let mut after = vec![0.0; 800];
        beep.add_to(&mut after);
        assert!(after.iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn a_beep_that_is_begun_anew_at_any_moment_does_not_click() {
        for again in (0..1_700).step_by(37) {
            let mut beep = Beep::new(line());
            let mut sound = vec![0.0; 4_000];
            beep.start();
            beep.add_to(&mut sound[..again]);
            beep.start();
            beep.add_to(&mut sound[again..]);
            // 1,400 Hz at its full loudness, and the ramp's own share.
            let own = 1.5 * LEVEL * (std::f32::consts::TAU * 1_400.0 / 8_000.0 + 1.0 / 40.0);
            assert!(steepest(&sound) < own, "{again}: {}", steepest(&sound));
        }
    }
}
