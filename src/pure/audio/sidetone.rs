//! Sidetone: one's own voice, softly in one's own ear, as a handset has always had it.
//!
//! The capture callback writes into a ring, the playout callback reads from it; neither waits. Two devices have two clocks,
//! and their callbacks come when they like, so the ring's depth wanders. What lies in it over half a second without ever
//! being needed is delay, and is skipped; where it runs dry the sound is held and lets go. Every such seam blends in from the
//! last sample that was heard, so that none clicks. Between two rates, sound is interpolated with a cubic (Catmull and Rom,
//! 1974), which is enough for a voice 20 dB down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::DeviceRate;
use super::fader::Fader;

/// Samples that fit into the ring: 341 ms at 192 kHz, 1.4 s at 48 kHz. It holds a callback of the microphone and one of the
/// speaker, whatever devices come later; the longest that are usual take 100 ms.
const RING: usize = 65_536;

/// What is left in the ring after the worst moment, in ms.
const MARGIN_MS: u32 = 1;

/// How much more there is to be at least before it plays again after the ring ran dry, in ms; half as much again where that
/// is more, so that long callbacks are soon made up for.
const MORE_MS: u32 = 3;

/// How long the depth is watched before it is judged, in ms.
const WATCHED_MS: u32 = 500;

/// A seam takes so long, in ms.
const SEAM_MS: u32 = 5;

/// The microphone's end.
#[derive(Debug)]
pub struct SidetoneIn {
    ring: rtrb::Producer<f32>,
    rate: Arc<AtomicU32>,
}

impl SidetoneIn {
    /// Says how many samples a second come from now on.
    pub fn set_rate(&self, rate: DeviceRate) {
        self.rate.store(rate.hz(), Ordering::Relaxed);
    }

    /// Takes a sample; one that finds no room is lost.
    pub fn push(&mut self, sample: f32) {
        let _ = self.ring.push(sample);
    }
}

/// The ear's end.
#[derive(Debug)]
pub struct Sidetone {
    ring: rtrb::Consumer<f32>,
    from: Arc<AtomicU32>,
    from_known: u32,
    rate: u32,
    level: f32,
    fader: Fader,
    // The four samples around the one that is heard, and how far it lies between the middle two.
    around: [f32; 4],
    between: f64,
    /// Whether it plays, or waits until there is enough: a block, and this much more.
    plays: bool,
    cushion: usize,
    /// The least that was left in the ring after a block, and for how many samples more it is watched.
    least: usize,
    watched: u32,
    heard: f32,
    /// What a seam blends in from, and how many samples of it are left.
    last: f32,
    seam: u32,
}

/// Makes both ends; the voice is heard `decibel` below what the microphone has.
#[must_use]
pub fn sidetone(decibel: i8, rate: DeviceRate) -> (SidetoneIn, Sidetone) {
    let (into, ring) = rtrb::RingBuffer::new(RING);
    let from = Arc::new(AtomicU32::new(0));
    let end = Sidetone {
        ring,
        from: Arc::clone(&from),
        from_known: 0,
        rate: rate.hz(),
        level: 10_f32.powf(f32::from(decibel) / 20.0),
        fader: Fader::new(0.0, rate),
        around: [0.0; 4],
        between: 0.0,
        plays: false,
        cushion: 0,
        least: usize::MAX,
        watched: 0,
        heard: 0.0,
        last: 0.0,
        seam: 0,
    };
    (
        SidetoneIn {
            ring: into,
            rate: from,
        },
        end,
    )
}

impl Sidetone {
    /// Moves to a speaker of another rate.
    pub fn set_rate(&mut self, rate: DeviceRate) {
        self.rate = rate.hz();
        self.fader.set_rate(rate);
        self.begin_anew();
    }

    /// Adds the voice to a block, or lets it fade where it is not to be `heard`.
    pub fn add_to(&mut self, block: &mut [f32], heard: bool) {
        let from = self.from.load(Ordering::Relaxed);
        if from != self.from_known {
            self.from_known = from;
            self.begin_anew();
        }
        if from == 0 {
            return;
        }
        self.fader.set(if heard { self.level } else { 0.0 });
        let step = f64::from(from) / f64::from(self.rate);
        let needed = (block.len() as f64 * step) as usize + 2;
        let margin = (from * MARGIN_MS / 1000) as usize;
        let enough = (needed + self.cushion.max(margin)).min(RING);
        if !self.plays && self.ring.slots() >= enough {
            self.plays = true;
            self.skip(self.ring.slots() - enough);
        }
        for sample in block.iter_mut() {
            let voice = self.next(step);
            *sample += voice * self.fader.advance();
        }
        self.watch(block.len(), margin);
    }

