//! The way up of one stream: frames of the microphone in, what is to be sent out, and the delay to the caller kept small.
//!
//! The carrier plays all it gets in order, so what a stall has held up would be heard late for ever. [`Backlog`] says how
//! much the carrier holds; beyond a small margin a [`Shortener`] makes what follows shorter until it is gone, and beyond
//! the bound that is set everything held is thrown away. While there is nothing to bring back a frame leaves at once as it came.
//!
//! No socket and no clock: whoever owns them hands in frames, marks and sound as they come, and sends what
//! [`Upward::pull`] returns.

use std::collections::VecDeque;
use std::time::Duration;

use super::backlog::{Backlog, MarkName};
use crate::pure::audio::clock_track::{ClockLine, ClockTrack};
use crate::pure::audio::shorten::{Shortener, Urgency};
use crate::pure::audio::{FRAME_LEN, LINE_RATE, MostDelay, UpFrame};
use crate::pure::time::Time;

/// Where more than this is held beyond what is wanted, in ms, bringing it back begins, and where less is, it ends: less than
/// a frame, since what is left of one is rounded off as well.
const BRING_BACK_MS: (f64, f64) = (21.0, 15.0);

/// Where more than this is held beyond what is wanted, in ms, it is brought back in urgency.
const HASTE_MS: f64 = 40.0;

/// What the carrier may hold unseen, at its best, in ms: far more than any is known to.
const AT_BEST_MS: f64 = 1_000.0;

/// How long the lateness of the carrier's sound says something about what comes beside it.
const FRESH: Duration = Duration::from_millis(100);

/// What is to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outgoing {
    /// Throw away what is queued.
    Clear,
    /// Sound.
    Media(UpFrame),
    /// Say this name when all before it has been played.
    Mark(MarkName),
}

/// What is known of the way up. Times in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpFigures {
    /// What the caller hears later than at best: held by the carrier beyond the least ever seen, and waiting here.
    pub caller_ms: Option<f64>,
    /// The least round trip of a mark: a frame, and the network there and back at its best.
    pub round_trip_ms: Option<f64>,
    /// Sound that was cut out to bring the delay back.
    pub shortened_ms: f64,
    /// How often all that the carrier held was thrown away.
    pub clears: u64,
}

/// The way up of one stream.
#[derive(Clone, Debug, Default)]
pub struct Upward {
    /// Where more than this is held it is thrown away.
    most_delay: MostDelay,
    shortener: Shortener,
    backlog: Backlog,
    carrier: ClockTrack,
    /// How late the carrier's last sound came, in ms, and when.
    late: Option<(f64, Time)>,
    /// The last sample of the carrier's sound that came, and when.
    heard: Option<(u64, Time)>,
    outgoing: VecDeque<Outgoing>,
    bringing_back: bool,
    clears: u64,
    /// How much was sent since the last key, in ms.
    since_key_ms: Option<f64>,
}

impl Upward {
    /// Makes the way up of a stream whose caller hears nothing later than so much.
    #[must_use]
    pub fn bounded(most_delay: MostDelay) -> Upward {
        Upward {
            most_delay,
            ..Upward::default()
        }
    }

    /// Takes the next frame of the microphone.
    pub fn frame(&mut self, frame: &UpFrame, now: Time) {
        if self.backlog.answered()
            && self.backlog.held_ms() > Some(self.most_delay.ms())
            && !self.holds_key(frame)
        {
            self.outgoing.push_back(Outgoing::Clear);
            self.backlog.cleared();
            self.shortener.clear();
            self.bringing_back = false;
            self.clears += 1;
        }
        let urgency = self.urgency();
        self.shortener.push(frame, urgency);
        let mut sent = 0.0;
        while let Some(frame) = self.shortener.pull() {
            self.outgoing.push_back(Outgoing::Media(frame));
            sent += ms_of(FRAME_LEN as u64);
            self.since_key_ms = match self.since_key_ms {
                _ if frame.whole => Some(0.0),
                since => since.map(|ms| ms + ms_of(FRAME_LEN as u64)),
            };
        }
        self.backlog.sent(sent, ms_of(FRAME_LEN as u64), now);
        if sent > 0.0
            && let Some(mark) = self.backlog.mark(now)
        {
            self.outgoing.push_back(Outgoing::Mark(mark));
        }
    }

