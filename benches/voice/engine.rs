//! The engines that are compared here: ours, and the fixed buffer of a textbook.
//!
//! Both are driven in simulated time: a block of 10 ms is asked for every 10 ms, and before it everything is pushed that
//! has come by then.

use offhook::pure::audio::playout::PlayoutBuffer;
use offhook::pure::audio::{DownFrame, FRAME_LEN, g711};
use offhook::pure::time::Time;

use crate::heard::BLOCK;
use crate::trace::Arrival;

/// Ms of a block.
const BLOCK_MS: f64 = 10.0;

/// What a fixed buffer waits, in ms.
const FIXED_MS: f64 = 60.0;

/// Ms that are played after the last frame came.
const TAIL_MS: f64 = 3_000.0;

/// What an engine says of itself, in ms; nothing where it does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// Sound of its own, where none was there.
    pub(crate) concealed_ms: Option<f64>,
    /// What speech became longer by, to gather delay.
    pub(crate) slower_ms: Option<f64>,
    /// What speech became shorter by, to lose delay.
    pub(crate) faster_ms: Option<f64>,
    /// What was thrown away whole.
    pub(crate) dropped_ms: Option<f64>,
}

impl Told {
    /// Returns one word for each figure, in the order of the fields; `-` where the engine does not tell.
    pub(crate) fn words(self) -> [String; 4] {
        let figures = [
            self.concealed_ms,
            self.slower_ms,
            self.faster_ms,
            self.dropped_ms,
        ];
        figures.map(|ms| ms.map_or("-".to_owned(), |ms| format!("{ms:.0}")))
    }

    /// Returns the words in one line.
    pub(crate) fn line(self) -> String {
        self.words().join(" ")
    }

    /// Reads such a line.
    pub(crate) fn read(line: &str) -> Told {
        let mut figures = line.split_whitespace().map(|word| word.parse().ok());
        let mut next = || figures.next().flatten();
        Told {
            concealed_ms: next(),
            slower_ms: next(),
            faster_ms: next(),
            dropped_ms: next(),
        }
    }
}

/// Plays a sound through our buffer.
pub(crate) fn ours(sound: &[u8], arrivals: &[Arrival]) -> (Vec<i16>, Told) {
    let mut buffer = PlayoutBuffer::default();
    let mut output = Vec::new();
    let mut told = Told::default();
    let mut next = 0;
    for now in blocks(arrivals) {
        while next < arrivals.len() && arrivals[next].came_ms <= now {
            buffer.push(&frame(sound, &arrivals[next]));
            next += 1;
        }
        let mut block = [0.0; BLOCK];
        buffer.pull(&mut block);
        output.extend(block.map(|sample| (sample * 32_768.0).round() as i16));
        // What it does once the stream is over is no figure of the network's.
        if next < arrivals.len() {
            told = told_by(&buffer);
        }
    }
    (output, told)
}

/// Plays a sound through a fixed buffer as textbooks have it: each frame is due 60 ms after the first one came plus its
/// place in the stream, what is not there by then is silence, and what comes later is dropped. It knows no drift.
pub(crate) fn fixed(sound: &[u8], arrivals: &[Arrival]) -> (Vec<i16>, Told) {
    let mut output = vec![0; blocks(arrivals).len() * BLOCK];
    let mut dropped = 0;
    let begin = arrivals.first().map_or(0.0, |first| first.came_ms) + FIXED_MS;
    let begin = (begin * 8.0).round() as usize;
    let first = arrivals.first().map_or(0, |first| first.at);
    for arrival in arrivals {
        let due = arrival.at - first + begin;
        // A block is filled when it is asked for, so a frame that comes within it is late for all of it.
        let came = (arrival.came_ms / BLOCK_MS).ceil() as usize * BLOCK;
        let late = came.saturating_sub(due).min(FRAME_LEN);
        for into in late..FRAME_LEN {
            if let Some(sample) = output.get_mut(due + into) {
                *sample = g711::decode(sound[arrival.at + into]);
            }
        }
        dropped += late;
    }
    let dropped_ms = Some(dropped as f64 / 8.0);
    let told = Told {
        // In the place of what is dropped there is silence.
        concealed_ms: dropped_ms,
        slower_ms: Some(0.0),
        faster_ms: Some(0.0),
        dropped_ms,
    };
    (output, told)
}

/// Our buffer through a day whose clocks differ by so many millionths; returns the least and the greatest delay that it
/// tells itself after the first minute, in ms.
pub(crate) fn day_of_drift(sound: &[u8], ppm: f64, seconds: usize) -> (f64, f64) {
    let mut buffer = PlayoutBuffer::default();
    let frame_ms = 20.0 / (1.0 + ppm * 1e-6);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut sent = 0_usize;
    for block in 0..seconds * 100 {
        let now = block as f64 * BLOCK_MS;
        loop {
            let came_ms = 3.0 + sent as f64 * frame_ms;
            if came_ms > now {
                break;
            }
            let from = sent * FRAME_LEN % (sound.len() / FRAME_LEN * FRAME_LEN);
            let mut frame = frame(
                sound,
                &Arrival {
                    at: from,
                    due_ms: came_ms,
                    came_ms,
                },
            );
            frame.at = (sent * FRAME_LEN) as u64;
            buffer.push(&frame);
            sent += 1;
        }
        let came = buffer.pull(&mut [0.0; BLOCK]);
        if let (Some(came), true) = (came, now >= 60_000.0) {
            let delay = now - came.micros() as f64 / 1_000.0;
            (least, most) = (least.min(delay), most.max(delay));
        }
    }
    (least, most)
}

/// Returns what our buffer says of itself.
fn told_by(buffer: &PlayoutBuffer) -> Told {
    let counts = buffer.counts();
    let ms = |samples: u64| Some(samples as f64 / 8.0);
    Told {
        concealed_ms: ms(counts.concealed),
        slower_ms: ms(counts.lengthened),
        faster_ms: ms(counts.shortened),
        dropped_ms: ms(counts.shed),
    }
}

/// Returns when blocks are asked for, in ms.
fn blocks(arrivals: &[Arrival]) -> impl ExactSizeIterator<Item = f64> + use<> {
    let end = arrivals.last().map_or(0.0, |last| last.came_ms) + TAIL_MS;
    (0..(end / BLOCK_MS) as u32).map(|n| f64::from(n) * BLOCK_MS)
}

fn frame(sound: &[u8], arrival: &Arrival) -> DownFrame {
    let mut ulaw = [0; FRAME_LEN];
    ulaw.copy_from_slice(&sound[arrival.at..arrival.at + FRAME_LEN]);
    DownFrame {
        at: arrival.at as u64,
        len: FRAME_LEN as u8,
        ulaw,
        arrived: Time::from_micros((arrival.came_ms * 1_000.0) as u64),
    }
}
