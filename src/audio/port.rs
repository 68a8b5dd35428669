//! The two rings between one media socket and the engine.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::pure::audio::{DownFrame, UpFrame};

/// Frames that the ring towards the speaker holds: 10 s, so that the longest message (64 KiB, 410 frames) fits even where
/// nobody empties it for a while. When it is full the socket drops what is newest and counts.
pub const DOWN_FRAMES: usize = 512;

/// Frames that the ring towards the carrier holds: 200 ms. When it is full the engine drops what is newest and counts.
pub const UP_FRAMES: usize = 10;

/// The socket's ends of the two rings.
#[derive(Debug)]
pub struct SocketEnd {
    /// Towards the speaker.
    pub down: rtrb::Producer<DownFrame>,
    /// From the microphone.
    pub up: rtrb::Consumer<UpFrame>,
    /// Told after every frame pushed into `up`.
    pub up_ready: Arc<Notify>,
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
}

/// Makes both ends of one stream's rings.
#[must_use]
pub fn stream_port() -> (SocketEnd, StreamPort) {
    let (down_in, down_out) = rtrb::RingBuffer::new(DOWN_FRAMES);
    let (up_in, up_out) = rtrb::RingBuffer::new(UP_FRAMES);
    let up_ready = Arc::new(Notify::new());
    (
        SocketEnd {
            down: down_in,
            up: up_out,
            up_ready: Arc::clone(&up_ready),
        },
        StreamPort {
            down: down_out,
            up: up_in,
            up_ready,
        },
    )
}
