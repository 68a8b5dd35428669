//! How fast a delay is made up: so that nobody hears it near the target, and soon where it is far.

use super::super::stretch;
use super::samples;

/// Delay beyond the target from which on it is to be gone soon, and down to which there is haste then.
const FAR: i64 = samples(50) as i64;
/// How far the delay may be beyond the target before a voice is touched for it.
pub(super) const SLACK: i64 = samples(12) as i64;

/// How much faster or slower than the line sound is played at most: by a twentieth near the target, by a half far from it.
const GENTLY: f32 = 0.05;
const QUICKLY: f32 = 0.5;

/// Makes sure that speech is hurried no more than it may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance {
    hasty: bool,
    /// Samples by which sound may be made shorter or longer now.
    credit: f32,
}

impl Allowance {
    /// Takes in what passes, and how far the delay is beyond the target.
    pub(super) fn pass(&mut self, samples: usize, excess: i64) {
        self.hasty = excess > if self.hasty { SLACK } else { FAR };
        let speed = if self.hasty { QUICKLY } else { GENTLY };
        // A piece that is longer than a block's share is saved up for, but not for ever.
        let most = stretch::LONGEST as f32;
        self.credit = (self.credit + speed * samples as f32).min(most);
    }

    /// Says whether the delay is so far from the target that it is to be gone soon.
    pub(super) fn is_hasty(&self) -> bool {
        self.hasty
    }

    /// Takes what is to be left out or said twice from what may be, or says that it is too much.
    pub(super) fn afford(&mut self, piece: usize) -> bool {
        let affordable = piece as f32 <= self.credit;
        if affordable {
            self.credit -= piece as f32;
        }
        affordable
    }
}
