//! How a carrier's messages come: evenly or not, and at what pace its clock runs.

use crate::pure::audio::LINE_RATE;
use crate::pure::audio::drift::{Drift, DriftEstimator};
use crate::pure::time::Time;

/// Messages whose lateness counts: the last ten seconds of messages of 20 ms.
const RECENT: usize = 500;

/// The share of messages that come earlier than the lateness that is told.
const SHARE: f64 = 0.95;

/// How often figures are made of it, in µs.
const EVERY: u64 = 1_000_000;

/// A message so much older than what came already is doubled or out of order; one that is older still is of a stream that
/// counts anew. In samples: 1 s.
const STALE: u64 = LINE_RATE as u64;

/// A message that is so much later than its timestamp against the one before is of another beginning, in µs: 10 s.
const JUMP: i64 = 10_000_000;

/// A timestamp that jumps so much further than time went is of another beginning too, in µs: 1 s. No network brings sound
/// before it was said, and a message that is late comes with the next ones, not instead of them.
const AHEAD: i64 = 1_000_000;

/// What is known of a stream's arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArrivalFigures {
    /// The interarrival jitter of RFC 3550 (6.4.1, appendix A.8), in ms.
    pub jitter_ms: f32,
    /// How late messages are against the earliest of the last ten seconds: 95 % of them less than this, in ms.
    pub late_95_ms: f32,
    /// How fast the carrier's clock is against the daemon's, once that is known.
    pub drift: Option<Drift>,
}

/// Watches one stream.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// The newest message: up to which sample it brought, and when.
    newest: Option<(u64, Time)>,
    jitter_us: f64,
    /// How far messages were behind their place in the stream, in µs; a ring.
    behind: [i64; RECENT],
    noted: usize,
    drift: DriftEstimator,
    /// When figures were last made.
    told: Time,
}

impl Default for Arrivals {
    fn default() -> Self {
        Arrivals {
            newest: None,
            jitter_us: 0.0,
            behind: [0; RECENT],
            noted: 0,
            drift: DriftEstimator::new(LINE_RATE),
            told: Time::START,
        }
    }
}

impl Arrivals {
    /// Takes note of a message that brought the stream up to sample `end` at `at`. Returns figures once a second.
    pub fn note(&mut self, end: u64, at: Time) -> Option<ArrivalFigures> {
        if let Some((last, last_at)) = self.newest {
            if end <= last && last - end < STALE {
                return None;
            }
            let between = micros(at) - micros(last_at) - (place(end) - place(last));
            if end <= last || !(-AHEAD..=JUMP).contains(&between) {
                *self = Arrivals {
                    told: self.told,
                    ..Arrivals::default()
                };
            } else {
                self.jitter_us += (between.abs() as f64 - self.jitter_us) / 16.0;
            }
        }
        self.newest = Some((end, at));
        self.behind[self.noted % RECENT] = micros(at) - place(end);
        self.noted += 1;
        self.drift.observe(end, at);
        if at.micros() < self.told.micros() + EVERY {
            return None;
        }
        self.told = at;
        Some(ArrivalFigures {
            jitter_ms: (self.jitter_us / 1000.0) as f32,
            late_95_ms: self.late(),
            drift: self.drift.drift(),
        })
    }

    fn late(&self) -> f32 {
        let mut recent = self.behind;
        let recent = &mut recent[..self.noted.min(RECENT)];
        recent.sort_unstable();
        let last = recent.len() - 1;
        // Of so many that the share is whole, that many are earlier.
        let at = ((last as f64 * SHARE).ceil() as usize).min(last);
        (recent[at] - recent[0]) as f32 / 1000.0
    }
}

fn micros(at: Time) -> i64 {
    at.micros().cast_signed()
}

