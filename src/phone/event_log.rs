//! The log of events: the last ones, numbered, so that a reader who was away goes on where it stopped.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::pure::phone::{Event, EventCall, Happening, Reason};

/// Events that are remembered.
const LOG: usize = 1_000;

/// The last events, numbered without gaps.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    events: VecDeque<Event>,
    pub(super) newest: u64,
    /// The number behind which this run's begin.
    pub(super) begun: u64,
}

impl EventLog {
    /// Begins a run's numbers behind those of every run before it: at the wall clock's milliseconds, since no run has an
    /// event in each of its own. So a number from before a restart is known for what it is.
    pub(super) fn begun(at: SystemTime) -> EventLog {
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        let begun = u64::try_from(millis).unwrap_or(0);
        EventLog {
            events: VecDeque::new(),
            newest: begun,
            begun,
        }
    }

    pub(super) fn add(
        &mut self,
        call: Option<EventCall>,
        happening: Happening,
        reason: Reason,
        at: SystemTime,
    ) -> u64 {
        self.newest += 1;
        if self.events.len() == LOG {
            self.events.pop_front();
        }
        self.events.push_back(Event {
            seq: self.newest,
            call,
            happening,
            reason,
            at,
        });
        self.newest
    }

    /// Returns what came after event `after`, or nothing where that is no longer known or not yet.
    pub(super) fn after(&self, after: u64) -> Option<Vec<Event>> {
        let oldest_known = self.newest - self.events.len() as u64;
        if after < oldest_known || after > self.newest {
            return None;
        }
        Some(
            self.events
                .iter()
                .filter(|event| event.seq > after)
                .cloned()
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn add(log: &mut EventLog) -> u64 {
        log.add(
            None,
            Happening::Began,
            Reason::FarEnd,
            SystemTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn the_log_reaches_back_a_thousand_events_and_says_when_it_does_not() {
        let mut log = EventLog::default();
        assert_eq!(log.after(0), Some(Vec::new()));
        assert_eq!(log.after(1), None, "the future is not known");
        for _ in 0..1_500 {
            add(&mut log);
        }
        assert_eq!(log.after(499), None);
        assert_eq!(log.after(500).map(|events| events.len()), Some(1_000));
        assert_eq!(log.after(1_498).map(|events| events[0].seq), Some(1_499));
    }

    #[test]
    fn a_number_from_before_a_restart_is_never_taken_for_one_of_this_run() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut earlier = EventLog::begun(began);
        let first = earlier.newest;
        for _ in 0..700 {
            add(&mut earlier);
        }
        // A second later, which is sooner than 700 events can be.
        let mut later = EventLog::begun(began + Duration::from_secs(1));
        assert_eq!(later.after(earlier.newest), None);
        assert_eq!(later.after(first), None);
        let own = later.newest;
        assert_eq!(later.after(own), Some(Vec::new()));
        let next = add(&mut later);
        assert_eq!(next, own + 1);
        assert_eq!(later.after(own).map(|events| events[0].seq), Some(next));
        assert_eq!(later.after(earlier.newest), None);
    }
}
