//! What the loudspeaker plays, kept until the microphone's block is there that may hold its echo.
//!
//! Both devices tell when their samples sounded on one clock, which says where to begin. From then on the reading goes
//! on sample by sample at the pace that [`super::drift`] says, between the samples where need be; stamps are far too rough
//! for that. They count again only where they disagree for long: a device has stumbled.

use super::BLOCK;
use crate::pure::audio::LINE_RATE;
use crate::pure::time::Time;

/// Samples kept: two seconds, a power of two.
const KEPT: usize = 16_384;

/// Taps of the interpolation, and steps between two samples.
const TAPS: usize = 32;
const STEPS: usize = 128;

/// How much earlier than its stamp says the echo may come, in blocks: stamps err.
const LEAD: i32 = 3;

/// The least and most that it becomes.
const LEADS: (i32, i32) = (-100, 20);

/// How far the stamps must disagree with the reading, in samples, for it to begin anew: 30 ms.
const ASTRAY: f64 = 240.0;

/// The weight of one stamp.
const STAMP_WEIGHT: f64 = 0.02;

/// Blocks without a new sample after which nothing is taken to play.
const GONE: u32 = 20;

/// Blocks without a new sample, and times as many as are usual, after which the speaker has stumbled: where in what it
/// plays the reading stands is then told by its next stamp, and by nothing before.
const STUMBLED: u32 = 4;
const UNUSUAL: u32 = 3;

/// Parts of a block in which the usual pause between samples is counted, since it is forgotten slowly.
const PARTS: u32 = 16;

/// What became of a reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// It went on, or there is nothing to read.
    Steady,
    /// The samples come so many blocks earlier from now on.
    Earlier(isize),
}

/// The keeper.
#[derive(Debug)]
pub(super) struct Reference {
    kept: Vec<f32>,
    written: u64,
    // When sample 0 sounded, in microseconds, as the stamps say.
    zero_us: Option<f64>,
    // Where the next block begins.
    at: Option<f64>,
    astray: f64,
    lead: i32,
    idle: u32,
    // The longest pause between samples of late, in parts of a block.
    usual: u32,
    table: Vec<f32>,
}

impl Reference {
    pub(super) fn new() -> Reference {
        let half = TAPS as f64 / 2.0;
        let table = (0..=STEPS)
            .flat_map(|step| (0..TAPS).map(move |tap| (step, tap)))
            .map(|(step, tap)| {
                let x = step as f64 / STEPS as f64 + half - 1.0 - tap as f64;
                let window = 0.5 + 0.5 * (std::f64::consts::PI * x / half).cos();
                let angle = std::f64::consts::PI * x;
                let sinc = if x.abs() < 1e-9 {
                    1.0
                } else {
                    angle.sin() / angle
                };
                (sinc * window) as f32
            })
            .collect();
        Reference {
            kept: vec![0.0; KEPT],
            written: 0,
            zero_us: None,
            at: None,
            astray: 0.0,
            lead: LEAD,
            idle: GONE,
            usual: PARTS,
            table,
        }
    }

    /// Begins anew, as after a change of devices, with the lead that was learned for them, if any was.
    pub(super) fn restart(&mut self, lead: Option<i32>) {
        self.zero_us = None;
        self.at = None;
        self.idle = GONE;
        self.lead = lead.unwrap_or(LEAD).clamp(LEADS.0, LEADS.1);
    }

    /// Returns how much earlier than stamped an echo may come, in blocks.
    pub(super) fn lead(&self) -> i32 {
        self.lead
    }

    /// Says whether anything is played.
    pub(super) fn is_there(&self) -> bool {
        self.at.is_some()
    }

    /// Keeps what the loudspeaker plays, at the line's rate; `newest_at` is when the last of it sounds.
    pub(super) fn push(&mut self, played: &[f32], newest_at: Option<Time>) {
        if played.is_empty() {
            return;
        }
        for sample in played {
            // What is no number would stay in the filter for ever.
            let heard = sample.is_finite() && sample.abs() > 1e-15;
            let sample = if heard { *sample } else { 0.0 };
            self.kept[(self.written % KEPT as u64) as usize] = sample;
            self.written += 1;
        }
        let paused = std::mem::take(&mut self.idle);
        if paused > STUMBLED.max(self.usual.div_ceil(PARTS) * UNUSUAL) {
            self.zero_us = None;
            self.at = None;
            self.astray = 0.0;
        } else {
            let forgotten = self.usual - self.usual.div_ceil(64);
            self.usual = (paused * PARTS).max(forgotten).max(PARTS);
        }
        if let Some(newest_at) = newest_at {
            let zero = newest_at.micros() as f64 - us(self.written as f64 - 1.0);
            let known = self.zero_us.get_or_insert(zero);
            let wrong = zero - *known;
            *known += if wrong.abs() > 100_000.0 {
                wrong
            } else {
                wrong * STAMP_WEIGHT
            };
        }
    }

