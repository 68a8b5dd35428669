//! How the way up of one stream does, written by its socket's task and by the mouth, read by whoever asks.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::pure::twilio::upward::UpFigures;

/// What is known of the way from the microphone to the caller, beyond the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WayUp {
    /// What the caller hears later than at best, in ms; nothing before the carrier has returned a mark.
    pub caller_ms: Option<f32>,
    /// The least round trip of a mark, in ms: a frame, and the network there and back at its best.
    pub round_trip_ms: Option<f32>,
    /// Frames that waited too long for the socket and were thrown away.
    pub shed_frames: u64,
    /// Sound that was cut out to bring the delay back, in ms.
    pub shortened_ms: f32,
    /// How often all that the carrier held was thrown away.
    pub clears: u64,
    /// How much faster than the carrier's clock the microphone's is, in ppm; nothing before it is known to 20 ppm, and of
    /// the stream that steers alone.
    pub drift_ppm: Option<f32>,
}

/// A figure that may not be known: the bits of a float, of one that is no number where it is not.
#[derive(Debug)]
pub(super) struct Known(AtomicU32);

impl Default for Known {
    fn default() -> Known {
        Known(AtomicU32::new(f32::NAN.to_bits()))
    }
}

impl Known {
    pub(super) fn set(&self, figure: Option<f32>) {
        let bits = figure.unwrap_or(f32::NAN).to_bits();
        self.0.store(bits, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<f32> {
        let figure = f32::from_bits(self.0.load(Ordering::Relaxed));
        (!figure.is_nan()).then_some(figure)
    }
}

/// Where it is written.
#[derive(Debug, Default)]
pub struct WayUpMeter {
    caller_ms: Known,
    round_trip_ms: Known,
    shed_frames: AtomicU64,
    shortened_ms: Known,
    clears: AtomicU64,
    drift_ppm: Known,
    overflow: AtomicBool,
}

impl WayUpMeter {
    /// Says that the mouth dropped a frame, since the ring towards the socket was full. Safe in real time.
    pub fn set_overflow(&self) {
        self.overflow.store(true, Ordering::Relaxed);
    }

    /// Says whether the mouth dropped frames since this was asked last.
    #[must_use]
    pub fn take_overflow(&self) -> bool {
        self.overflow.load(Ordering::Relaxed) && self.overflow.swap(false, Ordering::Relaxed)
    }

    /// Tells what the socket's task knows.
    pub fn set(&self, figures: &UpFigures, shed_frames: u64) {
        let known = |figure: Option<f64>| figure.map(|figure| figure as f32);
        self.caller_ms.set(known(figures.caller_ms));
        self.round_trip_ms.set(known(figures.round_trip_ms));
        self.shortened_ms.set(known(Some(figures.shortened_ms)));
        self.clears.store(figures.clears, Ordering::Relaxed);
        self.shed_frames.store(shed_frames, Ordering::Relaxed);
    }

    /// Tells what the mouth knows.
    pub fn set_drift(&self, ppm: Option<f64>) {
        self.drift_ppm.set(ppm.map(|ppm| ppm as f32));
    }

    /// Returns what was told last.
    #[must_use]
    pub fn get(&self) -> WayUp {
        WayUp {
            caller_ms: self.caller_ms.get(),
            round_trip_ms: self.round_trip_ms.get(),
            shed_frames: self.shed_frames.load(Ordering::Relaxed),
            shortened_ms: self.shortened_ms.get().unwrap_or(0.0),
            clears: self.clears.load(Ordering::Relaxed),
            drift_ppm: self.drift_ppm.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_told() {
        let meter = WayUpMeter::default();
        assert_eq!(meter.get(), WayUp::default());
        let figures = UpFigures {
            caller_ms: Some(0.0),
            round_trip_ms: None,
            shortened_ms: 12.5,
            clears: 2,
        };
        meter.set(&figures, 3);
        meter.set_drift(Some(-17.0));
        let expected = WayUp {
            caller_ms: Some(0.0),
            round_trip_ms: None,
            shed_frames: 3,
            shortened_ms: 12.5,
            clears: 2,
            drift_ppm: Some(-17.0),
        };
        assert_eq!(meter.get(), expected);
    }
}
