//! A meeting: every far end of it hears the desk and all the others, and never itself.
//!
//! What a far end says is decoded in the playout callback, at the speaker's pace, and is to go up at the microphone's. A
//! ring leads from one to the other: [`MeetingIn`] writes, [`MeetingOut`] reads a frame at a time, interpolated so that it
//! takes a little more or less than comes, 0.1 % at most, which nobody hears. How much more is told by the least that the
//! ring holds after a frame was read, over a second: that is kept at a callback of the speaker and a few milliseconds,
//! since the two clocks pass each other by a whole callback at once. What a stall has heaped up beyond `HEAP` is skipped;
//! where the ring runs dry the sound lets go, and more is kept from then on. Both seams blend, so that nothing clicks.
//!
//! Neither end locks, allocates or waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{FRAME_LEN, LINE_RATE};

/// Samples that fit into the ring: a second.
const RING: usize = LINE_RATE as usize;

/// What is left in the ring beyond a callback of the speaker at the worst moment: 4 ms.
const MARGIN: usize = samples(4);

/// How much more is kept at least after the ring ran dry, half as much again where that is more, and at most.
const MORE: usize = samples(3);
const MOST_MORE: usize = samples(200);

/// What is kept more is given up again so slowly: a sample each time after so many frames, ten seconds.
const LESS_EVERY: u32 = 500;

/// What lies in the ring for nothing beyond this is skipped: 60 ms.
const HEAP: usize = samples(60);

/// Frames over which the least is looked for: a second.
const WATCHED: u32 = 50;

/// How much faster it reads for each sample too many, and at most.
const PULL: f64 = 10e-6;
const MOST_PULL: f64 = 1e-3;

/// A seam takes so long: 5 ms.
const SEAM: usize = samples(5);

/// Taps of the interpolation, and places between two samples for which they are reckoned; between places it is linear.
const TAPS: usize = 16;
const PLACES: usize = 64;

const fn samples(ms: usize) -> usize {
    ms * LINE_RATE as usize / 1000
}

/// The ear's end.
#[derive(Debug)]
pub struct MeetingIn {
    ring: rtrb::Producer<f32>,
    callback: Arc<AtomicU32>,
}

impl MeetingIn {
    /// Takes what a far end said; `callback` is how much the whole callback has of it, in samples. What finds no room is
    /// lost.
    pub fn push(&mut self, said: &[f32], callback: usize) {
        let callback = u32::try_from(callback).unwrap_or(u32::MAX);
        self.callback.store(callback, Ordering::Relaxed);
        let room = self.ring.slots().min(said.len());
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            chunk.fill_from_iter(said.iter().copied());
        }
    }
}

/// The mouth's end.
#[derive(Debug)]
pub struct MeetingOut {
    ring: rtrb::Consumer<f32>,
    callback: Arc<AtomicU32>,
    taps: Box<[[f32; TAPS]]>,
    /// The samples around the one that is heard, and how far it lies between the middle two.
    around: [f32; TAPS],
    between: f64,
    pace: f64,
    plays: bool,
    /// What is kept because it ran dry, and the frames since then.
    more: usize,
    since: u32,
    /// The least that was left after a frame, and for how many frames more it is looked for.
    least: usize,
    watched: u32,
    heard: f32,
    /// What a seam blends in from, and how many samples of it are left.
    last: f32,
    seam: usize,
    seams: u64,
}

/// Makes both ends of one far end's way into a meeting.
#[must_use]
pub fn way() -> (MeetingIn, MeetingOut) {
    let (into, ring) = rtrb::RingBuffer::new(RING);
    let callback: Arc<AtomicU32> = Arc::default();
    let out = MeetingOut {
        ring,
        callback: Arc::clone(&callback),
        taps: (0..=PLACES).map(taps).collect(),
        around: [0.0; TAPS],
        between: 0.0,
        pace: 0.0,
        plays: false,
        more: 0,
        since: 0,
        least: usize::MAX,
        watched: WATCHED,
        heard: 0.0,
        last: 0.0,
        seam: 0,
        seams: 0,
    };
    (
        MeetingIn {
            ring: into,
            callback,
        },
        out,
    )
}

impl MeetingOut {
    /// Reads the next frame of what the far end said.
    pub fn pull(&mut self) -> [f32; FRAME_LEN] {
        let kept = self.kept();
        let slots = self.ring.slots();
        if !self.plays && slots >= FRAME_LEN + kept {
            self.plays = true;
            self.skip(slots - FRAME_LEN - kept);
            // It begins in the middle of a word.
            (self.last, self.seam) = (self.heard, SEAM);
        }
        let frame = std::array::from_fn(|_| self.next());
        if self.plays {
            self.watch(kept);
        }
        frame
    }

