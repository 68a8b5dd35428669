//! The task that drives [`crate::pure::phone::Phone`] and performs its effects.
//!
//! One task owns the phone; everybody else holds a [`PhoneHandle`] and sends it inputs. The task performs all effects of
//! an input before it takes the next. It never waits for the carrier: what is asked over REST runs beside it and comes
//! back as an input.

mod desk_alone;
mod event_log;
mod figures;
pub mod follow;
mod learned;
pub mod memory;
mod once;
mod quiet;
mod recordings;
pub mod shelf;
mod speech;
mod tally;
mod task;
mod tuning;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::audio::{MediaHandle, StreamPort};
use crate::pure::book::quiet::QuietTimes;
use crate::pure::call_report::{CallReport, PastCall};
use crate::pure::event_report::SnapshotReport;
use crate::pure::ids::{CallId, Identity, LegId, PhoneNumber, StreamId, StreamToken};
use crate::pure::phone::{
    Ask, CallView, CarrierRequest, Command, CommandError, DialError, DialRefusal, Document,
    LegStatus, PhoneSettings, Snapshot, Stage, Standing, StreamEnd, StreamRefusal,
};
use crate::pure::quality::CallQuality;
use crate::pure::time::Time;
pub use crate::store::NoAnswer;
use crate::store::StoreHandle;
use desk_alone::DeskAlone;
use event_log::EventLog;
use figures::Board;
use once::Once;
use quiet::Quiet;
use recordings::Shelf;
use speech::Speeches;
use task::{Message, Task};
use tuning::Tuner;

pub use crate::audio::{AudioStatus, DeviceState};
pub use crate::pure::phone::Event;
pub use desk_alone::Playing;
pub use once::{LONGEST_KEY, OnceError};
pub use recordings::RecordingSettings;
pub use tally::StreamTally;

/// Inputs that wait for the task; whoever sends more waits, sound never does.
const WAITING: usize = 64;

/// How long the carrier may take to end a leg that the last run left.
const LEFT_LIMIT: Duration = Duration::from_secs(3);

/// Whoever brings the telephone network: asked over REST.
pub trait Carrier: Send + Sync + 'static {
    /// Does what is asked within 3 s; the error reads as a person reads it and names no secret.
    fn perform(
        &self,
        request: CarrierRequest,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

    /// Dials for the desk, and connects whoever answers to a stream; never twice for one wish. The answer names the leg.
    fn dial(
        &self,
        wish: DialWish,
    ) -> Pin<Box<dyn Future<Output = Result<LegId, DialRefusal>> + Send>>;
}

/// Whom the carrier is to dial, for which call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialWish {
    /// Our name for the call.
    pub call: CallId,
    /// Whom.
    pub to: PhoneNumber,
    /// The caller id shown.
    pub caller_id: PhoneNumber,
    /// What the stream must bring along.
    pub token: StreamToken,
    /// How long the call may last.
    pub longest: Duration,
    /// The legs that are known already: none of them is this call's.
    pub known: Vec<LegId>,
}

/// What the phone tells the task of one media socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamControl {
    /// Close with 1000.
    Close,
}

/// A stream that wants in.
#[derive(Debug)]
pub struct StreamOffer {
    /// Our name for it.
    pub stream: StreamId,
    /// For which leg.
    pub leg: LegId,
    /// What it brought along.
    pub token: StreamToken,
    /// The engine's ends of its rings; dropped when it is refused.
    pub port: StreamPort,
    /// How the phone reaches the socket's task.
    pub control: mpsc::Sender<StreamControl>,
}

/// The daemon is stopping: nobody answers any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the phone is shutting down")]
pub struct Gone;

/// How to reach the phone. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PhoneHandle {
    inputs: mpsc::Sender<Message>,
    shared: Arc<Shared>,
}

/// What every handle holds.
#[derive(Debug)]
struct Shared {
    media: MediaHandle,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    log: Arc<Mutex<EventLog>>,
    tally: Arc<StreamTally>,
    streams: AtomicU64,
    clock: Instant,
    began: SystemTime,
    store: StoreHandle,
    own_number: Option<PhoneNumber>,
    board: Arc<Board>,
    /// The task that looks at the calls; it ends with the phone's, once all is kept.
    figures: Mutex<Option<JoinHandle<()>>>,
    shelf: Shelf,
    quiet: Quiet,
    tuner: Tuner,
    once: Once,
    desk_alone: DeskAlone,
}

