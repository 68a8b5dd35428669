//! A conversation over a loudspeaker and a microphone on one desk, in simulated time: the far end talks, then both, then the
//! near end.

use offhook::pure::audio::speakerphone::{BLOCK, Speakerphone};
use offhook::pure::time::Time;

use crate::room::{Dice, Room};

/// Samples a second.
pub(crate) const RATE: usize = 8_000;

/// How loud everybody talks, in dBFS, and how loud the microphone's noise is in the line's band.
pub(crate) const SPEECH_DBFS: f32 = -26.0;
const NOISE_DBFS: f32 = -68.0;

/// What is played, said and captured; all as long as one another.
pub(crate) struct Scene {
    /// What the loudspeaker plays.
    pub(crate) far: Vec<f32>,
    /// What the near end says, as the microphone hears it.
    pub(crate) near: Vec<f32>,
    /// What the microphone hears: near end, echo and noise.
    pub(crate) microphone: Vec<f32>,
    /// Where the near end begins to talk, and where the far end stops.
    pub(crate) turns: (usize, usize),
    /// How much faster the loudspeaker's clock runs, in parts per million.
    pub(crate) drift_ppm: f64,
}

impl Scene {
    /// Makes one of so many seconds of the far end, of both, and of the near end. The voices are repeated as need be; the echo
    /// is `echo_db` louder than the near end's voice.
    pub(crate) fn new(
        far: &[f32],
        near: &[f32],
        room: &Room,
        echo_db: f32,
        seconds: [usize; 3],
    ) -> Scene {
        let turns = (seconds[0] * RATE, (seconds[0] + seconds[1]) * RATE);
        let length = turns.1 + seconds[2] * RATE;
        let voice = |voice: &[f32], talks: &dyn Fn(usize) -> bool| -> Vec<f32> {
            let cut: Vec<f32> = (0..length)
                .map(|n| {
                    if talks(n) {
                        voice[n % voice.len()]
                    } else {
                        0.0
                    }
                })
                .collect();
            at_level(cut, SPEECH_DBFS)
        };
        let far = voice(far, &|n| n < turns.1);
        let near = voice(near, &|n| n >= turns.0);
        let echo = at_level(room.echo_of(&far, RATE as u32), SPEECH_DBFS + echo_db);
        let mut dice = Dice::new(room.seed + 1_000);
        let noise = 10_f32.powf(NOISE_DBFS / 20.0);
        let microphone = near
            .iter()
            .zip(&echo)
            .map(|(near, echo)| near + echo + dice.normal() * noise)
            .collect();
        Scene {
            far,
            near,
            microphone,
            turns,
            drift_ppm: room.drift_ppm,
        }
    }

    /// Returns what a speakerphone makes of it, with its delay taken out.
    pub(crate) fn through(&self, speakerphone: &mut Speakerphone) -> Vec<f32> {
        const PLAYOUT_MS: f64 = 30.0;
        const CAPTURE_MS: f64 = 10.0;
        let mut dice = Dice::new(1);
        let faster = 1.0 + self.drift_ppm * 1e-6;
        // The clock begins at a second, and every stamp errs by a millisecond either way.
        let mut stamp = |seconds: f64| {
            let errs = f64::from(dice.even() - 0.5) * 0.002;
            Some(Time::from_micros(((1.0 + seconds + errs) * 1e6) as u64))
        };
        let mut out = Vec::new();
        let mut played = 0;
        for (n, heard) in self.microphone.chunks_exact(BLOCK).enumerate() {
            let captured = ((n + 1) * BLOCK) as f64 / RATE as f64;
            let now = captured + (CAPTURE_MS + PLAYOUT_MS) / 1000.0;
            while ((played + BLOCK) as f64) < now * RATE as f64 * faster {
                let nothing = vec![0.0; BLOCK];
                let block = self.far.get(played..played + BLOCK).unwrap_or(&nothing);
                played += BLOCK;
                let newest = (played - 1) as f64 / RATE as f64 / faster;
                speakerphone.hear_reference(block, stamp(newest));
            }
            let mut block = [0.0; BLOCK];
            block.copy_from_slice(heard);
            speakerphone.process(&mut block, stamp(captured - 1.0 / RATE as f64));
            out.extend_from_slice(&block);
        }
        let late = (speakerphone.delay_ms() * RATE as f32 / 1000.0) as usize;
        out.drain(..late);
        out.resize(self.microphone.len(), 0.0);
        out
    }

