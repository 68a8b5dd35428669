//! The thread that records: takes sound out of the taps, and writes what `pure::recording` makes of it.
//!
//! It alone waits for the disk. While that stands still, sound waits in the taps' rings, and what finds them full is counted.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;

use super::disk::{Disk, Output};
use super::{Clock, Done, Ended, RecordError, RecorderEvent, RecordingId, Request};
use crate::audio::Listening;
use crate::pure::audio::LINE_RATE;
use crate::pure::recording::name::Named;
use crate::pure::recording::{CodecError, End, Recording, Write};
use crate::pure::time::{Time, rfc3339};

/// How often the taps are emptied while anything is recorded.
const TICK: Duration = Duration::from_millis(50);

/// Recordings of one call and second at most.
const MOST_NAMES: u32 = 100;

/// What the thread is told.
pub(super) enum Order {
    Record {
        id: RecordingId,
        listening: Box<Listening>,
        request: Request,
        at: Time,
    },
    Pause {
        id: RecordingId,
        at: Time,
    },
    Resume {
        id: RecordingId,
        at: Time,
    },
    Stop {
        id: RecordingId,
        at: Time,
    },
    Finish {
        at: Time,
        done: Sender<()>,
    },
}

/// Whom events are told.
type Tell = Box<dyn Fn(RecorderEvent) + Send>;

pub(super) struct Thread {
    disk: Box<dyn Disk>,
    clock: Clock,
    tell: Tell,
    active: Vec<Active>,
}

/// A recording that is being made.
struct Active {
    id: RecordingId,
    listening: Box<Listening>,
    recording: Recording,
    file: OpenFile,
    piece: Vec<i16>,
    /// What sounded later than the pause that was ordered last, as far as it was not looked at again.
    later: Vec<(End, Time, Vec<i16>)>,
    /// Whether its stream is gone.
    is_over: bool,
}

struct OpenFile {
    name: String,
    output: Box<dyn Output>,
    /// Bytes that were written whole.
    bytes: u64,
}

impl Thread {
    pub(super) fn new(disk: Box<dyn Disk>, clock: Clock, tell: Tell) -> Thread {
        Thread {
            disk,
            clock,
            tell,
            active: Vec::new(),
        }
    }

