//! The thread that owns the devices: opens them, watches that they live, and puts another in their place when they do not.
//!
//! It trusts nothing that a sound server says about itself. A stream that has not called for 400 ms is dead, whatever it
//! reports; it is torn down on a thread that nobody waits for, since dropping it may hang for ever; meanwhile a device of
//! our own stands in, so that the engine never stops and no call ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::callback::{Beat, Bell, Capture, Playout, Sound, Stamp, Tap};
use super::mouth_thread::{MouthCommand, MouthThread, Source};
use super::own::{self, Clock, FilePlayout, Recording};
use super::real::{self, Found, Wanted, Way};
use super::seat::EarSeat;
use super::{AudioStatus, DeviceState};
use crate::pure::audio::DeviceRate;
use crate::pure::audio::device::{AudioSettings, DeviceChoice};
use crate::pure::audio::ear::EarLeg;

/// How often the devices are looked at.
const ROUND: Duration = Duration::from_millis(50);

/// A stream that has not called for this long is dead.
const SILENT: Duration = Duration::from_millis(400);

/// How long a stream may take to its first callback.
const FIRST: Duration = Duration::from_millis(1_500);

/// How long opening may take.
const OPENING: Duration = Duration::from_secs(4);

/// How long to wait before a device is tried again: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// How often it is checked that a named device is still there.
const PROBE: Duration = Duration::from_secs(1);

/// Samples that fit between a microphone and the mouth: 200 ms at 48 kHz, and more at lower rates.
const CAPTURE_RING: usize = 9_600;

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
    /// Set when a call is answered: a `file:` capture begins.
    pub(super) answered: Arc<AtomicBool>,
}

/// One of the three uses of a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Use {
    Capture,
    Playout,
    Ringer,
}

/// What keeps a device going; dropping it ends the device.
#[expect(dead_code, reason = "held only to be dropped")]
enum Running {
    Real(cpal::Stream),
    Clock(Clock),
    File(FilePlayout),
    /// The ear itself feeds the mouth.
    Tap,
}

/// A device that was opened.
struct Opened {
    running: Running,
    text: String,
    beat: Arc<Beat>,
    rate: DeviceRate,
    probe: Option<(cpal::HostId, String)>,
    /// For a microphone: where the mouth is to listen.
    source: Option<Source>,
    turn: Option<super::seat::Turn>,
}

/// Where one use of a device stands.
struct Slot {
    use_: Use,
    wanted: Wanted,
    running: Option<Running>,
    watched: Option<Watched>,
    state: DeviceState,
    back_off: Duration,
    next_try: Instant,
    opening: Option<(Receiver<Result<Opened, String>>, Instant)>,
}

/// What is watched of a real device.
struct Watched {
    beat: Arc<Beat>,
    calls: u64,
    progress: Instant,
    opened: Instant,
    rate: DeviceRate,
    probe: Option<(cpal::HostId, String)>,
    probing: Option<Receiver<bool>>,
    probed: Instant,
}

