//! The speakerphone: what makes a loudspeaker and a microphone on one desk a telephone.
//!
//! It stands between the microphone's line samples and their frames: a high-pass, an echo canceller that knows what the
//! loudspeaker plays, a suppressor for what echo and noise are left, and a gain control. It works in blocks of half a frame,
//! which the frame has to wait for anyway; only the suppressor's overlapping windows add a delay, of one block.
//!
//! Read [`Speakerphone::process`] first. The stages are plain samples in and out at the line's rate and know no device.

mod align;
mod drift;
mod fft;
mod gain;
mod highpass;
mod kalman;
mod presence;
mod suppressor;

use self::align::{Reading, Reference};
use self::drift::Drift;
use self::gain::Gain;
use self::highpass::HighPass;
use self::kalman::{Kalman, PARTITIONS};
use self::presence::Presence;
use self::suppressor::Suppressor;
use super::{FRAME_LEN, LINE_RATE};
use crate::pure::time::Time;

/// Samples in a block: half a frame, 10 ms.
pub const BLOCK: usize = FRAME_LEN / 2;

/// What a block adds to the delay where it has to be looked at together with its neighbour, in ms.
const BLOCK_MS: f32 = BLOCK as f32 * 1000.0 / LINE_RATE as f32;

/// The weight of one block in the figures: about two seconds.
const FIGURE_WEIGHT: f32 = 0.005;

/// How often the place of the echo in the filter is looked at, in blocks.
const LOOK: u32 = 200;

/// Which stages work.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stages {
    /// The echo canceller, with its suppressor and comfort noise.
    pub echo_canceller: bool,
    /// The suppression of steady noise.
    pub noise_suppression: bool,
    /// The gain control.
    pub gain_control: bool,
    /// The high-pass at 110 Hz.
    pub high_pass: bool,
}

impl Stages {
    /// All of them: the speakerphone.
    pub const ALL: Stages = Stages {
        echo_canceller: true,
        noise_suppression: true,
        gain_control: true,
        high_pass: true,
    };

    /// None of them: a headset needs none.
    pub const NONE: Stages = Stages {
        echo_canceller: false,
        noise_suppression: false,
        gain_control: false,
        high_pass: false,
    };
}

/// What was learned of a loudspeaker and a microphone, worth keeping for the next time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learned {
    /// How much earlier than its stamp the echo may come, in blocks.
    lead: i32,
    /// How much faster the loudspeaker's clock is, in parts per million.
    drift_ppm: f64,
}

impl Learned {
    /// Takes up what was kept elsewhere; nothing where the drift is no number. What is out of all bounds is brought into them
    /// where it is used.
    #[must_use]
    pub fn new(lead_blocks: i32, drift_ppm: f64) -> Option<Learned> {
        drift_ppm.is_finite().then_some(Learned {
            lead: lead_blocks,
            drift_ppm,
        })
    }

    /// Returns how much earlier than its stamp the echo may come, in blocks of 10 ms.
    #[must_use]
    pub fn lead_blocks(&self) -> i32 {
        self.lead
    }

    /// Returns how much faster the loudspeaker's clock is than the microphone's, in parts per million.
    #[must_use]
    pub fn drift_ppm(&self) -> f64 {
        self.drift_ppm
    }
}

/// How the echo does. Each figure is there once the far end has been heard for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Echo return loss: how much weaker the echo is at the microphone than what is played, in dB.
    pub erl_db: Option<f32>,
    /// Echo return loss enhancement: how much of it is taken away while only the far end talks, in dB.
    pub erle_db: Option<f32>,
}

/// Sums of powers, fading.
#[derive(Debug, Default)]
struct Powers {
    played: f32,
    echo: f32,
    heard: f32,
    left: f32,
    // While the filter knows a good part of what is heard: that, and what it leaves of it.
    known: f32,
    remains: f32,
}

/// The canceller, with what keeps its two devices together.
#[derive(Debug)]
struct Canceller {
    reference: Reference,
    drift: Drift,
    beyond: f64,
    kalman: Kalman,
    presence: Presence,
    // Samples that went by unheard since the last block.
    skipped: f64,
    until_look: u32,
}

/// The speakerphone itself.
#[derive(Debug)]
pub struct Speakerphone {
    stages: Stages,
    high_pass: Option<HighPass>,
    canceller: Option<Canceller>,
    suppressor: Option<Suppressor>,
    gain: Option<Gain>,
    // The power of the microphone's last block, which is what now leaves.
    last_power: f32,
    powers: Powers,
}

