//! A clock that is told the time: what NetEq uses of the crate `web-time`, on one thread.

use std::cell::Cell;
use std::ops::Sub;

pub use std::time::Duration;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Says what time it is, since the beginning of the simulation.
pub fn set(now: Duration) {
    NOW.set(now);
}

/// A moment in simulated time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Instant(Duration);

impl Instant {
    /// Returns what [`set`] said last.
    #[must_use]
    pub fn now() -> Instant {
        Instant(NOW.get())
    }

    /// Returns how much later this is, or nothing where it is earlier.
    #[must_use]
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns how long ago this is.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// Returns a later moment.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_sub(duration))
    }
}
