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
//! Where withholding sound does not shorten the round trip, the way itself may have become longer, or the network needs what
//! is held. While it is uneven that is taken for a need, and left in the queue on purpose; while it is even, for a longer
//! way, which raises the floor. Neither is for ever: once the network has been even for some seconds a little of it is
//! taken back, and where the round trip shrinks it was wrong. Where it does not, that is tried ever more rarely.
//!
//! A `clear` gives every mark back at once, played or not. Marks are named by how many there were (`offhook-3-17`), and
//! those from before the last one count for nothing.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::pure::time::Time;

/// How often a mark is sent along with the sound.
pub const MARK_EVERY: Duration = Duration::from_millis(500);

/// Marks that may be under way.
pub const MOST_MARKS: usize = 32;

/// How long a mark is waited for at least; then it makes room for others.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// How often a mark is sent while none comes back, after the first few.
pub const MARK_SELDOM: Duration = Duration::from_secs(12);

/// Marks that may go without an answer before they are sent seldom.
const UNANSWERED: u32 = 32;

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

/// The most of it where cutting has had no effect on a network that is uneven, in ms.
const MOST_UNEVEN_CUSHION_MS: f64 = 160.0;

/// How fast the cushion goes again, in ms a second.
const CUSHION_DECAY: f64 = 0.2;

/// After so much was withheld without any effect, in ms, it was not the queue but the way there that has grown.
const USELESS_MS: f64 = 40.0;

/// A network is uneven where round trips, or the lateness of what comes, differ by more than this, in ms.
const UNEVEN_MS: f64 = 10.0;

/// Over how long the lateness of what comes is compared.
const COMPARED: Duration = Duration::from_secs(2);

/// How long a network must have been even before anything is taken back, and between two times that is tried at first.
const EVEN: Duration = Duration::from_secs(4);

/// What is taken back at a time, in ms: what it costs where it was needed after all is a gap of a frame.
const STEP_MS: f64 = 30.0;

/// After so much was withheld without any effect, in ms, taking back was wrong: most of a frame.
const WRONG_MS: f64 = 12.0;

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

/// How even the network is, and when something is to be taken back.
#[derive(Clone, Debug)]
struct Evenness {
    /// Since when it has been even.
    since: Option<Time>,
    /// When comparing began, and the least and the most lateness since then, in ms.
    compared: Option<(Time, f64, f64)>,
    tried: Option<Time>,
    /// How long it is waited from one try to the next.
    wait: Duration,
    /// Whether sound was withheld since the last try, and whether that was wrong.
    withheld: bool,
    wrong: bool,
    /// By how much the floor was lowered at the last try, in ms.
    lowered_ms: f64,
}

impl Default for Evenness {
    fn default() -> Evenness {
        Evenness {
            since: None,
            compared: None,
            tried: None,
            wait: EVEN,
            withheld: false,
            wrong: false,
            lowered_ms: 0.0,
        }
    }
}

impl Evenness {
    /// Takes in how late something came.
    fn late(&mut self, late_ms: f64, now: Time) {
        let (began, least, most) = self
            .compared
            .filter(|(began, ..)| now < *began + COMPARED)
            .unwrap_or((now, late_ms, late_ms));
        let (least, most) = (least.min(late_ms), most.max(late_ms));
        self.compared = Some((began, least, most));
        if most - least > UNEVEN_MS {
            self.uneven(now);
        }
    }

    fn uneven(&mut self, now: Time) {
        self.since = Some(now);
        self.compared = None;
    }

    fn is_even(&self, now: Time) -> bool {
        self.since.is_none_or(|since| now >= since + COMPARED)
    }

    /// Says whether it is time to take something back.
    fn is_time(&mut self, now: Time) -> bool {
        let since = *self.since.get_or_insert(now);
        let early = now < since + EVEN || self.tried.is_some_and(|tried| now < tried + self.wait);
        if early {
            return false;
        }
        if self.wrong {
            self.wait = self.wait.saturating_mul(2);
        } else if self.withheld {
            self.wait = EVEN;
        }
        let again = self.wrong && self.tried.is_some_and(|tried| now < tried + self.wait);
        (self.wrong, self.withheld) = (false, false);
        !again
    }