    /// Forgets all that the far end said: it is not in the meeting.
    pub fn rest(&mut self) {
        self.skip(self.ring.slots());
        self.plays = false;
        self.around = [0.0; TAPS];
        (self.heard, self.last, self.seam) = (0.0, 0.0, 0);
        (self.least, self.watched) = (usize::MAX, WATCHED);
    }

    /// Returns how often it was skipped or ran dry.
    #[must_use]
    pub fn seams(&self) -> u64 {
        self.seams
    }

    /// Returns what waits, in samples.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.ring.slots()
    }

    /// Returns how much is to be left after a frame at the worst moment.
    fn kept(&self) -> usize {
        let callback = self.callback.load(Ordering::Relaxed) as usize;
        (callback + MARGIN + self.more).min(RING - FRAME_LEN)
    }

    fn next(&mut self) -> f32 {
        let mut sound = 0.0;
        if self.plays {
            self.between += 1.0 + self.pace;
            while self.between >= 1.0 {
                let Ok(sample) = self.ring.pop() else {
                    self.ran_dry();
                    break;
                };
                self.between -= 1.0;
                self.around.rotate_left(1);
                self.around[TAPS - 1] = sample;
            }
        }
        if self.plays {
            sound = self.interpolated();
        }
        if self.seam > 0 {
            let share = self.seam as f32 / SEAM as f32;
            sound = sound * (1.0 - share) + self.last * share;
            self.seam -= 1;
        }
        self.heard = sound;
        sound
    }

    fn interpolated(&self) -> f32 {
        let place = self.between * PLACES as f64;
        let n = (place as usize).min(PLACES - 1);
        let share = (place - n as f64) as f32;
        let (one, other) = (&self.taps[n], &self.taps[n + 1]);
        let taps = one.iter().zip(other);
        taps.zip(&self.around)
            .map(|((one, other), sample)| (one + (other - one) * share) * sample)
            .sum()
    }

    /// Turns the pace after a second, and skips what lies there for nothing.
    fn watch(&mut self, kept: usize) {
        self.least = self.least.min(self.ring.slots());
        self.since = (self.since + 1) % LESS_EVERY;
        if self.since == 0 {
            self.more = self.more.saturating_sub(1);
        }
        self.watched -= 1;
        if self.watched > 0 {
            return;
        }
        let mut spare = self.least as f64 - kept as f64;
        if spare > HEAP as f64 {
            self.skip(spare as usize);
            self.begin_seam();
            spare = 0.0;
        }
        self.pace = (spare * PULL).clamp(-MOST_PULL, MOST_PULL);
        (self.least, self.watched) = (usize::MAX, WATCHED);
    }

    fn ran_dry(&mut self) {
        self.more = (self.more + MORE.max(self.more / 2)).min(MOST_MORE);
        self.begin_seam();
        self.plays = false;
        self.since = 0;
        (self.between, self.around) = (0.0, [0.0; TAPS]);
        (self.least, self.watched) = (usize::MAX, WATCHED);
    }

    fn skip(&mut self, samples: usize) {
        if let Ok(chunk) = self.ring.read_chunk(samples) {
            chunk.commit_all();
        }
    }

    fn begin_seam(&mut self) {
        self.last = self.heard;
        self.seam = SEAM;
        self.seams += 1;
    }
}

