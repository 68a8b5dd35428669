//! How many streams were turned away and closed since the daemon began, and why: for whoever watches it from outside.
//!
//! A stream tells the log when it is over; this is what is left of all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::pure::phone::StreamRefusal;

/// Counts by reason; a reason is one word of `[a-z_0-9]`.
type Counts = BTreeMap<&'static str, u64>;

/// Streams turned away and closed, by reason.
#[derive(Debug)]
pub struct StreamTally {
    refused: Mutex<Counts>,
    closed: Mutex<Counts>,
}

impl StreamTally {
    pub(super) fn new() -> StreamTally {
        let none_yet = StreamRefusal::ALL.map(|why| (why.word(), 0));
        StreamTally {
            refused: Mutex::new(Counts::from(none_yet)),
            closed: Mutex::default(),
        }
    }

    /// Counts a stream that was not let in.
    pub fn add_refused(&self, why: &'static str) {
        add(&self.refused, why);
    }

    /// Counts a media socket that we closed.
    pub fn add_closed(&self, why: &'static str) {
        add(&self.closed, why);
    }

    /// Returns how many streams were not let in, by reason.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<&'static str, u64> {
        copy(&self.refused)
    }

    /// Returns how many media sockets we closed, by reason.
    #[must_use]
    pub fn closed(&self) -> BTreeMap<&'static str, u64> {
        copy(&self.closed)
    }
}

fn add(counts: &Mutex<Counts>, why: &'static str) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry(why).or_default() += 1;
}

fn copy(counts: &Mutex<Counts>) -> Counts {
    counts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_by_itself() {
        let tally = StreamTally::new();
        tally.add_refused("bad_token");
        tally.add_refused("bad_token");
        tally.add_closed("silent");
        assert_eq!(tally.refused()["bad_token"], 2);
        assert_eq!(tally.refused()["desk_taken"], 0);
        assert_eq!(tally.closed(), BTreeMap::from([("silent", 1)]));
    }
}
