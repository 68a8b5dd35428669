//! The leveller: a far end that is much too quiet or too loud is slowly brought to the level of others.
//!
//! It looks at speech alone. A block of 10 ms counts as speech when it is well above the background and its level goes up
//! and down as syllables do. The background is followed as the least that is heard; digital silence is none, since a line
//! that is switched off tells nothing of its noise. So noise, silence and steady tones move nothing, whatever was before
//! them, and a pause is not pumped up. From the speech it reckons an active level in the sense of ITU-T P.56 (the mean power
//! while there is speech), and moves the gain towards -20 dBFS, 12 dB at most, no faster than 3 dB a second.
//!
//! No sample leaves it beyond full scale: what would is turned down at once, and the gain comes back at its own pace.

use super::LINE_RATE;

/// The active level that is wanted, in dBFS (the power of a full-scale square wave is 0).
const WANTED_DBFS: f32 = -20.0;

/// The most that it turns up or down, in dB.
const MOST_DB: f32 = 12.0;

/// Samples that are looked at together: 10 ms.
const BLOCK: usize = LINE_RATE as usize / 100;

/// How fast the gain moves, in dB for each block: 3 dB a second.
const STEP_DB: f32 = 0.03;

/// How fast the background is taken to grow, in dB for each block: 3 dB a second, so that a word is no background yet.
const BACKGROUND_STEP_DB: f32 = 0.03;

/// How far above the background speech is, in dB.
const ABOVE_DB: f32 = 10.0;

/// What is below this is never speech, in dBFS.
const QUIETEST_DBFS: f32 = -55.0;

/// What is below this is digital silence, in dBFS: one step of G.711 about zero is louder.
const DIGITAL_SILENCE_DBFS: f32 = -90.0;

/// Blocks over which a level is smoothed before its variation is judged: 50 ms, two beats of the slowest pair of tones that
/// is usual (440 and 480 Hz), which is no speech either.
const SMOOTHED: usize = 5;

/// Blocks above the background in which speech varies: 300 ms, a syllable and more.
const VARIES: usize = 30;

/// So many of them, the quietest and the loudest, do not count: where a tone begins it is no speech yet.
const EDGES: usize = 3;

/// How much the others vary at least where they are speech, in dB. Steady noise varies by less than 2, speech by 10 and more.
const VARIES_DB: f32 = 5.0;

/// Speech that must be heard before the gain moves, in blocks: half a second.
const LEAST_SPEECH: u32 = 50;

/// The weight of one block in the active level: about the last two seconds of speech.
const WEIGHT: f32 = 0.005;

/// The leveller of one leg, at the rate of the line.
#[derive(Clone, Debug)]
pub struct Leveller {
    // Of the block that is being heard.
    power: f32,
    filled: usize,
    background_dbfs: f32,
    // The powers of the last blocks, and the smoothed levels of the last that were above the background: rings.
    powers: [f32; SMOOTHED],
    blocks: usize,
    levels: [f32; VARIES],
    above: usize,
    speech: u32,
    active: f32,
    gain_db: f32,
    // The factors: where the gain is, and where it is to be after this block.
    gain: f32,
    aim: f32,
}

impl Default for Leveller {
    fn default() -> Leveller {
        Leveller {
            power: 0.0,
            filled: 0,
            // All is background until there was something quieter.
            background_dbfs: 0.0,
            powers: [0.0; SMOOTHED],
            blocks: 0,
            levels: [0.0; VARIES],
            above: 0,
            speech: 0,
            active: 0.0,
            gain_db: 0.0,
            gain: 1.0,
            aim: 1.0,
        }
    }
}

impl Leveller {
    /// Levels samples of the line, as many as there are.
    pub fn process(&mut self, block: &mut [f32]) {
        for sample in block {
            self.power += *sample * *sample;
            self.filled += 1;
            if self.filled == BLOCK {
                self.look();
            }
            self.gain += (self.aim - self.gain) / BLOCK as f32;
            if sample.abs() * self.gain > 1.0 {
                self.gain = 1.0 / sample.abs();
            }
            *sample = (*sample * self.gain).clamp(-1.0, 1.0);
        }
    }

    /// Returns the gain that it has come to, in dB.
    #[must_use]
    pub fn gain_db(&self) -> f32 {
        self.gain_db
    }