    /// Returns the sound that waits, in samples of the microphone.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.ring.slots()
    }

    fn next(&mut self, step: f64) -> f32 {
        let mut voice = 0.0;
        if self.plays {
            self.between += step;
            while self.between >= 1.0 {
                let Ok(sample) = self.ring.pop() else {
                    // Dry: it is heard again once there is more.
                    let more = (self.from_known * MORE_MS / 1000) as usize;
                    self.cushion = (self.cushion + more.max(self.cushion / 2)).min(RING / 2);
                    self.begin_anew();
                    break;
                };
                self.between -= 1.0;
                self.around.rotate_left(1);
                self.around[3] = sample;
            }
        }
        if self.plays {
            voice = cubic(self.around, self.between as f32);
        }
        if self.seam > 0 {
            let share = self.seam as f32 / (self.rate * SEAM_MS / 1000) as f32;
            voice = voice * (1.0 - share) + self.last * share;
            self.seam -= 1;
        }
        self.heard = voice;
        voice
    }

    /// Skips what was never needed, once it was watched for long enough.
    fn watch(&mut self, samples: usize, margin: usize) {
        if !self.plays {
            return;
        }
        self.least = self.least.min(self.ring.slots());
        self.watched = self
            .watched
            .saturating_sub(u32::try_from(samples).unwrap_or(u32::MAX));
        if self.watched == 0 {
            if self.least > 2 * margin {
                let too_much = self.least - margin;
                self.skip(too_much);
                self.cushion = self.cushion.saturating_sub(too_much);
            }
            self.least = usize::MAX;
            self.watched = self.rate * WATCHED_MS / 1000;
        }
    }

    fn skip(&mut self, samples: usize) {
        if let Ok(chunk) = self.ring.read_chunk(samples) {
            chunk.commit_all();
            self.begin_seam();
        }
    }

    fn begin_anew(&mut self) {
        if self.plays {
            self.begin_seam();
        }
        self.plays = false;
        self.between = 0.0;
        self.around = [0.0; 4];
        self.least = usize::MAX;
        self.watched = self.rate * WATCHED_MS / 1000;
    }

    fn begin_seam(&mut self) {
        self.last = self.heard;
        self.seam = self.rate * SEAM_MS / 1000;
    }
}

