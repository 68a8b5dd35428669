//! Both ends of a call on one time, in frames of 20 ms.
//!
//! Each end comes in pieces of any length, each with the moment of its first sample on the daemon's clock; nothing is said
//! of when pieces come, of whether any is missing, or of the pace of the clock that made them. [`Timeline::next`] gives frames
//! in which a sample lies where its moment is:
//!
//! - What is missing is silence of its length.
//! - An end's own clock may run fast or slow: it is drawn out or in by single samples, so that it stays within 5 ms of
//!   its moments.
//! - A piece may be read late, so that its moment is told too late, but hardly too early: the place of a sample is the earliest
//!   that any two neighbours among the pieces behind it agree on. For this, frames are made [`HOLD`] later.
//! - What comes later still has lost its place, and is counted.

use std::collections::VecDeque;
use std::time::Duration;

use super::{End, Frame};
use crate::pure::audio::{FRAME_LEN, LINE_RATE};
use crate::pure::time::Time;

/// How long after its moment a frame is made.
pub const HOLD: Duration = Duration::from_millis(300);

/// Samples that wait at most, of each end: 10 s, against moments far ahead.
const MOST_WAITING: usize = 10 * LINE_RATE as usize;

/// Off by so many samples or more, an end is put right at once: 15 ms.
const FAR_OFF: f64 = 120.0;

/// Off by fewer samples, it is left alone: 5 ms.
const NEAR_ENOUGH: f64 = 40.0;

/// Off by fewer samples, it is put right no further: 1 ms.
const THERE: f64 = 8.0;

/// Samples by which a frame is drawn out or in: 1.3 %, a fifth of a semitone, for less than a second.
const SLIP: f64 = 2.0;

/// What of one end was not kept, in samples.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lost {
    /// What came too late, or twice at the same moment.
    pub late: u64,
    /// What was told to sound so far ahead that it could not wait.
    pub ahead: u64,
}

/// Both ends.
#[derive(Debug)]
pub struct Timeline {
    /// The moment of the first sample of all, had there been no pause.
    origin: Time,
    /// What sounded earlier is not wanted.
    since: Time,
    made: u64,
    ends: [Side; 2],
}

impl Timeline {
    /// Begins at `now`.
    #[must_use]
    pub fn new(now: Time) -> Timeline {
        Timeline {
            origin: now,
            since: now,
            made: 0,
            ends: Default::default(),
        }
    }

    /// Takes a piece of one end; `at` is the moment of its first sample. What lies before the beginning is cut off.
    pub fn push(&mut self, end: End, at: Time, samples: &[i16]) {
        let early = samples_of(self.since.since(at)).ceil() as usize;
        let Some(samples) = samples.get(early..).filter(|rest| !rest.is_empty()) else {
            return;
        };
        let place = if early > 0 { self.since } else { at };
        self.ends[end as usize].push(samples_of(place.since(self.origin)), samples);
    }

    /// Returns the next frame, once [`HOLD`] has passed since its end.
    pub fn next(&mut self, now: Time) -> Option<Frame> {
        self.next_at_end(now.before(HOLD))
    }

    /// Returns the next frame, where it ends by `until`: nothing more will come of what sounded until then.
    pub fn next_at_end(&mut self, until: Time) -> Option<Frame> {
        let end = self.made + FRAME_LEN as u64;
        if samples_of(until.since(self.origin)) < end as f64 {
            return None;
        }
        let mut frame = [[0; FRAME_LEN]; 2];
        for (side, out) in self.ends.iter_mut().zip(&mut frame) {
            side.fill(self.made, out);
        }
        self.made = end;
        Some(frame)
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        for side in &mut self.ends {
            side.clear();
        }
    }

    /// Goes on: the next frame begins at `now`, and nothing that sounded before is taken.
    pub fn resume(&mut self, now: Time) {
        self.clear();
        let made = self.made * 1_000_000 / u64::from(LINE_RATE);
        self.since = now;
        self.origin = now.before(Duration::from_micros(made));
    }

    /// Returns what was not kept, of the near end and of the far end.
    #[must_use]
    pub fn lost(&self) -> [Lost; 2] {
        [self.ends[0].lost, self.ends[1].lost]
    }
}

fn samples_of(span: Duration) -> f64 {
    span.as_micros() as f64 * f64::from(LINE_RATE) / 1e6
}

/// One piece, as far as it still waits.
#[derive(Debug)]
struct Piece {
    /// Samples of this end up to its last, since the beginning.
    end: u64,
    /// Where on the timeline this piece says that the end's very first sample would lie.
    zero: f64,
}