    /// Begins a try.
    fn step(&mut self, lowered_ms: f64, now: Time) {
        (self.tried, self.lowered_ms) = (Some(now), lowered_ms);
    }
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
    least_ms: Option<f64>,
    /// What the round trip is thought to be at its best now, in ms: the least, or more where the way has become longer.
    floor_ms: Option<f64>,
    held_ms: f64,
    reckoned: Option<Time>,
    /// Whether the carrier keeps its marks to itself, so that nothing is known until one comes back.
    silent: bool,
    /// Marks sent since one came back.
    unanswered: u32,
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
    evenness: Evenness,
}

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog {
            epoch: 0,
            number: 0,
            waiting: VecDeque::with_capacity(MOST_MARKS),
            marked: None,
            unmarked: false,
            least_ms: None,
            floor_ms: None,
            held_ms: 0.0,
            reckoned: None,
            silent: false,
            unanswered: 0,
            answered: false,
            withheld_ms: 0.0,
            withheld_at_last_mark_ms: 0.0,
            overdue_ms: 0.0,
            useless: 0,
            useless_ms: 0.0,
            withheld: None,
            growth: None,
            cushion_ms: 0.0,
            evenness: Evenness::default(),
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
            self.evenness.withheld = true;
        }
        // As long as something is being brought back it is still to be seen what that does.
        let is_down = self.held_ms < self.cushion_ms + DOWN_MS;
        let taken_ms = self.raised_ms() + self.cushion_ms;
        if is_down && taken_ms > 0.0 && self.evenness.is_time(now) {
            self.take_back(now);
        }
    }

    /// Returns the mark that is to be sent now, right after the sound, if one is.
    pub fn mark(&mut self, now: Time) -> Option<MarkName> {
        let is_lost = |mark: &Waiting| now >= mark.sent + FORGOTTEN;
        if self.waiting.len() >= MOST_MARKS && self.waiting.front().is_some_and(is_lost) {
            self.waiting.pop_front();
        }
        let every = if self.unanswered < UNANSWERED {
            MARK_EVERY
        } else {
            MARK_SELDOM
        };
        let early = self.marked.is_some_and(|then| now < then + every);
        if early || !self.unmarked || self.waiting.len() >= MOST_MARKS {
            return None;
        }
        self.number += 1;
        self.unanswered = self.unanswered.saturating_add(1);
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
    /// changes nothing. Returns whether that can be: where it is false, no round trip is so short, and `late_ms` is wrong.
    #[must_use]
    pub fn returned(&mut self, name: MarkName, now: Time, late_ms: f64) -> bool {
        let known = self
            .waiting
            .iter()
            .position(|mark| mark.number == name.number);
        let Some(place) = known.filter(|_| name.epoch == self.epoch) else {
            return true;
        };
        let mark = self.waiting[place];
        // Whatever was sent before it has been played as well.
        self.waiting.drain(..=place);
        (self.answered, self.silent) = (true, false);
        self.unanswered = 0;
        let whole_ms = ms_of(now.since(mark.sent));
        let trip_ms = whole_ms - late_ms;
        let plausible_ms = self.floor_ms.map_or(0.0, |floor| floor.min(whole_ms) / 2.0);
        if trip_ms < plausible_ms {
            return false;
        }
        let known_ms = self.floor_ms.unwrap_or(trip_ms);
        let floor_ms = known_ms.min(trip_ms);
        self.floor_ms = Some(floor_ms);
        self.least_ms = Some(self.least_ms.map_or(trip_ms, |least| least.min(trip_ms)));
        // What is held counts from the floor, wherever that is now.
        let off_ms = trip_ms - known_ms - mark.held_ms;
        self.correct(known_ms - floor_ms);
        self.correct(off_ms);
        self.grow(off_ms, now);
        let all_ms = off_ms + std::mem::take(&mut self.overdue_ms);
        self.note(all_ms, now);
        self.judge(all_ms, mark, now);
        true
    }

    /// Takes in that sound of the carrier came, on a way that took `late_ms` longer than at its best: marks that it sent
    /// earlier would be here.
    pub fn heard(&mut self, now: Time, late_ms: f64) {
        self.evenness.late(late_ms, now);
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
            self.note(self.overdue_ms, now);
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
            self.evenness.wrong |= self.evenness.tried.is_some();
        }
    }

    /// Takes in by how much a round trip differs from what was thought: what nothing was withheld for is the network's.
    fn note(&mut self, off_ms: f64, now: Time) {
        let ours = self.withheld.is_some_and(|then| now < then + TOO_SOON);
        if off_ms.abs() > UNEVEN_MS && !ours {
            self.evenness.uneven(now);
        }
    }

    /// By how much the floor lies above the least round trip ever, in ms.
    fn raised_ms(&self) -> f64 {
        match (self.floor_ms, self.least_ms) {
            (Some(floor), Some(least)) => floor - least,
            (Some(_) | None, _) => 0.0,
        }
    }

    /// Takes some of what the floor was raised by for what is held, or leaves less in the queue on purpose: whether that
    /// brings the delay down will be seen.
    fn take_back(&mut self, now: Time) {
        let lowered_ms = self.raised_ms().min(STEP_MS);
        self.raise(-lowered_ms);
        self.cushion_ms = (self.cushion_ms - (STEP_MS - lowered_ms)).max(0.0);
        self.evenness.step(lowered_ms, now);
        (self.useless, self.useless_ms) = (0, 0.0);
    }

    fn raise(&mut self, ms: f64) {
        self.floor_ms = self.floor_ms.map(|floor| floor + ms);
        self.correct(-ms);
    }

    /// Where withholding does not shorten the round trip, the way there has become longer and the floor rises, or, on a
    /// network that is uneven, what is held is needed.
    fn judge(&mut self, off_ms: f64, mark: Waiting, now: Time) {
        let withheld_ms = mark.withheld_ms - self.withheld_at_last_mark_ms;
        self.withheld_at_last_mark_ms = mark.withheld_ms;
        if withheld_ms <= 0.0 {
            return;
        }
        // What is far more than was withheld is a stall.
        if !(withheld_ms / 2.0..withheld_ms * 1.25 + 10.0).contains(&off_ms) {
            (self.useless, self.useless_ms) = (0, 0.0);
            self.evenness.lowered_ms = 0.0;
            return;
        }
        self.useless += 1;
        self.useless_ms += off_ms.min(withheld_ms);
        let lowered_ms = self.evenness.lowered_ms;
        let is_even = self.evenness.is_even(now);
        let is_wrong = is_even && lowered_ms > 0.0 && self.useless_ms >= WRONG_MS;
        if !is_wrong && (self.useless < 2 || self.useless_ms < USELESS_MS) {
            return;
        }
        if is_even {
            // The queue had run dry, or the round trip would have shrunk. That what is held is the way is as likely as that
            // the network has filled it again.
            self.raise(self.useless_ms.max(lowered_ms).max(self.held_ms / 2.0));
            self.cushion_ms = self.cushion_ms.min(MOST_CUSHION_MS);
        } else {
            let room_ms = (MOST_UNEVEN_CUSHION_MS - self.cushion_ms).max(0.0);
            let needed_ms = self.useless_ms.min(room_ms);
            self.cushion_ms += needed_ms;
            self.raise(self.useless_ms - needed_ms);
        }
        (self.useless, self.useless_ms) = (0, 0.0);
        self.evenness.wrong |= self.evenness.tried.is_some();
        self.evenness.lowered_ms = 0.0;
    }
}

fn ms_of(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
