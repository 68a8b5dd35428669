//! How fast a clock runs that is only seen by what it counts: a microphone, a speaker, a carrier.
//!
//! Whoever counts says now and then how many samples there were and when that was, on the daemon's clock. A count may be
//! seen late, since callbacks and messages are held up, but never early. So the earliest of many within some seconds lies
//! close to the truth, and a straight line through the earliest of each span of some minutes has the clock's slope. Where
//! samples were lost, or a network took another way, the line goes on at another height and at the same slope.
//!
//! Read [`DriftEstimator::observe`] and [`DriftEstimator::drift`].

use std::sync::atomic::{AtomicU64, Ordering};

use crate::pure::time::Time;

/// The span of which the earliest observation counts, in µs: 5 s.
const SPAN: u64 = 5_000_000;

/// Spans that are remembered: the last ten minutes.
const SPANS: usize = 120;

/// Spans that are needed before anything is said: a minute.
const FEWEST: usize = 12;

/// How well it must be known before it is told, in ppm.
const KNOWN_TO_PPM: f64 = 10.0;

/// A change of height between two spans that is always taken for noise, in µs.
const LEAST_STEP: f64 = 2_000.0;

/// How much larger than the usual change from span to span a step is.
const STEP_RATIO: f64 = 6.0;

/// What a normal distribution's standard deviation is in its median absolute deviations.
const SIGMA_OF_MAD: f64 = 1.482_6;

/// How much faster than the daemon's clock a clock is, and how well that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Parts per million; above 0 where it is the faster one.
    pub ppm: f32,
    /// Half the width of the 95 % confidence interval, in ppm.
    pub uncertainty_ppm: f32,
}

impl Drift {
    /// Returns how much faster than `other` this clock is, both having been seen from the same third.
    #[must_use]
    pub fn against(self, other: Drift) -> Drift {
        let ratio = (1.0 + f64::from(self.ppm) * 1e-6) / (1.0 + f64::from(other.ppm) * 1e-6);
        Drift {
            ppm: ((ratio - 1.0) * 1e6) as f32,
            uncertainty_ppm: self.uncertainty_ppm.hypot(other.uncertainty_ppm),
        }
    }
}

/// A drift that one thread tells others, in one piece; nothing at first.
#[derive(Debug, Default)]
pub struct DriftCell(AtomicU64);

impl DriftCell {
    /// Tells what is known now.
    pub fn set(&self, drift: Option<Drift>) {
        // The uncertainty is stored with a minus, so that no drift has only zeros for its bits.
        let bits = drift.map_or(0, |drift| {
            u64::from(drift.ppm.to_bits()) << 32 | u64::from((-drift.uncertainty_ppm).to_bits())
        });
        self.0.store(bits, Ordering::Relaxed);
    }

    /// Returns what was told last.
    #[must_use]
    pub fn get(&self) -> Option<Drift> {
        let bits = self.0.load(Ordering::Relaxed);
        let float = |bits: u64| f32::from_bits((bits & u64::from(u32::MAX)) as u32);
        (bits != 0).then(|| Drift {
            ppm: float(bits >> 32),
            uncertainty_ppm: -float(bits),
        })
    }
}

/// The earliest observation of one span.
#[derive(Clone, Copy, Debug, Default)]
struct Earliest {
    /// When it was made, in µs.
    at: f64,
    /// How far behind its count it was, in µs, with an unknown constant in it.
    late: f64,
}

/// The estimator of one clock. Neither it nor anything it does allocates.
#[derive(Clone, Debug)]
pub struct DriftEstimator {
    hz: f64,
    /// The first observation: all others are told from it, so that no number grows large.
    origin: Option<(u64, Time)>,
    last_count: u64,
    /// The span at hand, by its number since the daemon began, and its earliest observation so far.
    current: Option<(u64, Earliest)>,
    spans: [Earliest; SPANS],
    written: usize,
}

impl DriftEstimator {
    /// Makes one for a clock that is meant to count so many samples a second.
    #[must_use]
    pub fn new(hz: u32) -> DriftEstimator {
        DriftEstimator {
            hz: f64::from(hz),
            origin: None,
            last_count: 0,
            current: None,
            spans: [Earliest::default(); SPANS],
            written: 0,
        }
    }

    /// Takes note that `count` samples there were by `at`, all told since some beginning.
    ///
    /// A count that falls is of a new beginning: everything before is forgotten.
    pub fn observe(&mut self, count: u64, at: Time) {
        if count < self.last_count || self.origin.is_some_and(|(_, first)| at < first) {
            *self = DriftEstimator {
                spans: self.spans,
                ..DriftEstimator::new(self.hz as u32)
            };
        }
        self.last_count = count;
        let (first_count, first_at) = *self.origin.get_or_insert((count, at));
        let elapsed = (at.micros() - first_at.micros()) as f64;
        let seen = Earliest {
            at: elapsed,
            late: elapsed - (count - first_count) as f64 * 1e6 / self.hz,
        };
        let span = at.micros() / SPAN;
        match &mut self.current {
            Some((number, earliest)) if *number == span => {
                if seen.late < earliest.late {
                    *earliest = seen;
                }
            }
            Some((_, earliest)) => {
                let complete = *earliest;
                self.current = Some((span, seen));
                self.keep(complete);
            }
            None => self.current = Some((span, seen)),
        }
    }

