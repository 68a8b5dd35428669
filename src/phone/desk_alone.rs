//! The desk alone, without a call: a recording on its speaker, or a greeting through its microphone.
//!
//! Either is a stream like that of a call, whose other end is here: for every frame that comes up one goes down, so that the
//! devices' own pace is kept. One thing at a time; a call that rings, dials or talks at the desk ends it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::task::time_of;
use crate::audio::{MediaHandle, SocketEnd, stream_port};
use crate::pure::audio::clip::Clip;
use crate::pure::audio::{DownFrame, FRAME_LEN, Feed, LINE_RATE, Route, g711};
use crate::pure::ids::StreamId;
use crate::pure::phone::Snapshot;
use crate::recorder::clips::LONGEST_GREETING;

/// What is played is heard to its end for so long after its last frame was handed over, in frames: 400 ms.
const RUNS_OUT: u32 = 20;

/// Samples of a greeting at most.
const MOST: usize = LONGEST_GREETING.as_secs() as usize * LINE_RATE as usize;

/// What is being played at the desk.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Playing {
    /// The file's name.
    pub file: String,
    /// How far it is, in ms.
    pub place_ms: u64,
    /// How long it is, in ms.
    pub length_ms: u64,
}

/// What is done at the desk now, if anything.
#[derive(Debug, Default)]
pub(super) struct DeskAlone {
    busy: Mutex<Option<Busy>>,
}

#[derive(Debug)]
struct Busy {
    what: What,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum What {
    Plays {
        file: String,
        frames: Arc<AtomicU64>,
        length: Duration,
        /// Ends it when it is dropped.
        _stop: oneshot::Sender<()>,
    },
    Records {
        /// Whoever ends it wants what was said.
        stop: oneshot::Sender<oneshot::Sender<Vec<i16>>>,
    },
}

/// What a task needs of the phone.
pub(super) struct Desk {
    pub(super) media: MediaHandle,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) clock: Instant,
    pub(super) stream: StreamId,
}

impl DeskAlone {
    /// Plays a clip in the place of whatever is done.
    pub(super) fn play(&self, desk: Desk, file: String, clip: Clip) -> Playing {
        let (stop, stopped) = oneshot::channel();
        let frames = Arc::new(AtomicU64::new(0));
        let length = clip.length();
        let playing = Playing {
            file: file.clone(),
            place_ms: 0,
            length_ms: millis(length),
        };
        let what = What::Plays {
            file,
            frames: Arc::clone(&frames),
            length,
            _stop: stop,
        };
        let task = tokio::spawn(play(desk, clip, frames, stopped));
        *self.busy() = Some(Busy { what, task });
        playing
    }

    /// Records the microphone in the place of whatever is done.
    pub(super) fn record(&self, desk: Desk) {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(record(desk, stopped));
        let what = What::Records { stop };
        *self.busy() = Some(Busy { what, task });
    }

    /// Returns what is being played.
    pub(super) fn playing(&self) -> Option<Playing> {
        let busy = self.busy();
        let busy = busy.as_ref().filter(|busy| !busy.task.is_finished())?;
        busy.what.playing()
    }

    /// Says whether a greeting is being recorded.
    pub(super) fn is_recording(&self) -> bool {
        let busy = self.busy();
        busy.as_ref().is_some_and(|busy| {
            !busy.task.is_finished() && matches!(busy.what, What::Records { .. })
        })
    }

    /// Stops what is being played, and returns what it was.
    pub(super) fn stop_playing(&self) -> Option<Playing> {
        let playing = self.playing()?;
        *self.busy() = None;
        Some(playing)
    }

    /// Ends the recording of a greeting, and returns what was said; nothing where none is being recorded.
    pub(super) async fn stop_recording(&self) -> Option<Vec<i16>> {
        let busy = self
            .busy()
            .take_if(|busy| matches!(busy.what, What::Records { .. }));
        let What::Records { stop } = busy?.what else {
            return None;
        };
        let (reply, said) = oneshot::channel();
        stop.send(reply).ok()?;
        said.await.ok()
    }

    fn busy(&self) -> MutexGuard<'_, Option<Busy>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl What {
    fn playing(&self) -> Option<Playing> {
        match self {
            What::Plays {
                file,
                frames,
                length,
                ..
            } => Some(Playing {
                file: file.clone(),
                place_ms: (frames.load(Ordering::Relaxed) * 20).min(millis(*length)),
                length_ms: millis(*length),
            }),
            What::Records { .. } => None,
        }
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// A stream at the engine, for as long as this lives.
struct Attached {
    media: MediaHandle,
    stream: StreamId,
    socket: SocketEnd,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Attached {
    fn new(desk: &Desk, route: Route) -> Attached {
        let (socket, port) = stream_port();
        desk.media.attach(desk.stream, port, route);
        Attached {
            media: desk.media.clone(),
            stream: desk.stream,
            socket,
            snapshots: desk.snapshots.clone(),
        }
    }

    /// Waits for frames from the microphone; says whether the desk is still alone.
    async fn goes_on(&mut self) -> bool {
        loop {
            if !self.snapshots.borrow_and_update().desk_is_quiet() {
                return false;
            }
            if self.socket.up.slots() > 0 {
                return true;
            }
            tokio::select! {
                () = self.socket.up_ready.notified() => {}
                changed = self.snapshots.changed() => if changed.is_err() {
                    return false;
                }
            }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.media.detach(self.stream);
    }
}

async fn play(desk: Desk, clip: Clip, heard: Arc<AtomicU64>, mut stopped: oneshot::Receiver<()>) {
    let route = Route {
        feed: Feed::Silence,
        to_speaker: true,
    };
    let mut line = Attached::new(&desk, route);
    let mut frames = clip.samples().chunks(FRAME_LEN);
    let (mut at, mut runs_out) = (0, RUNS_OUT);
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            goes_on = line.goes_on() => if !goes_on {
                return;
            }
        }
        while line.socket.up.pop().is_ok() {
            let mut sound = [0.0; FRAME_LEN];
            match frames.next() {
                Some(frame) => {
                    for (sound, sample) in sound.iter_mut().zip(frame) {
                        *sound = f32::from(*sample) / 32_768.0;
                    }
                    heard.fetch_add(1, Ordering::Relaxed);
                }
                None if runs_out == 0 => return,
                None => runs_out -= 1,
            }
            let mut ulaw = [g711::SILENCE; FRAME_LEN];
            g711::encode_slice(&sound, &mut ulaw);
            // A ring without room means that the speaker stands still.
            let _ = line.socket.down.push(DownFrame {
                at,
                len: FRAME_LEN as u8,
                ulaw,
                arrived: time_of(desk.clock),
            });
            at += FRAME_LEN as u64;
        }
    }
}

async fn record(desk: Desk, mut stopped: oneshot::Receiver<oneshot::Sender<Vec<i16>>>) {
    let route = Route {
        feed: Feed::Desk,
        to_speaker: false,
    };
    let mut line = Attached::new(&desk, route);
    let mut said: Vec<i16> = Vec::new();
    let wants = loop {
        tokio::select! {
            wants = &mut stopped => break wants,
            goes_on = line.goes_on() => if !goes_on {
                return;
            }
        }
        while let Ok(frame) = line.socket.up.pop() {
            let sound = frame.ulaw.iter().map(|code| g711::decode_f32(*code));
            said.extend(sound.map(|sample| (sample * 32_768.0) as i16));
        }
        if said.len() >= MOST {
            said.truncate(MOST);
            drop(line);
            break stopped.await;
        }
    };
    if let Ok(wants) = wants {
        // Who asked may have gone.
        let _ = wants.send(said);
    }
}
