//! How late frames come, and how much sound must wait for them.
//!
//! Everything is counted on the speaker's clock, in samples of the line: a frame comes when a pull sees it. So the size of
//! the device's callbacks is part of its lateness, and so is the difference between the carrier's clock and the speaker's.

use std::ops::Range;

use super::samples;

/// Frames that count: the last ten seconds of frames of 20 ms.
const FRAMES: usize = 500;

/// The longest that a frame counts. Where the carrier says nothing in pauses, ten seconds of frames may be minutes old, and
/// two clocks that differ by 200 ppm part by 12 ms a minute.
const MEMORY: u64 = samples(20_000) as u64;

/// Lateness is told apart by 2.5 ms.
const BIN: i64 = samples(5) as i64 / 2;

/// Where the last frames were all so much later than the earliest, the way has become longer, and they are what counts: a
/// stall's frames come at once, the last of them hardly late.
const LATELY: u64 = 10;
const LONGER: i64 = samples(200) as i64;

/// Where the last five seconds needed so much less than what is waited for, what was before them is over: the way has become
/// shorter, or a jitter has ended.
const RECENT: u64 = 250;
const GONE: u64 = samples(60) as u64;

/// How much longer the speaker must have stood still than a frame waits for a pull.
const STOOD: i64 = samples(30) as i64;

/// Bins: up to 1 s, and the last for all beyond, which nobody waits for.
const BINS: usize = 401;

/// What it is worth that all sound comes in time rather than none, in samples of delay: a percent of it is worth 20 ms.
///
/// Prices a frame that is late against a delay that all have to bear. Jitter, which makes many frames late, is waited for; a
/// stall, which makes a few frames in a hundred very late, is not: its sound is played late, and then made up.
const WORTH: u64 = samples(2_000) as u64;

/// Frames that are taken to be known from the beginning, so that the first ones do not decide alone.
const FEW: u64 = 250;

/// What is added to what the frames need, for the next one that misses a callback: one callback, within these bounds, and
/// half of it where there is jitter, which tells by itself how late frames may be.
const LEAST_GUARD: u64 = samples(5) as u64 / 2;
const MOST_GUARD: u64 = samples(20) as u64;

/// How long a large pull is remembered: one callback may be made of large and small ones.
const GUARDED: u64 = samples(1_000) as u64;

/// Frames that were neither earlier nor later than was reckoned with, after which it is reckoned anew all the same.
const SAME: u32 = 10;

/// What is known of a stream's lateness.
#[derive(Clone, Debug)]
pub(super) struct Lateness {
    /// A ring of what came: when, and how far behind its place in the stream that was.
    came: [(u64, i64); FRAMES],
    newest: u64,
    oldest: u64,
    /// The least that a frame was behind its place in the stream; nothing before the first.
    base: Option<i64>,
    /// What the frames need, in samples, without the guard.
    needed: u64,
    /// The largest pull of late, and when it was.
    guard: u64,
    guarded: u64,
    /// The least of late by which the daemon's clock is ahead of the speaker's.
    ahead: Option<i64>,
    /// Frames that came since the two above were reckoned, and whether one of them was not as expected.
    since: u32,
    surprised: bool,
}

impl Default for Lateness {
    fn default() -> Self {
        Lateness {
            came: [(0, 0); FRAMES],
            newest: 0,
            oldest: 0,
            base: None,
            needed: 0,
            guard: LEAST_GUARD,
            guarded: 0,
            ahead: None,
            since: 0,
            surprised: false,
        }
    }
}

impl Lateness {
    /// Takes in that the frame that belongs at `at` in the stream came at `now` of the speaker's clock, and at `arrived` of
    /// the daemon's, all in samples.
    pub(super) fn note(&mut self, at: u64, now: u64, arrived: u64) {
        self.stand_still(arrived.cast_signed().wrapping_sub(now.cast_signed()));
        let behind = now.cast_signed().wrapping_sub(at.cast_signed());
        self.came[(self.newest % FRAMES as u64) as usize] = (now, behind);
        self.newest += 1;
        self.oldest = self.oldest.max(self.newest.saturating_sub(FRAMES as u64));
        self.since += 1;
        let as_expected = self.base.is_some_and(|base| {
            (0..=self.needed.cast_signed()).contains(&(behind.saturating_sub(base)))
        });
        self.surprised |= !as_expected;
    }

