//! Devices, rings and the threads that carry sound. Decides nothing about calls.
//!
//! [`MediaHandle`] is all that others see. Behind it: `supervisor` owns the devices; `open` opens them (`real`, and `own`
//! for `none`, `file:` and `loopback`), `slot` tells one that works from one that does not, `whereabouts` asks a sound
//! server which device our streams are at. `callback` is what runs in devices, `seat` is where the ear sits between two
//! blocks, and `mouth_thread` makes frames of what was captured; both leave a copy in a `tap` for whoever records.
//! `callback`, `seat` and `sidetone` are public for the proofs in `tests` alone.

#[doc(hidden)]
pub mod callback;
mod clocks;
mod list;
mod mouth_thread;
mod open;
mod own;
mod port;
mod priority;
mod real;
mod ringtone;
#[doc(hidden)]
pub mod seat;
#[doc(hidden)]
pub mod sidetone;
mod slot;
mod supervisor;
mod tap;
mod way_up;
mod whereabouts;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

pub use list::{Ability, DeviceInfo, devices};
pub use open::NO_SOUND_CARD;
pub use port::{ArrivalMeter, DOWN_FRAMES, SocketEnd, StreamPort, UP_FRAMES, stream_port};
pub use tap::{LineTap, Listening, line_tap};
pub use way_up::{WayUp, WayUpMeter};

use crate::pure::audio::clip::Clip;
use crate::pure::audio::comfort::Volume;
use crate::pure::audio::drift::Drift;
use crate::pure::audio::dtmf::SoundingKey;
use crate::pure::audio::ear::{COMMANDS, Ear, EarCommand, EarLeg, EarStyle, LegMeter};
use crate::pure::audio::level::Levels;
use crate::pure::audio::mouth::Beneath;
use crate::pure::audio::pair::Pair;
use crate::pure::audio::speakerphone::Figures;
use crate::pure::audio::tone::{Country, Progress};
use crate::pure::audio::{DeviceRate, MostDelay, Route, meeting};
use crate::pure::ids::StreamId;
use crate::pure::keys::Keys;
use callback::UpMeter;
use clocks::ClockFigures;
use mouth_thread::{MouthCommand, MouthThread};
use seat::EarSeat;
use sidetone::SidetoneSeat;
use supervisor::{Order, Shared, Supervisor};

pub use crate::pure::audio::comfort::Ringtone;
pub use crate::pure::audio::device::{AudioSettings, DeviceChoice};
pub use ringtone::StartError;

/// How long the figures of a stream outlive it.
const REMEMBERED: Duration = Duration::from_secs(10);

/// How long the mouth is waited for that is asked something.
const ANSWERS: Duration = Duration::from_millis(300);

/// How one device does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DeviceState {
    /// Works; the text names it as `offhook devices` does, with host, rate and callback size.
    Works(String),
    /// Does not work; the text says why, as a person reads it. It is tried again.
    Broken(String),
}

/// How all devices do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AudioStatus {
    /// The microphone.
    pub capture: DeviceState,
    /// The speaker.
    pub playout: DeviceState,
    /// The bell.
    pub ringer: DeviceState,
}

impl AudioStatus {
    /// Says whether a call can be held at the desk: captured and played.
    #[must_use]
    pub fn desk_usable(&self) -> bool {
        matches!(
            (&self.capture, &self.playout),
            (DeviceState::Works(_), DeviceState::Works(_))
        )
    }
}