    /// Returns the drift, once it is known to some ppm: after a minute at the earliest, and after several where what is
    /// seen of the clock is much held up.
    #[must_use]
    pub fn drift(&self) -> Option<Drift> {
        let count = self.written.min(SPANS);
        if count < FEWEST {
            return None;
        }
        let mut points = [Earliest::default(); SPANS];
        for (n, point) in points[..count].iter_mut().enumerate() {
            *point = self.spans[(self.written - count + n) % SPANS];
        }
        let line = fit(&points[..count])?;
        (line.uncertainty <= KNOWN_TO_PPM).then_some(Drift {
            ppm: line.ppm as f32,
            uncertainty_ppm: line.uncertainty as f32,
        })
    }

    fn keep(&mut self, earliest: Earliest) {
        self.spans[self.written % SPANS] = earliest;
        self.written += 1;
    }
}

/// What came of a fit, in ppm.
struct Line {
    ppm: f64,
    uncertainty: f64,
}

/// Lays lines of one slope through all runs of points between steps, by least squares.
fn fit(points: &[Earliest]) -> Option<Line> {
    let breaks = steps(points);
    let (mut xx, mut xy) = (0.0, 0.0);
    let mut runs = 0;
    for_each_run(points, &breaks, |_, run| {
        let (x0, y0) = means(run);
        for point in run {
            xx += (point.at - x0) * (point.at - x0);
            xy += (point.at - x0) * (point.late - y0);
        }
        runs += 1;
    });
    if xx <= 0.0 {
        return None;
    }
    let slope = xy / xx;
    // Each run has a height of its own, and all have one slope.
    let freedom = points
        .len()
        .checked_sub(runs + 1)
        .filter(|left| *left > 0)?;
    let mut residuals = [0.0; SPANS];
    for_each_run(points, &breaks, |from, run| {
        let (x0, y0) = means(run);
        for (residual, point) in residuals[from..].iter_mut().zip(run) {
            *residual = point.late - y0 - slope * (point.at - x0);
        }
    });
    let residuals = &residuals[..points.len()];
    let squares: f64 = residuals.iter().map(|r| r * r).sum();
    let neighbours: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    // What wanders slowly, as a network's queues do, tells less than so many points would: by their correlation with
    // their neighbours (Santer and others, "Statistical significance of trends", J. Geophys. Res. 105, 2000, equation 6).
    let correlation = if squares > 0.0 {
        (neighbours / squares).clamp(0.0, 0.95)
    } else {
        0.0
    };
    let inflation = (1.0 + correlation) / (1.0 - correlation);
    let error = (squares / freedom as f64 * inflation / xx).sqrt();
    // A clock that counts faster is early, so what is late falls.
    Some(Line {
        ppm: -slope / (1.0 + slope) * 1e6,
        uncertainty: 2.0 * error * 1e6,
    })
}

/// Says before which points the height changes: where the change from the point before is far from the usual one.
fn steps(points: &[Earliest]) -> [bool; SPANS] {
    let mut breaks = [false; SPANS];
    let mut changes = [0.0; SPANS];
    let count = points.len() - 1;
    // By time, since a span in which nothing was seen is left out.
    for (change, pair) in changes.iter_mut().zip(points.windows(2)) {
        *change = (pair[1].late - pair[0].late) / (pair[1].at - pair[0].at) * SPAN as f64;
    }
    let mut sorted = changes;
    let usual = median(&mut sorted[..count]);
    for (off, change) in sorted[..count].iter_mut().zip(&changes) {
        *off = (change - usual).abs();
    }
    let spread = median(&mut sorted[..count]) * SIGMA_OF_MAD;
    let limit = (STEP_RATIO * spread).max(LEAST_STEP);
    for n in 0..count {
        breaks[n + 1] = (changes[n] - usual).abs() > limit;
    }
    breaks
}

fn for_each_run(
    points: &[Earliest],
    breaks: &[bool; SPANS],
    mut act: impl FnMut(usize, &[Earliest]),
) {
    let mut from = 0;
    for to in 1..=points.len() {
        if to == points.len() || breaks[to] {
            act(from, &points[from..to]);
            from = to;
        }
    }
}

