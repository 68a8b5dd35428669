//! Keeps what the microphone brings at the carrier's pace: by how many ppm the resampler is to be turned.
//!
//! A microphone that is 100 ppm fast makes 8.6 s too much in a day, and a carrier that plays all it gets in order turns
//! that into delay. Both clocks are known against ours ([`ClockTrack`]); the difference of their paces is what the
//! resampler takes out, and what had gathered until then is brought back within a few minutes. The pitch moves by 0.1 % at
//! most, which nobody hears.
//!
//! As long as the two stay together nothing is turned, so that each frame ends with a block of the microphone.

use super::LINE_RATE;
use super::clock_track::{ClockLine, ClockTrack};
use crate::pure::time::Time;

/// The most that the pace is turned, in ppm: 0.1 %, 1.7 cents.
pub const MOST_TRIM_PPM: f64 = 1_000.0;

/// How far the clocks must have gone apart before anything is turned, in ms.
const ENGAGE_MS: f64 = 2.0;

/// How fast the distance is brought back, in ppm per ms of it: e-fold in a minute.
const BACK_PPM_PER_MS: f64 = 1_000.0 / 60.0;

/// The most that bringing it back may take, in ppm.
const MOST_BACK_PPM: f64 = 100.0;

/// Seconds of the microphone before its phase is believed.
const SETTLED: u32 = 5;

/// How uncertain the carrier's pace may be when its phase is first believed, in ppm.
const CERTAIN_PPM: f64 = 100.0;

/// How uncertain a drift may be that is told to people, in ppm.
const TOLD_PPM: f64 = 20.0;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    ours: ClockTrack,
    carrier: Option<ClockLine>,
    /// How far ours was ahead of the carrier's when both were first known, in ms.
    reference_ms: Option<f64>,
    engaged: bool,
    trim_ppm: f64,
    drift_ppm: Option<f64>,
}

impl Pace {
    /// Begins with another microphone, which is not turned yet.
    pub fn another_microphone(&mut self) {
        *self = Pace {
            carrier: self.carrier,
            ..Pace::default()
        };
    }

    /// Begins with another carrier's clock; the microphone stays turned as it is until that is known.
    pub fn another_carrier(&mut self) {
        (self.carrier, self.reference_ms, self.drift_ppm) = (None, None, None);
    }

    /// Takes what is known of the carrier's clock.
    pub fn carrier(&mut self, line: ClockLine) {
        self.carrier = Some(line);
    }

    /// Takes how many samples of the line were made so far of what the microphone brought, and when the newest of them was
    /// there. Returns by how many ppm more of them are to be made from now on, where that changes.
    pub fn made(&mut self, samples: u64, now: Time) -> Option<f64> {
        let made_ms = samples as f64 * 1_000.0 / f64::from(LINE_RATE);
        if !self.ours.read(made_ms, now) {
            return None;
        }
        let (ours, carrier) = (self.ours.line(now)?, self.carrier?);
        if self.ours.windows() < SETTLED || carrier.uncertain_ppm > CERTAIN_PPM {
            return None;
        }
        let apart_ms = ours.ahead_ms - carrier.ahead_ms(now);
        let drift_ppm = ours.ppm - self.trim_ppm - carrier.ppm;
        let uncertain_ppm = ours.uncertain_ppm.hypot(carrier.uncertain_ppm);
        self.drift_ppm = (uncertain_ppm < TOLD_PPM).then_some(drift_ppm);
        let off_ms = apart_ms - *self.reference_ms.get_or_insert(apart_ms);
        self.engaged |= off_ms.abs() > ENGAGE_MS;
        if !self.engaged {
            return None;
        }
        let back_ppm = (off_ms * BACK_PPM_PER_MS).clamp(-MOST_BACK_PPM, MOST_BACK_PPM);
        let trim_ppm = (-drift_ppm - back_ppm).clamp(-MOST_TRIM_PPM, MOST_TRIM_PPM);
        self.ours.turned(trim_ppm - self.trim_ppm, now);
        self.trim_ppm = trim_ppm;
        Some(trim_ppm)
    }