    /// Returns how much weaker `out` is than the microphone in a span of seconds, in dB: the enhancement of echo return loss
    /// where only the far end talks.
    pub(crate) fn erle_db(&self, out: &[f32], from: f32, to: f32) -> f32 {
        let span = (from * RATE as f32) as usize..(to * RATE as f32) as usize;
        10.0 * (power(&self.microphone[span.clone()]) / power(&out[span]).max(1e-12)).log10()
    }

    /// Returns how much of the near end's voice is in `out` while both talk, in dB.
    pub(crate) fn near_gain_db(&self, out: &[f32]) -> f32 {
        let (near, out) = (
            &self.near[self.turns.0..self.turns.1],
            &out[self.turns.0..self.turns.1],
        );
        let shared: f32 = near.iter().zip(out).map(|(near, out)| near * out).sum();
        20.0 * (shared / near.iter().map(|s| s * s).sum::<f32>())
            .abs()
            .log10()
    }
}

/// Returns the mean power of some samples.
pub(crate) fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32
}

/// Brings speech to a level, counting only blocks of 20 ms that are within 30 dB of the loudest.
fn at_level(mut speech: Vec<f32>, dbfs: f32) -> Vec<f32> {
    let powers: Vec<f32> = speech.chunks(160).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f32::max);
    let active: Vec<f32> = powers.into_iter().filter(|p| *p > loudest * 1e-3).collect();
    let mean = active.iter().sum::<f32>() / active.len().max(1) as f32;
    let scale = 10_f32.powf(dbfs / 20.0) / mean.sqrt().max(1e-9);
    for sample in &mut speech {
        *sample *= scale;
    }
    speech
}

/// Makes something that has speech's pitch, formants, syllables and pauses, and says nothing.
pub(crate) fn babble(seed: u64, seconds: usize, pitch_hz: f32) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    let mut out = Vec::with_capacity(seconds * RATE);
    let mut phase = 0.0_f32;
    let mut states = [[0.0_f32; 2]; 3];
    while out.len() < seconds * RATE {
        let length = RATE / 10 + (dice.even() * RATE as f32 / 5.0) as usize;
        let (voiced, pause) = (dice.even() < 0.75, dice.even() < 0.2);
        let loud = if pause { 0.0 } else { 0.3 + 0.7 * dice.even() };
        let pitch = pitch_hz * (0.8 + 0.5 * dice.even());
        let glide = 0.3 * (dice.even() - 0.5);
        let formants = [
            300.0 + 500.0 * dice.even(),
            900.0 + 1_300.0 * dice.even(),
            2_300.0 + 900.0 * dice.even(),
        ];
        for n in 0..length {
            let share = n as f32 / length as f32;
            phase += pitch * (1.0 + glide * share) / RATE as f32;
            let pulse = phase >= 1.0;
            phase -= phase.floor();
            let breath = dice.normal() * if voiced { 0.02 } else { 0.25 };
            let source = breath + if voiced && pulse { 4.0 } else { 0.0 };
            let envelope = loud * (std::f32::consts::PI * share).sin().sqrt();
            let mut sound = 0.0;
            for (state, hz) in states.iter_mut().zip(formants) {
                let (radius, angle) = (0.95_f32, std::f32::consts::TAU * hz / RATE as f32);
                let next =
                    source + 2.0 * radius * angle.cos() * state[0] - radius * radius * state[1];
                *state = [next, state[0]];
                sound += next * 500.0 / hz;
            }
            out.push(sound * envelope);
        }
    }
    out.truncate(seconds * RATE);
    at_level(out, SPEECH_DBFS)
}
