//! Whoever follows the log of events: takes what happened since it last looked, and waits for more.
//!
//! Nothing is queued for a follower. It reads the phone's bounded log at its own pace, so that a slow one costs nobody
//! anything; where the log has gone past it, it is told so.

use std::sync::Arc;

use tokio::sync::watch;

use super::PhoneHandle;
use crate::pure::event_report::{LostReport, SnapshotReport};
use crate::pure::phone::{Event, Snapshot};

/// What a follower is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Followed {
    /// What happened since, oldest first; never empty.
    Events(Vec<Event>),
    /// The log does not reach back to what the follower has seen: only how everything stands can still be told.
    Lost(LostReport, SnapshotReport),
}

/// Somebody who follows the log.
#[derive(Debug)]
pub struct Follower {
    phone: PhoneHandle,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    seen: u64,
}

impl Follower {
    /// Returns the number of the event that was seen last.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Waits until something has happened; nothing once the phone has stopped and all was told. Dropped halfway, it has
    /// told nothing and lost nothing.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            self.snapshots.borrow_and_update();
            match self.phone.events_after(self.seen) {
                Some(events) if events.is_empty() => {}
                Some(events) => {
                    self.seen = events.last().map_or(self.seen, |event| event.seq);
                    return Some(Followed::Events(events));
                }
                None => {
                    let reason = if self.seen < self.phone.first_event() {
                        "restarted"
                    } else {
                        "overtaken"
                    };
                    let lost = LostReport {
                        after: self.seen,
                        reason: reason.to_owned(),
                    };
                    let snapshot = self.phone.snapshot_report();
                    self.seen = snapshot.seq;
                    return Some(Followed::Lost(lost, snapshot));
                }
            }
            if self.snapshots.changed().await.is_err() {
                let left = self.phone.events_after(self.seen);
                let left = left.filter(|events| !events.is_empty())?;
                self.seen = left.last().map_or(self.seen, |event| event.seq);
                return Some(Followed::Events(left));
            }
        }
    }
}

impl PhoneHandle {
    /// Follows the log from the event numbered `after` on; without it, from the returned snapshot on.
    #[must_use]
    pub fn follow(&self, after: Option<u64>) -> (Follower, Option<SnapshotReport>) {
        let snapshots = self.snapshots();
        let (seen, snapshot) = match after {
            Some(after) => (after, None),
            None => {
                let report = self.snapshot_report();
                (report.seq, Some(report))
            }
        };
        let follower = Follower {
            phone: self.clone(),
            snapshots,
            seen,
        };
        (follower, snapshot)
    }
}
