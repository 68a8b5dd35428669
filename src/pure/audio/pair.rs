//! What is kept of a microphone and a speaker from one call to the next, and how it is tried before it is believed.
//!
//! A sound system may have changed since, or another desk may have a device of the same name. What was learned of the room
//! then is wrong, and a reading that begins too late finds no echo at all. So it is on trial: once the far end has been
//! heard for a while and its echo is not taken away, the speakerphone begins anew.

use super::LINE_RATE;
use super::speakerphone::Learned;

/// A microphone and a speaker, and what was learned of the two.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The microphone, as the status names it: with its host, rate and callback size.
    pub capture: String,
    /// The speaker, likewise.
    pub playout: String,
    /// What was learned of the two.
    pub learned: Learned,
}

/// Pairs that are kept: the last ones.
pub const MOST_PAIRS: usize = 32;

/// How much the filter alone must take away of what it knows for what was learned to be true, in dB: what it finds by chance
/// in a reading that holds no echo comes to nothing.
const TRUE_DB: f32 = 6.0;

/// How long the far end must have been heard until that is decided, in samples of the line: 2 s.
const LONG_ENOUGH: usize = 2 * LINE_RATE as usize;

/// What counts as heard: a mean square above -50 dBFS.
const LOUD: f32 = 1e-5;

/// Says whether what was learned until now is worth keeping, by [`super::speakerphone::Speakerphone::cancelled_db`].
#[must_use]
pub fn is_true(cancelled_db: Option<f32>) -> bool {
    cancelled_db.is_some_and(|db| db >= TRUE_DB)
}

/// What came of a trial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The echo is taken away.
    True,
    /// It is not.
    Wrong,
}

/// A trial of what was learned in an earlier call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial {
    heard: usize,
}

impl Trial {
    /// Takes in what the speaker plays, at the line's rate.
    pub fn hear(&mut self, played: &[f32]) {
        let power: f32 = played.iter().map(|sample| sample * sample).sum();
        if power > LOUD * played.len() as f32 {
            self.heard += played.len();
        }
    }

    /// Returns what came of it, once that is known.
    #[must_use]
    pub fn verdict(&self, cancelled_db: Option<f32>) -> Option<Verdict> {
        if is_true(cancelled_db) {
            Some(Verdict::True)
        } else {
            (self.heard >= LONG_ENOUGH).then_some(Verdict::Wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_proves_nothing() {
        let mut trial = Trial::default();
        for _ in 0..1_000 {
            trial.hear(&[0.0; 80]);
        }
        assert_eq!(trial.verdict(None), None);
    }

    #[test]
    fn an_echo_that_stays_shows_within_two_seconds_of_sound_that_something_is_wrong() {
        let mut trial = Trial::default();
        for n in 0..200 {
            assert_eq!(trial.verdict(None), None, "block {n}");
            trial.hear(&[0.1; 80]);
        }
        assert_eq!(trial.verdict(None), Some(Verdict::Wrong));
        assert_eq!(trial.verdict(Some(2.0)), Some(Verdict::Wrong));
        assert_eq!(trial.verdict(Some(20.0)), Some(Verdict::True));
    }
}