    /// Lets so many of the microphone's samples pass unheard.
    pub(super) fn skip(&mut self, samples: f64) {
        if let Some(at) = &mut self.at {
            *at += samples;
        }
    }

    /// Reads again the block that begins so many blocks before the next one.
    pub(super) fn read_again(&self, blocks_ago: usize, beyond: f64, block: &mut [f32; BLOCK]) {
        let pace = 1.0 + beyond / BLOCK as f64;
        let begin = self.at.map(|at| at - (blocks_ago * BLOCK) as f64 * pace);
        for (n, sample) in block.iter_mut().enumerate() {
            *sample = begin.map_or(0.0, |begin| self.between(begin + n as f64 * pace));
        }
    }

    /// Reads the block that belongs to the microphone's, whose last sample was at the microphone at `newest_at`; the block
    /// takes as many samples beyond its length as the drift says.
    pub(super) fn read(
        &mut self,
        newest_at: Option<Time>,
        beyond: f64,
        block: &mut [f32; BLOCK],
    ) -> Reading {
        block.fill(0.0);
        self.idle = self.idle.saturating_add(1);
        if self.idle > GONE {
            self.at = None;
            return Reading::Steady;
        }
        self.follow_stamps(newest_at);
        let Some(begin) = self.at else {
            return Reading::Steady;
        };
        let pace = 1.0 + beyond / BLOCK as f64;
        for (n, sample) in block.iter_mut().enumerate() {
            *sample = self.between(begin + n as f64 * pace);
        }
        let end = begin + BLOCK as f64 * pace;
        self.at = Some(end);
        // Asked for before it is there: its stamp promises too much, or a thread is late. To come earlier costs a partition
        // of the filter and nothing else.
        // While nothing comes for longer than usual, what is missing is not late.
        let waits = self.idle * PARTS > self.usual.max(2 * PARTS);
        if end + TAPS as f64 / 2.0 <= self.written as f64 || waits {
            return Reading::Steady;
        }
        self.come_earlier(1)
    }

    /// Reads so many blocks earlier from now on: the echo comes later than was allowed for.
    pub(super) fn come_earlier(&mut self, blocks: i32) -> Reading {
        let blocks = blocks.min(self.lead - LEADS.0);
        self.lead -= blocks;
        self.skip(-f64::from(blocks) * BLOCK as f64);
        Reading::Earlier(blocks as isize)
    }

    /// Begins where the stamps say, and begins anew where they disagree for long.
    fn follow_stamps(&mut self, newest_at: Option<Time>) {
        let lead = f64::from(self.lead - 1) * BLOCK as f64 + 1.0;
        let stamped = newest_at
            .zip(self.zero_us)
            .map(|(newest, zero)| samples(newest.micros() as f64 - zero) + lead);
        let latest = self.written as f64 - (BLOCK + TAPS) as f64;
        match (self.at, stamped) {
            // Without stamps there is only what was written last.
            (None, None) => self.at = Some(latest - BLOCK as f64),
            (None, Some(stamped)) => {
                self.astray = 0.0;
                self.at = Some(stamped);
            }
            (Some(at), Some(stamped)) => {
                self.astray += (stamped - at - self.astray) * STAMP_WEIGHT;
                if self.astray.abs() > ASTRAY {
                    self.at = Some(at + self.astray);
                    self.astray = 0.0;
                }
            }
            (Some(_), None) => {}
        }
    }

    /// Returns the value between the samples, or silence for what was never written or is long gone.
    fn between(&self, at: f64) -> f32 {
        let whole = at.floor();
        let first = whole as i64 - (TAPS as i64 / 2 - 1);
        let oldest = self.written.saturating_sub(KEPT as u64) as i64;
        if first < oldest || first + TAPS as i64 > self.written as i64 {
            return 0.0;
        }
        let step = (at - whole) * STEPS as f64;
        let share = step.fract() as f32;
        let row = step as usize * TAPS;
        let (row, next) = (
            &self.table[row..row + TAPS],
            &self.table[row + TAPS..row + 2 * TAPS],
        );
        row.iter()
            .zip(next)
            .zip(first..)
            .map(|((tap, next), n)| {
                self.kept[(n as u64 % KEPT as u64) as usize] * (tap + (next - tap) * share)
            })
            .sum()
    }
}

fn us(samples: f64) -> f64 {
    samples * 1e6 / f64::from(LINE_RATE)
}

fn samples(us: f64) -> f64 {
    us * f64::from(LINE_RATE) / 1e6
}