/// Tells the phone, when it is dropped, that the task of a media socket has ended: also where it ended before its time,
/// so that no call waits for ever for a socket that is gone.
#[derive(Debug)]
pub struct StreamGuard {
    stream: StreamId,
    inputs: mpsc::Sender<Message>,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let gone = self.inputs.try_send(Message::StreamGone(self.stream));
        if let Err(mpsc::error::TrySendError::Full(message)) = gone
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let inputs = self.inputs.clone();
            runtime.spawn(async move { inputs.send(message).await });
        }
    }
}

impl PhoneHandle {
    /// Starts the task. `clock` is the instant of [`Time::START`].
    ///
    /// Registrations that the store kept are taken up again, and recordings that were broken off are mended.
    pub async fn start(
        settings: PhoneSettings,
        media: MediaHandle,
        store: StoreHandle,
        carrier: Arc<dyn Carrier>,
        clock: Instant,
        recordings: RecordingSettings,
        quiet: QuietTimes,
    ) -> PhoneHandle {
        let own_number = settings.own_number.clone();
        let tuner = Tuner::new(settings.clone());
        let began = SystemTime::now()
            .checked_sub(clock.elapsed())
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let (inputs, for_task) = mpsc::channel(WAITING);
        let (publish, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let log = Arc::new(Mutex::new(EventLog::begun(SystemTime::now())));
        let tally = Arc::new(StreamTally::new());
        let known = store.registrations(SystemTime::now()).await;
        let known = known.unwrap_or_else(|cause| {
            tracing::warn!(%cause, "who is registered is not known: browsers ring once they register anew");
            Vec::new()
        });
        learned::take_up(&media, &store).await;
        let board = Arc::new(Board::default());
        let figures = tokio::spawn(figures::run(
            media.clone(),
            store.clone(),
            Arc::clone(&board),
            snapshots.clone(),
            move || task::time_of(clock),
            move |at| wall_time(began, at),
        ));
        if let Ok(left) = store.take_left().await
            && !left.is_empty()
        {
            tokio::spawn(end_left(Arc::clone(&carrier), left));
        }
        let speeches = Speeches::new(recordings.greetings.clone(), recordings.lang);
        let (orders, shelf) =
            recordings::start(recordings, store.clone(), clock, inputs.downgrade()).await;
        let task = Task::new(
            settings,
            media.clone(),
            store.clone(),
            carrier,
            clock,
            began,
            publish,
            Arc::clone(&log),
            Arc::clone(&tally),
            orders,
            speeches,
        );
        tokio::spawn(task.run(known, for_task, inputs.downgrade()));
        PhoneHandle {
            inputs,
            shared: Arc::new(Shared {
                media,
                snapshots,
                log,
                tally,
                streams: AtomicU64::new(1),
                clock,
                began,
                store,
                own_number,
                board,
                figures: Mutex::new(Some(figures)),
                shelf,
                quiet: Quiet::new(quiet),
                tuner,
                once: Once::default(),
                desk_alone: DeskAlone::default(),
            }),
        }
    }

    async fn asked<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.inputs.send(message(reply)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    async fn told(&self, message: Message) {
        // A phone that has stopped needs no news.
        let _ = self.inputs.send(message).await;
    }

    /// Answers the carrier's question.
    ///
    /// # Errors
    /// [`Gone`] while the daemon stops.
    pub async fn ask(&self, leg: LegId, ask: Ask) -> Result<Document, Gone> {
        let ask = self.with_caller(&leg, ask);
        self.asked(|reply| Message::Ask { leg, ask, reply }).await
    }

    /// Takes note of where a leg stands; `call` is our name for it, where the carrier was told that.
    pub async fn leg_is(&self, leg: LegId, call: Option<CallId>, status: LegStatus) {
        self.told(Message::LegIs { leg, call, status }).await;
    }

    /// Takes note of where a leg stands that the carrier dialled for `parent`.
    pub async fn child_is(&self, parent: LegId, child: LegId, status: LegStatus) {
        self.told(Message::ChildIs {
            parent,
            child,
            status,
        })
        .await;
    }

    /// Returns a name for a new stream.
    #[must_use]
    pub fn next_stream(&self) -> StreamId {
        StreamId(self.shared.streams.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns what the task of a media socket holds for as long as it lives.
    #[must_use]
    pub fn guard_stream(&self, stream: StreamId) -> StreamGuard {
        StreamGuard {
            stream,
            inputs: self.inputs.clone(),
        }
    }

    /// Lets a stream in, or turns it away.
    ///
    /// # Errors
    /// [`StreamRefusal`].
    pub async fn stream_up(&self, offer: StreamOffer) -> Result<CallId, StreamRefusal> {
        self.asked(|reply| Message::StreamUp { offer, reply })
            .await
            .unwrap_or_else(|_| {
                self.shared
                    .tally
                    .add_refused(StreamRefusal::Stopping.word());
                Err(StreamRefusal::Stopping)
            })
    }

    /// Takes note that an admitted stream is gone.
    pub async fn stream_down(&self, stream: StreamId, end: StreamEnd) {
        self.told(Message::StreamDown(stream, end)).await;
    }

    /// Takes note of a key that the far end pressed.
    pub async fn key(&self, stream: StreamId, digit: char) {
        self.told(Message::Key(stream, digit)).await;
    }

    /// Does what a person wants; `id` is our name for the call, or the carrier's.
    ///
    /// # Errors
    /// [`CommandError`], also while the daemon stops.
    pub async fn command(&self, id: &str, command: Command) -> Result<CallView, CommandError> {
        let named = |id: &str| {
            let snapshot = self.shared.snapshots.borrow();
            let call = snapshot.call(id).map(|call| call.id.clone());
            call.ok_or(CommandError::NoSuchCall)
        };
        let call = named(id)?;
        // The other call too may be named as the carrier names it.
        let command = if let Command::Merge(with) = &command {
            let with = named(with.as_str())?;
            if with == call {
                return Err(CommandError::SameCall);
            }
            Command::Merge(with)
        } else {
            command
        };
        let wanted = command.clone();
        let done = self.asked(|reply| Message::Command {
            call: call.clone(),
            command,
            reply,
        });
        let done = done.await;
        let done = done.unwrap_or(Err(CommandError::WrongState(Stage::Ended)));
        done.map_err(|why| match why {
            CommandError::WrongState(_) => {
                let snapshot = self.shared.snapshots.borrow();
                let standing = snapshot
                    .call(call.as_str())
                    .and_then(|call| Standing::of(&wanted, call));
                standing.map_or(why, CommandError::Standing)
            }
            CommandError::NoSuchCall
            | CommandError::Standing(_)
            | CommandError::SameCall
            | CommandError::NoKeysLeft
            | CommandError::NotConsulted
            | CommandError::NotRecorded
            | CommandError::NoVoicemail
            | CommandError::NoBrowser
            | CommandError::NoDesk
            | CommandError::Destination(_) => why,
        })
    }

    /// Does what a person wants of the call that it must mean ([`Snapshot::meant_by`]).
    ///
    /// # Errors
    /// [`CommandError::NoSuchCall`] where there is none.
    pub async fn command_current(&self, command: Command) -> Result<CallView, CommandError> {
        let meant = self.shared.snapshots.borrow().meant_by(&command);
        let id = meant.ok_or(CommandError::NoSuchCall)?;
        self.command(id.as_str(), command).await
    }

    /// Dials somebody for a call, which waits meanwhile, to be joined with it; without a name for the one that talks at
    /// the desk, or waits there.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn consult(&self, call: Option<&str>, to: &str) -> Result<CallView, DialError> {
        let consults = {
            let snapshot = self.shared.snapshots.borrow();
            match call {
                Some(id) => snapshot.call(id).map(|call| call.id.clone()),
                None => snapshot
                    .meant_by(&Command::Hold)
                    .or_else(|| snapshot.meant_by(&Command::Resume)),
            }
        };
        let consults = consults.ok_or(DialError::NoSuchCall)?;
        self.dial(to, Some(consults)).await
    }

    /// Dials from the desk; answers when the carrier has, within 15 s. Behind the number may stand keys to send once somebody
    /// answers, from the first comma or semicolon on. `consults` is the call that waits for it.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial(&self, to: &str, consults: Option<CallId>) -> Result<CallView, DialError> {
        let to = to.to_owned();
        self.asked(|reply| Message::Dial {
            to,
            consults,
            reply,
        })
        .await
        .unwrap_or(Err(DialError::Stopping))
    }

    /// Returns until when the timetable keeps the desk from ringing: nothing where it does not, and nothing within where
    /// that lasts for over a week.
    #[must_use]
    pub fn quiet_until(&self) -> Option<Option<SystemTime>> {
        let until = self.shared.quiet.until()?;
        let after = |seconds: i64| {
            let seconds = u64::try_from(seconds).unwrap_or(0);
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        };
        Some(until.map(after))
    }

    /// Dials as [`PhoneHandle::dial`] does, but a wish with the same key once, however often it is sent.
    ///
    /// # Errors
    /// [`OnceError`].
    pub async fn dial_once(&self, key: Option<String>, to: &str) -> Result<CallView, OnceError> {
        let (phone, whom) = (self.clone(), to.to_owned());
        let dialling = async move { phone.dial(&whom, None).await };
        self.shared.once.dial(key, to, dialling).await
    }

    /// Dials as [`PhoneHandle::consult`] does, but a wish with the same key once, however often it is sent.
    ///
    /// # Errors
    /// [`OnceError`].
    pub async fn consult_once(
        &self,
        key: Option<String>,
        call: &str,
        to: &str,
    ) -> Result<CallView, OnceError> {
        let (phone, id, whom) = (self.clone(), call.to_owned(), to.to_owned());
        let dialling = async move { phone.consult(Some(&id), &whom).await };
        let wish = format!("{call} {to}");
        self.shared.once.dial(key, &wish, dialling).await
    }

    /// Registers a browser for so long, and returns until when.
    pub async fn register(&self, identity: Identity, lifetime: Duration) -> SystemTime {
        let until = SystemTime::now() + lifetime;
        self.told(Message::Register(identity, until)).await;
        until
    }

    /// Returns the calls as they are now, and from now on.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.shared.snapshots.clone()
    }

    /// Returns the events after the one numbered `after` that the bounded log still holds, or nothing where it no
    /// longer reaches back so far. Wait on [`PhoneHandle::snapshots`] for more.
    #[must_use]
    pub fn events_after(&self, after: u64) -> Option<Vec<Event>> {
        self.shared
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .after(after)
    }

    /// Returns the number that this run's events begin behind.
    #[must_use]
    pub fn first_event(&self) -> u64 {
        let log = &self.shared.log;
        log.lock().unwrap_or_else(PoisonError::into_inner).begun
    }

    /// Writes how a call stands, for people and programs.
    #[must_use]
    pub fn report(&self, call: &CallView) -> CallReport {
        let known = self.shared.store.known();
        let card = known.book.find(call.far_end());
        CallReport::new(call, self.wall_time(call.since))
            .with_name(card.map(|card| card.name.clone()))
            .with_quality(self.quality(&call.id))
    }

    /// Writes how everything stands.
    #[must_use]
    pub fn snapshot_report(&self) -> SnapshotReport {
        let snapshot = Arc::clone(&self.shared.snapshots.borrow());
        SnapshotReport {
            seq: snapshot.seq,
            calls: snapshot
                .calls
                .iter()
                .map(|call| self.report(call))
                .collect(),
            do_not_disturb: snapshot.do_not_disturb,
            voicemails_waiting: snapshot.voicemails_waiting,
        }
    }

    /// Returns the wall-clock time of a moment, by the clock as it was when the daemon began.
    #[must_use]
    pub fn wall_time(&self, at: Time) -> SystemTime {
        wall_time(self.shared.began, at)
    }

    /// Returns what a call at the desk is like, looked at once a second; kept as long as the call can be seen.
    #[must_use]
    pub fn quality(&self, call: &CallId) -> Option<CallQuality> {
        self.shared.board.of(call)
    }

    /// Returns the last calls that are over, the newest first: 100 at most, of earlier runs too.
    ///
    /// # Errors
    /// [`NoAnswer`] where the database fails.
    pub async fn past_calls(&self) -> Result<Vec<PastCall>, NoAnswer> {
        self.shared.store.past_calls().await
    }

    /// Returns the moment on the daemon's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        task::time_of(self.shared.clock)
    }

