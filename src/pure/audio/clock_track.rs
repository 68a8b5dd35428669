//! What another clock says, told from readings that come late: its pace in ppm, and how late the latest of them came.
//!
//! A reading arrives with a delay that is never negative, so the least delayed of each second is what counts. Those are
//! smoothed by a Kalman filter of two states, offset and pace. A delay that grows and stays is another route to the
//! clock, not another pace: such a step is taken out of the offset, and remembered.
//!
//! No clock here: who reads says when, on the daemon's own clock.

use crate::pure::time::Time;

/// How long readings are gathered for one that counts, in ms.
const WINDOW_MS: f64 = 1_000.0;

/// What is thought of a pace before anything is known: quartz clocks of sound cards lie within 100 ppm or so.
const UNKNOWN_PPM: f64 = 150.0;

/// How much a pace may wander, in ppm per root of a second: a quartz that warms up.
const WANDER_PPM: f64 = 0.01;

/// Noise of a reading that counts, in ms: bounds of what is learned.
const NOISE_MS: (f64, f64) = (0.1, 5.0);

/// Readings that lie further from what was expected than this, in ms, beside three times what is uncertain, are strange.
const STRANGE_MS: f64 = 3.0;

/// Where the readings that count of two seconds in a row differ by less than this, in ms, that is the clock's pace.
const SMOOTH_MS: f64 = 1.0;

/// What is believed of a pace that was found among delays, in ppm.
const LIKELY_PPM: f64 = 100.0;

/// After so many strange ones in a row on the same side the route is another.
const STEP_AFTER: u32 = 3;

/// Another clock, seen from here.
#[derive(Clone, Debug, Default)]
pub struct ClockTrack {
    window: Option<Window>,
    line: Option<Line>,
    best: Option<Best>,
    /// Windows that counted.
    windows: u32,
}

/// The least delayed reading of the last second.
#[derive(Clone, Copy, Debug)]
struct Window {
    since_ms: f64,
    at_ms: f64,
    ahead_ms: f64,
}

/// The filter's state: how far the clock is ahead of ours, and how fast that changes.
#[derive(Clone, Copy, Debug)]
struct Line {
    at_ms: f64,
    ahead_ms: f64,
    ppm: f64,
    /// Covariance: of the offset in ms², of both, of the pace in ppm².
    p: [f64; 3],
    noise: f64,
    strange: i32,
    /// The sum of all steps that were taken out: negative where readings come later than at first.
    steps_ms: f64,
}

/// How far the clock is ahead of ours as the least delayed reading ever said, gone on with at the clock's pace.
#[derive(Clone, Copy, Debug)]
struct Best {
    at_ms: f64,
    ahead_ms: f64,
    /// What the last reading that counted said.
    last_ms: f64,
}

impl Best {
    fn ahead_ms(self, at_ms: f64, ppm: f64) -> f64 {
        let ppm = ppm.clamp(-LIKELY_PPM, LIKELY_PPM);
        self.ahead_ms + (at_ms - self.at_ms) * ppm * 1e-6
    }

    fn update(self, window: Window, ppm: f64) -> Best {
        let moved_ms = window.ahead_ms - self.last_ms;
        // The pace that was found among delays may be off by far; where there are none it shows at once.
        let known_ms = if moved_ms.abs() < SMOOTH_MS {
            self.ahead_ms + moved_ms
        } else {
            self.ahead_ms(window.at_ms, ppm)
        };
        Best {
            at_ms: window.at_ms,
            ahead_ms: known_ms.max(window.ahead_ms),
            last_ms: window.ahead_ms,
        }
    }
}

/// A clock as a straight line, for others who reckon with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockLine {
    /// When this was so.
    pub at: Time,
    /// How far the clock was ahead of ours then, in ms, without the steps in its delay.
    pub ahead_ms: f64,
    /// How much faster than ours it goes, in parts per million.
    pub ppm: f64,
    /// How uncertain that is, in ppm (one standard deviation).
    pub uncertain_ppm: f64,
}

impl ClockLine {
    /// Returns how far the clock is ahead of ours at a moment, in ms.
    #[must_use]
    pub fn ahead_ms(&self, now: Time) -> f64 {
        self.ahead_ms + (ms(now) - ms(self.at)) * self.ppm * 1e-6
    }
}