    /// Runs until it is told to finish, and returns who waits for that, or until nobody is left who could tell it.
    pub(super) fn run(mut self, orders: &Receiver<Order>) -> Option<Sender<()>> {
        loop {
            let mut order = if self.active.is_empty() {
                orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                orders.recv_timeout(TICK)
            };
            // All that wait, before anything is written: a pause must not stand behind a disk that does.
            while let Ok(next) = order {
                if let ControlFlow::Break(waits) = self.obey(next) {
                    return Some(waits);
                }
                order = orders.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                });
            }
            // One moment for all: whatever is ordered while the first of them waits for the disk, nothing is written of the
            // others that sounded later than this, less what the timeline holds back.
            let now = (self.clock)();
            if matches!(order, Err(RecvTimeoutError::Disconnected)) {
                self.end_all(now);
                return None;
            }
            self.advance(now);
        }
    }

    /// Does what is ordered; breaks where that was the end.
    fn obey(&mut self, order: Order) -> ControlFlow<Sender<()>> {
        match order {
            Order::Record {
                id,
                listening,
                request,
                at,
            } => self.begin(id, listening, &request, at),
            Order::Pause { id, at } => self.change(id, |active| active.pause(at)),
            // What lies in the taps from before that moment is left out by its own moment.
            Order::Resume { id, at } => self.change(id, |active| {
                active.recording.resume(at);
                Ok(())
            }),
            Order::Stop { id, at } => self.end(id, at, Ended::Stopped),
            Order::Finish { at, done } => {
                self.end_all(at);
                return ControlFlow::Break(done);
            }
        }
        ControlFlow::Continue(())
    }

    fn begin(&mut self, id: RecordingId, listening: Box<Listening>, request: &Request, at: Time) {
        match self.open(request) {
            Ok(mut file) => {
                let serial = (at.micros() ^ id.0.rotate_left(24)) as u32;
                let comments = [format!("DATE={}", rfc3339(request.began))];
                let begun = Recording::begin(request.format, serial, &comments, at)
                    .map_err(RecordError::from)
                    .and_then(|(recording, writes)| {
                        file.write(&writes)?;
                        Ok(recording)
                    });
                match begun {
                    Ok(recording) => {
                        (self.tell)(RecorderEvent::Began {
                            id,
                            name: file.name.clone(),
                        });
                        self.active.push(Active {
                            id,
                            listening,
                            recording,
                            file,
                            piece: Vec::new(),
                            later: Vec::new(),
                            is_over: false,
                        });
                    }
                    Err(error) => {
                        self.disk.remove(&file.name);
                        self.fail(id, None, error);
                    }
                }
            }
            Err(error) => self.fail(id, None, error),
        }
    }

    /// Makes a file of a name that is free.
    fn open(&mut self, request: &Request) -> Result<OpenFile, RecordError> {
        let mut last = RecordError::Unwritable("there are too many of one second".to_owned());
        for number in 1..=MOST_NAMES {
            let name = Named {
                began: request.began,
                kind: request.kind,
                call: request.call.clone(),
                number,
                format: request.format,
            }
            .to_name();
            match self.disk.create(&name) {
                Ok(output) => {
                    return Ok(OpenFile {
                        name,
                        output,
                        bytes: 0,
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    last = RecordError::from(error);
                    break;
                }
            }
        }
        Err(last)
    }

    fn change(
        &mut self,
        id: RecordingId,
        change: impl FnOnce(&mut Active) -> Result<(), RecordError>,
    ) {
        let Some(n) = self.active.iter().position(|active| active.id == id) else {
            return;
        };
        if let Err(error) = change(&mut self.active[n]) {
            self.give_up(n, error);
        }
    }

    /// Takes what has come of all, and writes what is due. Each that ends or fails leaves.
    fn advance(&mut self, now: Time) {
        let mut n = 0;
        while let Some(active) = self.active.get_mut(n) {
            // Seen in the turn before: so `now` is later than all of its sound, and whatever was ordered meanwhile is done.
            let is_over = active.is_over;
            active.is_over = active.listening.is_over();
            active.listen();
            let id = active.id;
            match active.advance(now) {
                Err(error) => self.give_up(n, error),
                Ok(()) if active.recording.is_full() => self.end(id, now, Ended::Full),
                Ok(()) if is_over => self.end(id, now, Ended::StreamGone),
                Ok(()) => n += 1,
            }
        }
    }

    fn end(&mut self, id: RecordingId, at: Time, why: Ended) {
        let Some(n) = self.active.iter().position(|active| active.id == id) else {
            return;
        };
        let mut active = self.active.swap_remove(n);
        active.listen();
        let lost = active.lost();
        let Active {
            recording,
            mut file,
            listening,
            ..
        } = active;
        // Whoever is told may record the stream again.
        drop(listening);
        let so_far = recording.length();
        let finished = recording
            .finish(at)
            .map_err(RecordError::from)
            .and_then(|(writes, length)| file.write(&writes).map(|()| length));
        match finished {
            Ok(length) => (self.tell)(RecorderEvent::Ended {
                id,
                done: file.done(length, lost),
                why,
            }),
            Err(error) => {
                let done = Some(file.done(so_far, lost));
                self.fail(id, done, error);
            }
        }
    }

    fn end_all(&mut self, at: Time) {
        while let Some(active) = self.active.first() {
            self.end(active.id, at, Ended::Stopped);
        }
    }

    fn give_up(&mut self, n: usize, error: RecordError) {
        let active = self.active.swap_remove(n);
        let (id, length, lost) = (active.id, active.recording.length(), active.lost());
        let Active {
            file, listening, ..
        } = active;
        drop(listening);
        self.fail(id, Some(file.done(length, lost)), error);
    }

    fn fail(&self, id: RecordingId, done: Option<Done>, error: RecordError) {
        tracing::warn!(recording = id.0, %error, "a call goes on without its recording");
        (self.tell)(RecorderEvent::Failed { id, done, error });
    }
}

impl Active {
    /// Empties the taps.
    fn listen(&mut self) {
        for (end, at, sound) in self.later.drain(..) {
            self.recording.push(end, at, &sound);
        }
        while let Some((end, at)) = self.take() {
            self.recording.push(end, at, &self.piece);
        }
    }

    /// Empties the taps of what sounded until a moment, and keeps the rest: where orders had to wait, it may be wanted again.
    fn listen_until(&mut self, until: Time) {
        for (end, at, sound) in std::mem::take(&mut self.later) {
            self.sort(end, at, sound, until);
        }
        while let Some((end, at)) = self.take() {
            let sound = std::mem::take(&mut self.piece);
            self.sort(end, at, sound, until);
        }
    }

    fn sort(&mut self, end: End, at: Time, sound: Vec<i16>, until: Time) {
        if at < until {
            self.recording.push(end, at, &sound);
        } else {
            self.later.push((end, at, sound));
        }
    }

    /// Takes the next piece of either end.
    fn take(&mut self) -> Option<(End, Time)> {
        let near = self.listening.near(&mut self.piece);
        let piece = near.map(|at| (End::Near, at));
        piece.or_else(|| {
            let far = self.listening.far(&mut self.piece)?;
            Some((End::Far, far))
        })
    }

    fn advance(&mut self, now: Time) -> Result<(), RecordError> {
        let writes = self.recording.advance(now)?;
        self.file.write(&writes)
    }

    fn pause(&mut self, at: Time) -> Result<(), RecordError> {
        self.listen_until(at);
        let writes = self.recording.pause(at)?;
        self.file.write(&writes)
    }

    fn lost(&self) -> Duration {
        let late: u64 = self.recording.lost().iter().map(|l| l.late + l.ahead).sum();
        let samples = late + self.listening.dropped();
        Duration::from_millis(samples * 1000 / u64::from(LINE_RATE))
    }
}

impl OpenFile {
    /// Does what is asked. Where that fails, what is not whole is cut off.
    fn write(&mut self, writes: &[Write]) -> Result<(), RecordError> {
        for write in writes {
            let done = match write {
                Write::Append(bytes) => self.output.append(bytes),
                Write::Head(bytes) => self.output.head(bytes),
                Write::Sync => self.output.sync(),
            };
            if let Err(error) = done {
                self.output.cut(self.bytes);
                return Err(error.into());
            }
            if let Write::Append(bytes) = write {
                self.bytes += bytes.len() as u64;
            }
        }
        Ok(())
    }

    fn done(&self, length: Duration, lost: Duration) -> Done {
        Done {
            name: self.name.clone(),
            length,
            bytes: self.bytes,
            lost,
        }
    }
}

impl From<CodecError> for RecordError {
    fn from(error: CodecError) -> RecordError {
        RecordError::Codec(error.to_string())
    }
}

impl From<std::io::Error> for RecordError {
    fn from(error: std::io::Error) -> RecordError {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded) {
            RecordError::DiskFull
        } else {
            RecordError::Unwritable(error.to_string())
        }
    }
}
