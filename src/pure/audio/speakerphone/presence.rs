//! Whether there is an echo at all: with a headset, or a loudspeaker turned down, there is none, and nothing may be taken
//! from the near end for its sake.
//!
//! A filter that knows an echo path foretells a part of what the microphone hears; one that has learned from the near end
//! foretells nothing, and what it takes for echo is like the microphone by chance alone. The likeness is taken over
//! seconds, each block weighed by its own power, so that the far end's turns count as much as a louder near end's.

use super::BLOCK;
use super::kalman::{Kalman, PLAYS};

/// The weight of one block of the far end in the likeness: about 2 s.
const WEIGHT: f32 = 0.005;

/// Blocks in which the far end must have talked before an echo is missed, and after it seemed to be found: 2 s and 1 s.
const ENOUGH: u32 = 200;
const ENOUGH_AGAIN: u32 = 100;

/// How much of what is taken for echo must be in the microphone for there to be one, and the least that it must be of the
/// microphone's power (-30 dB).
const LIKE: f32 = 0.2;
const LEAST_SHARE: f32 = 1e-3;

/// What of the microphone's power is left over some 200 ms where an echo is found again: -6 dB.
const FOUND: f32 = 0.25;

/// How much less surely there is an echo after each block of the far end in which it is missed: none after half a second.
const FADES: f32 = 0.02;

/// The judge.
#[derive(Debug)]
pub(super) struct Presence {
    // Means of the likeness of microphone and estimate, and of the estimate with itself.
    like: f32,
    estimate: f32,
    blocks: u32,
    there: f32,
}

impl Presence {
    /// Begins in the belief that there is an echo.
    pub(super) fn new() -> Presence {
        Presence {
            like: 0.0,
            estimate: 0.0,
            blocks: 0,
            there: 1.0,
        }
    }

    /// Returns how surely there is an echo, 0 to 1.
    pub(super) fn there(&self) -> f32 {
        self.there
    }

    /// Judges a block of the microphone, and leaves of it what the canceller left as far as there is an echo.
    pub(super) fn leave(&mut self, kalman: &Kalman, played: f32, microphone: &mut [f32; BLOCK]) {
        let was = self.there;
        if played > PLAYS * BLOCK as f32 {
            self.judge(kalman, microphone);
        }
        for (n, (sample, left)) in microphone.iter_mut().zip(&kalman.left).enumerate() {
            let there = was + (self.there - was) * (n + 1) as f32 / BLOCK as f32;
            *sample += there * (left - *sample);
        }
    }

    fn judge(&mut self, kalman: &Kalman, microphone: &[f32; BLOCK]) {
        let (mut heard, mut like, mut estimate) = (0.0, 0.0, 0.0);
        for (sample, echo) in microphone.iter().zip(&kalman.echo) {
            heard += sample * sample;
            like += sample * echo;
            estimate += echo * echo;
        }
        let whole = 1.0 / (heard + estimate + BLOCK as f32 * 1e-8);
        self.like += (like * whole - self.like) * WEIGHT;
        self.estimate += (estimate * whole - self.estimate) * WEIGHT;
        self.blocks = self.blocks.saturating_add(1);
        let (left, heard) = kalman.powers;
        let found = heard > BLOCK as f32 * 1e-6 && left < FOUND * heard;
        let missed = self.estimate < LEAST_SHARE || self.like < LIKE * self.estimate;
        if self.there < 1.0 && found {
            *self = Presence::new();
            self.blocks = ENOUGH - ENOUGH_AGAIN;
        } else if missed && self.blocks > ENOUGH {
            self.there = (self.there - FADES).max(0.0);
        }
    }
}
