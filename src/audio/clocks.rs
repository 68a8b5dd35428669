//! How fast the devices' clocks run, looked at from outside their callbacks.
//!
//! A callback leaves its count and its moment in one word ([`Beat::note_moment`]); the supervisor reads that at every
//! round, and makes a figure of it once a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::callback::Beat;
use crate::pure::audio::DeviceRate;
use crate::pure::audio::drift::{Drift, DriftCell, DriftEstimator};
use crate::pure::time::Time;

/// How often a figure is made.
const EVERY: Duration = Duration::from_secs(1);

/// What is known of the devices' clocks, and of what was lost of the microphone; told to anybody, at any time.
#[derive(Debug, Default)]
pub(super) struct ClockFigures {
    pub(super) capture: DriftCell,
    pub(super) playout: DriftCell,
    /// Sound of the microphone that found the ring to the mouth full, in ms since the engine began.
    pub(super) overrun_ms: AtomicU64,
}

/// The clocks of both devices against the daemon's.
pub(super) struct Clocks {
    figures: Arc<ClockFigures>,
    capture: Option<Watch>,
    playout: Option<Watch>,
    /// What was lost of microphones that are no longer there, in ms.
    lost_before_ms: u64,
    told: Instant,
}

/// One clock.
struct Watch {
    beat: Arc<Beat>,
    rate: DeviceRate,
    // What was seen last, with the high halves that the callback's word lacks.
    frames: u64,
    micros: u64,
    estimator: DriftEstimator,
}

impl Clocks {
    pub(super) fn new(figures: Arc<ClockFigures>, now: Instant) -> Clocks {
        Clocks {
            figures,
            capture: None,
            playout: None,
            lost_before_ms: 0,
            told: now,
        }
    }

    /// Watches another microphone; nothing where the ear feeds the mouth, at the speaker's pace.
    pub(super) fn capture_is(&mut self, beat: Option<Arc<Beat>>, rate: DeviceRate) {
        if let Some(before) = self.capture.take() {
            self.lost_before_ms += before.lost_ms();
        }
        self.capture = beat.map(|beat| Watch::new(beat, rate));
    }

    /// Watches another speaker.
    pub(super) fn playout_is(&mut self, beat: Option<Arc<Beat>>, rate: DeviceRate) {
        self.playout = beat.map(|beat| Watch::new(beat, rate));
    }

    /// Looks at both, and tells what is known where a second has passed.
    pub(super) fn look(&mut self, now: Instant) {
        for watch in self.capture.iter_mut().chain(&mut self.playout) {
            watch.look();
        }
        if now < self.told + EVERY {
            return;
        }
        self.told = now;
        let playout = self.playout.as_ref().and_then(Watch::drift);
        self.figures.playout.set(playout);
        self.figures.capture.set(match &self.capture {
            Some(watch) => watch.drift(),
            None => playout,
        });
        let lost_ms = self.capture.as_ref().map_or(0, Watch::lost_ms);
        self.figures
            .overrun_ms
            .store(self.lost_before_ms + lost_ms, Ordering::Relaxed);
    }
}

impl Watch {
    fn new(beat: Arc<Beat>, rate: DeviceRate) -> Watch {
        Watch {
            beat,
            rate,
            frames: 0,
            micros: 0,
            estimator: DriftEstimator::new(rate.hz()),
        }
    }

    fn look(&mut self) {
        let Some((frames, micros)) = self.beat.moment() else {
            return;
        };
        // 32 bits hold 71 minutes of microseconds; this is asked every 25 ms.
        self.frames += u64::from(frames.wrapping_sub(self.frames as u32));
        self.micros += u64::from(micros.wrapping_sub(self.micros as u32));
        self.estimator
            .observe(self.frames, Time::from_micros(self.micros));
    }

    fn drift(&self) -> Option<Drift> {
        self.estimator.drift()
    }

    fn lost_ms(&self) -> u64 {
        self.beat.overruns.load(Ordering::Relaxed) * 1_000 / u64::from(self.rate.hz())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_told_once_known_and_across_the_end_of_a_words_range() {
        let figures = Arc::new(ClockFigures::default());
        let began = Instant::now();
        let mut clocks = Clocks::new(Arc::clone(&figures), began);
        let (microphone, speaker) = (Arc::new(Beat::default()), Arc::new(Beat::default()));
        let rate = DeviceRate::HZ_48000;
        clocks.capture_is(Some(Arc::clone(&microphone)), rate);
        clocks.playout_is(Some(Arc::clone(&speaker)), rate);
        // From 70 minutes on, so that the microseconds run over in the middle.
        let from = 70 * 60 * 1_000_u64;
        for ms in (from..from + 200_000).step_by(25) {
            let at = Time::from_millis(ms);
            microphone
                .frames
                .store(ms * 48 + ms * 48 / 10_000, Ordering::Relaxed);
            microphone.note_moment(at);
            speaker.frames.store(ms * 48, Ordering::Relaxed);
            speaker.note_moment(at);
            clocks.look(began + Duration::from_millis(ms));
        }
        let found = figures.capture.get().expect("minutes have passed");
        assert!((found.ppm - 100.0).abs() < 1.0, "{found:?}");
        let found = figures.playout.get().expect("minutes have passed");
        assert!(found.ppm.abs() < 1.0, "{found:?}");
        // The loopback microphone hears at the speaker's pace.
        clocks.capture_is(None, rate);
        clocks.look(began + Duration::from_secs(10_000));
        assert_eq!(figures.capture.get(), figures.playout.get());
    }

    #[test]
    fn what_was_lost_of_a_microphone_stays_counted_when_another_takes_its_place() {
        let figures = Arc::new(ClockFigures::default());
        let began = Instant::now();
        let mut clocks = Clocks::new(Arc::clone(&figures), began);
        let later = |n| began + Duration::from_secs(n);
        for n in 1..=3 {
            let beat = Arc::new(Beat::default());
            clocks.capture_is(Some(Arc::clone(&beat)), DeviceRate::HZ_48000);
            beat.overruns.store(480, Ordering::Relaxed);
            clocks.look(later(n));
            assert_eq!(figures.overrun_ms.load(Ordering::Relaxed), n * 10);
        }
    }
}
