//! How much of what we sent the carrier still holds, told from marks that it sends back.
//!
//! The carrier plays what it gets one after the other, so whatever once waited there waits for the rest of the call. A
//! mark comes back when all sound before it has been played: its round trip is the way there, the carrier's queue, and the
//! way back. How late the carrier's own sound comes tells what the way back takes more than at its best, and that is
//! taken off. What is then left beyond the least that was ever seen is what the caller hears late: [`Backlog::held_ms`].
//!
//! Between two marks it is reckoned: sound that is sent adds to it, time takes from it. A mark that should have been back
//! raises it at once, as long as sound of the carrier shows that the way back is open.
//!
//! A `clear` gives every mark back at once, played or not. Marks are named by how many there were (`offhook-3-17`), and
//! those from before the last one count for nothing.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::pure::time::Time;

/// How often a mark is sent along with the sound.
pub const MARK_EVERY: Duration = Duration::from_millis(500);

/// Marks that may be under way. Where so many do not come back, no more are sent.
pub const MOST_MARKS: usize = 32;

/// Where a mark is overdue for so long, while sound comes, the carrier may keep its marks to itself.
const SILENT: Duration = Duration::from_secs(15);

/// How far below the least ever seen the queue may be thought, in ms: a frame. Beyond it has run dry.
const DRY_MS: f64 = -20.0;

/// Growth that comes within this time after something was cut shows that too much was.
const TOO_SOON: Duration = Duration::from_secs(2);

/// The queue had been brought down where no more than this was held beyond what is wanted, in ms.
const DOWN_MS: f64 = 20.0;

/// Growth with no more than this between its parts is one.
const ONE_GROWTH: Duration = Duration::from_millis(300);

/// Growth of less than this is none, and so is a mark that is overdue by less, in ms.
const GROWTH_MS: f64 = 5.0;

/// The most that is left in the queue on purpose, for a network on which sound comes in bunches, in ms.
const MOST_CUSHION_MS: f64 = 40.0;

/// How fast the cushion goes again, in ms a second.
const CUSHION_DECAY: f64 = 0.2;

/// After so much was withheld without any effect, in ms, it was not the queue but the way there that has grown.
const USELESS_MS: f64 = 40.0;

/// The name of a mark of ours, `offhook-EPOCH-NUMBER`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MarkName {
    epoch: u32,
    number: u32,
}

impl MarkName {
    /// Reads a name, or nothing where it is none of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<MarkName> {
        let (epoch, number) = text.strip_prefix("offhook-")?.split_once('-')?;
        let whole = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        Some(MarkName {
            epoch: whole(epoch)?,
            number: whole(number)?,
        })
    }
}

impl fmt::Display for MarkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offhook-{}-{}", self.epoch, self.number)
    }
}

/// A mark that is under way.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    number: u32,
    sent: Time,
    /// What the carrier was thought to hold when it was sent, in ms.
    held_ms: f64,
    /// What had been withheld by then, in ms.
    withheld_ms: f64,
}

/// Something that grew.
#[derive(Clone, Copy, Debug)]
struct Growth {
    began: Time,
    last: Time,
    /// What had been held before, in ms.
    from_ms: f64,
}

/// The estimate for one stream.
#[derive(Clone, Debug)]
pub struct Backlog {
    epoch: u32,
    number: u32,
    waiting: VecDeque<Waiting>,
    marked: Option<Time>,
    unmarked: bool,
    /// The least round trip ever, in ms.
    floor_ms: Option<f64>,
    held_ms: f64,
    reckoned: Option<Time>,
    /// Whether the carrier keeps its marks to itself, so that nothing is known until one comes back.
    silent: bool,
    /// Whether a mark came back since the last `clear`.
    answered: bool,
    /// Sound that was due and did not leave, since it was cut out or waits for more, in ms.
    withheld_ms: f64,
    withheld_at_last_mark_ms: f64,
    /// By how much overdue marks have raised the estimate since one came back, in ms.
    overdue_ms: f64,
    /// How often in a row withholding had no effect, and how much was withheld, in ms.
    useless: u32,
    useless_ms: f64,
    /// When something was withheld last.
    withheld: Option<Time>,
    growth: Option<Growth>,
    cushion_ms: f64,
}

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog {
            epoch: 0,
            number: 0,
            waiting: VecDeque::with_capacity(MOST_MARKS),
            marked: None,
            unmarked: false,
            floor_ms: None,
            held_ms: 0.0,
            reckoned: None,
            silent: false,
            answered: false,
            withheld_ms: 0.0,
            withheld_at_last_mark_ms: 0.0,
            overdue_ms: 0.0,
            useless: 0,
            useless_ms: 0.0,
            withheld: None,
            growth: None,
            cushion_ms: 0.0,
        }
    }
}

impl Backlog {
    /// Takes in that so much sound was sent now of so much that was due, in ms; said for every frame that was due.
    pub fn sent(&mut self, ms: f64, due_ms: f64, now: Time) {
        let passed = self.reckoned.map_or(0.0, |then| ms_of(now.since(then)));
        self.reckoned = Some(now);
        self.held_ms = (self.held_ms + ms - passed).max(DRY_MS);
        self.cushion_ms = (self.cushion_ms - CUSHION_DECAY * passed / 1_000.0).max(0.0);
        self.unmarked |= ms > 0.0;
        self.withheld_ms += due_ms - ms;
        if ms < due_ms {
            self.withheld = Some(now);
        }
    }