    /// Returns the engine.
    #[must_use]
    pub fn media(&self) -> &MediaHandle {
        &self.shared.media
    }

    /// Returns how many streams were turned away and closed so far.
    #[must_use]
    pub fn tally(&self) -> &StreamTally {
        &self.shared.tally
    }

    /// Hangs up every call, waits at most 3.5 s until carrier and sockets have done their part, stops the task, and waits
    /// until the calls are kept, a second at most, and their recordings finished, two at most.
    pub async fn stop(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(4), self.asked(Message::Stop)).await;
        let figures = self
            .shared
            .figures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(figures) = figures {
            // The history must be on the disk; a disk that hangs is not waited for.
            let _ = tokio::time::timeout(Duration::from_secs(1), figures).await;
        }
        self.shared.shelf.finish().await;
    }
}

/// Ends legs that the last run left: nobody is at the desk for them any more. Most have ended by themselves.
async fn end_left(carrier: Arc<dyn Carrier>, legs: Vec<LegId>) {
    for leg in legs {
        let asked = carrier.perform(CarrierRequest::End(leg.clone()));
        match tokio::time::timeout(LEFT_LIMIT, asked).await {
            Ok(Ok(())) => tracing::info!(%leg, "a call that the last run left was ended"),
            Ok(Err(cause)) => {
                let cause = cause.replace('\n', "; ");
                tracing::info!(%leg, cause, "a call that the last run left was not ended: it may be over");
            }
            Err(_) => {
                tracing::warn!(%leg, "a call that the last run left may still go on: the carrier does not answer");
            }
        }
    }
}

fn wall_time(began: SystemTime, at: Time) -> SystemTime {
    began + Duration::from_micros(at.micros())
}