impl Speakerphone {
    /// Makes one, or nothing where no stage is to work. Allocates; nothing else does.
    #[must_use]
    pub fn new(stages: Stages) -> Option<Speakerphone> {
        if stages == Stages::NONE {
            return None;
        }
        let suppresses = stages.echo_canceller || stages.noise_suppression;
        Some(Speakerphone {
            stages,
            high_pass: stages.high_pass.then(HighPass::new),
            canceller: stages.echo_canceller.then(Canceller::new),
            suppressor: suppresses.then(|| Suppressor::new(stages.noise_suppression)),
            gain: stages.gain_control.then(Gain::new),
            last_power: 0.0,
            powers: Powers::default(),
        })
    }

    /// Returns which stages work.
    #[must_use]
    pub fn stages(&self) -> Stages {
        self.stages
    }

    /// Returns how much older the sound is that leaves than the block that brings it, in ms.
    #[must_use]
    pub fn delay_ms(&self) -> f32 {
        if self.suppressor.is_some() {
            BLOCK_MS
        } else {
            0.0
        }
    }

    /// Says whether it wants to hear what is played.
    #[must_use]
    pub fn wants_reference(&self) -> bool {
        self.canceller.is_some()
    }

    /// Begins with other devices, of which something may be known.
    pub fn meet(&mut self, known: Option<Learned>) {
        if let Some(canceller) = &mut self.canceller {
            canceller.reference.restart(known.map(|known| known.lead));
            canceller.drift = Drift::new(known.map_or(0.0, |known| known.drift_ppm));
            canceller.beyond = canceller.drift.beyond();
            canceller.kalman.forget();
            canceller.presence = Presence::new();
        }
        self.powers = Powers::default();
    }

    /// Goes on with the same devices, opened anew: what was learned of the room holds, where the reading stood does not.
    pub fn meet_again(&mut self) {
        if let Some(canceller) = &mut self.canceller {
            let lead = canceller.reference.lead();
            canceller.reference.restart(Some(lead));
        }
    }

    /// Returns what was learned of the devices so far.
    #[must_use]
    pub fn learned(&self) -> Option<Learned> {
        self.canceller.as_ref().map(|canceller| Learned {
            lead: canceller.reference.lead(),
            drift_ppm: canceller.drift.ppm(),
        })
    }

    /// Returns by how much the filter alone takes down what is heard while it knows a good part of that, in dB: the proof that
    /// its reading begins at the right place, which a suppressor does not need. Nothing before it has known any.
    #[must_use]
    pub fn cancelled_db(&self) -> Option<f32> {
        let Powers { known, remains, .. } = self.powers;
        (known > BLOCK as f32 * 1e-8 && remains > 0.0).then(|| 10.0 * (known / remains).log10())
    }

    /// Takes in that so many ppm more samples are made of what the microphone brings from now on, so that its blocks take
    /// less time.
    pub fn trimmed(&mut self, ppm: f64) {
        if let Some(canceller) = &mut self.canceller {
            canceller.drift.trimmed(ppm);
            canceller.beyond -= ppm * 1e-6 * BLOCK as f64;
        }
    }

    /// Hears what the loudspeaker plays, at the line's rate; `newest_at` is when the last sample sounds.
    pub fn hear_reference(&mut self, played: &[f32], newest_at: Option<Time>) {
        if let Some(canceller) = &mut self.canceller {
            canceller.reference.push(played, newest_at);
        }
    }

    /// Lets so many of the microphone's samples pass that are never processed.
    pub fn skip(&mut self, samples: usize) {
        if let Some(canceller) = &mut self.canceller {
            let pace = 1.0 + canceller.drift.beyond() / BLOCK as f64;
            canceller.reference.skip(samples as f64 * pace);
            canceller.skipped += samples as f64;
        }
    }

