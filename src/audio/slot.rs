//! Where one use of a device stands: what is watched of it, what counts as a fault, and when it is tried again.
//!
//! Nothing here touches a device, and time is handed in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::DeviceState;
use super::callback::Beat;
use super::open::{Opened, Running, Use};
use super::real::{self, Wanted};
use crate::pure::audio::DeviceRate;

/// A stream that has not called for this long is dead.
const SILENT: Duration = Duration::from_millis(400);

/// How long a stream may take to its first callback.
const FIRST: Duration = Duration::from_millis(1_500);

/// A stream that has called for this long works: what fails after that is a new failure.
const SETTLED: Duration = Duration::from_secs(3);

/// How long to wait before a device is tried again: at first, and at most. Sound is to be back within 2 s of the device.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));

/// How long opening may take until it is begun anew: at first, and at most. A sound server that hangs keeps a thread for
/// every attempt, so attempts become rare; the latest one still succeeds as soon as the server goes on.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));

/// How often it is asked where a named device's stream is.
const LOOK: Duration = Duration::from_secs(1);

/// Says whether a stream is still at its device; nothing where nobody knows. May block for seconds.
pub(super) type Look = Arc<dyn Fn() -> Option<bool> + Send + Sync>;

/// Where one use of a device stands.
pub(super) struct Slot {
    pub(super) use_: Use,
    pub(super) wanted: Wanted,
    pub(super) running: Option<Running>,
    pub(super) state: DeviceState,
    pub(super) watched: Option<Watched>,
    opening: Option<(Receiver<Result<Opened, String>>, Instant)>,
    tried: bool,
    failures: u32,
    back_off: Duration,
    patience: Duration,
    next_try: Instant,
}

/// What is watched of a real device.
pub(super) struct Watched {
    beat: Arc<Beat>,
    rate: DeviceRate,
    calls: u64,
    progress: Instant,
    opened: Instant,
    look: Option<Look>,
    looking: Option<Receiver<Option<bool>>>,
    looked: Instant,
}

impl Slot {
    pub(super) fn new(use_: Use, wanted: Wanted, now: Instant) -> Slot {
        Slot {
            use_,
            wanted,
            running: None,
            state: DeviceState::Broken("not tried yet".to_owned()),
            watched: None,
            opening: None,
            tried: false,
            failures: 0,
            back_off: BACK_OFF.0,
            patience: PATIENCE.0,
            next_try: now,
        }
    }

    /// Says whether it was tried, and is not being tried.
    pub(super) fn is_tried(&self) -> bool {
        self.tried && self.opening.is_none()
    }

    pub(super) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Says whether it is time to open the device.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let broken = matches!(self.state, DeviceState::Broken(_));
        broken && self.opening.is_none() && now >= self.next_try
    }

    /// Notes that it is being opened by somebody who will say so.
    pub(super) fn opens(&mut self, answer: Receiver<Result<Opened, String>>, now: Instant) {
        self.tried = true;
        self.opening = Some((answer, now + self.patience));
    }

    /// Returns what came of opening it, once that is known. A failure is already noted.
    pub(super) fn take_opened(&mut self, now: Instant) -> Option<Opened> {
        let (answer, deadline) = self.opening.as_ref()?;
        let opened = match answer.try_recv() {
            Ok(opened) => {
                self.patience = PATIENCE.0;
                opened
            }
            Err(TryRecvError::Empty) if now < *deadline => return None,
            Err(TryRecvError::Empty) => {
                self.patience = (self.patience * 2).min(PATIENCE.1);
                Err("the sound system does not answer".to_owned())
            }
            Err(TryRecvError::Disconnected) => Err("opening it failed".to_owned()),
        };
        self.opening = None;
        match opened {
            Ok(opened) => Some(opened),
            Err(reason) => {
                self.fail(reason, now);
                None
            }
        }
    }

    /// Notes that the device works.
    pub(super) fn works(&mut self, text: &str) {
        if self.failures > 0 {
            tracing::info!(device = ?self.use_, text, "sound is back");
        }
        self.failures = 0;
        self.state = DeviceState::Works(text.to_owned());
    }

    /// Notes that it does not, and when it is to be tried again.
    pub(super) fn fail(&mut self, reason: String, now: Instant) {
        tracing::debug!(device = ?self.use_, reason, "a sound device does not work");
        self.watched = None;
        self.failures += 1;
        self.state = DeviceState::Broken(reason);
        self.next_try = now + self.back_off;
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
    }

    /// Says what is wrong with the device at work, if anything.
    pub(super) fn fault(&mut self, now: Instant) -> Option<String> {
        let watched = self.watched.as_mut()?;
        let fault = watched.fault(now);
        if fault.is_none() && watched.calls > 0 && now > watched.opened + SETTLED {
            self.back_off = BACK_OFF.0;
        }
        fault
    }
}

impl Watched {
    pub(super) fn new(
        beat: Arc<Beat>,
        rate: DeviceRate,
        look: Option<Look>,
        now: Instant,
    ) -> Watched {
        Watched {
            beat,
            rate,
            calls: 0,
            progress: now,
            opened: now,
            look,
            looking: None,
            looked: now,
        }
    }

    fn fault(&mut self, now: Instant) -> Option<String> {
        let calls = self.beat.calls.load(Ordering::Relaxed);
        if calls != self.calls {
            self.calls = calls;
            self.progress = now;
        }
        let number = self.beat.fatal.load(Ordering::Relaxed);
        if number != 0 {
            return Some(real::fatal_text(number).to_owned());
        }
        let patience = if self.calls == 0 { FIRST } else { SILENT };
        if now > self.progress + patience {
            return Some(format!(
                "the sound system has been silent for {} ms",
                patience.as_millis()
            ));
        }
        let since = now.duration_since(self.opened);
        let frames = self.beat.frames.load(Ordering::Relaxed) as f64;
        if since > Duration::from_secs(1)
            && frames > 2.0 * since.as_secs_f64() * f64::from(self.rate.hz())
        {
            return Some("it runs faster than time, so it is no sound card".to_owned());
        }
        self.is_astray(now)
            .then(|| "the device is gone, and the sound server moved us to another".to_owned())
    }

    /// Asks once a second whether the stream is where it was opened, and says whether it was found elsewhere.
    fn is_astray(&mut self, now: Instant) -> bool {
        if let Some(answer) = &self.looking {
            match answer.try_recv() {
                Ok(there) => {
                    self.looking = None;
                    return there == Some(false);
                }
                Err(TryRecvError::Disconnected) => self.looking = None,
                // A server that hangs is caught by the silence of its stream.
                Err(TryRecvError::Empty) => {}
            }
            return false;
        }
        let Some(look) = self.look.clone().filter(|_| now >= self.looked + LOOK) else {
            return false;
        };
        self.looked = now;
        let (sender, receiver) = channel();
        self.looking = Some(receiver);
        let _ = std::thread::Builder::new()
            .name("look-for-stream".to_owned())
            .spawn(move || {
                let _ = sender.send(look());
            });
        false
    }
}