/// When a sample was said, counted from the beginning of the stream, in µs.
fn place(sample: u64) -> i64 {
    (sample * 1_000_000 / u64::from(LINE_RATE)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of 20 ms, each late by what `late_us` says for its number; returns the last figures.
    fn figures(count: u64, late_us: impl Fn(u64) -> u64) -> ArrivalFigures {
        let mut arrivals = Arrivals::default();
        let mut last = None;
        for n in 0..count {
            let at = Time::from_micros(5_000_000 + n * 20_000 + late_us(n));
            last = arrivals.note((n + 1) * 160, at).or(last);
        }
        last.expect("a second has passed")
    }

    #[test]
    fn messages_that_come_evenly_have_no_jitter() {
        let even = figures(500, |_| 3_000);
        assert_eq!((even.jitter_ms, even.late_95_ms), (0.0, 0.0));
        assert_eq!(even.drift, None, "ten seconds tell nothing of a clock");
    }

    #[test]
    fn jitter_is_what_rfc_3550_makes_of_it() {
        // Every other message is 8 ms late, so that each differs from the one before by 8 ms.
        let uneven = figures(1_000, |n| n % 2 * 8_000);
        assert!((uneven.jitter_ms - 8.0).abs() < 0.01, "{uneven:?}");
        assert!((uneven.late_95_ms - 8.0).abs() < 0.01, "{uneven:?}");
        // One step of the filter: a sixteenth of the difference.
        let mut arrivals = Arrivals::default();
        arrivals.note(160, Time::from_millis(100));
        let stepped = arrivals
            .note(320, Time::from_millis(2_136))
            .expect("a second");
        assert!(
            (stepped.jitter_ms - 2_016.0 / 16.0).abs() < 0.01,
            "{stepped:?}"
        );
    }

    #[test]
    fn a_stream_that_counts_anew_without_a_pause_has_no_jitter_of_it() {
        // Back by 2 to 8 s, and ahead by as much.
        for (before, after) in [(100, 0), (400, 0), (100, 200), (100, 500)] {
            let mut arrivals = Arrivals::default();
            let (mut last, mut at) = (None, 1_000);
            for n in (0..before).chain(after..after + 200) {
                at += 20;
                last = arrivals.note((n + 1) * 160, Time::from_millis(at)).or(last);
            }
            let figures = last.expect("a second has passed");
            assert_eq!(
                (figures.jitter_ms, figures.late_95_ms),
                (0.0, 0.0),
                "{before}, {after}"
            );
        }
    }

    #[test]
    fn a_few_that_are_very_late_do_not_count_as_the_most() {
        // 4 % are late by 200 ms, 10 % by 30.
        let late = |n| match n % 100 {
            0..4 => 200_000,
            4..14 => 30_000,
            _ => 0,
        };
        assert_eq!(figures(1_000, late).late_95_ms, 30.0);
    }

    #[test]
    fn the_carriers_clock_is_known_after_some_minutes() {
        let mut arrivals = Arrivals::default();
        let mut last = None;
        // 40 ppm slow: a frame of 20 ms takes 20.0008 ms.
        for n in 0..9_000_u64 {
            let jitter = n.wrapping_mul(2_654_435_761) % 12_000;
            let at = Time::from_micros(n * 20_000 + n * 8 / 10 + jitter);
            last = arrivals.note((n + 1) * 160, at).or(last);
        }
        let drift = last
            .and_then(|figures| figures.drift)
            .expect("three minutes");
        assert!((drift.ppm + 40.0).abs() < 3.0, "{drift:?}");
    }

    #[test]
    fn doubled_messages_are_left_out_and_a_stream_that_counts_anew_begins_anew() {
        let mut arrivals = Arrivals::default();
        let mut last = None;
        for n in 0..200_u64 {
            let at = Time::from_millis(1_000 + n * 20);
            last = arrivals.note((n + 1) * 160, at).or(last);
            assert_eq!(arrivals.note((n + 1) * 160, at), None);
        }
        assert_eq!(last.map(|figures| figures.jitter_ms), Some(0.0));
        let anew = arrivals
            .note(160, Time::from_millis(20_000))
            .expect("figures");
        assert_eq!((anew.jitter_ms, anew.late_95_ms), (0.0, 0.0));
    }
}
