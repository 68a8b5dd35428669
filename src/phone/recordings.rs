//! Recordings of calls, between the phone that wants them, the recorder that makes them and the database that lists them.
//!
//! The phone's task orders; the keeper hears what became of each, has it listed, and deletes what is kept no longer. It
//! outlives the task, so that what was being recorded at the end is listed as well.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::task::{Message, time_of};
use crate::audio::LineTap;
use crate::lang::Lang;
use crate::pure::book::recording::{Recording, RecordingKind};
use crate::pure::ids::{CallId, StreamId};
use crate::pure::phone::{CallView, Direction};
use crate::pure::recording::Format;
use crate::pure::recording::keep::Retention;
use crate::pure::recording::name::Kind;
use crate::pure::time::rfc3339;
use crate::recorder::catalogue::{self, Entry};
use crate::recorder::disk::Folder;
use crate::recorder::{Done, RecorderEvent, RecorderHandle, RecordingId, Request};
use crate::store::StoreHandle;

/// How long the last recordings may take to be finished when the daemon stops.
const FINISHING: Duration = Duration::from_secs(1);

/// A message is at least so long.
const SHORTEST_MESSAGE: Duration = Duration::from_secs(1);

/// How calls are recorded, and what is said into them.
#[derive(Clone, Debug)]
pub struct RecordingSettings {
    /// Where the files lie.
    pub folder: PathBuf,
    /// How they are written.
    pub format: Format,
    /// How long they are kept.
    pub retention: Retention,
    /// Where a person's own greeting lies: see [`crate::recorder::clips::own_greeting_in`].
    pub greetings: PathBuf,
    /// The language of what is said where there is no such greeting.
    pub lang: Lang,
}

/// What is known of a recording that is being made.
#[derive(Debug)]
struct Made {
    call: CallId,
    kind: Kind,
    far_end: String,
    began: SystemTime,
}

type Making = Arc<Mutex<HashMap<RecordingId, Made>>>;

/// The task's side: orders.
pub(super) struct Orders {
    recorder: Option<RecorderHandle>,
    format: Format,
    making: Making,
    streams: HashMap<StreamId, Recorded>,
}

/// A stream that is recorded.
struct Recorded {
    id: RecordingId,
    /// Whether the phone wants no more of it.
    stopped: bool,
    /// Whether it pauses.
    paused: bool,
    /// What is to be recorded once this recording is over: somebody stopped it, and wants another.
    again: Option<(LineTap, Made)>,
}

impl Orders {
    /// Begins to record a stream of a call; says whether that can be.
    pub(super) fn begin(
        &mut self,
        stream: StreamId,
        tap: Option<LineTap>,
        call: &CallView,
        kind: Kind,
    ) -> bool {
        let Some(tap) = tap else {
            return false;
        };
        let far_end = match call.direction {
            Direction::Incoming => &call.from,
            Direction::Outgoing => &call.to,
        };
        let made = Made {
            call: call.id.clone(),
            kind,
            far_end: far_end.to_text(),
            began: SystemTime::now(),
        };
        match self.streams.get_mut(&stream) {
            Some(recorded) => {
                recorded.again = Some((tap, made));
                recorded.paused = false;
                true
            }
            None => self.record(stream, &tap, made),
        }
    }

    fn record(&mut self, stream: StreamId, tap: &LineTap, made: Made) -> bool {
        let Some(recorder) = &self.recorder else {
            tracing::warn!("nothing can be recorded: the folder of recordings cannot be used");
            return false;
        };
        let request = Request {
            call: made.call.clone(),
            kind: made.kind,
            format: self.format,
            began: made.began,
        };
        // Held until it is known, so that the keeper knows whatever it hears of.
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        match recorder.record(tap, request) {
            Ok(id) => {
                making.insert(id, made);
                let recorded = Recorded {
                    id,
                    stopped: false,
                    paused: false,
                    again: None,
                };
                self.streams.insert(stream, recorded);
                true
            }
            Err(cause) => {
                tracing::warn!(call = %made.call, %cause, "the call is not recorded");
                false
            }
        }
    }

