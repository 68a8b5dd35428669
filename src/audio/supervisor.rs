//! The thread that owns the devices: opens them, watches that they live, and puts another in their place when they do not.
//!
//! It trusts nothing that a sound server says about itself. A stream that has not called for 400 ms is dead, whatever it
//! reports; it is torn down on a thread that nobody waits for, since dropping it may hang for ever; meanwhile a device of
//! our own stands in, so that the engine never stops and no call ends.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::callback::{Bell, Reference, Stamp, Tap};
use super::clocks::{ClockFigures, Clocks};
use super::mouth_thread::{MouthCommand, MouthThread, Source};
use super::open::{NO_SOUND_CARD, Opened, Running, Use, capture_ring, open};
use super::own::InUse;
use super::real::{self, Wanted};
use super::seat::EarSeat;
use super::sidetone::SidetoneSeat;
use super::slot::{Look, Slot, Watched};
use super::{AudioStatus, DeviceState, whereabouts};
use crate::pure::audio::DeviceRate;
use crate::pure::audio::device::{AudioSettings, DeviceChoice};
use crate::pure::audio::ear::EarLeg;
use crate::pure::audio::ringtone::RingStyle;

/// How often the devices are looked at.
const ROUND: Duration = Duration::from_millis(25);

/// How long the start waits for devices to open.
const START: Duration = Duration::from_secs(4);

/// How long the end waits for devices to close.
const CLOSE: Duration = Duration::from_millis(500);

/// What the supervisor is told.
pub(super) enum Order {
    /// End, and say when it is done.
    Stop(Sender<()>),
}

/// What everybody shares.
pub(super) struct Shared {
    pub(super) clock: Instant,
    pub(super) seat: Arc<EarSeat>,
    pub(super) mouth: Arc<MouthThread>,
    pub(super) bell: Arc<Bell>,
    /// How a bell of its own device rings.
    pub(super) ring: RingStyle,
    /// Where microphones let the near end hear itself; nothing: it does not.
    pub(super) sidetone: Option<Arc<SidetoneSeat>>,
    /// Set when a call is answered: a `file:` capture begins.
    pub(super) answered: Arc<AtomicBool>,
    /// Whether anything is heard, for a `file:` speaker that leaves out the time when nothing is; nothing: it leaves out
    /// nothing.
    pub(super) in_use: Option<Arc<InUse>>,
    pub(super) clocks: Arc<ClockFigures>,
}

/// The supervisor.
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    slots: Vec<Slot>,
    clocks: Clocks,
    orders: Receiver<Order>,
    status: watch::Sender<AudioStatus>,
    let_go: rtrb::Consumer<Box<EarLeg>>,
    // The rate at which the ear renders, for the `loopback` microphone.
    playout_rate: DeviceRate,
    // Whether an echo canceller is to know what the speaker plays.
    hears_speaker: bool,
    /// Devices that are being closed; most are done at once, some never.
    closing: Vec<Receiver<()>>,
}

impl Supervisor {
    pub(super) fn new(
        shared: Arc<Shared>,
        settings: &AudioSettings,
        orders: Receiver<Order>,
        status: watch::Sender<AudioStatus>,
        let_go: rtrb::Consumer<Box<EarLeg>>,
    ) -> Supervisor {
        let wanted = |choice: &DeviceChoice| Wanted {
            choice: choice.clone(),
            host: settings.host.clone(),
            callback_ms: if settings.callback_ms == 0 {
                10
            } else {
                settings.callback_ms
            },
        };
        // The speaker first: a `loopback` microphone hears what it renders.
        let now = Instant::now();
        let mut slots = vec![
            Slot::new(Use::Playout, wanted(&settings.playout), now),
            Slot::new(Use::Capture, wanted(&settings.capture), now),
        ];
        if let Some(ringer) = &settings.ringer {
            slots.push(Slot::new(Use::Ringer, wanted(ringer), now));
        }
        let clocks = Clocks::new(Arc::clone(&shared.clocks), now);
        Supervisor {
            shared,
            slots,
            clocks,
            orders,
            status,
            let_go,
            playout_rate: DeviceRate::HZ_48000,
            hears_speaker: settings.stages().echo_canceller,
            closing: Vec::new(),
        }
    }