/// What was counted and measured for one stream. Delays in milliseconds, as the engine reckons them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamStats {
    /// Frames taken from the carrier.
    pub frames_down: u64,
    /// Frames given to the carrier.
    pub frames_up: u64,
    /// Frames up that found the ring full.
    pub dropped_up: u64,
    /// Times that the playout buffer ran dry while sound was due.
    pub underruns: u64,
    /// Samples of the stream that never came (told by its timestamps).
    pub missing_samples: u64,
    /// Samples thrown away to bring the delay down.
    pub shed_samples: u64,
    /// Samples made up for sound that came too late.
    pub concealed_samples: u64,
    /// Samples by which sound was made shorter to bring the delay down.
    pub shortened_samples: u64,
    /// Samples by which sound was made longer, so that later frames come in time.
    pub lengthened_samples: u64,
    /// The delay that the frames of the last seconds need to come in time, in ms.
    pub target_ms: f32,
    /// Sound waiting in the playout buffer now, in ms.
    pub depth_ms: f32,
    /// The most that waited, in ms.
    pub depth_max_ms: f32,
    /// Socket to speaker (the contract of that name), mean over the last seconds.
    pub down_ms: Option<f32>,
    /// Microphone to socket, framing inside, mean over the last seconds.
    pub up_ms: Option<f32>,
    /// Interarrival jitter of the carrier's messages (RFC 3550).
    pub jitter_ms: Option<f32>,
    /// How late 95 % of the messages are at most, against the earliest of the last ten seconds.
    pub late_95_ms: Option<f32>,
    /// The carrier's clock against the daemon's, once it is known.
    pub carrier_drift: Option<Drift>,
    /// How loud the far end is, since it is heard.
    pub far_end: Option<Levels>,
    /// How loud the microphone is as the far end gets it, since it is fed with that.
    pub microphone: Option<Levels>,
    /// From the socket on to the caller.
    pub way_up: WayUp,
}

/// How loud both directions of a stream are at this moment, in dBFS, as the needles of peak programme meters show it: nothing
/// where nothing was heard yet. A direction that is not open stands still.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Needles {
    /// The microphone, as the far end gets it.
    pub microphone_dbfs: Option<f32>,
    /// The far end.
    pub far_end_dbfs: Option<f32>,
}

/// What is known of the devices' clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeviceClocks {
    /// The microphone's against the daemon's, once it is known.
    pub capture: Option<Drift>,
    /// The speaker's against the daemon's, once it is known.
    pub playout: Option<Drift>,
    /// Sound of the microphone that was lost between its callback and the mouth, in ms since the engine began.
    pub overrun_ms: u64,
}

/// How to reach the engine. Cheap to clone; never blocks longer than it takes to put a word into a ring.
#[derive(Clone)]
pub struct MediaHandle {
    inner: Arc<Inner>,
}

struct Inner {
    ear: Mutex<rtrb::Producer<EarCommand>>,
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<AudioStatus>,
    legs: Mutex<Vec<Leg>>,
    ringer_apart: bool,
    level_far_end: bool,
    most_delay: MostDelay,
    call_ended_tone: bool,
}

/// What is known of a stream while it is attached, and for a while after.
struct Leg {
    stream: StreamId,
    down: Arc<LegMeter>,
    up: Arc<UpMeter>,
    arrivals: Arc<ArrivalMeter>,
    way_up: Arc<WayUpMeter>,
    tap: LineTap,
    detached: Option<Instant>,
}

impl fmt::Debug for MediaHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaHandle")
            .field("status", &*self.inner.status.borrow())
            .finish_non_exhaustive()
    }
}

