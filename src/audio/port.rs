//! The rings between one media socket and the engine: sound both ways, and what the socket knows of the carrier's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use super::way_up::WayUpMeter;
use crate::pure::audio::clock_track::ClockLine;
use crate::pure::audio::drift::DriftCell;
use crate::pure::audio::{DownFrame, UpFrame};
use crate::pure::quality::arrivals::ArrivalFigures;

/// Frames that the ring towards the speaker holds: 10 s, so that the longest message (64 KiB, 410 frames) fits even where
/// nobody empties it for a while. When it is full the socket drops what is newest and counts.
pub const DOWN_FRAMES: usize = 512;

/// Frames that the ring towards the carrier holds: 1.28 s, so that no part of a key is lost to a stall. The socket throws
/// away what would be late long before; when it is full the engine drops what is newest and counts.
pub const UP_FRAMES: usize = 64;

/// How the carrier's messages come, written by the socket's task and read by anybody, at any time.
#[derive(Debug, Default)]
pub struct ArrivalMeter {
    /// In microseconds, and one more, so that 0 is not known yet.
    jitter: AtomicU32,
    late_95: AtomicU32,
    drift: DriftCell,
}

impl ArrivalMeter {
    /// Tells what is known now.
    pub fn set(&self, figures: &ArrivalFigures) {
        let micros = |ms: f32| ((ms * 1000.0) as u32).saturating_add(1);
        self.jitter
            .store(micros(figures.jitter_ms), Ordering::Relaxed);
        self.late_95
            .store(micros(figures.late_95_ms), Ordering::Relaxed);
        self.drift.set(figures.drift);
    }

    /// Returns what was told last, once something was.
    #[must_use]
    pub fn get(&self) -> Option<ArrivalFigures> {
        let ms = |micros: &AtomicU32| {
            let micros = micros.load(Ordering::Relaxed).checked_sub(1)?;
            Some(micros as f32 / 1000.0)
        };
        Some(ArrivalFigures {
            jitter_ms: ms(&self.jitter)?,
            late_95_ms: ms(&self.late_95)?,
            drift: self.drift.get(),
        })
    }
}
/// What is known of the carrier's clock that may wait for the mouth: it comes once a second, and only the newest counts.
const CLOCK_LINES: usize = 4;

/// The socket's ends of the two rings.
#[derive(Debug)]
pub struct SocketEnd {
    /// Towards the speaker.
    pub down: rtrb::Producer<DownFrame>,
    /// From the microphone.
    pub up: rtrb::Consumer<UpFrame>,
    /// Told after every frame pushed into `up`.
    pub up_ready: Arc<Notify>,
    /// To be told how the carrier's messages come.
    pub arrivals: Arc<ArrivalMeter>,
    /// What becomes known of the carrier's clock. Where it is full, what is newest is dropped and the next will do.
    pub carrier: rtrb::Producer<ClockLine>,
    /// To be told how the way up does.
    pub way_up: Arc<WayUpMeter>,
}

/// The engine's ends of the two rings: what a stream hands over when it comes up.
#[derive(Debug)]
pub struct StreamPort {
    /// From the carrier.
    pub down: rtrb::Consumer<DownFrame>,
    /// To the carrier.
    pub up: rtrb::Producer<UpFrame>,
    /// To be told after every frame pushed into `up`.
    pub up_ready: Arc<Notify>,
    /// Told how the carrier's messages come.
    pub arrivals: Arc<ArrivalMeter>,
    /// What is known of the carrier's clock.
    pub carrier: rtrb::Consumer<ClockLine>,
    /// Told how the way up does.
    pub way_up: Arc<WayUpMeter>,
}

/// Makes both ends of one stream's rings.
#[must_use]
pub fn stream_port() -> (SocketEnd, StreamPort) {
    let (down_in, down_out) = rtrb::RingBuffer::new(DOWN_FRAMES);
    let (up_in, up_out) = rtrb::RingBuffer::new(UP_FRAMES);
    let (carrier_in, carrier_out) = rtrb::RingBuffer::new(CLOCK_LINES);
    let up_ready = Arc::new(Notify::new());
    let arrivals = Arc::new(ArrivalMeter::default());
    let way_up = Arc::new(WayUpMeter::default());
    (
        SocketEnd {
            down: down_in,
            up: up_out,
            up_ready: Arc::clone(&up_ready),
            arrivals: Arc::clone(&arrivals),
            carrier: carrier_in,
            way_up: Arc::clone(&way_up),
        },
        StreamPort {
            down: down_out,
            up: up_in,
            up_ready,
            arrivals,
            carrier: carrier_out,
            way_up,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_messages_come_is_told_from_the_socket_to_whoever_asks() {
        let (socket, port) = stream_port();
        assert_eq!(port.arrivals.get(), None);
        let figures = ArrivalFigures {
            jitter_ms: 0.0,
            late_95_ms: 12.5,
            drift: None,
        };
        socket.arrivals.set(&figures);
        assert_eq!(port.arrivals.get(), Some(figures));
    }
}
