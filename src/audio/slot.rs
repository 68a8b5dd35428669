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
use super::real::Wanted;
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
    /// Opened, but yet to call for the first time; until when it may take.
    warming: Option<(Opened, Instant)>,
    tried: bool,
    given_up: bool,
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
    /// For a device of our own, which keeps no time but ours.
    only_fatal: bool,
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
            warming: None,
            tried: false,
            given_up: false,
            failures: 0,
            back_off: BACK_OFF.0,
            patience: PATIENCE.0,
            next_try: now,
        }
    }

    /// Says whether it was tried, and is not being tried.
    pub(super) fn is_tried(&self) -> bool {
        self.tried && self.opening.is_none() && self.warming.is_none()
    }

    pub(super) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Says whether it is time to open the device.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let broken = matches!(self.state, DeviceState::Broken(_)) && !self.given_up;
        broken && self.opening.is_none() && self.warming.is_none() && now >= self.next_try
    }

    /// Notes that it is being opened by somebody who will say so.
    pub(super) fn opens(&mut self, answer: Receiver<Result<Opened, String>>, now: Instant) {
        self.tried = true;
        self.opening = Some((answer, now + self.patience));
    }

    /// Returns the device once it was opened and has called for the first time: one that never does would leave the engine
    /// without a clock. What failed is already noted, and given to `close`.
    pub(super) fn take_working(
        &mut self,
        now: Instant,
        close: impl FnOnce(Running),
    ) -> Option<Opened> {
        if let Some(opened) = self.take_opened(now) {
            self.warming = Some((opened, now + FIRST));
        }
        let (opened, until) = self.warming.as_ref()?;
        let reason = match &opened.beat {
            Some(beat) if beat.calls.load(Ordering::Relaxed) == 0 => match beat.fatal() {
                Some(fatal) => fatal.to_string(),
                None if now > *until => {
                    format!("it opens, and then is silent for {} ms", FIRST.as_millis())
                }
                None => return None,
            },
            Some(_) | None => return self.warming.take().map(|(opened, _)| opened),
        };
        if let Some((opened, _)) = self.warming.take() {
            close(opened.running);
        }
        self.fail(reason, now);
        None
    }

    /// Returns what came of opening it, once that is known. A failure is already noted.
    fn take_opened(&mut self, now: Instant) -> Option<Opened> {
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

    /// Notes that it does not, and never will: it is not tried again.
    pub(super) fn give_up(&mut self, reason: String, now: Instant) {
        self.fail(reason, now);
        self.given_up = true;
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

    /// Returns what is running or about to, for it is over.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Running> + use<> {
        let warming = self.warming.take().map(|(opened, _)| opened.running);
        self.running.take().into_iter().chain(warming)
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
            only_fatal: false,
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

    /// Watches a device of our own, which has no clock but ours and can only say that it is over.
    pub(super) fn own(beat: Arc<Beat>, rate: DeviceRate, now: Instant) -> Watched {
        Watched {
            only_fatal: true,
            ..Watched::new(beat, rate, None, now)
        }
    }

    fn fault(&mut self, now: Instant) -> Option<String> {
        let calls = self.beat.calls.load(Ordering::Relaxed);
        if calls != self.calls {
            self.calls = calls;
            self.progress = now;
        }
        if let Some(fatal) = self.beat.fatal() {
            return Some(fatal.to_string());
        }
        if self.only_fatal {
            return None;
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc::Sender;

    use super::*;
    use crate::audio::callback::Fatal;
    use crate::pure::audio::device::DeviceChoice;

    type Answer = Sender<Result<Opened, String>>;

    fn slot(now: Instant) -> Slot {
        let wanted = Wanted {
            choice: DeviceChoice::Default,
            host: None,
            callback_ms: 10,
        };
        Slot::new(Use::Playout, wanted, now)
    }

    fn begin(slot: &mut Slot, now: Instant) -> Answer {
        assert!(slot.is_due(now));
        let (sender, receiver) = channel();
        slot.opens(receiver, now);
        assert!(!slot.is_due(now), "it is being opened already");
        sender
    }

    fn opened() -> Opened {
        Opened {
            running: Running::Tap,
            text: "a device".to_owned(),
            beat: None,
            rate: DeviceRate::HZ_48000,
            place: None,
            source: None,
            turn: None,
        }
    }

    /// Lets opening fail at once, and returns how long it takes until the device is tried again.
    fn pause(slot: &mut Slot, now: &mut Instant) -> Duration {
        begin(slot, *now)
            .send(Err("no".to_owned()))
            .expect("the slot listens");
        assert!(slot.take_opened(*now).is_none());
        assert_eq!(slot.state, DeviceState::Broken("no".to_owned()));
        let failed = *now;
        while !slot.is_due(*now) {
            *now += Duration::from_millis(1);
        }
        *now - failed
    }

    /// Lets opening succeed, and puts the device to work.
    fn work(slot: &mut Slot, beat: &Arc<Beat>, look: Option<Look>, now: Instant) {
        begin(slot, now)
            .send(Ok(opened()))
            .expect("the slot listens");
        let opened = slot.take_opened(now).expect("it was opened");
        slot.works(&opened.text);
        slot.watched = Some(Watched::new(Arc::clone(beat), opened.rate, look, now));
    }

    /// Lets a device call every 10 ms for so long, and returns what is wrong with it then.
    fn play(
        slot: &mut Slot,
        beat: &Beat,
        now: &mut Instant,
        length: Duration,
        frames: u64,
    ) -> Option<String> {
        let end = *now + length;
        while *now < end {
            *now += Duration::from_millis(10);
            let add = |count: &AtomicU64, n| count.fetch_add(n, Ordering::Relaxed);
            add(&beat.calls, 1);
            add(&beat.frames, frames);
            let fault = slot.fault(*now);
            if fault.is_some() {
                return fault;
            }
        }
        None
    }

    #[test]
    fn the_pauses_between_two_attempts_grow_up_to_a_second() {
        let mut now = Instant::now();
        let mut slot = slot(now);
        let pauses: Vec<u128> = (0..5)
            .map(|_| pause(&mut slot, &mut now).as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn only_a_device_that_worked_for_a_while_is_tried_again_as_soon_as_the_first_time() {
        for (works_for, first_pause) in [(1, 1_000), (4, 250)] {
            let mut now = Instant::now();
            let mut slot = slot(now);
            let beat = Arc::new(Beat::default());
            for _ in 0..3 {
                pause(&mut slot, &mut now);
            }
            work(&mut slot, &beat, None, now);
            assert_eq!(slot.state, DeviceState::Works("a device".to_owned()));
            let length = Duration::from_secs(works_for);
            assert_eq!(play(&mut slot, &beat, &mut now, length, 480), None);
            beat.end(Fatal::Gone);
            let fault = slot.fault(now).expect("the device is gone");
            slot.fail(fault, now);
            let failed = now;
            while !slot.is_due(now) {
                now += Duration::from_millis(1);
            }
            assert_eq!((now - failed).as_millis(), first_pause);
        }
    }

    #[test]
    fn a_sound_system_that_does_not_answer_is_asked_more_and_more_rarely() {
        let mut now = Instant::now();
        let mut slot = slot(now);
        let mut hung = Vec::new();
        let mut patience = Vec::new();
        for _ in 0..6 {
            while !slot.is_due(now) {
                now += Duration::from_millis(1);
            }
            hung.push(begin(&mut slot, now));
            let began = now;
            while slot.is_opening() {
                now += Duration::from_millis(10);
                assert!(slot.take_opened(now).is_none());
            }
            patience.push((now - began).as_secs());
        }
        assert_eq!(patience, [4, 8, 16, 32, 60, 60]);
        // Whoever is asked last is heard whenever it answers, and the next time begins anew.
        while !slot.is_due(now) {
            now += Duration::from_millis(1);
        }
        let last = begin(&mut slot, now);
        now += Duration::from_secs(50);
        assert!(slot.take_opened(now).is_none());
        last.send(Ok(opened())).expect("the slot listens");
        assert!(slot.take_opened(now).is_some());
        assert_eq!(slot.patience, PATIENCE.0);
    }

    #[test]
    fn a_device_takes_its_place_with_its_first_callback_and_never_without() {
        for says in [None, Some(Fatal::Gone)] {
            let mut now = Instant::now();
            let mut slot = slot(now);
            let beat = Arc::new(Beat::default());
            let answer = begin(&mut slot, now);
            let silent = Opened {
                beat: Some(Arc::clone(&beat)),
                ..opened()
            };
            answer.send(Ok(silent)).expect("the slot listens");
            let mut closed = 0;
            let began = now;
            while matches!(&slot.state, DeviceState::Broken(why) if why == "not tried yet") {
                assert!(slot.take_working(now, |_| closed += 1).is_none());
                assert!(!slot.is_due(now));
                now += Duration::from_millis(10);
                if let Some(fatal) = says {
                    beat.end(fatal);
                }
            }
            assert_eq!(closed, 1);
            let took = (now - began).as_millis();
            assert_eq!(took, if says.is_some() { 20 } else { 1_520 });
        }
        let now = Instant::now();
        let mut slot = slot(now);
        let beat = Arc::new(Beat::default());
        beat.calls.fetch_add(1, Ordering::Relaxed);
        let calls = Opened {
            beat: Some(beat),
            ..opened()
        };
        begin(&mut slot, now)
            .send(Ok(calls))
            .expect("the slot listens");
        let closes = |_| unreachable!("it works");
        assert!(slot.take_working(now, closes).is_some());
    }

    #[test]
    fn a_device_that_is_given_up_is_not_tried_again() {
        let now = Instant::now();
        let mut slot = slot(now);
        slot.give_up("full".to_owned(), now);
        assert!(!slot.is_due(now + Duration::from_secs(3_600)));
    }

    #[test]
    fn an_opening_that_ends_without_a_word_has_failed() {
        let now = Instant::now();
        let mut slot = slot(now);
        drop(begin(&mut slot, now));
        assert!(slot.take_opened(now).is_none());
        assert!(slot.is_tried());
        assert_eq!(
            slot.state,
            DeviceState::Broken("opening it failed".to_owned())
        );
    }

    #[test]
    fn a_device_that_falls_silent_is_faulty_whatever_it_says() {
        let mut now = Instant::now();
        let mut slot = slot(now);
        let beat = Arc::new(Beat::default());
        work(&mut slot, &beat, None, now);
        let mute = now;
        while slot.fault(now).is_none() {
            now += Duration::from_millis(10);
        }
        assert_eq!((now - mute).as_millis(), 1_510, "before the first callback");

        slot.fail("silent".to_owned(), now);
        now += BACK_OFF.1;
        work(&mut slot, &beat, None, now);
        assert_eq!(
            play(&mut slot, &beat, &mut now, Duration::from_secs(2), 480),
            None
        );
        let last = now;
        while slot.fault(now).is_none() {
            now += Duration::from_millis(10);
        }
        assert_eq!((now - last).as_millis(), 410, "between two callbacks");
    }

    #[test]
    fn a_device_that_runs_faster_than_time_is_none() {
        let mut now = Instant::now();
        let mut slot = slot(now);
        let beat = Arc::new(Beat::default());
        work(&mut slot, &beat, None, now);
        let fault = play(&mut slot, &beat, &mut now, Duration::from_secs(2), 1_000);
        assert!(fault.is_some_and(|fault| fault.contains("faster than time")));
    }

    #[test]
    fn a_stream_that_was_moved_is_faulty_and_one_that_nobody_knows_of_is_not() {
        for (found, astray) in [(Some(true), false), (None, false), (Some(false), true)] {
            let mut now = Instant::now();
            let mut slot = slot(now);
            let beat = Arc::new(Beat::default());
            let looks = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&looks);
            let look: Look = Arc::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                found
            });
            work(&mut slot, &beat, Some(look), now);
            let soon = Duration::from_millis(900);
            assert_eq!(play(&mut slot, &beat, &mut now, soon, 480), None);
            assert_eq!(looks.load(Ordering::Relaxed), 0, "once a second is enough");
            // It looks on a thread of its own: some more real time may pass, but not for ever.
            let limit = Instant::now() + Duration::from_secs(10);
            let mut fault = None;
            while fault.is_none() && looks.load(Ordering::Relaxed) < 3 && Instant::now() < limit {
                fault = play(&mut slot, &beat, &mut now, soon, 480);
                std::thread::yield_now();
            }
            assert!(looks.load(Ordering::Relaxed) > 0);
            assert_eq!(fault.is_some(), astray, "{found:?}: {fault:?}");
        }
    }
}
