//! The log of events on the control socket, for as long as somebody reads it.

use std::collections::VecDeque;
use std::pin::Pin;

use futures_util::stream::{self, Stream};

use crate::phone::PhoneHandle;
use crate::phone::follow::{Followed, Follower};
use crate::pure::event_report::{EventReport, LogLine};

/// The log, line by line, as it grows; it ends with the phone.
pub type Lines = Pin<Box<dyn Stream<Item = LogLine> + Send>>;

/// A follower, and what it has yet to tell.
struct Watching {
    follower: Follower,
    waiting: VecDeque<LogLine>,
}

/// Returns the log behind the event numbered `after`, or from now on, which begins with how everything stands.
///
/// Nothing is fetched from the log before it is asked for, so a reader who is slow holds nothing but its own connection.
pub(super) fn lines(phone: &PhoneHandle, after: Option<u64>) -> Lines {
    let (follower, snapshot) = phone.follow(after);
    let waiting = snapshot.into_iter().map(LogLine::Snapshot).collect();
    let watching = Watching { follower, waiting };
    Box::pin(stream::unfold(watching, |mut watching| async {
        if watching.waiting.is_empty() {
            match watching.follower.next().await? {
                Followed::Events(events) => {
                    let lines = events.iter().map(EventReport::new).map(Box::new);
                    watching.waiting.extend(lines.map(LogLine::Event));
                }
                Followed::Lost(lost, snapshot) => {
                    watching.waiting.push_back(LogLine::Lost(lost));
                    watching.waiting.push_back(LogLine::Snapshot(snapshot));
                }
            }
        }
        let line = watching.waiting.pop_front()?;
        Some((line, watching))
    }))
}