    /// Returns the mark that is to be sent now, right after the sound, if one is.
    pub fn mark(&mut self, now: Time) -> Option<MarkName> {
        let early = self.marked.is_some_and(|then| now < then + MARK_EVERY);
        if early || !self.unmarked || self.waiting.len() >= MOST_MARKS {
            return None;
        }
        self.number += 1;
        (self.marked, self.unmarked) = (Some(now), false);
        self.waiting.push_back(Waiting {
            number: self.number,
            sent: now,
            held_ms: self.held_ms,
            withheld_ms: self.withheld_ms,
        });
        Some(MarkName {
            epoch: self.epoch,
            number: self.number,
        })
    }

    /// Takes in that a mark came back, on a way that took `late_ms` longer than at its best. A name that is not awaited
    /// changes nothing.
    pub fn returned(&mut self, name: MarkName, now: Time, late_ms: f64) {
        let known = self
            .waiting
            .iter()
            .position(|mark| mark.number == name.number);
        let Some(place) = known.filter(|_| name.epoch == self.epoch) else {
            return;
        };
        let mark = self.waiting[place];
        // Whatever was sent before it has been played as well.
        self.waiting.drain(..=place);
        (self.answered, self.silent) = (true, false);
        let trip_ms = (ms_of(now.since(mark.sent)) - late_ms).max(0.0);
        let known_ms = self.floor_ms.unwrap_or(trip_ms);
        let floor_ms = known_ms.min(trip_ms);
        self.floor_ms = Some(floor_ms);
        // What is held counts from the floor, wherever that is now.
        let off_ms = trip_ms - known_ms - mark.held_ms;
        self.correct(known_ms - floor_ms);
        self.correct(off_ms);
        self.grow(off_ms, now);
        let all_ms = off_ms + std::mem::take(&mut self.overdue_ms);
        self.judge(all_ms, mark);
    }

    /// Takes in that sound of the carrier came, on a way that took `late_ms` longer than at its best: marks that it sent
    /// earlier would be here.
    pub fn heard(&mut self, now: Time, late_ms: f64) {
        let (Some(floor_ms), Some(mark)) = (self.floor_ms, self.waiting.front()) else {
            return;
        };
        let trip_ms = ms_of(now.since(mark.sent)) - late_ms;
        if trip_ms > ms_of(SILENT) {
            self.silent = true;
            return;
        }
        let off_ms = trip_ms - floor_ms - mark.held_ms;
        // A mark and the sound beside it are not sent at quite the same moment.
        if off_ms > GROWTH_MS {
            self.overdue_ms += off_ms;
            self.correct(off_ms);
            self.grow(off_ms, now);
        }
    }

    /// Takes in that a `clear` is sent: the queue is empty, and every mark before counts for nothing.
    pub fn cleared(&mut self) {
        self.epoch += 1;
        self.waiting.clear();
        (self.marked, self.unmarked, self.answered) = (None, false, false);
        (self.held_ms, self.overdue_ms, self.useless_ms) = (0.0, 0.0, 0.0);
        self.useless = 0;
    }

    /// Returns how much sound the carrier holds beyond the least ever seen, in ms; nothing before a mark came back, and
    /// nothing where none comes any more.
    /// Slightly negative where less is there than ever.
    #[must_use]
    pub fn held_ms(&self) -> Option<f64> {
        self.floor_ms.filter(|_| !self.silent).map(|_| self.held_ms)
    }

    /// Returns the least round trip of a mark, in ms: a frame, and the way there and back at its best.
    #[must_use]
    pub fn floor_ms(&self) -> Option<f64> {
        self.floor_ms
    }

    /// Returns how much is to be left in the carrier's queue on purpose, in ms.
    #[must_use]
    pub fn cushion_ms(&self) -> f64 {
        self.cushion_ms
    }

    /// Says whether a mark came back since the last `clear`, so that another one may follow.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.answered
    }

    fn correct(&mut self, off_ms: f64) {
        self.held_ms += off_ms;
        for mark in &mut self.waiting {
            mark.held_ms += off_ms;
        }
    }

    /// Where the queue grows right after it was brought down, it had been needed.
    fn grow(&mut self, ms: f64, now: Time) {
        if ms < GROWTH_MS {
            return;
        }
        let growth = match self.growth.filter(|growth| now <= growth.last + ONE_GROWTH) {
            Some(growth) => Growth {
                last: now,
                ..growth
            },
            None => Growth {
                began: now,
                last: now,
                from_ms: self.held_ms - ms,
            },
        };
        self.growth = Some(growth);
        let too_soon = growth.from_ms < self.cushion_ms + DOWN_MS
            && self
                .withheld
                .is_some_and(|then| then < growth.began && growth.began <= then + TOO_SOON);
        if too_soon {
            self.cushion_ms = self.cushion_ms.max(self.held_ms.min(MOST_CUSHION_MS));
        }
    }

    /// Where withholding does not shorten the round trip, the way there has become longer: the floor rises.
    fn judge(&mut self, off_ms: f64, mark: Waiting) {
        let withheld_ms = mark.withheld_ms - self.withheld_at_last_mark_ms;
        self.withheld_at_last_mark_ms = mark.withheld_ms;
        if withheld_ms <= 0.0 {
            return;
        }
        // What is far more than was withheld is a stall.
        if !(withheld_ms / 2.0..withheld_ms * 1.25 + 10.0).contains(&off_ms) {
            (self.useless, self.useless_ms) = (0, 0.0);
            return;
        }
        self.useless += 1;
        self.useless_ms += off_ms.min(withheld_ms);
        if self.useless >= 2 && self.useless_ms >= USELESS_MS {
            self.floor_ms = self.floor_ms.map(|floor| floor + self.useless_ms);
            self.correct(-self.useless_ms);
            (self.useless, self.useless_ms) = (0, 0.0);
        }
    }
}

fn ms_of(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