    /// Ends the recording of a stream.
    pub(super) fn stop(&mut self, stream: StreamId) {
        let (Some(recorded), Some(recorder)) = (self.streams.get_mut(&stream), &self.recorder)
        else {
            return;
        };
        recorded.again = None;
        if !std::mem::replace(&mut recorded.stopped, true)
            && let Err(cause) = recorder.stop(recorded.id)
        {
            tracing::warn!(%cause, "a recording goes on until its stream is over");
        }
    }

    /// Leaves out what sounds on a stream from now on, or goes on with its recording.
    pub(super) fn pause(&mut self, stream: StreamId, on: bool) {
        let (Some(recorded), Some(recorder)) = (self.streams.get_mut(&stream), &self.recorder)
        else {
            return;
        };
        recorded.paused = on;
        if recorded.stopped {
            // The next one begins with it.
            return;
        }
        let done = if on {
            recorder.pause(recorded.id)
        } else {
            recorder.resume(recorded.id)
        };
        if let Err(cause) = done {
            // What was not to be kept is not: better no recording than that.
            tracing::warn!(%cause, "a recording that cannot pause, or go on, is stopped");
            // As one that ended by itself, so that the phone learns that it is over.
            if let Err(cause) = recorder.stop(recorded.id) {
                tracing::warn!(%cause, "a recording goes on until its stream is over");
            }
        }
    }

    /// Takes note that a recording is over; returns the stream where the phone believes that it goes on.
    pub(super) fn is_over(&mut self, id: RecordingId) -> Option<StreamId> {
        let mut all = self.streams.iter();
        let (stream, _) = all.find(|(_, recorded)| recorded.id == id)?;
        let stream = *stream;
        let recorded = self.streams.remove(&stream)?;
        let goes_on = match recorded.again {
            Some((tap, made)) => {
                let begun = self.record(stream, &tap, made);
                if recorded.paused {
                    self.pause(stream, true);
                }
                begun
            }
            None => recorded.stopped,
        };
        (!goes_on).then_some(stream)
    }
}

/// Everybody's side: where the files are, and how to end.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
    pub(super) greetings: PathBuf,
    pub(super) lang: Lang,
    recorder: Option<RecorderHandle>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Shelf {
    /// Finishes what is being recorded and waits until it is listed.
    pub(super) async fn finish(&self) {
        if let Some(recorder) = self.recorder.clone() {
            let finished = tokio::task::spawn_blocking(move || recorder.finish(FINISHING));
            if !finished.await.unwrap_or(false) {
                tracing::warn!("the last recordings are finished at the next start");
                return;
            }
        }
        let keeper = self.keeper.lock();
        let keeper = keeper.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            let _ = tokio::time::timeout(FINISHING, keeper).await;
        }
    }
}

/// Starts the recorder and the keeper, with what is left of earlier runs mended and listed.
pub(super) async fn start(
    settings: RecordingSettings,
    store: StoreHandle,
    clock: Instant,
    inputs: mpsc::WeakSender<Message>,
) -> (Orders, Shelf) {
    take_up(&settings, &store).await;
    let (tell, events) = mpsc::unbounded_channel();
    let started = Folder::open(settings.folder.clone()).and_then(|disk| {
        let now = Arc::new(move || time_of(clock));
        RecorderHandle::start(Box::new(disk), now, move |event| {
            // Without a keeper nobody wants to know.
            let _ = tell.send(event);
        })
    });
    let recorder = match started {
        Ok(recorder) => Some(recorder),
        Err(cause) => {
            let folder = settings.folder.display();
            tracing::warn!(%folder, %cause, "no call can be recorded");
            None
        }
    };
    let making = Making::default();
    let orders = Orders {
        recorder: recorder.clone(),
        format: settings.format,
        making: Arc::clone(&making),
        streams: HashMap::new(),
    };
    let folder = settings.folder.clone();
    let (greetings, lang) = (settings.greetings.clone(), settings.lang);
    let keeper = Keeper {
        settings,
        store,
        making,
        names: HashSet::new(),
        inputs,
    };
    let keeper = Mutex::new(Some(tokio::spawn(keeper.run(events))));
    let shelf = Shelf {
        folder,
        greetings,
        lang,
        recorder,
        keeper,
    };
    (orders, shelf)
}

/// Hears what becomes of recordings.
struct Keeper {
    settings: RecordingSettings,
    store: StoreHandle,
    making: Making,
    /// The files that are being written.
    names: HashSet<String>,
    inputs: mpsc::WeakSender<Message>,
}