/// Returns the value between the middle two of four samples.
fn cubic([before, a, b, after]: [f32; 4], at: f32) -> f32 {
    let slope = (b - before) / 2.0;
    let bend = before - 2.5 * a + 2.0 * b - 0.5 * after;
    let twist = (after - before) / 2.0 + 1.5 * (a - b);
    ((twist * at + bend) * at + slope) * at + a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two devices with callbacks of their own, the microphone's clock `ppm` too fast, for so many seconds. Returns what is
    /// heard, and the mean of what the ring holds after a block, in ms, in the last ten seconds.
    fn talk(
        from: u32,
        to: u32,
        ppm: f64,
        blocks: (usize, usize),
        seconds: usize,
    ) -> (Vec<f32>, f32) {
        let rate = |hz| DeviceRate::new(hz).expect("a rate");
        let (mut into, mut out) = sidetone(-20, rate(to));
        into.set_rate(rate(from));
        let (mut heard, mut said) = (Vec::new(), 0_usize);
        let (mut depth, mut looks) = (0, 0);
        while heard.len() < seconds * to as usize {
            let now = (heard.len() + blocks.1) as f64 / f64::from(to);
            // A whole callback of the microphone comes once all of it was captured.
            let captured = (now * f64::from(from) * (1.0 + ppm / 1e6)) as usize;
            while said + blocks.0 <= captured {
                for n in said..said + blocks.0 {
                    let phase = n as f64 * 300.0 * std::f64::consts::TAU / f64::from(from);
                    into.push(phase.sin() as f32 * 0.5);
                }
                said += blocks.0;
            }
            let mut block = vec![0.0; blocks.1];
            // The ear renders 20 ms at most at once.
            for piece in block.chunks_mut(to as usize / 50) {
                out.add_to(piece, true);
            }
            heard.extend(block);
            if heard.len() > (seconds - 10) * to as usize {
                depth += out.depth();
                looks += 1;
            }
        }
        (heard, depth as f32 / looks as f32 * 1000.0 / from as f32)
    }

    fn steepest(sound: &[f32]) -> f32 {
        sound
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_voice_is_heard_20_decibel_down_with_little_delay_and_without_a_click_whatever_the_clocks_do()
     {
        for (from, to) in [
            (48_000, 48_000),
            (44_100, 48_000),
            (16_000, 48_000),
            (48_000, 16_000),
        ] {
            for ppm in [0.0, 300.0, -300.0] {
                for ms in [(10, 10), (10, 3), (5, 20)] {
                    let blocks = (from as usize * ms.0 / 1000, to as usize * ms.1 / 1000);
                    let (heard, depth) = talk(from, to, ppm, blocks, 20);
                    let told = format!("{from} to {to} Hz, {ppm} ppm, {ms:?} ms");
                    let own = 0.05 * 300.0 * std::f32::consts::TAU / to as f32;
                    let seam = 0.1 / (to as f32 * 0.005) + 0.05 / (to as f32 * 0.01);
                    assert!(
                        steepest(&heard) < own + seam,
                        "{told}: {}",
                        steepest(&heard)
                    );
                    // On average half of what comes at once, and the margin twice.
                    assert!(depth <= ms.0 as f32 / 2.0 + 2.5, "{told}: {depth} ms");
                    let late = &heard[to as usize..];
                    let power = late.iter().map(|s| s * s).sum::<f32>() / late.len() as f32;
                    let level = 20.0 * (power.sqrt() * std::f32::consts::SQRT_2 / 0.05).log10();
                    assert!(level.abs() < 0.5, "{told}: {level} dB");
                }
            }
        }
    }

    #[test]
    fn long_callbacks_at_any_rate_are_heard_whole_after_a_second() {
        for (from, to) in [
            (48_000, 48_000),
            (96_000, 96_000),
            (192_000, 192_000),
            (192_000, 48_000),
            (48_000, 192_000),
        ] {
            for ms in [
                (20, 20),
                (43, 43),
                (85, 20),
                (100, 10),
                (10, 100),
                (100, 100),
            ] {
                let blocks = (from as usize * ms.0 / 1000, to as usize * ms.1 / 1000);
                let (heard, depth) = talk(from, to, 100.0, blocks, 12);
                let told = format!("{from} to {to} Hz, {ms:?} ms");
                // Every window of 20 ms, six waves, is as loud as it is to be.
                for window in heard[2 * to as usize..].chunks_exact(to as usize / 50) {
                    let power = window.iter().map(|s| s * s).sum::<f32>() / window.len() as f32;
                    let level = 20.0 * (power.sqrt() * std::f32::consts::SQRT_2 / 0.05).log10();
                    assert!(level.abs() < 6.0, "{told}: {level} dB");
                }
                assert!(depth <= ms.0.max(ms.1) as f32 + 6.0, "{told}: {depth} ms");
            }
        }
    }

    #[test]
    fn nothing_is_heard_outside_of_a_call_nor_without_a_microphone() {
        let (mut into, mut out) = sidetone(-20, DeviceRate::HZ_48000);
        let mut block = vec![0.0; 480];
        out.add_to(&mut block, true);
        into.set_rate(DeviceRate::HZ_48000);
        for _ in 0..100 {
            (0..480).for_each(|_| into.push(0.5));
            out.add_to(&mut block, false);
        }
        assert!(block.iter().all(|sample| *sample == 0.0));
        assert!(out.depth() < 1_000, "it is drained all the same");
        (0..480).for_each(|_| into.push(0.5));
        out.add_to(&mut block, true);
        (0..480).for_each(|_| into.push(0.5));
        out.add_to(&mut block, true);
        assert!(block[479] > 0.04);
    }

    #[test]
    fn a_microphone_that_stops_and_another_that_comes_do_not_click() {
        let (mut into, mut out) = sidetone(-6, DeviceRate::HZ_48000);
        let mut heard = Vec::new();
        for (turn, hz) in [48_000, 16_000, 44_100, 48_000].into_iter().enumerate() {
            into.set_rate(DeviceRate::new(hz).expect("a rate"));
            for n in 0..30 {
                // Nothing comes for a while.
                if n < 20 {
                    (0..hz / 100).for_each(|_| into.push(if turn % 2 == 0 { 0.9 } else { -0.9 }));
                }
                let mut block = vec![0.0; 480];
                out.add_to(&mut block, true);
                heard.extend(block);
            }
        }
        // From 0.9 to -0.9, half as loud, over the seam.
        assert!(
            steepest(&heard) < 0.9 / 240.0 + 0.5 / 480.0 + 0.005,
            "{}",
            steepest(&heard)
        );
    }
}