    /// Tries every device once, says on `tried` that it did, then watches until it is told to stop.
    pub(super) fn run(mut self, tried: &Sender<()>) {
        for n in 0..self.slots.len() {
            self.stand_in(n);
        }
        let deadline = Instant::now() + START;
        while !self.slots.iter().all(Slot::is_tried) && Instant::now() < deadline {
            self.round();
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = tried.send(());
        loop {
            match self.orders.recv_timeout(ROUND) {
                Ok(Order::Stop(done)) => {
                    self.end();
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => self.round(),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
        }
    }

    fn round(&mut self) {
        self.clocks.look(Instant::now());
        // Legs that the ear let go are freed here, where it may take its time.
        while self.let_go.pop().is_ok() {}
        self.closing
            .retain(|closed| closed.try_recv() == Err(TryRecvError::Empty));
        for n in 0..self.slots.len() {
            let now = Instant::now();
            let closing = &mut self.closing;
            let working = self.slots[n].take_working(now, |old| closing.push(tear_down(old)));
            if let Some(opened) = working {
                self.slots[n].works(&opened.text);
                self.put(n, opened);
            }
            if let Some(reason) = self.slots[n].fault(now) {
                self.break_down(n, reason, now);
            }
            if self.slots[n].is_due(now) && !self.must_wait(n) {
                self.try_to_open(n, now);
            }
        }
        self.tell();
    }

    /// Says whether the bell has to wait for the speaker: the new streams of two that are opened at once could not be told
    /// apart where one is to be watched. The speaker never waits.
    fn must_wait(&self, n: usize) -> bool {
        let is_named = |slot: &Slot| matches!(slot.wanted.choice, DeviceChoice::Named(_));
        let this = &self.slots[n];
        let speaker_opens = |slot: &Slot| {
            slot.use_ == Use::Playout && slot.is_opening() && (is_named(slot) || is_named(this))
        };
        this.use_ == Use::Ringer && self.slots.iter().any(speaker_opens)
    }

    /// Begins to open a device, on a thread of its own.
    fn try_to_open(&mut self, n: usize, now: Instant) {
        let slot = &mut self.slots[n];
        let (sender, receiver) = channel();
        let (use_, wanted) = (slot.use_, slot.wanted.clone());
        let shared = Arc::clone(&self.shared);
        let playout_rate = self.playout_rate;
        slot.opens(receiver, now);
        // Where there is no thread, the sender is dropped, and that is an answer.
        let _ = std::thread::Builder::new()
            .name("open-device".to_owned())
            .spawn(move || {
                let _hush = real::hush();
                // Where nobody waits any more the device is closed again right here.
                let _ = sender.send(open(use_, &wanted, &shared, playout_rate));
            });
    }

    /// Puts an opened device in the place of whatever was there.
    fn put(&mut self, n: usize, opened: Opened) {
        match self.slots[n].use_ {
            Use::Playout => {
                self.playout_rate = opened.rate;
                self.clocks.playout_is(opened.beat.clone(), opened.rate);
                let tap = self.tap();
                let reference = self.reference(&opened);
                if let Some(turn) = opened.turn {
                    self.shared
                        .seat
                        .give_turn_with(turn, opened.rate, tap, reference);
                }
            }
            Use::Capture => {
                self.clocks.capture_is(opened.beat.clone(), opened.rate);
                if let Some(mut source) = opened.source {
                    source.name.clone_from(&opened.text);
                    self.shared.mouth.tell(MouthCommand::Listen(source));
                }
            }
            Use::Ringer => {}
        }
        let slot = &mut self.slots[n];
        let way = slot.use_.way();
        let look = opened
            .place
            .map(|place| -> Look { Arc::new(move || whereabouts::is_at(place, way)) });
        let now = Instant::now();
        slot.watched = opened.beat.and_then(|beat| match opened.running {
            Running::Real(_) => Some(Watched::new(beat, opened.rate, look, now)),
            Running::File(_) => Some(Watched::own(beat, opened.rate, now)),
            Running::Clock(_) | Running::Tap => None,
        });
        if let Some(old) = slot.running.replace(opened.running) {
            self.closing.push(tear_down(old));
        }
    }

    /// Makes the ear's end of what a speakerphone hears of the speaker, where one is wanted.
    fn reference(&self, opened: &Opened) -> Option<Reference> {
        self.hears_speaker.then(|| {
            let (reference, played) = Reference::new(opened.rate);
            let name = opened.text.clone();
            self.shared.mouth.tell(MouthCommand::Play(played, name));
            reference
        })
    }

    /// Makes the ear's end of a `loopback` microphone, where one is wanted.
    fn tap(&self) -> Option<Tap> {
        let looped = self
            .slots
            .iter()
            .any(|slot| slot.use_ == Use::Capture && slot.wanted.choice == DeviceChoice::Loopback);
        looped.then(|| {
            let (ring, for_mouth) = rtrb::RingBuffer::new(capture_ring(self.playout_rate));
            let stamp = Arc::new(Stamp::default());
            let source = Source {
                ring: for_mouth,
                rate: self.playout_rate,
                stamp: Arc::clone(&stamp),
                name: "loopback".to_owned(),
            };
            self.shared.mouth.tell(MouthCommand::Listen(source));
            Tap::new(
                ring,
                self.shared.mouth.thread().clone(),
                stamp,
                self.shared.clock,
            )
        })
    }

    /// Takes a device out of use, and lets one of our own stand in for it.
    fn break_down(&mut self, n: usize, reason: String, now: Instant) {
        if matches!(self.slots[n].wanted.choice, DeviceChoice::File(_)) {
            // To try again would be to begin anew, and to lose what it holds.
            tracing::warn!(device = ?self.slots[n].use_, reason, "a sound device failed for good");
            self.slots[n].give_up(reason, now);
        } else if reason == NO_SOUND_CARD {
            // No failure, and whoever starts the phone is told of it once.
            tracing::info!(device = ?self.slots[n].use_, reason, "silence stands in for a sound device");
            self.slots[n].fail(reason, now);
        } else {
            tracing::warn!(device = ?self.slots[n].use_, reason, "a sound device failed; it is tried again");
            self.slots[n].fail(reason, now);
        }
        self.stand_in(n);
    }

    fn stand_in(&mut self, n: usize) {
        let use_ = self.slots[n].use_;
        if use_ == Use::Ringer
            || (use_ == Use::Capture && self.slots[n].wanted.choice == DeviceChoice::Loopback)
        {
            // Nothing rings, or the ear feeds the mouth anyway.
            if let Some(old) = self.slots[n].running.take() {
                self.closing.push(tear_down(old));
            }
            return;
        }
        let wanted = Wanted {
            choice: DeviceChoice::None,
            ..self.slots[n].wanted.clone()
        };
        match open(use_, &wanted, &self.shared, self.playout_rate) {
            Ok(opened) => self.put(n, opened),
            Err(reason) => tracing::error!(
                reason,
                "not even silence can be had in the place of a sound device"
            ),
        }
    }

    fn tell(&self) {
        let state = |use_: Use| {
            self.slots
                .iter()
                .find(|slot| slot.use_ == use_)
                .map(|slot| slot.state.clone())
        };
        let missing = || DeviceState::Broken("not tried yet".to_owned());
        let playout = state(Use::Playout).unwrap_or_else(missing);
        let now = AudioStatus {
            capture: state(Use::Capture).unwrap_or_else(missing),
            ringer: state(Use::Ringer).unwrap_or_else(|| playout.clone()),
            playout,
        };
        self.status.send_if_modified(|status| {
            let changed = *status != now;
            *status = now;
            changed
        });
    }

    fn end(&mut self) {
        self.shared.mouth.tell(MouthCommand::Stop);
        for running in self.slots.iter_mut().flat_map(Slot::take_all) {
            match running {
                // A file is worth the wait: its header must be true.
                Running::File(file) => file.finish(),
                Running::Real(_) | Running::Clock(_) | Running::Tap => {
                    self.closing.push(tear_down(running));
                }
            }
        }
        // Whoever opens the same devices next finds them free, unless a sound system hangs.
        let deadline = Instant::now() + CLOSE;
        for closed in self.closing.drain(..) {
            let _ = closed.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

/// Ends a device on a thread that nobody waits for; whoever likes hears when it is done.
fn tear_down(running: Running) -> Receiver<()> {
    let (done, is_done) = channel();
    let _ = std::thread::Builder::new()
        .name("close-device".to_owned())
        .spawn(move || {
            let _hush = real::hush();
            drop(running);
            let _ = done.send(());
        });
    is_done
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::{MediaHandle, SocketEnd, stream_port};
    use crate::pure::audio::tone::Country;
    use crate::pure::audio::{DownFrame, FRAME_LEN, Feed, Route, g711};
    use crate::pure::ids::StreamId;

    /// How long anything may take.
    const LIMIT: Duration = Duration::from_secs(15);

    /// An engine with one call on it.
    struct Desk {
        media: MediaHandle,
        socket: SocketEnd,
        clock: Instant,
        said: u64,
    }

    impl Desk {
        fn start(settings: &AudioSettings) -> Desk {
            let clock = Instant::now();
            let media = MediaHandle::start(settings, clock).expect("threads can be had");
            let (socket, port) = stream_port();
            let route = Route {
                feed: Feed::Desk,
                to_speaker: true,
            };
            media.attach(StreamId(1), port, route);
            Desk {
                media,
                socket,
                clock,
                said: 0,
            }
        }

        /// Says a frame for every frame heard, and returns the loudest sample heard of so many frames.
        fn talk(&mut self, frames: usize, say: impl Fn(u64) -> f32) -> f32 {
            let mut loudest = 0.0_f32;
            for _ in 0..frames {
                let limit = Instant::now() + LIMIT;
                let heard = loop {
                    assert!(Instant::now() < limit, "no frame comes");
                    match self.socket.up.pop() {
                        Ok(frame) => break frame,
                        Err(_) => std::thread::sleep(Duration::from_millis(1)),
                    }
                };
                let levels = heard.ulaw.iter().map(|code| g711::decode_f32(*code).abs());
                loudest = levels.fold(loudest, f32::max);
                let mut ulaw = [0; FRAME_LEN];
                for (code, at) in ulaw.iter_mut().zip(self.said..) {
                    *code = g711::encode_f32(say(at));
                }
                let frame = DownFrame {
                    at: self.said,
                    len: 160,
                    ulaw,
                    arrived: crate::audio::callback::now(self.clock),
                };
                self.said += 160;
                self.socket.down.push(frame).expect("the speaker plays");
            }
            loudest
        }

        fn wait_for(&self, what: &str, is_so: impl Fn(&AudioStatus) -> bool) {
            let limit = Instant::now() + LIMIT;
            while !is_so(&self.media.status().borrow()) {
                assert!(
                    Instant::now() < limit,
                    "{what}: {:?}",
                    self.media.status().borrow()
                );
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn hum(at: u64) -> f32 {
        (std::f32::consts::TAU * 700.0 * at as f32 / 8_000.0).sin() * 0.5
    }

    fn loudest_in(path: &Path) -> u16 {
        hound::WavReader::open(path)
            .expect("it is a WAV file")
            .into_samples::<i16>()
            .map(|sample| sample.expect("it is whole").unsigned_abs())
            .max()
            .unwrap_or(0)
    }

    #[tokio::test]
    async fn the_loopback_microphone_hears_the_far_end_and_nothing_else_of_the_speaker() {
        let folder = tempfile::tempdir().expect("a folder");
        let speaker = folder.path().join("speaker.wav");
        let mut desk = Desk::start(&AudioSettings {
            capture: DeviceChoice::Loopback,
            playout: DeviceChoice::File(speaker.clone()),
            ..AudioSettings::default()
        });
        desk.media.ring(Some(Country::NorthAmerica));
        desk.media.beep();
        let heard = desk.talk(40, |_| 0.0);
        assert!(heard < 0.001, "{heard} of bell or beep");
        desk.media.ring(None);
        let heard = desk.talk(40, hum);
        assert!((0.4..0.6).contains(&heard), "{heard} of a tone of 0.5");
        desk.media.stop().await;
        assert!(loudest_in(&speaker) > 1_000, "it rang on the speaker");
    }

    #[tokio::test]
    async fn a_stand_in_takes_the_place_of_a_device_until_it_works() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = folder.path().join("said.wav");
        let mut desk = Desk::start(&AudioSettings {
            capture: DeviceChoice::File(said.clone()),
            playout: DeviceChoice::Named("nothing of this name".to_owned()),
            host: Some("no such sound system".to_owned()),
            ..AudioSettings::default()
        });
        let broken = |state: &DeviceState, why: &str| matches!(state, DeviceState::Broken(text) if text.contains(why));
        desk.wait_for("both were tried", |status| {
            broken(&status.capture, "said.wav cannot be read")
                && broken(&status.playout, "no such sound system")
                && !status.desk_usable()
        });
        assert!(desk.talk(30, hum) < 0.001, "silence stands in");
        let stats = desk.media.stats(StreamId(1)).expect("it is attached");
        assert!(stats.frames_down > 20, "they are played to nobody");

        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let whole = folder.path().join("whole.wav");
        let mut file = hound::WavWriter::create(&whole, spec).expect("it opens");
        for at in 0..8_000 {
            file.write_sample((hum(at) * 32_767.0) as i16)
                .expect("the disk has room");
        }
        file.finalize().expect("the disk has room");
        std::fs::rename(&whole, &said).expect("the folder can be written to");
        desk.wait_for("the microphone is tried again", |status| {
            matches!(&status.capture, DeviceState::Works(text) if text.contains("said.wav"))
        });
        desk.media.answered();
        let heard = desk.talk(40, |_| 0.0);
        assert!((0.4..0.6).contains(&heard), "{heard} of a tone of 0.5");
        desk.media.stop().await;
    }
}