impl Keeper {
    async fn run(mut self, mut events: mpsc::UnboundedReceiver<RecorderEvent>) {
        while let Some(event) = events.recv().await {
            let (id, done) = match event {
                RecorderEvent::Began { name, .. } => {
                    self.names.insert(name);
                    continue;
                }
                RecorderEvent::Ended { id, done, .. } => (id, Some(done)),
                RecorderEvent::Failed { id, done, .. } => (id, done),
            };
            let made = {
                let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
                making.remove(&id)
            };
            if let (Some(made), Some(done)) = (made, done) {
                self.names.remove(&done.name);
                if says_nothing(made.kind, done.length) {
                    throw_away(&self.settings.folder, &done.name).await;
                } else {
                    keep(&self.store, &made, done);
                }
            }
            if let Some(inputs) = self.inputs.upgrade() {
                let _ = inputs.send(Message::RecordingOver(id)).await;
            }
            let making = self.names.clone();
            tidy(&self.settings, &self.store, making).await;
        }
        self.store.flush().await;
    }
}

/// Says whether a message is too short to be one: whoever called hung up at the beep.
fn says_nothing(kind: Kind, length: Duration) -> bool {
    kind == Kind::Voicemail && length < SHORTEST_MESSAGE
}

async fn throw_away(folder: &Path, name: &str) {
    if let Err(cause) = delete(folder, name).await {
        tracing::warn!(name, %cause, "a message without a word cannot be deleted");
    }
}

fn kind_of(kind: Kind) -> RecordingKind {
    match kind {
        Kind::Call => RecordingKind::Recording,
        Kind::Voicemail => RecordingKind::Voicemail,
    }
}

fn keep(store: &StoreHandle, made: &Made, done: Done) {
    let (name, lost) = (&done.name, done.lost);
    if !lost.is_zero() {
        tracing::warn!(name, ?lost, "a recording has gaps");
    }
    store.keep_recording(Recording {
        file: done.name,
        kind: kind_of(made.kind),
        call: Some(made.call.as_str().to_owned()),
        from: made.far_end.clone(),
        began: rfc3339(made.began),
        seconds: done.length.as_secs(),
        bytes: done.bytes,
        seen: false,
    });
}

/// Deletes and forgets what is kept no longer, but nothing that is being made, and no message.
async fn tidy(settings: &RecordingSettings, store: &StoreHandle, making: HashSet<String>) {
    let RecordingSettings {
        folder, retention, ..
    } = settings.clone();
    if retention == Retention::default() {
        return;
    }
    let stays =
        move |entry: &Entry| making.contains(&entry.name) || entry.named.kind == Kind::Voicemail;
    let gone = blocking(move || catalogue::tidy(&folder, &retention, SystemTime::now(), stays));
    for name in gone.await.unwrap_or_default() {
        let forgotten = store.forget_recording(name.clone()).await;
        if let Err(cause) = forgotten {
            tracing::warn!(name, %cause, "a recording is gone, and still listed");
        }
    }
}

/// Mends what a crash cut off, deletes what is too old, and lists what is there and nothing else.
async fn take_up(settings: &RecordingSettings, store: &StoreHandle) {
    let folder = settings.folder.clone();
    for name in blocking(move || catalogue::mend(&folder))
        .await
        .unwrap_or_default()
    {
        tracing::info!(name, "a recording that was broken off can be played");
    }
    tidy(settings, store, HashSet::new()).await;
    let folder = settings.folder.clone();
    let Some(entries) = blocking(move || catalogue::list(&folder)).await else {
        return;
    };
    let (Ok(listed), Ok(calls)) = (store.recordings(None).await, store.past_calls().await) else {
        return;
    };
    let there: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    for one in &listed {
        if !there.contains(one.file.as_str()) {
            let _ = store.forget_recording(one.file.clone()).await;
        }
    }
    let listed: HashSet<&str> = listed.iter().map(|one| one.file.as_str()).collect();
    for entry in entries {
        if listed.contains(entry.name.as_str()) {
            continue;
        }
        if says_nothing(entry.named.kind, entry.length) {
            throw_away(&settings.folder, &entry.name).await;
            continue;
        }
        let id = entry.named.call.as_str();
        let call = calls.iter().find(|call| call.id == id);
        let far_end = call.map(|call| match call.direction.as_str() {
            "outgoing" => call.to.clone(),
            _ => call.from.clone(),
        });
        store.keep_recording(Recording {
            kind: kind_of(entry.named.kind),
            call: Some(id.to_owned()),
            from: far_end.unwrap_or_default(),
            began: rfc3339(entry.named.began),
            seconds: entry.length.as_secs(),
            bytes: entry.bytes,
            seen: false,
            file: entry.name,
        });
    }
}

