//! The sound that waits, and a little of what was played: what comes next can be cut, drawn out and looked at.

use super::super::stretch;
use super::samples;

pub(super) use super::super::stretch::FADE;

/// What can wait.
const CAPACITY: usize = samples(4_000);

/// Played sound that is kept, for drawing out.
const BEHIND: usize = stretch::LONGEST;

const SIZE: usize = CAPACITY + BEHIND;

/// The sound that waits.
#[derive(Debug)]
pub(super) struct Ring {
    sound: Vec<f32>,
    // Positions in all that was ever written.
    written: u64,
    read: u64,
}

impl Default for Ring {
    fn default() -> Self {
        Ring {
            sound: vec![0.0; SIZE],
            written: 0,
            read: 0,
        }
    }
}

impl Ring {
    /// Returns the samples that wait.
    pub(super) fn depth(&self) -> usize {
        usize::try_from(self.written - self.read).unwrap_or(CAPACITY)
    }

    /// Returns where the next sample is written and read, in all that was ever written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// See [`Ring::written`].
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Takes sound in and returns how many of the oldest samples had to go for it.
    pub(super) fn write(&mut self, sound: &[f32]) -> usize {
        let mut left = sound;
        while !left.is_empty() {
            let at = slot(self.written);
            let (now, later) = left.split_at(left.len().min(SIZE - at));
            self.sound[at..at + now.len()].copy_from_slice(now);
            self.written += now.len() as u64;
            left = later;
        }
        let over = self.depth().saturating_sub(CAPACITY);
        self.skip(over);
        over
    }

    /// Takes as many samples as the block holds; so many wait.
    pub(super) fn take(&mut self, block: &mut [f32]) {
        self.peek(block);
        self.skip(block.len());
    }

    /// Leaves samples out.
    pub(super) fn skip(&mut self, count: usize) {
        self.read += count as u64;
    }

    /// Looks at what comes next.
    pub(super) fn peek(&self, block: &mut [f32]) {
        self.peek_at(0, block);
    }

    /// Looks at what comes after `ahead` samples.
    pub(super) fn peek_at(&self, ahead: usize, block: &mut [f32]) {
        let mut from = self.read + ahead as u64;
        let mut left = block;
        while !left.is_empty() {
            let at = slot(from);
            let (now, later) = left.split_at_mut(left.len().min(SIZE - at));
            now.copy_from_slice(&self.sound[at..at + now.len()]);
            from += now.len() as u64;
            left = later;
        }
    }

    /// Leaves the next `piece` samples out: within `fade`, at most as long, they go over into those that follow them. As
    /// many wait behind the piece.
    pub(super) fn shorten(&mut self, piece: usize, fade: usize) {
        for n in 0..fade as u64 {
            let goes = *self.at(self.read + n);
            let comes = self.at(self.read + piece as u64 + n);
            *comes = stretch::fade(n as usize, fade, goes, *comes);
        }
        self.read += piece as u64;
    }

    /// Plays the last `piece` samples once more, after what follows them has gone over into them, and says whether they
    /// are still known. As many wait.
    pub(super) fn lengthen(&mut self, piece: usize) -> bool {
        if piece == 0 || piece > BEHIND {
            return false;
        }
        let Some(again) = self.read.checked_sub(piece as u64) else {
            return false;
        };
        for n in 0..piece as u64 {
            let follows = *self.at(self.read + n);
            let comes = self.at(again + n);
            *comes = stretch::fade(n as usize, piece, follows, *comes);
        }
        self.read = again;
        true
    }

    fn at(&mut self, position: u64) -> &mut f32 {
        &mut self.sound[slot(position)]
    }
}

fn slot(position: u64) -> usize {
    (position % SIZE as u64) as usize
}