    /// Takes a full block into account.
    fn look(&mut self) {
        let power = self.power / BLOCK as f32;
        (self.power, self.filled) = (0.0, 0);
        self.powers[self.blocks % SMOOTHED] = power;
        self.blocks = self.blocks.wrapping_add(1);
        let level_dbfs = decibel(power);
        if level_dbfs < DIGITAL_SILENCE_DBFS {
            return;
        }
        let is_above = level_dbfs > QUIETEST_DBFS && level_dbfs > self.background_dbfs + ABOVE_DB;
        self.background_dbfs = level_dbfs
            .min(self.background_dbfs + BACKGROUND_STEP_DB)
            .max(QUIETEST_DBFS - ABOVE_DB);
        if !is_above {
            return;
        }
        self.levels[self.above % VARIES] =
            decibel(self.powers.iter().sum::<f32>() / SMOOTHED as f32);
        self.above = self.above.wrapping_add(1);
        if !self.varies() {
            return;
        }
        self.speech = self.speech.saturating_add(1);
        // A plain mean at first, a moving one later.
        let weight = WEIGHT.max(1.0 / self.speech as f32);
        self.active += (power - self.active) * weight;
        if self.speech >= LEAST_SPEECH {
            let wanted = (WANTED_DBFS - decibel(self.active)).clamp(-MOST_DB, MOST_DB);
            self.gain_db += (wanted - self.gain_db).clamp(-STEP_DB, STEP_DB);
            self.aim = 10_f32.powf(self.gain_db / 20.0);
        }
    }
}

impl Leveller {
    /// Says whether what was above the background of late goes up and down.
    fn varies(&self) -> bool {
        if self.above < VARIES {
            return false;
        }
        let mut levels = self.levels;
        levels.sort_unstable_by(f32::total_cmp);
        levels[VARIES - 1 - EDGES] - levels[EDGES] >= VARIES_DB
    }
}