    /// Returns how much faster than the carrier the microphone goes, in ppm, once that is known to 20 ppm.
    #[must_use]
    pub fn drift_ppm(&self) -> Option<f64> {
        self.drift_ppm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a simulated day came to.
    struct Day {
        /// How far what was sent was ahead of the carrier, against the beginning, in ms: least and most.
        apart_ms: (f64, f64),
        /// The same over its last hour.
        at_last_ms: (f64, f64),
        /// The most that the pitch was off, in ppm.
        pitch_ppm: f64,
        pace: Pace,
    }

    /// Lets a microphone and a carrier run for so many seconds on clocks that are so many ppm fast, with messages of the
    /// carrier delayed at random by up to so much.
    fn run(mic_ppm: f64, carrier_ppm: f64, jitter_ms: f64, seconds: u64) -> Day {
        let (mut pace, mut carrier) = (Pace::default(), ClockTrack::default());
        let (mut made, mut trim, mut heard, mut seed) = (0.0_f64, 0.0_f64, 0.0_f64, 3_u64);
        let mut chance = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let none = (f64::MAX, f64::MIN);
        let (mut apart_ms, mut at_last_ms, mut pitch_ppm) = (none, none, 0.0_f64);
        for n in 0..seconds * 50 {
            let now_ms = n as f64 * 20.0;
            made += 160.0 * (1.0 + mic_ppm * 1e-6) * (1.0 + trim * 1e-6);
            let woken = Time::from_micros(((now_ms + 2.0 * chance()) * 1_000.0) as u64);
            if let Some(ppm) = pace.made(made as u64, woken) {
                trim = ppm;
                pitch_ppm = pitch_ppm.max(ppm.abs());
            }
            // The carrier sends as often as it likes; every third message is enough here.
            if n % 3 == 0 {
                heard = heard.max(now_ms + 40.0 + jitter_ms * chance());
                let at = Time::from_micros((heard * 1_000.0) as u64);
                if carrier.read(now_ms * (1.0 + carrier_ppm * 1e-6), at)
                    && let Some(line) = carrier.line(at)
                {
                    pace.carrier(line);
                }
            }
            let apart = made / 8.0 - (now_ms + 20.0) * (1.0 + carrier_ppm * 1e-6);
            let widen = |(least, most): (f64, f64)| (least.min(apart), most.max(apart));
            apart_ms = widen(apart_ms);
            if n + 3_600 * 50 > seconds * 50 {
                at_last_ms = widen(at_last_ms);
            }
        }
        Day {
            apart_ms,
            at_last_ms,
            pitch_ppm,
            pace,
        }
    }

    #[test]
    fn a_day_at_200_ppm_leaves_no_delay_and_no_gap() {
        for (mic, carrier, jitter) in [(200.0, 0.0, 5.0), (-200.0, 0.0, 5.0), (-80.0, 120.0, 30.0)]
        {
            let day = run(mic, carrier, jitter, 24 * 3_600);
            let (least, most) = day.apart_ms;
            assert!(
                least > -10.0 && most < 10.0,
                "{mic}, {carrier}: {least} to {most} ms"
            );
            let (least, most) = day.at_last_ms;
            assert!(
                least > -3.0 && most < 3.0,
                "{mic}, {carrier}: {least} to {most} ms at last"
            );
            assert!(
                day.pitch_ppm <= 400.0,
                "{mic}, {carrier}: {} ppm",
                day.pitch_ppm
            );
            let drift = day.pace.drift_ppm().expect("known");
            assert!(
                (drift - (mic - carrier)).abs() < 1.0,
                "{mic}, {carrier}: {drift}"
            );
        }
    }

    #[test]
    fn clocks_that_stay_together_are_left_alone() {
        let hour = run(0.0, 0.0, 10.0, 3_600);
        assert_eq!(hour.pitch_ppm, 0.0);
        assert!(hour.pace.drift_ppm().is_some_and(|ppm| ppm.abs() < 1.0));
    }

    #[test]
    fn a_clock_out_of_all_reason_is_followed_no_further_than_nobody_hears() {
        let minutes = run(20_000.0, 0.0, 1.0, 600);
        assert!(minutes.pitch_ppm <= MOST_TRIM_PPM);
    }

    #[test]
    fn without_a_carrier_nothing_is_turned() {
        let mut pace = Pace::default();
        for n in 0..10_000 {
            assert_eq!(pace.made(n * 81, Time::from_millis(n * 10)), None);
        }
    }
}
