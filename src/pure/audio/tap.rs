//! A tap on the way of sound: whoever carries it leaves a copy, with the moment at which it sounds, for whoever records.
//!
//! [`LegTap::push`] runs in callbacks: it copies into a ring, and where nobody records it does nothing. A ring that is full takes
//! no more, and counts; nobody waits for anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::LINE_RATE;
use crate::pure::time::Time;

/// Samples that wait: 4 s, for a disk may stand still. When it is full, what is newest is dropped and counted.
const SAMPLES: usize = 4 * LINE_RATE as usize;

/// Pieces that wait: 4 s in callbacks of 4 ms.
const PIECES: usize = 1_024;

#[derive(Debug, Default)]
struct Shared {
    is_open: AtomicBool,
    dropped: AtomicU64,
}

/// One piece of sound that lies in the ring.
#[derive(Clone, Copy, Debug)]
struct Piece {
    at: Time,
    count: usize,
}

/// Where sound is left.
#[derive(Debug)]
pub struct LegTap {
    samples: rtrb::Producer<i16>,
    pieces: rtrb::Producer<Piece>,
    shared: Arc<Shared>,
}

/// Where it is taken.
#[derive(Debug)]
pub struct TapReader {
    samples: rtrb::Consumer<i16>,
    pieces: rtrb::Consumer<Piece>,
    shared: Arc<Shared>,
}

/// Makes both ends of a tap, closed.
#[must_use]
pub fn tap() -> (LegTap, TapReader) {
    let (samples, for_reader) = rtrb::RingBuffer::new(SAMPLES);
    let (pieces, pieces_for_reader) = rtrb::RingBuffer::new(PIECES);
    let shared = Arc::new(Shared::default());
    let tap = LegTap {
        samples,
        pieces,
        shared: Arc::clone(&shared),
    };
    let reader = TapReader {
        samples: for_reader,
        pieces: pieces_for_reader,
        shared,
    };
    (tap, reader)
}

impl LegTap {
    /// Leaves a piece whose first sample sounds at `at`, full scale 1; does nothing where the tap is closed. Safe in real time.
    pub fn push(&mut self, at: Time, samples: &[f32]) {
        // What is no number becomes 0, what is too loud the loudest.
        self.leave(at, samples.len(), || {
            samples
                .iter()
                .map(|sample| (sample * 32_768.0).round() as i16)
        });
    }

    /// Leaves a piece of mu-law in the same way.
    pub fn push_ulaw(&mut self, at: Time, codes: &[u8]) {
        self.leave(at, codes.len(), || {
            codes.iter().map(|code| super::g711::decode(*code))
        });
    }

    fn leave<I: Iterator<Item = i16>>(
        &mut self,
        at: Time,
        count: usize,
        samples: impl FnOnce() -> I,
    ) {
        if !self.shared.is_open.load(Ordering::Acquire) {
            return;
        }
        let chunk = self.samples.write_chunk_uninit(count);
        match chunk {
            Ok(chunk) if !self.pieces.is_full() => {
                let count = chunk.fill_from_iter(samples());
                // There is room: only this end fills it.
                let _ = self.pieces.push(Piece { at, count });
            }
            Ok(_) | Err(_) => {
                self.shared
                    .dropped
                    .fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }
}

impl TapReader {
    /// Opens the tap. What lay in it from before is thrown away.
    pub fn open(&mut self) {
        let mut old = Vec::new();
        while self.take(&mut old).is_some() {}
        self.shared.dropped.store(0, Ordering::Relaxed);
        self.shared.is_open.store(true, Ordering::Release);
    }

    /// Closes it: nothing more is left in it. What lies in it can still be taken.
    pub fn close(&mut self) {
        self.shared.is_open.store(false, Ordering::Release);
    }

    /// Takes the next piece into `samples`, in place of what is there, and returns the moment of its first sample.
    pub fn take(&mut self, samples: &mut Vec<i16>) -> Option<Time> {
        let piece = self.pieces.pop().ok()?;
        samples.clear();
        // A piece follows its samples, so they are there.
        if let Ok(chunk) = self.samples.read_chunk(piece.count) {
            samples.extend(chunk);
        }
        Some(piece.at)
    }

    /// Returns how many samples found the ring full since the tap was opened.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Says whether nobody is left who could leave anything.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.pieces.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_taken_with_its_moment() {
        let (mut tap, mut reader) = tap();
        reader.open();
        tap.push(Time::from_millis(1), &[0.5, -1.0, 1.5, f32::NAN]);
        tap.push_ulaw(Time::from_millis(2), &[0xFF, 0x00]);
        let mut samples = Vec::new();
        assert_eq!(reader.take(&mut samples), Some(Time::from_millis(1)));
        assert_eq!(samples, [16_384, -32_768, 32_767, 0]);
        assert_eq!(reader.take(&mut samples), Some(Time::from_millis(2)));
        assert_eq!(samples, [0, -32_124]);
        assert_eq!(reader.take(&mut samples), None);
    }

    #[test]
    fn a_tap_that_is_closed_takes_nothing_and_one_opened_again_gives_nothing_old() {
        let (mut tap, mut reader) = tap();
        let mut samples = Vec::new();
        tap.push(Time::START, &[0.5; 160]);
        assert_eq!(reader.take(&mut samples), None);
        reader.open();
        tap.push(Time::START, &[0.5; 160]);
        reader.close();
        tap.push(Time::START, &[0.5; 160]);
        reader.open();
        assert_eq!(reader.take(&mut samples), None);
        assert_eq!(reader.dropped(), 0);
    }

    #[test]
    fn a_ring_that_is_full_drops_whole_pieces_and_counts() {
        let (mut tap, mut reader) = tap();
        reader.open();
        for n in 0..210 {
            tap.push(Time::from_millis(20 * n), &[0.5; 160]);
        }
        assert_eq!(reader.dropped(), 10 * 160);
        let mut samples = Vec::new();
        for n in 0..200 {
            assert_eq!(reader.take(&mut samples), Some(Time::from_millis(20 * n)));
            assert_eq!(samples.len(), 160);
        }
        assert_eq!(reader.take(&mut samples), None);
        // Pieces can be too many as well.
        for n in 0..2_000 {
            tap.push(Time::from_millis(n), &[0.5]);
        }
        assert_eq!(reader.dropped(), 10 * 160 + 2_000 - PIECES as u64);
        drop(tap);
        assert!(reader.is_abandoned());
    }
}