    /// Turns a block of the microphone into what the far end is to hear; `newest_at` is when its last sample was at the
    /// microphone. What comes out is [`Speakerphone::delay_ms`] older.
    pub fn process(&mut self, block: &mut [f32; BLOCK], newest_at: Option<Time>) {
        for sample in block.iter_mut() {
            // What is too small to be heard would only cost time.
            *sample = if sample.is_finite() && sample.abs() > 1e-15 {
                sample.clamp(-1.0, 1.0)
            } else {
                0.0
            };
        }
        if let Some(high_pass) = &mut self.high_pass {
            high_pass.process(block);
        }
        let heard = power(block);
        let (mut echo, mut there) = ([0.0; BLOCK], 0.0);
        if let Some(canceller) = &mut self.canceller {
            let played = canceller.process(block, newest_at);
            echo = canceller.kalman.echo;
            there = canceller.presence.there();
            fade(&mut self.powers.played, played);
            fade(&mut self.powers.echo, power(&echo));
            if power(&echo) > 0.25 * heard {
                fade(&mut self.powers.known, heard);
                fade(&mut self.powers.remains, power(block));
            }
        }
        if let Some(suppressor) = &mut self.suppressor {
            let doubt = self
                .canceller
                .as_ref()
                .map(|canceller| canceller.kalman.doubt.as_slice());
            suppressor.process(block, &echo, doubt, there);
        }
        let echo_alone = there > 0.5 && power(&echo) > 0.25 * heard && self.near() < 0.1;
        if echo_alone {
            let before = if self.suppressor.is_some() {
                self.last_power
            } else {
                heard
            };
            fade(&mut self.powers.heard, before);
            fade(&mut self.powers.left, power(block));
        }
        self.last_power = heard;
        if let Some(gain) = &mut self.gain {
            let noise = self
                .suppressor
                .as_ref()
                .map_or(0.0, Suppressor::noise_power);
            // 10 dB above the noise and above -55 dBFS, and not the far end.
            let floor = (10.0 * noise).max(BLOCK as f32 * 3e-6);
            let near =
                self.canceller.is_none() || self.suppressor.as_ref().is_none_or(|s| s.near() > 0.5);
            gain.process(block, near && power(block) > floor);
        }
        for sample in block.iter_mut() {
            *sample = sample.clamp(-1.0, 1.0);
        }
    }

    /// Returns how the echo does.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let db = |over: f32, under: f32| {
            (over > BLOCK as f32 * 1e-8 && under > 0.0).then(|| 10.0 * (over / under).log10())
        };
        Figures {
            erl_db: db(self.powers.played, self.powers.echo),
            erle_db: db(self.powers.heard, self.powers.left),
        }
    }

    fn near(&self) -> f32 {
        self.suppressor.as_ref().map_or(0.0, Suppressor::near)
    }
}

impl Canceller {
    fn new() -> Canceller {
        Canceller {
            reference: Reference::new(),
            drift: Drift::new(0.0),
            beyond: 0.0,
            kalman: Kalman::new(),
            presence: Presence::new(),
            skipped: 0.0,
            until_look: LOOK,
        }
    }

    /// Takes the echo out of a block, and returns the power of what was played meanwhile.
    fn process(&mut self, block: &mut [f32; BLOCK], newest_at: Option<Time>) -> f32 {
        let mut played = [0.0; BLOCK];
        match self.reference.read(newest_at, self.beyond, &mut played) {
            Reading::Steady => {}
            Reading::Earlier(blocks) => self.kalman.shift(blocks),
        }
        if self.skipped > 0.0 {
            self.catch_up();
        }
        self.kalman.process(&played, block);
        self.presence.leave(&self.kalman, power(&played), block);
        self.kalman.open = self.presence.there() < 0.5;
        if self.kalman.open {
            // There is nothing to tell drift or delay by.
            self.beyond = self.drift.beyond();
            return power(&played);
        }
        self.beyond = self.drift.follow(
            &self.kalman.left_bins,
            &self.kalman.slope_bins,
            &self.kalman.near_power,
        );
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = LOOK;
            self.centre();
        }
        power(&played)
    }

    /// After samples that nobody heard: what was played before this block echoes now, not what was played before them.
    fn catch_up(&mut self) {
        let skipped = std::mem::take(&mut self.skipped) as f32;
        let mut played = [0.0; BLOCK];
        for ago in (2..PARTITIONS + 2).rev() {
            self.reference.read_again(ago, self.beyond, &mut played);
            self.kalman.take_reference(&played);
        }
        self.kalman.doubt_after(skipped, RATE_ERRS);
        self.drift.skipped(skipped, RATE_ERRS);
    }

    /// Reads the reference later where the echo comes long after it, so that the filter holds more of the room.
    fn centre(&mut self) {
        if !self.reference.is_there() {
            return;
        }
        let strongest = self.kalman.energies().fold(0.0, f32::max);
        let first = self
            .kalman
            .energies()
            .position(|energy| energy > 0.2 * strongest)
            .unwrap_or(0);
        // A filter that has learned nothing has its strongest partition anywhere.
        if strongest > 1e-3 && first > FAR {
            let blocks = i32::try_from(first - NEAR).unwrap_or(0);
            if let Reading::Earlier(blocks) = self.reference.come_earlier(blocks) {
                self.kalman.shift(blocks);
            }
        }
    }
}

/// An echo that comes later than so many blocks is moved to come after so many.
const FAR: usize = 12;
const NEAR: usize = 3;

/// What share of the samples the drift that was learned is wrong by: 1 ppm.
const RATE_ERRS: f32 = 1e-6;

fn power(block: &[f32; BLOCK]) -> f32 {
    block.iter().map(|sample| sample * sample).sum()
}

fn fade(mean: &mut f32, now: f32) {
    *mean += (now.max(1e-15) - *mean) * FIGURE_WEIGHT;
}