impl MediaHandle {
    /// Starts the engine and its devices, and returns once each device was tried.
    ///
    /// A device that cannot be opened does not fail the start: it is `Broken` in the status and tried again. `clock` is
    /// the instant of [`crate::pure::time::Time::START`]. Blocks for as long as the sound system takes, 4 s at most.
    ///
    /// # Errors
    /// Where the system gives no thread, and where a ringtone's file cannot be read.
    pub fn start(settings: &AudioSettings, clock: Instant) -> Result<MediaHandle, StartError> {
        let ring = ringtone::style(&settings.comfort)?;
        let music = ringtone::music(&settings.comfort.hold_music)?;
        let (ear_commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
        let (for_let_go, let_go) = rtrb::RingBuffer::new(COMMANDS);
        let sounding_key: Arc<SoundingKey> = Arc::default();
        let style = EarStyle {
            volume: settings.comfort.volume,
            loudest: settings.bound(),
            ring: ring.clone(),
        };
        let mut ear = Ear::new(DeviceRate::HZ_48000, for_ear, for_let_go)
            .with_style(style)
            .with_keys(Arc::clone(&sounding_key));
        let mut sidetone = None;
        // A `loopback` microphone is the far end, which is heard anyway.
        if let Some(decibel) = settings.comfort.sidetone
            && settings.capture != DeviceChoice::Loopback
        {
            let (from_microphone, to_ear) =
                crate::pure::audio::sidetone::sidetone(decibel, DeviceRate::HZ_48000);
            ear = ear.with_sidetone(to_ear);
            sidetone = Some(Arc::new(SidetoneSeat::new(from_microphone)));
        }
        let shared = Arc::new(Shared {
            clock,
            seat: Arc::new(EarSeat::new(ear)),
            mouth: Arc::new(MouthThread::start(
                clock,
                settings.stages(),
                music,
                sounding_key,
            )?),
            bell: Arc::default(),
            ring,
            sidetone,
            answered: Arc::default(),
            in_use: settings.skips_idle.then(Arc::default),
            clocks: Arc::<ClockFigures>::default(),
        });
        let not_yet = || DeviceState::Broken("not tried yet".to_owned());
        let (told, status) = watch::channel(AudioStatus {
            capture: not_yet(),
            playout: not_yet(),
            ringer: not_yet(),
        });
        let (orders, for_supervisor) = mpsc::channel();
        let supervisor =
            Supervisor::new(Arc::clone(&shared), settings, for_supervisor, told, let_go);
        let (tried, all_tried) = mpsc::channel();
        std::thread::Builder::new()
            .name("devices".to_owned())
            .spawn(move || supervisor.run(&tried))?;
        let _ = all_tried.recv();
        Ok(MediaHandle {
            inner: Arc::new(Inner {
                ear: Mutex::new(ear_commands),
                shared,
                orders,
                status,
                legs: Mutex::default(),
                ringer_apart: settings.ringer.is_some(),
                level_far_end: settings.comfort.level_far_end,
                most_delay: settings.most_delay,
                call_ended_tone: settings.comfort.call_ended_tone,
            }),
        })
    }

    /// Takes a stream in.
    pub fn attach(&self, stream: StreamId, port: StreamPort, route: Route) {
        let (down, up) = (Arc::new(LegMeter::default()), Arc::new(UpMeter::default()));
        let arrivals = port.arrivals;
        let (near, far, tap) = line_tap();
        let (into_meeting, meeting) = meeting::way();
        let mut leg = EarLeg::new(stream, port.down, route, Arc::clone(&down))
            .bounded(self.inner.most_delay)
            .with_meeting(into_meeting)
            .tapped(far);
        if self.inner.level_far_end {
            leg = leg.levelled();
        }
        if let Some(in_use) = &self.inner.shared.in_use {
            in_use.attached.store(true, Ordering::Relaxed);
        }
        self.tell_ear(EarCommand::Attach(Box::new(leg)));
        self.inner.shared.mouth.tell(MouthCommand::Attach {
            stream,
            feed: route.feed,
            up: port.up,
            up_ready: port.up_ready,
            carrier: port.carrier,
            meter: Arc::clone(&up),
            way_up: Arc::clone(&port.way_up),
            tap: Box::new(near),
            meeting,
        });
        let mut legs = self.legs();
        legs.retain(|leg| leg.detached.is_none_or(|when| when.elapsed() < REMEMBERED));
        legs.push(Leg {
            stream,
            down,
            up,
            arrivals,
            way_up: port.way_up,
            tap,
            detached: None,
        });
    }

    /// Returns the taps of a stream that is attached, for a recorder.
    #[must_use]
    pub fn tap(&self, stream: StreamId) -> Option<LineTap> {
        let legs = self.legs();
        let leg = legs.iter().find(|leg| leg.stream == stream)?;
        leg.detached.is_none().then(|| leg.tap.clone())
    }

    /// Changes what a stream hears and whether it is heard.
    pub fn route(&self, stream: StreamId, route: Route) {
        self.tell_ear(EarCommand::Route(stream, route));
        self.inner
            .shared
            .mouth
            .tell(MouthCommand::Feed(stream, route.feed));
    }

    /// Sends keys to a stream's far end, as sound, after those that are still to be sent; up to a [`Sign::Wait`], if there is
    /// one. The microphone is not sent meanwhile, and the near end hears its keys softly.
    ///
    /// [`Sign::Wait`]: crate::pure::keys::Sign::Wait
    pub fn keys(&self, stream: StreamId, keys: Keys) {
        self.inner
            .shared
            .mouth
            .tell(MouthCommand::Keys(stream, keys));
    }

    /// Plays a clip to a stream's far end, in place of one that is being played. What is returned comes once its last sample
    /// has left; it fails where that will not be: the stream has gone, or another clip has taken its place.
    pub fn say(&self, stream: StreamId, clip: Clip, beneath: Beneath) -> oneshot::Receiver<()> {
        let (over, is_over) = oneshot::channel();
        self.inner
            .shared
            .mouth
            .tell(MouthCommand::Say(stream, clip, beneath, over));
        is_over
    }

    /// Lets the clip fade that is played to a stream's far end, which is then over.
    pub fn hush(&self, stream: StreamId) {
        self.inner.shared.mouth.tell(MouthCommand::Hush(stream));
    }

    /// Adds a clip to what a stream's far end hears, again and again without a pause, or no more.
    pub fn repeat(&self, stream: StreamId, clip: Option<Clip>) {
        self.inner
            .shared
            .mouth
            .tell(MouthCommand::Repeat(stream, clip));
    }

    /// Lets a stream go; its rings are dropped.
    pub fn detach(&self, stream: StreamId) {
        self.tell_ear(EarCommand::Detach(stream));
        self.inner.shared.mouth.tell(MouthCommand::Detach(stream));
        let mut legs = self.legs();
        if let Some(leg) = legs.iter_mut().find(|leg| leg.stream == stream) {
            leg.detached = Some(Instant::now());
        }
        if let Some(in_use) = &self.inner.shared.in_use {
            let attached = legs.iter().any(|leg| leg.detached.is_none());
            in_use.attached.store(attached, Ordering::Relaxed);
        }
    }

    /// Rings the bell in a country's cadence, or stops it.
    pub fn ring(&self, cadence: Option<Country>) {
        if let Some(in_use) = &self.inner.shared.in_use {
            in_use.ringing.store(cadence.is_some(), Ordering::Relaxed);
        }
        if self.inner.ringer_apart {
            self.inner.shared.bell.set(cadence);
        } else {
            self.tell_ear(EarCommand::Ring(cadence));
        }
    }

    /// Plays the far end as loud as this from now on.
    pub fn set_volume(&self, volume: Volume) {
        self.tell_ear(EarCommand::Volume(volume));
    }

    /// Rings as loud as this from now on.
    pub fn set_ring_volume(&self, volume: Volume) {
        self.inner.shared.bell.set_volume(volume);
        self.tell_ear(EarCommand::RingVolume(volume));
    }

    /// Tells the near end with a few beats of a country's tone that the far end has gone, unless that is not wanted or
    /// something else is heard.
    pub fn call_ended(&self, tone: Progress, country: Country) {
        if self.inner.call_ended_tone {
            self.tell_ear(EarCommand::CallEnded(tone, country));
        }
    }

    /// Sounds a country's tone in the near end's ear until it is stopped or another follows: ringback while the far end rings,
    /// or the call-waiting tone over a talk. Heard on the speaker only. While one is wanted, [`MediaHandle::call_ended`]
    /// says nothing: stop it first.
    pub fn progress(&self, tone: Option<Progress>, country: Country) {
        self.tell_ear(EarCommand::Progress(tone.map(|tone| (tone, country))));
    }

    /// Warns the near end with one short beep, on the speaker only.
    pub fn beep(&self) {
        self.tell_ear(EarCommand::Beep);
    }

    /// Tells the engine that a call was answered: a `file:` capture begins at its first sample.
    pub fn answered(&self) {
        self.inner.shared.answered.store(true, Ordering::Relaxed);
    }

    /// Returns what was counted for a stream since it was attached; kept for 10 s after it was detached.
    #[must_use]
    pub fn stats(&self, stream: StreamId) -> Option<StreamStats> {
        let legs = self.legs();
        let leg = legs.iter().find(|leg| leg.stream == stream)?;
        let counts = leg.down.counts();
        let (depth_ms, depth_max_ms) = leg.down.depth_ms();
        let up_ms = f32::from_bits(leg.up.delay_ms.load(Ordering::Relaxed));
        let arrivals = leg.arrivals.get();
        Some(StreamStats {
            frames_down: counts.frames,
            frames_up: leg.up.frames.load(Ordering::Relaxed),
            dropped_up: leg.up.dropped.load(Ordering::Relaxed),
            underruns: counts.underruns,
            missing_samples: counts.missing,
            shed_samples: counts.shed,
            concealed_samples: counts.concealed,
            shortened_samples: counts.shortened,
            lengthened_samples: counts.lengthened,
            target_ms: leg.down.target_ms(),
            depth_ms,
            depth_max_ms,
            down_ms: leg.down.delay_ms(),
            up_ms: (up_ms > 0.0).then_some(up_ms),
            jitter_ms: arrivals.map(|figures| figures.jitter_ms),
            late_95_ms: arrivals.map(|figures| figures.late_95_ms),
            carrier_drift: arrivals.and_then(|figures| figures.drift),
            far_end: leg.down.levels(),
            microphone: leg.up.level.get(),
            way_up: leg.way_up.get(),
        })
    }

    /// Returns how loud a stream is at this moment; may be asked as often as wanted.
    #[must_use]
    pub fn needles(&self, stream: StreamId) -> Option<Needles> {
        let legs = self.legs();
        let leg = legs.iter().find(|leg| leg.stream == stream)?;
        Some(Needles {
            microphone_dbfs: leg.up.needle.dbfs(),
            far_end_dbfs: leg.down.now_dbfs(),
        })
    }

    /// Returns what is known of the devices' clocks; looked at once a second.
    #[must_use]
    pub fn clocks(&self) -> DeviceClocks {
        let figures = &self.inner.shared.clocks;
        DeviceClocks {
            capture: figures.capture.get(),
            playout: figures.playout.get(),
            overrun_ms: figures.overrun_ms.load(Ordering::Relaxed),
        }
    }

    /// Returns the loudest sample of the microphone since this was last asked: 0 to 1, full scale.
    #[must_use]
    pub fn take_capture_peak(&self) -> f32 {
        self.inner.shared.mouth.take_peak()
    }

    /// Returns how the echo does: nothing where no echo canceller works, or nothing was heard yet.
    #[must_use]
    pub fn echo(&self) -> Figures {
        self.inner.shared.mouth.echo()
    }

    /// Tells what was learned of pairs of devices in earlier runs, the newest last: those that are open begin with it.
    pub fn know(&self, pairs: Vec<Pair>) {
        self.inner.shared.mouth.tell(MouthCommand::Know(pairs));
    }

    /// Returns what is known of pairs of devices, the newest last: what was learned where the echo shows that it is true, and
    /// what [`MediaHandle::know`] told. Nothing once the engine is stopped. Takes 300 ms at most.
    pub async fn learned(&self) -> Vec<Pair> {
        let (reply, answer) = oneshot::channel();
        self.inner.shared.mouth.tell(MouthCommand::Learned(reply));
        let answer = tokio::time::timeout(ANSWERS, answer).await;
        answer.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Returns how the devices do, now and from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<AudioStatus> {
        self.inner.status.clone()
    }

    /// Stops the devices and finishes the files; waits a second at most.
    pub async fn stop(&self) {
        let (done, is_done) = mpsc::channel();
        if self.inner.orders.send(Order::Stop(done)).is_ok() {
            let _ =
                tokio::task::spawn_blocking(move || is_done.recv_timeout(Duration::from_secs(1)))
                    .await;
        }
    }

    fn tell_ear(&self, command: EarCommand) {
        let mut ear = self
            .inner
            .ear
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The ear empties its ring at every block, with a stand-in where no device works: 64 commands in 10 ms would
        // be needed to fill it.
        if ear.push(command).is_err() {
            tracing::error!("the ear does not listen: a command was lost");
        }
    }

    fn legs(&self) -> MutexGuard<'_, Vec<Leg>> {
        self.inner
            .legs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