/// Does what waits for the disk; what cannot be done is told in the log.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(cause)) => {
            tracing::warn!(%cause, "the folder of recordings cannot be read");
            None
        }
        Err(_) => None,
    }
}

/// Deletes a file; one that is gone already is no failure.
pub(super) async fn delete(folder: &Path, file: &str) -> Result<(), std::io::Error> {
    let (folder, file) = (folder.to_owned(), file.to_owned());
    let deleted = tokio::task::spawn_blocking(move || catalogue::delete(&folder, &file)).await;
    match deleted {
        Ok(Err(cause)) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Ok(done) => done,
        Err(broken) => Err(std::io::Error::other(broken)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::audio::FRAME_LEN;
    use crate::pure::recording::{self, End, Write, wav};
    use crate::pure::time::Time;

    /// Makes a file of two seconds that nobody has finished.
    fn broken_off(folder: &Path, name: &str) {
        let (mut recording, mut writes) =
            recording::Recording::begin(Format::Opus, 1, &[], Time::START).expect("an encoder");
        for frame in 0..100 {
            let at = Time::from_millis(frame * 20);
            recording.push(End::Far, at, &[1_000; FRAME_LEN]);
            writes.extend(recording.advance(at).expect("encoded"));
        }
        let bytes: Vec<u8> = writes
            .into_iter()
            .flat_map(|write| match write {
                Write::Append(bytes) => bytes,
                Write::Head(_) | Write::Sync => Vec::new(),
            })
            .collect();
        std::fs::write(folder.join(name), bytes).expect("written");
    }

    async fn files(store: &StoreHandle) -> Vec<(String, u64)> {
        let all = store.recordings(None).await.expect("an answer");
        all.into_iter().map(|one| (one.file, one.seconds)).collect()
    }

    #[tokio::test]
    async fn at_the_start_the_list_is_what_is_in_the_folder_mended_and_not_too_old() {
        let data = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(data.path()).expect("a database");
        let folder = data.path().join("recordings");
        std::fs::create_dir(&folder).expect("made");
        let (new, old) = (
            "20990101T000000Z-call-c1.opus",
            "20000101T000000Z-call-c2.opus",
        );
        broken_off(&folder, new);
        broken_off(&folder, old);
        std::fs::write(folder.join("notes.txt"), "mine").expect("written");
        // Whoever called said nothing.
        let silent = folder.join("20990101T000000Z-voicemail-c4.wav");
        let bytes = wav::of_line(&vec![0; 8_000]);
        std::fs::write(&silent, bytes).expect("written");
        let made = Made {
            call: CallId::new("c3"),
            kind: Kind::Call,
            far_end: "+15145550100".to_owned(),
            began: SystemTime::UNIX_EPOCH,
        };
        let gone = Done {
            name: "20990101T000000Z-call-c3.opus".to_owned(),
            length: Duration::from_secs(9),
            bytes: 1,
            lost: Duration::ZERO,
        };
        keep(&store, &made, gone);
        let settings = |longest| RecordingSettings {
            folder: folder.clone(),
            format: Format::Opus,
            retention: Retention {
                longest,
                most_bytes: None,
            },
            greetings: folder.clone(),
            lang: Lang::En,
        };
        take_up(&settings(None), &store).await;
        assert_eq!(
            files(&store).await,
            [(new.to_owned(), 1), (old.to_owned(), 1)],
            "but for the last second, of two"
        );
        let entries = catalogue::list(&folder).expect("a list");
        assert!(entries.iter().all(|entry| entry.is_whole), "{entries:?}");
        take_up(&settings(Some(Duration::from_secs(86_400))), &store).await;
        assert_eq!(files(&store).await, [(new.to_owned(), 1)]);
        assert!(!silent.exists(), "no message");
        assert!(!folder.join(old).exists() && folder.join("notes.txt").exists());
    }
}
