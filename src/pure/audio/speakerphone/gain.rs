//! The gain control: a quiet talker is raised and a loud one lowered to one level, slowly; nothing ever clips.

use super::BLOCK;

/// The level that speech is brought to, in dBFS (active, root mean square).
const AIM_DBFS: f32 = -23.0;

/// How far it raises and lowers at most, in dB.
const RANGE_DB: (f32, f32) = (-12.0, 15.0);

/// How fast, in dB a block in which somebody talks: 6 dB/s up, 15 dB/s down; and back up to what came in, as fast as down.
const SPEED_DB: (f32, f32) = (0.06, 0.15);

/// Blocks of speech, of which two such spans hold the loudest of late: 400 ms.
const SPAN: u32 = 40;

/// No sample leaves above this.
const CEILING: f32 = 0.9;

/// The control.
#[derive(Debug)]
pub(super) struct Gain {
    level_dbfs: f32,
    // The loudest block of the last span and of this one, and how many blocks this one has.
    loudest_dbfs: [f32; 2],
    span: u32,
    gain_db: f32,
    factor: f32,
}

impl Gain {
    pub(super) fn new() -> Gain {
        Gain {
            level_dbfs: AIM_DBFS,
            loudest_dbfs: [f32::MIN; 2],
            span: 0,
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
            self.forget_what_was_louder(now_dbfs);
            let aim_db = (AIM_DBFS - self.level_dbfs).clamp(RANGE_DB.0, RANGE_DB.1);
            let up = if self.gain_db < 0.0 {
                SPEED_DB.1
            } else {
                SPEED_DB.0
            };
            self.gain_db += (aim_db - self.gain_db).clamp(-SPEED_DB.1, up);
        }
        let wanted = 10_f32.powf(self.gain_db / 20.0);
        let peak = block.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let factor = wanted.min(CEILING / peak.max(1e-6));
        // The ramp begins where the last block ended, and falls no later than the first sample that would clip asks for.
        let from = self.factor;
        let slope = block
            .iter()
            .enumerate()
            .map(|(n, s)| (CEILING / s.abs().max(1e-6) - from) / (n + 1) as f32)
            .fold((factor - from) / BLOCK as f32, f32::min);
        for (n, sample) in block.iter_mut().enumerate() {
            let ramp = from + slope * (n + 1) as f32;
            *sample *= if slope < 0.0 { ramp.max(factor) } else { ramp };
        }
        self.factor = factor;
    }

    /// Lowers the level to the loudest of late: what was louder is over.
    fn forget_what_was_louder(&mut self, now_dbfs: f32) {
        self.loudest_dbfs[1] = self.loudest_dbfs[1].max(now_dbfs);
        self.span += 1;
        if self.span == SPAN {
            self.span = 0;
            let [last, this] = self.loudest_dbfs;
            self.level_dbfs = self.level_dbfs.min(last.max(this));
            self.loudest_dbfs = [this, f32::MIN];
        }
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
    fn after_full_scale_a_voice_is_back_within_two_seconds() {
        let mut gain = Gain::new();
        let mut tone = |level: f32, blocks: usize| -> f32 {
            let mut last = 0.0;
            for n in 0..blocks {
                let mut block: [f32; BLOCK] =
                    std::array::from_fn(|k| ((n * BLOCK + k) as f32 * 0.3).sin() * level);
                gain.process(&mut block, true);
                last = block.iter().map(|s| s * s).sum::<f32>() / BLOCK as f32;
            }
            10.0 * last.log10()
        };
        tone(1.0, 400);
        let back = tone(0.07, 200);
        assert!((back - AIM_DBFS).abs() < 4.0, "{back} dBFS");
    }

    #[test]
    fn a_loud_word_after_a_whisper_makes_no_step() {
        let mut gain = Gain::new();
        for _ in 0..1_000 {
            gain.process(&mut [0.005; BLOCK], true);
        }
        let mut last = 0.005 * gain.factor;
        for n in 0..10 {
            // It rises from the whisper to nearly full scale over 100 ms.
            let mut block: [f32; BLOCK] =
                std::array::from_fn(|k| 0.005 + 0.9 * (n * BLOCK + k + 1) as f32 / 800.0);
            gain.process(&mut block, true);
            for sample in block {
                assert!((sample - last).abs() < 0.02, "{last} to {sample}");
                assert!(sample <= CEILING + 1e-3, "{sample}");
                last = sample;
            }
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
