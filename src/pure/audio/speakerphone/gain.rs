//! The gain control: a quiet talker is raised and a loud one lowered to one level, slowly; nothing ever clips.

use super::BLOCK;

/// The level that speech is brought to, in dBFS (active, root mean square).
const AIM_DBFS: f32 = -23.0;

/// How far it raises and lowers at most, in dB.
const RANGE_DB: (f32, f32) = (-12.0, 15.0);

/// How fast, in dB a block in which somebody talks: 6 dB/s up, 15 dB/s down.
const SPEED_DB: (f32, f32) = (0.06, 0.15);

/// No sample leaves above this.
const CEILING: f32 = 0.9;

/// The control.
#[derive(Debug)]
pub(super) struct Gain {
    level_dbfs: f32,
    gain_db: f32,
    factor: f32,
}

impl Gain {
    pub(super) fn new() -> Gain {
        Gain {
            level_dbfs: AIM_DBFS,
            gain_db: 0.0,
            factor: 1.0,
        }
    }

    /// Scales a block. `talks` says whether it holds the near end's speech, from which alone the gain is learned.
    pub(super) fn process(&mut self, block: &mut [f32; BLOCK], talks: bool) {
        let power = block.iter().map(|s| s * s).sum::<f32>() / BLOCK as f32;
        if talks {
            let now_dbfs = 10.0 * (power + 1e-10).log10();
            // Loud blocks tell the level of speech, its pauses do not.
            let weight = if now_dbfs > self.level_dbfs {
                0.2
            } else {
                0.005
            };
            self.level_dbfs += weight * (now_dbfs - self.level_dbfs);
            let aim_db = (AIM_DBFS - self.level_dbfs).clamp(RANGE_DB.0, RANGE_DB.1);
            self.gain_db += (aim_db - self.gain_db).clamp(-SPEED_DB.1, SPEED_DB.0);
        }
        let wanted = 10_f32.powf(self.gain_db / 20.0);
        let peak = block.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let factor = wanted.min(CEILING / peak.max(1e-6));
        // The ramp begins where the last block ended, unless that would clip.
        let from = self.factor.min(CEILING / peak.max(1e-6));
        for (n, sample) in block.iter_mut().enumerate() {
            let share = (n + 1) as f32 / BLOCK as f32;
            *sample *= from + (factor - from) * share;
        }
        self.factor = factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(level: f32) -> f32 {
        let mut gain = Gain::new();
        let mut last = 0.0;
        for n in 0..1_000 {
            let mut block: [f32; BLOCK] = std::array::from_fn(|k| {
                ((n * BLOCK + k) as f32 * 0.3).sin() * level * std::f32::consts::SQRT_2
            });
            gain.process(&mut block, true);
            last = block.iter().map(|s| s * s).sum::<f32>() / BLOCK as f32;
        }
        10.0 * last.log10()
    }

    #[test]
    fn quiet_and_loud_talkers_come_to_one_level() {
        for level in [0.02_f32, 0.07, 0.2] {
            let settled = settle(level);
            assert!((settled - AIM_DBFS).abs() < 1.0, "{level}: {settled} dBFS");
        }
    }

    #[test]
    fn noise_alone_is_not_raised() {
        let mut gain = Gain::new();
        for _ in 0..1_000 {
            let mut block = [0.001; BLOCK];
            gain.process(&mut block, false);
            assert!(block.iter().all(|s| (*s - 0.001).abs() < 1e-6));
        }
    }

    #[test]
    fn a_shout_after_a_whisper_does_not_clip() {
        let mut gain = Gain::new();
        for _ in 0..1_000 {
            gain.process(&mut [0.005; BLOCK], true);
        }
        let mut shout = [1.0; BLOCK];
        gain.process(&mut shout, true);
        assert!(shout.iter().all(|s| s.abs() <= CEILING + 1e-3));
    }
}