/// Returns a power in dB below full scale.
fn decibel(power: f32) -> f32 {
    10.0 * power.max(1e-12).log10()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Noise, the same each time: uniform, of power 1.
    struct Noise(u32);

    impl Noise {
        fn next(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((self.0 >> 8) as f32 / 8_388_608.0 - 1.0) * 3_f32.sqrt()
        }
    }

    /// Talk: words of 0.6 s and three syllables at a level while they sound, pauses of 0.4 s, over a background.
    fn talk(level_dbfs: f32, background_dbfs: f32, seconds: usize) -> Vec<f32> {
        let (mut voice, mut room) = (Noise(1), Noise(2));
        let factor = |dbfs: f32| 10_f32.powf(dbfs / 20.0);
        (0..seconds * 8_000)
            .map(|n| {
                let says = n % 8_000 < 4_800;
                // Syllables are 20 dB above what is between them; 2.83 is the mean of their power.
                let syllable =
                    10_f32.powf((n as f32 * std::f32::consts::TAU / 1_600.0).cos()) / 2.83;
                let word = if says {
                    factor(level_dbfs) * syllable.sqrt()
                } else {
                    0.0
                };
                (voice.next() * word + room.next() * factor(background_dbfs)).clamp(-1.0, 1.0)
            })
            .collect()
    }

    /// The level of the words in the last seconds.
    fn words(sound: &[f32]) -> f32 {
        let last = &sound[sound.len() - 4 * 8_000..];
        let power: f32 = last
            .chunks(8_000)
            .map(|second| second[..4_800].iter().map(|s| s * s).sum::<f32>())
            .sum();
        decibel(power / (4.0 * 4_800.0))
    }

    #[test]
    fn a_quiet_and_a_loud_voice_come_to_the_same_level() {
        for level in [-31.0, -25.0, -20.0, -14.0, -9.0] {
            let mut sound = talk(level, -70.0, 20);
            Leveller::default().process(&mut sound);
            let heard = words(&sound);
            assert!((heard + 20.0).abs() < 1.0, "{level}: {heard} dBFS");
        }
    }

    #[test]
    fn it_never_moves_more_than_12_decibel_nor_faster_than_3_a_second() {
        for (level, most) in [(-45.0, 12.0), (-3.0, -12.0)] {
            let mut sound = talk(level, -80.0, 30);
            let mut leveller = Leveller::default();
            let mut before = 0.0;
            for second in sound.chunks_mut(8_000) {
                leveller.process(second);
                assert!((leveller.gain_db() - before).abs() <= 3.01);
                before = leveller.gain_db();
            }
            assert!((before - most).abs() < 0.1, "{level}: {before} dB");
        }
    }

    #[test]
    fn noise_silence_and_steady_tones_move_nothing() {
        let tone = |n: usize| (n as f32 * std::f32::consts::TAU * 1_000.0 / 8_000.0).sin() * 0.01;
        let mut noise = Noise(3);
        for mut sound in [
            vec![0.0; 60 * 8_000],
            (0..60 * 8_000).map(|_| noise.next() * 0.001).collect(),
            (0..60 * 8_000).map(|_| noise.next() * 0.01).collect(),
            (0..60 * 8_000).map(tone).collect(),
        ] {
            let mut leveller = Leveller::default();
            leveller.process(&mut sound);
            assert_eq!(leveller.gain_db(), 0.0);
        }
    }

    #[test]
    fn noise_and_tones_that_begin_after_digital_silence_or_a_soft_background_move_nothing() {
        let sine = |n: usize, hz: f32| (n as f32 * std::f32::consts::TAU * hz / 8_000.0).sin();
        let on = |n: usize, of: usize, for_: usize| if n % of < for_ { 1.0 } else { 0.0 };
        let mut noise = Noise(5);
        for silence in [0.0, 0.000_3] {
            for (kind, level) in [
                (0, 0.01),
                (1, 0.01),
                (1, 0.1),
                (2, 0.01),
                (3, 0.05),
                (4, 0.05),
            ] {
                let mut sound: Vec<f32> = (0..5 * 8_000).map(|_| noise.next() * silence).collect();
                sound.extend((0..30 * 8_000).map(|n| {
                    level
                        * match kind {
                            0 => noise.next(),
                            1 => sine(n, 1_000.0),
                            // The ringback of North America and of Britain, and a busy tone.
                            2 => (sine(n, 440.0) + sine(n, 480.0)) * on(n, 48_000, 16_000),
                            3 => (sine(n, 400.0) + sine(n, 450.0)) * on(n, 8_000, 3_200),
                            _ => sine(n, 425.0) * on(n, 8_000, 4_000),
                        }
                }));
                let mut leveller = Leveller::default();
                leveller.process(&mut sound);
                assert_eq!(leveller.gain_db(), 0.0, "{kind} at {level} after {silence}");
            }
        }
    }

    #[test]
    fn a_voice_between_pauses_of_digital_silence_is_levelled_too() {
        let mut sound = talk(-31.0, -200.0, 40);
        Leveller::default().process(&mut sound);
        let heard = words(&sound);
        assert!((heard + 20.0).abs() < 4.0, "{heard} dBFS");
    }

    #[test]
    fn a_long_pause_after_speech_is_not_pumped_up() {
        let mut leveller = Leveller::default();
        leveller.process(&mut talk(-28.0, -60.0, 10));
        let spoken = leveller.gain_db();
        let mut room = Noise(4);
        let mut pause: Vec<f32> = (0..30 * 8_000).map(|_| room.next() * 0.001).collect();
        leveller.process(&mut pause);
        assert_eq!(leveller.gain_db(), spoken);
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_leaves_beyond_full_scale_or_12_decibel(
            sound in proptest::collection::vec(-1.0_f32..=1.0, 0..4_000),
            quiet in 1..400_u32,
        ) {
            let mut leveller = Leveller::default();
            // Turned up by a quiet voice first.
            leveller.process(&mut talk(-20.0 - quiet as f32 / 10.0, -80.0, 8));
            let mut out = sound.clone();
            leveller.process(&mut out);
            for (before, after) in sound.iter().zip(out) {
                prop_assert!(after.abs() <= 1.0);
                prop_assert!(after.abs() <= before.abs() * 3.982);
                prop_assert!(after * before >= 0.0);
            }
        }

        #[test]
        fn it_does_not_matter_in_which_pieces_sound_comes(cuts in proptest::collection::vec(1..500_usize, 1..40)) {
            let whole = {
                let mut sound = talk(-30.0, -70.0, 2);
                Leveller::default().process(&mut sound);
                sound
            };
            let mut sound = talk(-30.0, -70.0, 2);
            let mut leveller = Leveller::default();
            let mut rest = sound.as_mut_slice();
            for cut in cuts.iter().cycle() {
                let cut = (*cut).min(rest.len());
                let (piece, more) = rest.split_at_mut(cut);
                leveller.process(piece);
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(sound, whole);
        }
    }
}