/// The supervisor.
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    slots: Vec<Slot>,
    orders: Receiver<Order>,
    status: watch::Sender<AudioStatus>,
    let_go: rtrb::Consumer<Box<EarLeg>>,
    // The rate at which the ear renders, for the `loopback` microphone.
    playout_rate: DeviceRate,
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
        let mut slots = vec![
            Slot::new(Use::Playout, wanted(&settings.playout)),
            Slot::new(Use::Capture, wanted(&settings.capture)),
        ];
        if let Some(ringer) = &settings.ringer {
            slots.push(Slot::new(Use::Ringer, wanted(ringer)));
        }
        Supervisor {
            shared,
            slots,
            orders,
            status,
            let_go,
            playout_rate: DeviceRate::HZ_48000,
        }
    }

    /// Tries every device once, says on `tried` that it did, then watches until it is told to stop.
    pub(super) fn run(mut self, tried: &Sender<()>) {
        for n in 0..self.slots.len() {
            self.stand_in(n);
            self.try_to_open(n);
        }
        let deadline = Instant::now() + OPENING;
        while self.slots.iter().any(|slot| slot.opening.is_some()) && Instant::now() < deadline {
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
        // Legs that the ear let go are freed here, where it may take its time.
        while self.let_go.pop().is_ok() {}
        for n in 0..self.slots.len() {
            self.take_opened(n);
            if let Some(reason) = self.slots[n].fault() {
                self.break_down(n, reason);
            }
            let slot = &self.slots[n];
            let broken = matches!(slot.state, DeviceState::Broken(_));
            if broken && slot.opening.is_none() && Instant::now() >= slot.next_try {
                self.try_to_open(n);
            }
        }
        self.tell();
    }

    /// Begins to open a device, on a thread of its own.
    fn try_to_open(&mut self, n: usize) {
        let slot = &mut self.slots[n];
        let (sender, receiver) = channel();
        let (use_, wanted) = (slot.use_, slot.wanted.clone());
        let shared = Arc::clone(&self.shared);
        let playout_rate = self.playout_rate;
        slot.opening = Some((receiver, Instant::now() + OPENING));
        let spawned = std::thread::Builder::new()
            .name("open-device".to_owned())
            .spawn(move || {
                let _hush = real::hush();
                // Where nobody waits any more the device is closed again right here.
                let _ = sender.send(open(use_, &wanted, &shared, playout_rate));
            });
        if let Err(cause) = spawned {
            slot.opening = None;
            slot.fail(format!("no thread can be had: {cause}"));
        }
    }

    /// Takes a device over once it is open.
    fn take_opened(&mut self, n: usize) {
        let slot = &mut self.slots[n];
        let Some((receiver, deadline)) = &slot.opening else {
            return;
        };
        let opened = match receiver.try_recv() {
            Ok(opened) => opened,
            Err(std::sync::mpsc::TryRecvError::Empty) if Instant::now() < *deadline => return,
            Err(_) => Err("the sound system does not answer".to_owned()),
        };
        slot.opening = None;
        match opened {
            Ok(opened) => {
                let was_broken =
                    matches!(slot.state, DeviceState::Broken(_)) && slot.back_off > BACK_OFF.0;
                if was_broken {
                    tracing::info!(device = opened.text, "sound is back");
                }
                slot.state = DeviceState::Works(opened.text.clone());
                self.put(n, opened);
            }
            Err(reason) => slot.fail(reason),
        }
    }

    /// Puts an opened device in the place of whatever was there.
    fn put(&mut self, n: usize, opened: Opened) {
        match self.slots[n].use_ {
            Use::Playout => {
                self.playout_rate = opened.rate;
                let tap = self.tap();
                if let Some(turn) = opened.turn {
                    self.shared.seat.give_turn(turn, opened.rate, tap);
                }
            }
            Use::Capture => {
                if let Some(source) = opened.source {
                    self.shared.mouth.tell(MouthCommand::Listen(source));
                }
            }
            Use::Ringer => {}
        }
        let slot = &mut self.slots[n];
        let real = matches!(opened.running, Running::Real(_));
        let now = Instant::now();
        slot.watched = real.then(|| Watched {
            beat: opened.beat,
            calls: 0,
            progress: now,
            opened: now,
            rate: opened.rate,
            probe: opened.probe,
            probing: None,
            probed: now,
        });
        if let Some(old) = slot.running.replace(opened.running) {
            tear_down(old);
        }
    }

    /// Makes the ear's end of a `loopback` microphone, where one is wanted.
    fn tap(&self) -> Option<Tap> {
        let looped = self
            .slots
            .iter()
            .any(|slot| slot.use_ == Use::Capture && slot.wanted.choice == DeviceChoice::Loopback);
        looped.then(|| {
            let (ring, for_mouth) = rtrb::RingBuffer::new(CAPTURE_RING);
            let stamp = Arc::new(Stamp::default());
            let source = Source {
                ring: for_mouth,
                rate: self.playout_rate,
                stamp: Arc::clone(&stamp),
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
    fn break_down(&mut self, n: usize, reason: String) {
        tracing::warn!(device = ?self.slots[n].use_, reason, "a sound device failed; it is tried again");
        self.slots[n].watched = None;
        self.slots[n].fail(reason);
        self.stand_in(n);
    }

    fn stand_in(&mut self, n: usize) {
        let use_ = self.slots[n].use_;
        if use_ == Use::Ringer
            || (use_ == Use::Capture && self.slots[n].wanted.choice == DeviceChoice::Loopback)
        {
            // Nothing rings, or the ear feeds the mouth anyway.
            if let Some(old) = self.slots[n].running.take() {
                tear_down(old);
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
        for slot in &mut self.slots {
            match slot.running.take() {
                // A file is worth the wait: its header must be true.
                Some(Running::File(file)) => file.finish(),
                Some(running) => tear_down(running),
                None => {}
            }
        }
    }
}

impl Slot {
    fn new(use_: Use, wanted: Wanted) -> Slot {
        Slot {
            use_,
            wanted,
            running: None,
            watched: None,
            state: DeviceState::Broken("not tried yet".to_owned()),
            back_off: BACK_OFF.0,
            next_try: Instant::now(),
            opening: None,
        }
    }

    fn fail(&mut self, reason: String) {
        self.state = DeviceState::Broken(reason);
        self.next_try = Instant::now() + self.back_off;
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
    }

    /// Says what is wrong with the device, if anything.
    fn fault(&mut self) -> Option<String> {
        let watched = self.watched.as_mut()?;
        let now = Instant::now();
        let calls = watched.beat.calls.load(Ordering::Relaxed);
        if calls != watched.calls {
            watched.calls = calls;
            watched.progress = now;
            if now > watched.opened + 2 * FIRST {
                // It has worked for a while: the next failure is a new one.
                self.back_off = BACK_OFF.0;
            }
        }
        let number = watched.beat.fatal.load(Ordering::Relaxed);
        if number != 0 {
            return Some(real::fatal_text(number).to_owned());
        }
        let patience = if watched.calls == 0 { FIRST } else { SILENT };
        if now > watched.progress + patience {
            return Some(format!(
                "the sound system has been silent for {} ms",
                patience.as_millis()
            ));
        }
        let since = now.duration_since(watched.opened);
        let frames = watched.beat.frames.load(Ordering::Relaxed) as f64;
        if since > Duration::from_secs(1)
            && frames > 2.0 * since.as_secs_f64() * f64::from(watched.rate.hz())
        {
            return Some("it runs faster than time, so it is no sound card".to_owned());
        }
        watched.check_presence(now)
    }
}

impl Watched {
    /// Asks once a second whether a named device is still listed: PulseAudio moves a stream to another without a word.
    fn check_presence(&mut self, now: Instant) -> Option<String> {
        if let Some(answer) = &self.probing {
            match answer.try_recv() {
                Ok(true) => self.probing = None,
                Ok(false) => return Some("the device is gone".to_owned()),
                // A server that hangs is caught by the silence of its stream.
                Err(_) => {}
            }
            return None;
        }
        let (host, name) = self.probe.clone()?;
        if now < self.probed + PROBE {
            return None;
        }
        self.probed = now;
        let (sender, receiver) = channel();
        self.probing = Some(receiver);
        let _ = std::thread::Builder::new()
            .name("probe-device".to_owned())
            .spawn(move || {
                let _hush = real::hush();
                let _ = sender.send(Found::probe(host, &name));
            });
        None
    }
}

/// Ends a device on a thread that nobody waits for.
fn tear_down(running: Running) {
    let _ = std::thread::Builder::new()
        .name("close-device".to_owned())
        .spawn(move || {
            let _hush = real::hush();
            drop(running);
        });
}

/// Opens a device. May block as long as the sound system likes.
fn open(
    use_: Use,
    wanted: &Wanted,
    shared: &Arc<Shared>,
    playout_rate: DeviceRate,
) -> Result<Opened, String> {
    match use_ {
        Use::Capture => open_capture(wanted, shared, playout_rate),
        Use::Playout => {
            let turn = shared.seat.draw();
            let mut opened = open_playout(wanted, shared, |_| {
                Sound::Ear(Arc::clone(&shared.seat), turn)
            })?;
            opened.turn = Some(turn);
            Ok(opened)
        }
        Use::Ringer => {
            let sound = |rate| Sound::Bell {
                bell: Arc::clone(&shared.bell),
                rate,
                ringing: None,
            };
            open_playout(wanted, shared, sound)
        }
    }
}

fn open_capture(
    wanted: &Wanted,
    shared: &Arc<Shared>,
    playout_rate: DeviceRate,
) -> Result<Opened, String> {
    let beat = Arc::new(Beat::default());
    let stamp = Arc::new(Stamp::default());
    let ours = |running, text: &str, rate, source| Opened {
        running,
        text: text.to_owned(),
        beat: Arc::clone(&beat),
        rate,
        probe: None,
        source,
        turn: None,
    };
    let connect = |rate| {
        let (ring, for_mouth) = rtrb::RingBuffer::new(CAPTURE_RING);
        let capture = Capture::new(
            ring,
            shared.mouth.thread().clone(),
            Arc::clone(&stamp),
            Arc::clone(&beat),
        );
        (
            capture,
            Some(Source {
                ring: for_mouth,
                rate,
                stamp: Arc::clone(&stamp),
            }),
        )
    };
    match &wanted.choice {
        DeviceChoice::None => {
            let (capture, source) = connect(DeviceRate::HZ_48000);
            let clock = own::capture_nothing(capture, shared.clock)?;
            Ok(ours(
                Running::Clock(clock),
                "none (48000 Hz, 480 frames)",
                DeviceRate::HZ_48000,
                source,
            ))
        }
        DeviceChoice::Loopback => Ok(ours(Running::Tap, "loopback", playout_rate, None)),
        DeviceChoice::File(path) => {
            let recording = Recording::read(path)?;
            let rate = recording.rate;
            let (capture, source) = connect(rate);
            let clock = own::capture_file(
                recording,
                capture,
                Arc::clone(&shared.answered),
                shared.clock,
            )?;
            let text = format!("file:{} ({} Hz)", path.display(), rate.hz());
            Ok(ours(Running::Clock(clock), &text, rate, source))
        }
        DeviceChoice::Default | DeviceChoice::Named(_) => {
            first_that_opens(real::find(wanted, Way::Capture)?, |found| {
                // Each attempt has a ring of its own; the mouth gets the one of the stream that opened.
                let source = std::cell::RefCell::new(None);
                let opened = found.capture(
                    || {
                        let (capture, listen) = connect(found.rate);
                        *source.borrow_mut() = listen;
                        capture
                    },
                    &beat,
                    shared.clock,
                )?;
                let mut device = ours(
                    Running::Real(opened.stream),
                    &opened.text,
                    found.rate,
                    source.into_inner(),
                );
                device.probe = found
                    .to_probe()
                    .filter(|_| matches!(wanted.choice, DeviceChoice::Named(_)));
                Ok(device)
            })
        }
    }
}

fn open_playout(
    wanted: &Wanted,
    shared: &Arc<Shared>,
    sound: impl Fn(DeviceRate) -> Sound,
) -> Result<Opened, String> {
    let beat = Arc::new(Beat::default());
    let playout = |rate| Playout::new(sound(rate), rate, Arc::clone(&beat));
    let ours = |running, text: &str, rate| Opened {
        running,
        text: text.to_owned(),
        beat: Arc::clone(&beat),
        rate,
        probe: None,
        source: None,
        turn: None,
    };
    let rate = DeviceRate::HZ_48000;
    match &wanted.choice {
        DeviceChoice::None | DeviceChoice::Loopback => {
            let name = if wanted.choice == DeviceChoice::None {
                "none"
            } else {
                "loopback"
            };
            let clock = own::play_nowhere(playout(rate), shared.clock)?;
            Ok(ours(
                Running::Clock(clock),
                &format!("{name} (48000 Hz, 480 frames)"),
                rate,
            ))
        }
        DeviceChoice::File(path) => {
            let file = own::play_to_file(path, playout(rate), shared.clock)?;
            Ok(ours(
                Running::File(file),
                &format!("file:{} (48000 Hz)", path.display()),
                rate,
            ))
        }
        DeviceChoice::Default | DeviceChoice::Named(_) => {
            first_that_opens(real::find(wanted, Way::Playout)?, |found| {
                let opened = found.play(|| playout(found.rate), &beat, shared.clock)?;
                let mut device = ours(Running::Real(opened.stream), &opened.text, found.rate);
                device.probe = found
                    .to_probe()
                    .filter(|_| matches!(wanted.choice, DeviceChoice::Named(_)));
                Ok(device)
            })
        }
    }
}

fn first_that_opens(
    candidates: Vec<Found>,
    open: impl Fn(&Found) -> Result<Opened, String>,
) -> Result<Opened, String> {
    let mut reasons = Vec::new();
    for found in &candidates {
        match open(found) {
            Ok(opened) => return Ok(opened),
            Err(reason) => reasons.push(format!("{}: {reason}", found.name)),
        }
    }
    Err(reasons.join("; "))
}