fn means(run: &[Earliest]) -> (f64, f64) {
    let count = run.len() as f64;
    let (at, late) = run.iter().fold((0.0, 0.0), |(at, late), point| {
        (at + point.at, late + point.late)
    });
    (at / count, late / count)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A clock of 48 kHz that is so many ppm too fast, looked at every 25 ms; each look finds it late by what `late` says,
    /// in µs, for its moment in ms.
    struct Run {
        estimator: DriftEstimator,
        ppm: f64,
        lost: u64,
    }

    impl Run {
        fn new(ppm: f64) -> Run {
            Run {
                estimator: DriftEstimator::new(48_000),
                ppm,
                lost: 0,
            }
        }

        fn watch(&mut self, ms: std::ops::Range<u64>, mut late: impl FnMut(u64) -> u64) {
            for at in ms.step_by(25) {
                let counted = at as f64 * 48.0 * (1.0 + self.ppm * 1e-6);
                let seen = Time::from_micros(at * 1_000 + late(at));
                self.estimator.observe(counted as u64 - self.lost, seen);
            }
        }

        fn ppm(&self) -> Option<(f64, f64)> {
            let drift = self.estimator.drift()?;
            Some((f64::from(drift.ppm), f64::from(drift.uncertainty_ppm)))
        }
    }

    /// Numbers that look like chance and are the same in every run.
    fn noise(seed: u64) -> u64 {
        let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    #[test]
    fn nothing_is_said_in_the_first_minute() {
        let mut run = Run::new(40.0);
        run.watch(0..59_000, |_| 0);
        assert_eq!(run.ppm(), None);
        run.watch(59_000..70_000, |_| 0);
        let (ppm, _) = run.ppm().expect("known by now");
        assert!((ppm - 40.0).abs() < 1.0, "{ppm}");
    }

    #[test]
    fn callbacks_that_are_late_by_up_to_30_ms_do_not_hide_the_clock() {
        for ppm in [-1_000.0, -87.0, 0.0, 3.0, 250.0] {
            let mut run = Run::new(ppm);
            run.watch(0..600_000, |at| noise(at) % 30_000);
            let (found, uncertainty) = run.ppm().expect("known after ten minutes");
            assert!((found - ppm).abs() < 2.0, "{found} for {ppm}");
            assert!(uncertainty < 2.0, "{ppm}: {uncertainty}");
        }
    }

    #[test]
    fn samples_that_were_lost_are_no_drift() {
        let mut run = Run::new(20.0);
        run.watch(0..150_000, |at| noise(at) % 5_000);
        for (n, from) in (1..=4).zip((150_000..).step_by(100_000)) {
            run.lost = n * 480;
            run.watch(from..from + 100_000, |at| noise(at) % 5_000);
        }
        let (found, _) = run.ppm().expect("known");
        assert!((found - 20.0).abs() < 2.0, "{found}");
    }

    #[test]
    fn a_stall_of_ten_seconds_and_what_comes_after_it_in_a_bunch_is_no_drift() {
        let mut run = Run::new(-50.0);
        run.watch(0..200_000, |at| noise(at) % 3_000);
        run.watch(200_000..210_000, |at| 10_000_000 - (at - 200_000) * 1_000);
        run.watch(210_000..400_000, |at| noise(at) % 3_000);
        let (found, _) = run.ppm().expect("known");
        assert!((found + 50.0).abs() < 2.0, "{found}");
    }

    #[test]
    fn a_count_that_begins_anew_begins_a_new_estimate() {
        let mut run = Run::new(100.0);
        run.watch(0..300_000, |_| 0);
        assert!(run.ppm().is_some());
        run.estimator.observe(0, Time::from_millis(300_000));
        assert_eq!(run.ppm(), None);
    }

    #[test]
    fn two_clocks_are_told_apart_by_their_difference() {
        let drift = |ppm| Drift {
            ppm,
            uncertainty_ppm: 3.0,
        };
        let pair = drift(30.0).against(drift(-10.0));
        assert!((pair.ppm - 40.0).abs() < 0.01, "{}", pair.ppm);
        assert!((pair.uncertainty_ppm - 18_f32.sqrt()).abs() < 1e-3);
    }

    #[test]
    fn a_drift_is_told_in_one_piece() {
        let cell = DriftCell::default();
        assert_eq!(cell.get(), None);
        for (ppm, uncertainty_ppm) in [(0.0, 0.0), (-12.5, 3.25), (400.0, 0.1)] {
            let drift = Drift {
                ppm,
                uncertainty_ppm,
            };
            cell.set(Some(drift));
            assert_eq!(cell.get(), Some(drift));
        }
        cell.set(None);
        assert_eq!(cell.get(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What is told holds: the truth lies within four times what is said of the uncertainty, whose double it hardly
        /// ever leaves.
        #[test]
        fn what_is_told_is_true(
            ppm in -500.0..500.0_f64,
            seed in any::<u64>(),
            jitter_us in 1..60_000_u64,
            minutes in 1..10_u64,
        ) {
            let mut run = Run::new(ppm);
            run.watch(0..minutes * 60_000 + 6_000, |at| {
                let chance = noise(seed ^ at);
                // Most are hardly late, few are very.
                chance % jitter_us * ((chance >> 32) % 100) / 100
            });
            if let Some((found, uncertainty)) = run.ppm() {
                prop_assert!(uncertainty <= 10.0);
                prop_assert!((found - ppm).abs() < 4.0 * uncertainty + 0.5, "{} ± {} for {}", found, uncertainty, ppm);
            }
        }
    }
}