/// One end.
#[derive(Debug, Default)]
struct Side {
    waiting: VecDeque<i16>,
    pieces: VecDeque<Piece>,
    pushed: u64,
    taken: u64,
    /// Where the first sample lies by what was made last; nothing where silence was.
    zero: Option<f64>,
    /// Whether it is being drawn out or in, and by how much it still is (less than a sample).
    slips: bool,
    owed: f64,
    lost: Lost,
}

impl Side {
    fn push(&mut self, place: f64, samples: &[i16]) {
        let room = MOST_WAITING.saturating_sub(self.waiting.len());
        let taken = &samples[..samples.len().min(room)];
        self.lost.ahead += (samples.len() - taken.len()) as u64;
        if taken.is_empty() {
            return;
        }
        let zero = place - self.pushed as f64;
        self.waiting.extend(taken);
        self.pushed += taken.len() as u64;
        self.pieces.push_back(Piece {
            end: self.pushed,
            zero,
        });
    }

    fn clear(&mut self) {
        self.taken += self.waiting.len() as u64;
        self.waiting.clear();
        self.pieces.clear();
        self.zero = None;
    }

    /// Makes the frame that begins at `cursor`.
    fn fill(&mut self, cursor: u64, out: &mut [i16; FRAME_LEN]) {
        let mut filled = 0;
        while filled < FRAME_LEN {
            let Some(zero) = self.place() else {
                self.zero = None;
                return;
            };
            let at = (cursor + filled as u64) as f64;
            let ahead = zero + self.taken as f64 - at;
            let patience = if self.zero.is_some() { FAR_OFF } else { 0.5 };
            if ahead > patience {
                filled += (ahead.round() as usize).min(FRAME_LEN - filled);
                self.zero = None;
            } else if ahead < -patience {
                let late = (-ahead).round() as usize;
                self.lost.late += self.skip(late) as u64;
                self.zero = None;
            } else {
                filled += self.run(ahead, &mut out[filled..]);
                self.zero = Some((cursor + filled as u64) as f64 - self.taken as f64);
            }
        }
    }

    /// Returns where the first sample of all lies by the pieces that wait: the earliest that two neighbours agree on, and the
    /// earliest of all after silence, for a piece between two gaps has no neighbours.
    fn place(&mut self) -> Option<f64> {
        while self
            .pieces
            .front()
            .is_some_and(|piece| piece.end <= self.taken)
        {
            self.pieces.pop_front();
        }
        let zeros = self.pieces.iter().map(|piece| piece.zero);
        let Some(mut before) = self.zero else {
            return zeros.reduce(f64::min);
        };
        zeros
            .map(|zero| zero.max(std::mem::replace(&mut before, zero)))
            .reduce(f64::min)
    }

    /// Passes over samples that lie too early, no further than the piece goes: the next may say something else.
    fn skip(&mut self, late: usize) -> usize {
        let count = late.min(self.piece());
        self.waiting.drain(..count);
        self.taken += count as u64;
        count
    }

    /// Returns how much of the first piece waits.
    fn piece(&self) -> usize {
        let end = self.pieces.front().map_or(self.taken, |piece| piece.end);
        (end - self.taken) as usize
    }

    /// Fills what it can of `out` from one piece, drawn out or in by a few samples where its place is `ahead` of the cursor
    /// or behind it. Returns how much was filled, one at least.
    fn run(&mut self, ahead: f64, out: &mut [i16]) -> usize {
        let piece = self.piece();
        let count = piece.min(out.len());
        // Moments of devices waver: what is off by little is left alone, and what is put right goes all the way.
        let bound = if self.slips { THERE } else { NEAR_ENOUGH };
        self.slips = ahead.abs() >= bound;
        if self.slips {
            self.owed += ahead.signum() * SLIP * count as f64 / FRAME_LEN as f64;
        }
        let slip = self.owed.trunc();
        self.owed -= slip;
        let slip = slip as i64;
        // Ahead: fewer samples fill as much.
        let (used, made) = if slip >= 0 {
            (count - (slip as usize).min(count - 1), count)
        } else {
            (count, count - (slip.unsigned_abs() as usize).min(count - 1))
        };
        let step = used as f64 / made as f64;
        for (n, out) in out[..made].iter_mut().enumerate() {
            let x = n as f64 * step;
            let before = x as usize;
            let sample = |n: usize| f64::from(self.waiting[n.min(self.waiting.len() - 1)]);
            let between = x - before as f64;
            let value = sample(before) * (1.0 - between) + sample(before + 1) * between;
            *out = value.round() as i16;
        }
        self.waiting.drain(..used);
        self.taken += used as u64;
        made
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