/// Returns the taps for the place `n` of [`PLACES`] between the middle two of [`TAPS`] samples: a sinc in a Blackman window,
/// brought to a sum of one, so that no level changes from place to place.
fn taps(n: usize) -> [f32; TAPS] {
    use std::f64::consts::PI;
    let middle = TAPS as f64 / 2.0 - 1.0 + n as f64 / PLACES as f64;
    let taps: [f64; TAPS] = std::array::from_fn(|tap| {
        let x = tap as f64 - middle;
        let sinc = if x == 0.0 {
            1.0
        } else {
            (PI * x).sin() / (PI * x)
        };
        let w = PI * x / (TAPS as f64 / 2.0);
        sinc * (0.42 + 0.5 * w.cos() + 0.08 * (2.0 * w).cos())
    });
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| (tap / sum) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a far end say a tone for so many seconds, the speaker's clock `ppm` faster than the microphone's, with callbacks of
    /// so many ms at either. Returns what is heard, the mean of what the ring holds after a frame in ms, and the seams.
    fn meet(hz: f32, ppm: f64, ms: (usize, usize), seconds: usize) -> (Vec<f32>, f32, u64) {
        let (mut into, mut out) = way();
        let (mut heard, mut said, mut depth) = (Vec::new(), 0_usize, 0);
        let callback = samples(ms.0);
        let mut due = 0;
        while heard.len() < seconds * LINE_RATE as usize {
            due += samples(ms.1);
            // Not in step with the speaker.
            let now = due as f64 + 13.0;
            while said + callback <= (now * (1.0 + ppm / 1e6)) as usize {
                let tone = |n: usize| (n as f32 * hz * std::f32::consts::TAU / 8_000.0).sin();
                let block: Vec<f32> = (said..said + callback)
                    .map(|n| tone(n % 8_000) * 0.5)
                    .collect();
                block
                    .chunks(samples(20))
                    .for_each(|b| into.push(b, callback));
                said += callback;
            }
            while heard.len() + FRAME_LEN <= due {
                heard.extend(out.pull());
                depth += out.depth();
            }
        }
        let frames = heard.len() / FRAME_LEN;
        (heard, depth as f32 / frames as f32 / 8.0, out.seams())
    }

    fn steepest(sound: &[f32]) -> f32 {
        let steps = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        steps.fold(0.0, f32::max)
    }

    #[test]
    fn ten_minutes_of_two_clocks_are_heard_without_a_seam_and_with_little_delay() {
        for ppm in [-200.0, -20.0, 0.0, 20.0, 200.0] {
            for ms in [(10, 10), (20, 10), (3, 10), (10, 20)] {
                let (heard, depth, seams) = meet(300.0, ppm, ms, 600);
                let told = format!("{ppm} ppm, {ms:?} ms");
                assert_eq!(seams, 0, "{told}");
                assert!(depth < 2.0 * ms.0 as f32 + 5.0, "{told}: {depth} ms");
                let late = &heard[8_000..];
                let own = 0.5 * 300.0 * std::f32::consts::TAU / 8_000.0;
                assert!(steepest(late) < 1.02 * own, "{told}: {}", steepest(late));
                for window in late.chunks_exact(160) {
                    let power = window.iter().map(|s| s * s).sum::<f32>() / 160.0;
                    let level = 10.0 * (power / 0.125).log10();
                    assert!(level.abs() < 0.1, "{told}: {level} dB");
                }
            }
        }
    }

    #[test]
    fn the_voice_band_keeps_its_level_wherever_it_lies_between_samples() {
        for hz in [300.0, 1_000.0, 2_000.0, 3_000.0] {
            let (heard, _, _) = meet(hz, 100.0, (10, 10), 60);
            for window in heard[16_000..].chunks_exact(800) {
                let power = window.iter().map(|s| s * s).sum::<f32>() / 800.0;
                let level = 10.0 * (power / 0.125).log10();
                assert!(level.abs() < 0.6, "{hz} Hz: {level} dB");
            }
        }
    }

    #[test]
    fn a_stall_of_either_side_makes_no_click_and_leaves_no_delay() {
        for (mouth, ear) in [(true, false), (false, true)] {
            let (mut into, mut out) = way();
            let (mut heard, mut said) = (Vec::new(), 0_usize);
            let mut owed = 0;
            for n in 0..2_000 {
                let stalled = (500..530).contains(&n);
                if !(ear && stalled) {
                    let tone =
                        |n: usize| (n as f32 * 300.0 * std::f32::consts::TAU / 8_000.0).sin();
                    let block: Vec<f32> =
                        (said..said + 160).map(|n| tone(n % 8_000) * 0.5).collect();
                    block.chunks(80).for_each(|block| into.push(block, 80));
                    said += 160;
                }
                owed += 1;
                if !(mouth && stalled) {
                    (0..owed).for_each(|_| heard.extend(out.pull()));
                    owed = 0;
                }
            }
            let most = 0.5 * 300.0 * std::f32::consts::TAU / 8_000.0 + 0.5 / SEAM as f32;
            assert!(steepest(&heard) < 1.02 * most, "{}", steepest(&heard));
            assert!(out.depth() < samples(40), "{} samples", out.depth());
        }
    }

    #[test]
    fn who_comes_back_into_a_meeting_is_not_heard_late() {
        let (mut into, mut out) = way();
        for _ in 0..40 {
            into.push(&[0.5; 160], 80);
        }
        out.rest();
        assert_eq!(out.depth(), 0);
        assert!(out.pull().iter().all(|sample| *sample == 0.0));
    }
}
