//! How the figures of a call went from its beginning: a point a second, and as few points as fit.

use crate::pure::quality::{CallQuality, Figure};

/// The most points that are kept; beyond them every two become one.
const MOST_POINTS: usize = 512;

/// The figures of some seconds: the worst of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    /// The mean opinion score.
    pub(super) mos: Option<f32>,
    /// Both delays together, in ms.
    pub(super) delay_ms: Option<f32>,
    /// The jitter, in ms.
    pub(super) jitter_ms: Option<f32>,
    /// What was concealed, in ms.
    pub(super) concealed_ms: f32,
}

impl Point {
    /// Returns the worse of both in each figure; what was concealed adds up.
    fn with(self, other: Point) -> Point {
        let worse =
            |one: Option<f32>, two: Option<f32>, worse: fn(f32, f32) -> f32| match (one, two) {
                (Some(one), Some(two)) => Some(worse(one, two)),
                (one, two) => one.or(two),
            };
        Point {
            mos: worse(self.mos, other.mos, f32::min),
            delay_ms: worse(self.delay_ms, other.delay_ms, f32::max),
            jitter_ms: worse(self.jitter_ms, other.jitter_ms, f32::max),
            concealed_ms: self.concealed_ms + other.concealed_ms,
        }
    }
}

/// The points of one call, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Trend {
    points: Vec<Point>,
    /// How many seconds a point is of.
    width: u64,
    /// The point in the making, and of how many seconds it is.
    open: Option<(Point, u64)>,
    seconds: Option<u64>,
    concealed_ms: u64,
}

impl Default for Trend {
    fn default() -> Trend {
        Trend {
            points: Vec::new(),
            width: 1,
            open: None,
            seconds: None,
            concealed_ms: 0,
        }
    }
}

impl Trend {
    /// Takes what is known of the call now; once for each second of it.
    pub(super) fn note(&mut self, quality: &CallQuality) {
        if self.seconds == Some(quality.seconds) {
            return;
        }
        // What was concealed before the first look belongs to no second of ours.
        let concealed = match self.seconds {
            Some(_) => quality.concealed_ms.saturating_sub(self.concealed_ms),
            None => 0,
        };
        self.seconds = Some(quality.seconds);
        self.concealed_ms = quality.concealed_ms;
        let now = |figure: Option<Figure>| figure.map(|figure| figure.now);
        self.push(Point {
            mos: quality.rating.map(|rating| rating.mos.now),
            delay_ms: now(quality.up_ms)
                .zip(now(quality.down_ms))
                .map(|(up, down)| up + down),
            jitter_ms: now(quality.jitter_ms),
            concealed_ms: concealed as f32,
        });
    }

    fn push(&mut self, point: Point) {
        let (point, seconds) = match self.open.take() {
            Some((open, seconds)) => (open.with(point), seconds + 1),
            None => (point, 1),
        };
        if seconds < self.width {
            self.open = Some((point, seconds));
            return;
        }
        self.points.push(point);
        if self.points.len() >= MOST_POINTS {
            let joined = self.points.chunks(2).map(joined).collect();
            self.points = joined;
            self.width *= 2;
        }
    }

    /// Returns one figure over the whole call in so many columns at most.
    pub(super) fn columns<T>(&self, columns: usize, figure: impl Fn(&Point) -> T) -> Vec<T> {
        if columns == 0 {
            return Vec::new();
        }
        let in_each = self.points.len().div_ceil(columns).max(1);
        let mut parts: Vec<T> = self
            .points
            .chunks(in_each)
            .map(|points| figure(&joined(points)))
            .collect();
        if let Some((open, _)) = &self.open
            && parts.len() < columns
        {
            parts.push(figure(open));
        }
        parts
    }
}

fn joined(points: &[Point]) -> Point {
    points
        .iter()
        .copied()
        .reduce(Point::with)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::quality::Rating;
    use crate::pure::quality::Verdict;

    fn at(seconds: u64, mos: f32, concealed_ms: u64) -> CallQuality {
        let figure = |now| Figure {
            now,
            mean: now,
            worst: now,
        };
        CallQuality {
            seconds,
            rating: Some(Rating {
                word: Verdict::Good,
                r: figure(90.0),
                mos: figure(mos),
            }),
            up_ms: Some(figure(20.0)),
            down_ms: Some(figure(30.0)),
            jitter_ms: Some(figure(1.0)),
            concealed_ms,
            ..CallQuality::default()
        }
    }

    #[test]
    fn each_second_is_one_point_however_often_it_is_told() {
        let mut trend = Trend::default();
        for _ in 0..10 {
            trend.note(&at(1, 4.0, 5));
        }
        trend.note(&at(2, 3.0, 25));
        assert_eq!(trend.columns(10, |p| p.mos), [Some(4.0), Some(3.0)]);
        assert_eq!(trend.columns(10, |p| p.concealed_ms), [0.0, 20.0]);
        assert_eq!(trend.columns(10, |p| p.delay_ms), [Some(50.0), Some(50.0)]);
    }

    #[test]
    fn what_does_not_fit_is_shown_at_its_worst() {
        let mut trend = Trend::default();
        for (second, mos) in [4.0, 2.0, 4.0, 4.0].into_iter().enumerate() {
            trend.note(&at(second as u64, mos, 0));
        }
        assert_eq!(trend.columns(2, |p| p.mos), [Some(2.0), Some(4.0)]);
        assert_eq!(trend.columns(0, |p| p.mos), []);
    }

    #[test]
    fn a_day_of_talk_keeps_few_points_and_its_one_bad_second() {
        let mut trend = Trend::default();
        for second in 0..86_400 {
            let mos = if second == 40_000 { 1.0 } else { 4.4 };
            trend.note(&at(second, mos, 0));
        }
        assert!(trend.points.len() < MOST_POINTS);
        let columns = trend.columns(60, |p| p.mos);
        let bad = columns.iter().filter(|mos| **mos == Some(1.0)).count();
        assert_eq!(bad, 1);
    }
}
