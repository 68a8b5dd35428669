//! The clock beside a stream that tells what the machine itself is late by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{FRAME_MS, LATE};

/// A bare timer at the same cadence: what it misses is the machine's doing and nobody else's.
pub(super) struct Control {
    late: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Control {
    pub(super) fn start() -> Control {
        let late = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&late);
        let task = tokio::spawn(async move {
            let mut deadline = Instant::now();
            let mut last = deadline;
            loop {
                deadline += Duration::from_millis(FRAME_MS);
                sleep_until(deadline).await;
                let now = Instant::now();
                if now - last > LATE {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                last = now;
            }
        });
        Control { late, task }
    }

    pub(super) fn stop_into(self, total: &mut u64) {
        self.task.abort();
        *total += self.late.load(Ordering::Relaxed);
    }
}