    /// Says that frames before the next were thrown away.
    pub fn missed(&mut self) {
        self.shortener.missed();
    }

    /// Returns what is to be sent next. Taken until nothing is left after every frame, it never holds more than five.
    pub fn pull(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// Says whether something is to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Takes in that a mark came back.
    pub fn mark(&mut self, name: MarkName, now: Time) {
        let late_ms = match self.late {
            Some((late_ms, then)) if now <= then + FRESH => late_ms,
            Some(_) | None => 0.0,
        };
        if !self.backlog.returned(name, now, late_ms) {
            self.turned_back();
        }
    }

    /// Takes in that sound of the carrier came, up to sample `end` of the stream. Returns what is known of its clock where
    /// that has become better, once a second.
    pub fn heard(&mut self, end: u64, now: Time) -> Option<ClockLine> {
        match self.heard {
            Some((most, then)) if end < most => {
                // What is repeated says nothing; a clock that stays behind has been turned.
                if now < then + FRESH {
                    return None;
                }
                self.turned_back();
            }
            Some(_) | None => {}
        }
        self.heard = Some((end, now));
        let clock_ms = ms_of(end);
        let is_another = self.carrier.read(clock_ms, now);
        if let Some(late_ms) = self.carrier.late_ms(clock_ms, now) {
            self.late = Some((late_ms, now));
            self.backlog.heard(now, late_ms);
        }
        self.carrier.line(now).filter(|_| is_another)
    }

    fn turned_back(&mut self) {
        self.carrier.turned_back();
        self.late = None;
    }

    /// Returns how it does.
    #[must_use]
    pub fn figures(&self) -> UpFigures {
        let waiting_ms = ms_of(self.shortener.waiting() as u64);
        UpFigures {
            caller_ms: self
                .backlog
                .held_ms()
                .map(|held| (held + waiting_ms).max(0.0)),
            round_trip_ms: self.backlog.floor_ms(),
            shortened_ms: ms_of(self.shortener.gone()),
            clears: self.clears,
        }
    }

    /// Says whether a key may be among what the carrier holds, what waits here, and the frame that comes.
    fn holds_key(&self, comes: &UpFrame) -> bool {
        if comes.whole || self.shortener.holds_whole() {
            return true;
        }
        let held_ms = self.backlog.held_ms().unwrap_or(0.0) + AT_BEST_MS;
        self.since_key_ms.is_some_and(|since_ms| since_ms < held_ms)
    }

    /// What is held beyond what is wanted, in ms.
    fn spare_ms(&self) -> Option<f64> {
        let waiting_ms = ms_of(self.shortener.waiting() as u64);
        let held_ms = self.backlog.held_ms()?;
        Some(held_ms + waiting_ms - self.backlog.cushion_ms())
    }

    fn urgency(&mut self) -> Urgency {
        let Some(spare_ms) = self.spare_ms() else {
            self.bringing_back = false;
            return Urgency::None;
        };
        let (begin, end) = BRING_BACK_MS;
        self.bringing_back = spare_ms > if self.bringing_back { end } else { begin };
        if !self.bringing_back {
            return Urgency::None;
        }
        let most = (spare_ms * f64::from(LINE_RATE) / 1_000.0) as usize;
        if spare_ms > HASTE_MS {
            Urgency::Much(most)
        } else {
            Urgency::Little(most)
        }
    }
}

fn ms_of(samples: u64) -> f64 {
    samples as f64 * 1_000.0 / f64::from(LINE_RATE)
}

#[cfg(test)]
#[path = "upward_tests.rs"]
mod tests;