impl ClockTrack {
    /// Takes a reading: what the clock said, in ms of its own, and when that was known here. Returns whether the line is
    /// another now, which it is once a second.
    pub fn read(&mut self, clock_ms: f64, now: Time) -> bool {
        let now_ms = ms(now);
        let ahead_ms = clock_ms - now_ms;
        let reading = Window {
            since_ms: now_ms,
            at_ms: now_ms,
            ahead_ms,
        };
        let Some(window) = &mut self.window else {
            self.window = Some(reading);
            return false;
        };
        if now_ms - window.since_ms < WINDOW_MS {
            if ahead_ms > window.ahead_ms {
                (window.at_ms, window.ahead_ms) = (now_ms, ahead_ms);
            }
            return false;
        }
        let whole = std::mem::replace(window, reading);
        self.count(whole);
        true
    }

    /// Says that the clock was, or will be, turned: by so many ppm from now on, as its owner knows.
    pub fn turned(&mut self, ppm: f64, now: Time) {
        if let Some(line) = &mut self.line {
            line.pass(ms(now));
            line.ppm += ppm;
        }
    }

    /// Returns how much later a reading came than the least delayed ever, in ms; nothing before the pace is known at all.
    #[must_use]
    pub fn late_ms(&self, clock_ms: f64, now: Time) -> Option<f64> {
        let (line, best) = (self.line.as_ref()?, self.best?);
        Some((best.ahead_ms(ms(now), line.ppm) - (clock_ms - ms(now))).max(0.0))
    }

    /// Says that what the clock says has been turned back: what came before tells nothing of how late readings come, though
    /// all of the pace.
    pub fn turned_back(&mut self) {
        (self.window, self.best) = (None, None);
    }

    /// Returns the clock as a line, valid now; nothing before the first second.
    #[must_use]
    pub fn line(&self, now: Time) -> Option<ClockLine> {
        let line = self.line.as_ref()?;
        Some(ClockLine {
            at: now,
            ahead_ms: line.ahead_ms + (ms(now) - line.at_ms) * line.ppm * 1e-6 - line.steps_ms,
            ppm: line.ppm,
            uncertain_ppm: line.p[2].sqrt(),
        })
    }

    /// Returns the seconds of readings that counted.
    #[must_use]
    pub fn windows(&self) -> u32 {
        self.windows
    }

    fn count(&mut self, window: Window) {
        self.windows = self.windows.saturating_add(1);
        match &mut self.line {
            Some(line) => line.update(window),
            None => {
                self.line = Some(Line {
                    at_ms: window.at_ms,
                    ahead_ms: window.ahead_ms,
                    ppm: 0.0,
                    p: [1.0, 0.0, UNKNOWN_PPM * UNKNOWN_PPM],
                    noise: 1.0,
                    strange: 0,
                    steps_ms: 0.0,
                });
            }
        }
        let ppm = self.line.as_ref().map_or(0.0, |line| line.ppm);
        let first = Best {
            at_ms: window.at_ms,
            ahead_ms: window.ahead_ms,
            last_ms: window.ahead_ms,
        };
        self.best = Some(self.best.map_or(first, |best| best.update(window, ppm)));
    }
}

impl Line {
    /// Lets time pass.
    fn pass(&mut self, at_ms: f64) {
        let span = at_ms - self.at_ms;
        // Milliseconds that one ppm makes of the span.
        let k = span * 1e-6;
        let [a, b, c] = self.p;
        self.at_ms = at_ms;
        self.ahead_ms += k * self.ppm;
        let wander = WANDER_PPM * WANDER_PPM * (span / 1_000.0).max(0.0);
        self.p = [a + 2.0 * k * b + k * k * c, b + k * c, c + wander];
    }

    fn update(&mut self, window: Window) {
        self.pass(window.at_ms);
        let off = window.ahead_ms - self.ahead_ms;
        let [a, b, c] = self.p;
        let uncertain = a + self.noise * self.noise;
        if off.abs() > 3.0 * uncertain.sqrt() + STRANGE_MS {
            let side = if off > 0.0 { 1 } else { -1 };
            self.strange = if self.strange * side > 0 {
                self.strange + side
            } else {
                side
            };
            if self.strange.unsigned_abs() >= STEP_AFTER {
                self.strange = 0;
                self.ahead_ms = window.ahead_ms;
                self.steps_ms += off;
                self.p = [self.noise * self.noise, 0.0, c];
            }
            return;
        }
        self.strange = 0;
        let (gain_offset, gain_pace) = (a / uncertain, b / uncertain);
        self.ahead_ms += gain_offset * off;
        self.ppm += gain_pace * off;
        self.p = [a - gain_offset * a, b - gain_offset * b, c - gain_pace * b];
        let seen = (off * off - a).max(0.0);
        let noise = self.noise * self.noise;
        let (least, most) = NOISE_MS;
        self.noise = (noise + 0.05 * (seen - noise)).sqrt().clamp(least, most);
    }
}

