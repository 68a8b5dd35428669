//! How a leg does, for whoever wants to know.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::super::LINE_RATE;
use super::super::level::{LevelCell, Levels, Needle};
use super::super::playout::{Counts, PlayoutBuffer};

/// How one leg does, written by the ear and read by anybody, at any time.
#[derive(Debug, Default)]
pub struct LegMeter {
    frames: AtomicU64,
    stale: AtomicU64,
    underruns: AtomicU64,
    missing: AtomicU64,
    shed: AtomicU64,
    concealed: AtomicU64,
    shortened: AtomicU64,
    lengthened: AtomicU64,
    target: AtomicU32,
    depth: AtomicU32,
    deepest: AtomicU32,
    delay_ms: AtomicU32,
    pub(super) level: LevelCell,
    pub(super) needle: Needle,
}

impl LegMeter {
    /// Returns what was counted. Taken while the ear works, the figures may be of two neighbouring blocks.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            frames: self.frames.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
            underruns: self.underruns.load(Ordering::Relaxed),
            missing: self.missing.load(Ordering::Relaxed),
            shed: self.shed.load(Ordering::Relaxed),
            concealed: self.concealed.load(Ordering::Relaxed),
            shortened: self.shortened.load(Ordering::Relaxed),
            lengthened: self.lengthened.load(Ordering::Relaxed),
        }
    }

    /// Returns the sound that waits, in ms, and the most that ever waited.
    #[must_use]
    pub fn depth_ms(&self) -> (f32, f32) {
        (line_ms(&self.depth), line_ms(&self.deepest))
    }

    /// Returns the delay that the frames of the last seconds need to come in time, in ms.
    #[must_use]
    pub fn target_ms(&self) -> f32 {
        line_ms(&self.target)
    }

    /// Returns the mean delay from socket to speaker, in ms, once there is one.
    #[must_use]
    pub fn delay_ms(&self) -> Option<f32> {
        let ms = f32::from_bits(self.delay_ms.load(Ordering::Relaxed));
        (ms > 0.0).then_some(ms)
    }

    /// Returns how loud the far end is, since it is heard.
    #[must_use]
    pub fn levels(&self) -> Option<Levels> {
        self.level.get()
    }

    /// Returns how loud the far end is at this moment, in dBFS.
    #[must_use]
    pub fn now_dbfs(&self) -> Option<f32> {
        self.needle.dbfs()
    }

    /// Tells what a buffer counted, and the mean delay.
    pub(super) fn write(&self, playout: &PlayoutBuffer, delay_ms: Option<f32>) {
        let counts = playout.counts();
        self.frames.store(counts.frames, Ordering::Relaxed);
        self.stale.store(counts.stale, Ordering::Relaxed);
        self.underruns.store(counts.underruns, Ordering::Relaxed);
        self.missing.store(counts.missing, Ordering::Relaxed);
        self.shed.store(counts.shed, Ordering::Relaxed);
        self.concealed.store(counts.concealed, Ordering::Relaxed);
        self.shortened.store(counts.shortened, Ordering::Relaxed);
        self.lengthened.store(counts.lengthened, Ordering::Relaxed);
        for (to, samples) in [
            (&self.target, playout.target()),
            (&self.depth, playout.depth()),
            (&self.deepest, playout.deepest()),
        ] {
            to.store(
                u32::try_from(samples).unwrap_or(u32::MAX),
                Ordering::Relaxed,
            );
        }
        if let Some(ms) = delay_ms {
            self.delay_ms.store(ms.to_bits(), Ordering::Relaxed);
        }
    }
}

fn line_ms(samples: &AtomicU32) -> f32 {
    samples.load(Ordering::Relaxed) as f32 * 1000.0 / LINE_RATE as f32
}
