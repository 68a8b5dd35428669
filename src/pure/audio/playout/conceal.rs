//! What is played when nothing is there: the voice goes on for a moment, and then fades into the noise behind it.
//!
//! The voice is its own last periods, first one, then two, then three, so that no single one is heard again and again.

use super::samples;
use super::stretch::{self, LONGEST};

/// What is remembered of what was played: two of the longest periods, and what leads up to them.
const PAST: usize = samples(40);

/// The period of a sound that has none.
const NO_PERIOD: usize = samples(20) - samples(5);

/// How long the voice takes to go over from what was played into its own repetition.
const SEAM: usize = samples(5) / 2;

/// How long the voice goes on at full strength, and when it has faded away.
const FULL: usize = samples(10);
const FADED: usize = samples(60);

/// How alike two periods must be for a sound to be a voice that has a pitch.
const VOICED: f32 = 0.3;

/// The loudest noise that is played for a line that says nothing: about -50 dBFS. What is louder is no noise.
pub(super) const LOUDEST_NOISE: f32 = 0.003;

/// How fast the noise is believed to rise: twice the power in a second, 3 dB.
const RISE: f32 = 1.0 / samples(1_000) as f32;

/// What a stream sounded like lately, and what is made of it.
#[derive(Clone, Debug)]
pub(super) struct Concealer {
    /// The newest last.
    past: [f32; PAST],
    /// Samples made since the sound ended; 0 while it is there.
    made: usize,
    /// The voice's period, once something was made.
    lag: usize,
    /// How loud the voice may get, and by how much it would jump where it begins.
    peak: f32,
    offset: f32,
    /// The mean power of the quietest sound of late.
    noise: f32,
    /// The peak of the noise that is made.
    hiss: f32,
    chance: u32,
}

impl Default for Concealer {
    fn default() -> Self {
        Concealer {
            past: [0.0; PAST],
            made: 0,
            lag: NO_PERIOD,
            peak: 0.0,
            offset: 0.0,
            noise: 0.0,
            hiss: 0.0,
            chance: 0x2545_f491,
        }
    }
}

impl Concealer {
    /// Takes in what was played of the stream itself.
    pub(super) fn played(&mut self, block: &[f32]) {
        if block.is_empty() {
            return;
        }
        self.made = 0;
        let newest = &block[block.len().saturating_sub(PAST)..];
        let kept = PAST - newest.len();
        self.past.copy_within(newest.len().., 0);
        self.past[kept..].copy_from_slice(newest);
        let power = stretch::power(block);
        // Down at once, up slowly.
        let risen = self.noise * (1.0 + RISE * block.len() as f32) + f32::MIN_POSITIVE;
        self.noise = power.min(risen.max(1e-10));
        // The mean square of a uniform sample is a third.
        self.hiss = (self.noise * 3.0).sqrt().min(LOUDEST_NOISE);
    }

    /// Returns the mean power of the noise behind the voice.
    pub(super) fn noise(&self) -> f32 {
        self.noise
    }

    /// Says whether what is made now is still the voice.
    pub(super) fn speaks(&self) -> bool {
        self.made > 0 && self.made < FADED
    }

    /// Returns the samples made since the sound ended.
    pub(super) fn made(&self) -> usize {
        self.made
    }

    /// Returns the next sample of a sound that is not there.
    pub(super) fn make(&mut self) -> f32 {
        if self.made == 0 {
            self.begin();
        }
        let n = self.made;
        self.made += 1;
        let noise = self.hiss();
        if n >= FADED {
            return noise;
        }
        let gain = if n < FULL {
            1.0
        } else {
            (FADED - n) as f32 / (FADED - FULL) as f32
        };
        self.voice(n) * gain + noise * (1.0 - gain)
    }

    /// Writes what would come next if nothing else did, without going on.
    pub(super) fn foretell(&self, ahead: &mut [f32]) {
        for (n, sample) in ahead.iter_mut().enumerate() {
            *sample = self.voice(self.made + n);
        }
    }

    /// Returns a sample of the noise behind the voice.
    pub(super) fn hiss(&mut self) -> f32 {
        // xorshift (Marsaglia 2003): white enough for a whisper.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 17;
        self.chance ^= self.chance << 5;
        let white = (self.chance >> 8) as f32 / (1 << 23) as f32 - 1.0;
        white * self.hiss
    }

    fn begin(&mut self) {
        // The period is looked for at the beginning of what is given: turned round, that is the newest sound.
        let mut newest_first = self.past;
        newest_first.reverse();
        self.lag = stretch::period(&newest_first[..2 * LONGEST])
            .filter(|(_, alike)| *alike > VOICED)
            .map_or(NO_PERIOD, |(lag, _)| lag);
        self.peak = self.past.iter().fold(0.0, |peak, s| s.abs().max(peak));
        self.offset = self.past[PAST - 1] - self.past[PAST - 1 - self.lag];
    }

    /// The voice going on, `n` samples after it ended.
    fn voice(&self, n: usize) -> f32 {
        let seam = self.lag / 4;
        let periods = (1 + n / FULL).min((PAST - seam) / self.lag);
        let span = periods * self.lag;
        let at = PAST - span + n % span;
        let mut sample = self.past[at];
        // The end of what is repeated goes over into what came before its beginning.
        if let Some(into) = (at + seam).checked_sub(PAST) {
            sample = stretch::fade(into, seam, sample, self.past[at - span]);
        }
        if n < SEAM {
            sample += stretch::fade(n, SEAM, self.offset, 0.0);
        }
        sample.clamp(-self.peak, self.peak)
    }
}