fn ms(at: Time) -> f64 {
    at.micros() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crude but repeatable source of chance, 0 to 1.
    fn chance(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) as f64 / f64::from(1_u32 << 31)
    }

    /// Reads a clock of `ppm` every 20 ms, delayed as `delay` says of each moment in ms, and returns the track.
    fn follow(ppm: f64, seconds: u64, mut delay: impl FnMut(f64) -> f64) -> ClockTrack {
        let mut track = ClockTrack::default();
        let mut heard = 0.0_f64;
        for n in 0..seconds * 50 {
            let clock_ms = n as f64 * 20.0;
            let sent = clock_ms / (1.0 + ppm * 1e-6);
            // In order, as TCP has it.
            heard = heard.max(5_000.0 + sent + delay(sent));
            track.read(clock_ms, Time::from_micros((heard * 1_000.0) as u64));
        }
        track
    }

    fn ppm(track: &ClockTrack) -> f64 {
        track.line(Time::START).expect("known").ppm
    }

    #[test]
    fn the_pace_of_a_clock_is_found_under_jitter_and_stalls() {
        let mut seed = 7;
        for true_ppm in [-200.0, -17.0, 0.0, 100.0, 200.0] {
            let track = follow(true_ppm, 120, |at| {
                let stall = if at % 5_000.0 < 200.0 { 200.0 } else { 0.0 };
                stall + 30.0 * chance(&mut seed)
            });
            let found = ppm(&track);
            assert!((found - true_ppm).abs() < 15.0, "{true_ppm}: {found}");
            let track = follow(true_ppm, 1_800, |_| 30.0 * chance(&mut seed));
            let found = ppm(&track);
            assert!((found - true_ppm).abs() < 1.0, "{true_ppm}: {found}");
        }
    }

    #[test]
    fn a_quiet_network_tells_the_pace_in_twenty_seconds() {
        let track = follow(150.0, 20, |_| 1.0);
        assert!((ppm(&track) - 150.0).abs() < 10.0, "{}", ppm(&track));
    }

    #[test]
    fn another_route_is_another_delay_and_no_other_pace() {
        let track = follow(50.0, 600, |at| if at < 300_000.0 { 10.0 } else { 60.0 });
        assert!((ppm(&track) - 50.0).abs() < 2.0, "{}", ppm(&track));
        let now = Time::from_millis(700_000);
        let sent = (700_000.0 - 5_000.0 - 60.0) * (1.0 + 50e-6);
        let late = track.late_ms(sent, now).expect("known");
        assert!((late - 50.0).abs() < 3.0, "{late}");
    }

    #[test]
    fn jitter_that_is_over_leaves_no_lateness_behind() {
        let mut seed = 5;
        let track = follow(20.0, 120, |at| {
            let is = (10_000.0..40_000.0).contains(&at);
            if is { 100.0 * chance(&mut seed) } else { 0.0 }
        });
        let sent = (120_000.0 - 5_000.0) * (1.0 + 20e-6);
        let late = track
            .late_ms(sent, Time::from_millis(120_000))
            .expect("known");
        assert!(late < 5.0, "{late}");
    }

    #[test]
    fn a_clock_that_is_turned_back_is_late_until_that_is_said() {
        let mut track = follow(0.0, 60, |_| 10.0);
        let late =
            |track: &ClockTrack, at| track.late_ms(at as f64 - 5_510.0, Time::from_millis(at));
        for n in 0..500 {
            let at = 65_010 + n * 20;
            track.read(at as f64 - 5_510.0, Time::from_millis(at));
        }
        assert!((late(&track, 75_000).expect("known") - 500.0).abs() < 2.0);
        track.turned_back();
        assert_eq!(late(&track, 75_000), None);
        for n in 0..150 {
            let at = 75_010 + n * 20;
            track.read(at as f64 - 5_510.0, Time::from_millis(at));
        }
        assert!(late(&track, 78_000).expect("known") < 2.0);
        assert!(ppm(&track).abs() < 1.0);
    }

    #[test]
    fn a_stall_is_lateness_and_nothing_else() {
        let stall = |at: f64| {
            if (60_000.0..63_000.0).contains(&at) {
                63_000.0 - at
            } else {
                0.0
            }
        };
        let track = follow(-30.0, 120, stall);
        assert!((ppm(&track) + 30.0).abs() < 3.0, "{}", ppm(&track));
    }

    #[test]
    fn a_clock_that_its_owner_turns_is_known_at_once() {
        let mut track = follow(100.0, 120, |_| 0.0);
        track.turned(-100.0, Time::from_millis(125_000));
        assert!(ppm(&track).abs() < 1.0);
    }
}