    /// Takes in by how much the daemon's clock is ahead of the speaker's. Where that is suddenly more, the speaker stood still
    /// (a device that was opened anew), and no frame was early: all that came before is that much older.
    fn stand_still(&mut self, ahead: i64) {
        let before = self.ahead.unwrap_or(ahead);
        let stood = ahead.saturating_sub(before);
        if stood > STOOD {
            for (_, behind) in &mut self.came {
                *behind = behind.saturating_sub(stood);
            }
            self.ahead = Some(ahead);
            self.surprised = true;
        } else {
            // The least is followed, at a pace that no two clocks differ by.
            self.ahead = Some(ahead.min(before + 1));
        }
    }

    /// Reckons anew, where there is a reason to. `block` is what the speaker asks for at once.
    pub(super) fn reckon(&mut self, now: u64, block: usize) {
        let block = (block as u64).clamp(LEAST_GUARD, MOST_GUARD);
        if block >= self.guard || now >= self.guarded + GUARDED {
            (self.guard, self.guarded) = (block, now);
        }
        if !self.surprised && self.since < SAME {
            return;
        }
        (self.since, self.surprised) = (0, false);
        while self.oldest + 1 < self.newest && self.entry(self.oldest).0 + MEMORY < now {
            self.oldest += 1;
        }
        let lately = self.newest.saturating_sub(LATELY).max(self.oldest)..self.newest;
        let entries = self.oldest..self.newest;
        let least = |entries: Range<u64>| entries.map(|n| self.entry(n).1).min();
        let (Some(ever), Some(lately)) = (least(entries.clone()), least(lately)) else {
            return;
        };
        let base = if lately.saturating_sub(ever) > LONGER {
            lately
        } else {
            ever
        };
        self.base = Some(base);
        let mut bins = [0_u16; BINS];
        for n in entries {
            let late = self.entry(n).1.saturating_sub(base).max(0) / BIN;
            let bin = usize::try_from(late).map_or(BINS - 1, |bin| bin.min(BINS - 1));
            bins[bin] += 1;
        }
        let known = (self.newest - self.oldest).max(FEW);
        // What is beyond all bins is never waited for.
        let (mut late, mut best) = (u64::from(bins[BINS - 1]), (u64::MAX, 0_u64));
        for bin in (0..BINS - 1).rev() {
            let delay = bin as u64 * BIN.unsigned_abs();
            let price = delay + WORTH * late / known;
            if price <= best.0 {
                best = (price, delay);
            }
            late += u64::from(bins[bin]);
        }
        let recent = self.newest.saturating_sub(RECENT).max(self.oldest)..self.newest;
        let latest = recent
            .clone()
            .map(|n| self.entry(n).1)
            .max()
            .unwrap_or(base);
        self.needed = best.1;
        if self.needed > latest.abs_diff(base) + GONE {
            self.oldest = recent.start;
            self.surprised = true;
        }
    }

    /// Returns how much must wait, in samples.
    pub(super) fn target(&self) -> u64 {
        self.needed + self.spare()
    }

    /// Returns how much less may wait, in samples, before a voice is drawn out for more.
    pub(super) fn leeway(&self) -> i64 {
        self.spare().cast_signed() / 2
    }

    /// Returns what must stay of the sound that waits when some of it is cut.
    pub(super) fn guard(&self) -> usize {
        usize::try_from(self.guard).unwrap_or(0)
    }

    fn spare(&self) -> u64 {
        if self.needed == 0 {
            self.guard
        } else {
            self.guard / 2
        }
    }

    /// Returns how far playing is behind the earliest frame when `next` of the stream is played at `now`: the delay that is
    /// ours to choose.
    pub(super) fn delay(&self, next: u64, now: u64) -> i64 {
        self.base.map_or(0, |base| {
            now.cast_signed()
                .wrapping_sub(next.cast_signed())
                .saturating_sub(base)
        })
    }

    fn entry(&self, n: u64) -> (u64, i64) {
        self.came[(n % FRAMES as u64) as usize]
    }
}
