//! Recordings of calls: the thread that makes them, the folder that keeps them, and sound that is played into calls.
//!
//! [`RecorderHandle::record`] begins one of a stream whose [`LineTap`] it is given. What becomes of it is told by
//! [`RecorderEvent`]s, each once; a call never waits for its recording, and goes on where that fails. Whoever must announce
//! that a call is recorded does so before, with [`clips::notice`] or [`Clip::beep`](crate::pure::audio::clip::Clip::beep) on
//! the way up: what is sent is recorded as well.
//!
//! `thread` drives `pure::recording`, [`disk`] is all that it knows of files, [`catalogue`] lists, mends and deletes them.

pub mod catalogue;
pub mod clips;
pub mod disk;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, SystemTime};

use crate::audio::LineTap;
use crate::pure::ids::CallId;
use crate::pure::recording::Format;
use crate::pure::recording::name::Kind;
use crate::pure::time::Time;
use disk::Disk;
use thread::{Order, Thread};

/// Orders that wait at most; a recorder whose disk stands still for so many takes no more, and says so.
const WAITING: usize = 64;

/// Our own name for one recording, unique while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RecordingId(pub u64);

/// What is to be recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Which call.
    pub call: CallId,
    /// What of it.
    pub kind: Kind,
    /// How it is kept.
    pub format: Format,
    /// The moment of the calendar at which it begins, for its name.
    pub began: SystemTime,
}

/// Why a recording cannot be begun, or goes no further.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// Somebody records the stream already.
    #[error("the call is being recorded already")]
    AlreadyRecorded,
    /// The recorder takes no orders: it has ended, or its disk stands still.
    #[error("the recorder does not answer")]
    NoAnswer,
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The file cannot be made or written.
    #[error("the recording cannot be written: {0}")]
    Unwritable(String),
    /// There is no encoder.
    #[error("{0}")]
    Codec(String),
}

/// Why a recording ended well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Somebody stopped it.
    Stopped,
    /// Its stream is gone.
    StreamGone,
    /// Its format holds no more.
    Full,
}

/// A recording that is done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Done {
    /// Its file's name in the folder.
    pub name: String,
    /// How long it is, pauses left out.
    pub length: Duration,
    /// The size of its file.
    pub bytes: u64,
    /// Sound of either end that is not in it, since the recorder was too slow or it came too late.
    pub lost: Duration,
}

/// What became of a recording. `Began` comes first where its file could be made; then `Ended` or `Failed`, once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecorderEvent {
    /// Its file is there.
    Began {
        /// Which.
        id: RecordingId,
        /// Its file's name.
        name: String,
    },
    /// It is done.
    Ended {
        /// Which.
        id: RecordingId,
        /// What is kept.
        done: Done,
        /// Why.
        why: Ended,
    },
    /// It goes no further. What was written stays and can be played.
    Failed {
        /// Which.
        id: RecordingId,
        /// What is kept, where there is anything.
        done: Option<Done>,
        /// Why.
        error: RecordError,
    },
}

/// Tells the moment now, on the clock that the sound's moments are of.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// How to reach the recorder. Cheap to clone; never blocks. With the last of them every recording ends, and the thread.
#[derive(Clone)]
pub struct RecorderHandle {
    orders: SyncSender<Order>,
    clock: Clock,
    next: Arc<AtomicU64>,
}

impl std::fmt::Debug for RecorderHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecorderHandle").finish_non_exhaustive()
    }
}

impl RecorderHandle {
    /// Starts the thread. `clock` is the engine's; `tell` is called on the thread, and must not block it.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(
        disk: Box<dyn Disk>,
        clock: Clock,
        tell: impl Fn(RecorderEvent) + Send + 'static,
    ) -> std::io::Result<RecorderHandle> {
        let (orders, for_thread) = sync_channel(WAITING);
        let thread = Thread::new(disk, Arc::clone(&clock), Box::new(tell));
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                let waits = thread.run(&for_thread);
                // Whoever waits is to find that nobody takes orders any more.
                drop(for_thread);
                if let Some(waits) = waits {
                    let _ = waits.send(());
                }
            })?;
        Ok(RecorderHandle {
            orders,
            clock,
            next: Arc::default(),
        })
    }

    /// Begins to record a stream, from now on.
    ///
    /// # Errors
    /// [`RecordError::AlreadyRecorded`] and [`RecordError::NoAnswer`]; whatever else can happen is told by an event.
    pub fn record(&self, tap: &LineTap, request: Request) -> Result<RecordingId, RecordError> {
        let listening = tap.listen().ok_or(RecordError::AlreadyRecorded)?;
        let id = RecordingId(self.next.fetch_add(1, Ordering::Relaxed));
        self.order(Order::Record {
            id,
            listening: Box::new(listening),
            request,
            at: (self.clock)(),
        })?;
        Ok(id)
    }

    /// Pauses a recording: nothing of what is said or heard from now on is kept, until it is resumed. One that is not being
    /// made, or pauses, is left alone.
    ///
    /// # Errors
    /// [`RecordError::NoAnswer`]: it goes on.
    pub fn pause(&self, id: RecordingId) -> Result<(), RecordError> {
        let at = (self.clock)();
        self.order(Order::Pause { id, at })
    }

    /// Goes on with a recording.
    ///
    /// # Errors
    /// [`RecordError::NoAnswer`]: it pauses on.
    pub fn resume(&self, id: RecordingId) -> Result<(), RecordError> {
        let at = (self.clock)();
        self.order(Order::Resume { id, at })
    }

    /// Ends a recording with what has sounded by now.
    ///
    /// # Errors
    /// [`RecordError::NoAnswer`]: it goes on, and ends with its stream.
    pub fn stop(&self, id: RecordingId) -> Result<(), RecordError> {
        let at = (self.clock)();
        self.order(Order::Stop { id, at })
    }

    /// Ends all recordings and the thread, and waits for that, but no longer than `limit`. Says whether it was done. Blocks.
    #[must_use]
    pub fn finish(&self, limit: Duration) -> bool {
        let (done, is_done) = channel();
        let at = (self.clock)();
        self.order(Order::Finish { at, done }).is_ok() && is_done.recv_timeout(limit).is_ok()
    }

    fn order(&self, order: Order) -> Result<(), RecordError> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => RecordError::NoAnswer,
        })
    }
}

#[cfg(test)]
mod tests;
