//! Keys into what a far end hears, one after the other.
//!
//! Each frequency is at a level that any receiver takes (ITU-T Q.24, table A-1: 0 to -25 dBm), the high group 2 dB above the
//! low one, as ETSI ES 201 235-2 has it for telephones, since lines take more of what is higher. 100 ms of sound and 100 ms
//! of pause are more than twice the 40 ms that every receiver needs of either (Q.24), and ramps of 4 ms keep within the
//! 5 ms in which a tone is to have risen. While a key sounds, and in the pause behind it, nothing else is heard: a voice
//! beside it would disturb the receiver.

use std::collections::VecDeque;

use super::Pair;
use crate::pure::audio::fader::Fader;
use crate::pure::audio::{DeviceRate, FRAME_LEN, LINE_RATE};
use crate::pure::keys::{Key, MOST_KEYS, Sign};

/// Signs that wait at most: what finds no room is not sent.
pub const MOST_WAITING: usize = 2 * MOST_KEYS;

/// The amplitudes of the low and of the high group: -8 and -6 dBm0, where a sine of full scale has 3.17 dBm0 (ITU-T G.711).
/// Together they reach 0.62 of full scale.
const LEVELS: [f32; 2] = [0.276_4, 0.348];

/// How long the voice has to fade before a key, in samples: the fader's own time.
const CLEARS: usize = samples(10);

/// How long a key sounds, and how long the pause behind it is, in samples.
const SOUNDS: usize = samples(100);
const GAP: usize = samples(100);

/// How long a tone takes to rise and to fall, in samples.
const RAMP: usize = samples(4);

/// How long a comma waits, in samples.
const PAUSE: usize = samples(2_000);

const fn samples(ms: usize) -> usize {
    ms * LINE_RATE as usize / 1000
}

/// What happens now, and for how many samples more.
#[derive(Clone, Debug)]
enum Stage {
    Idle,
    Clears(Key, usize),
    Sounds(Key, Pair, usize),
    Gap(usize),
    Pause(usize),
}

/// Sends keys to one far end. Allocates where it is made only.
#[derive(Debug)]
pub struct KeySender {
    waiting: VecDeque<Sign>,
    stage: Stage,
    others: Fader,
}

impl Default for KeySender {
    fn default() -> KeySender {
        KeySender {
            waiting: VecDeque::with_capacity(MOST_WAITING),
            stage: Stage::Idle,
            others: Fader::new(1.0, DeviceRate::LINE),
        }
    }
}

impl KeySender {
    /// Takes signs in, behind those that still wait, up to the first [`Sign::Wait`]: whoever sends keys parts them there. Says
    /// whether there was room for all.
    pub fn send(&mut self, signs: &[Sign]) -> bool {
        for sign in signs {
            if matches!(sign, Sign::Wait) {
                return true;
            }
            if self.waiting.len() == MOST_WAITING {
                return false;
            }
            self.waiting.push_back(*sign);
        }
        true
    }

    /// Says whether nothing is sent, and what else is heard is heard whole.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle) && self.waiting.is_empty() && self.others.gain() == 1.0
    }

    /// Returns the key that sounds now.
    #[must_use]
    pub fn sounding(&self) -> Option<Key> {
        match self.stage {
            Stage::Clears(key, _) | Stage::Sounds(key, ..) => Some(key),
            Stage::Idle | Stage::Gap(_) | Stage::Pause(_) => None,
        }
    }

    /// Puts the keys over a frame of what the far end hears. Says whether a part of a key, or of the pause behind one, is in
    /// it, of which nothing may be cut out.
    pub fn process(&mut self, frame: &mut [f32; FRAME_LEN]) -> bool {
        if self.is_idle() {
            return false;
        }
        let mut is_whole = false;
        for sample in frame {
            self.begin();
            let clear = matches!(
                self.stage,
                Stage::Clears(..) | Stage::Sounds(..) | Stage::Gap(_)
            );
            is_whole |= clear;
            self.others.set(if clear { 0.0 } else { 1.0 });
            *sample *= self.others.advance();
            if let Stage::Sounds(_, pair, left) = &mut self.stage {
                let gain = (SOUNDS - *left).min(*left).min(RAMP) as f32 / RAMP as f32;
                let [low, high] = pair.next();
                *sample += (low * LEVELS[0] + high * LEVELS[1]) * gain;
            }
            self.go_on();
        }
        is_whole
    }

    /// Begins the next sign, where nothing else is under way.
    fn begin(&mut self) {
        if !matches!(self.stage, Stage::Idle) {
            return;
        }
        match self.waiting.pop_front() {
            Some(Sign::Key(key)) if self.others.gain() == 0.0 => {
                self.stage = Stage::Sounds(key, Pair::new(key, LINE_RATE), SOUNDS);
            }
            Some(Sign::Key(key)) => self.stage = Stage::Clears(key, CLEARS),
            Some(Sign::Pause) => self.stage = Stage::Pause(PAUSE),
            Some(Sign::Wait) | None => {}
        }
    }

    /// Moves on by a sample.
    fn go_on(&mut self) {
        let next = match &mut self.stage {
            Stage::Idle => return,
            Stage::Clears(key, 1) => Stage::Sounds(*key, Pair::new(*key, LINE_RATE), SOUNDS),
            Stage::Sounds(_, _, 1) => Stage::Gap(GAP),
            Stage::Gap(1) | Stage::Pause(1) => Stage::Idle,
            Stage::Clears(_, left)
            | Stage::Sounds(_, _, left)
            | Stage::Gap(left)
            | Stage::Pause(left) => {
                *left -= 1;
                return;
            }
        };
        self.stage = next;
    }
}

#[cfg(test)]
mod tests {
    use super::super::frequencies;
    use super::*;
    use crate::pure::audio::g711;
    use crate::pure::keys::Keys;

    /// What is heard when `typed` is sent over a voice that is a constant, and which frames are whole.
    fn sent(typed: &str, frames: usize, voice: f32) -> (Vec<f32>, Vec<bool>) {
        let mut sender = KeySender::default();
        assert!(sender.send(Keys::parse(typed).expect("keys").signs()));
        let (mut sound, mut whole) = (Vec::new(), Vec::new());
        for _ in 0..frames {
            let mut frame = [voice; FRAME_LEN];
            whole.push(sender.process(&mut frame));
            sound.extend(frame);
        }
        (sound, whole)
    }

    /// The amplitude of one frequency.
    fn amplitude(sound: &[f32], hz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in sound.iter().enumerate() {
            let phase = std::f64::consts::TAU * hz * n as f64 / 8_000.0;
            re += f64::from(*sample) * phase.cos();
            im += f64::from(*sample) * phase.sin();
        }
        2.0 * re.hypot(im) / sound.len() as f64
    }

    #[test]
    fn every_key_has_its_frequencies_at_their_levels_and_nothing_beside_them() {
        for sign in "0123456789*#ABCD".chars() {
            let (sound, _) = sent(&sign.to_string(), 10, 0.3);
            // Within the ramps, through mu-law.
            let tone: Vec<f32> = sound[120..840]
                .iter()
                .map(|s| g711::decode_f32(g711::encode_f32(*s)))
                .collect();
            let dbm0 = |hz: f64| 20.0 * amplitude(&tone, hz).log10() + 3.17;
            let [low, high] = frequencies(Key::new(sign).expect("a key"));
            assert!((dbm0(low) + 8.0).abs() < 0.2, "{sign}: {}", dbm0(low));
            assert!((dbm0(high) + 6.0).abs() < 0.2, "{sign}: {}", dbm0(high));
            // Q.23: what is beside them is 20 dB below, or more. The highest peak of a wrong frequency is told by the rest.
            let power = tone.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 720.0;
            let wanted = (amplitude(&tone, low).powi(2) + amplitude(&tone, high).powi(2)) / 2.0;
            assert!(
                (power / wanted - 1.0).abs() < 0.01,
                "{sign}: {power} {wanted}"
            );
            // A frequency that is 0.1 % off would be 2 degrees away after 5 ms and turn against this by the end.
            for hz in [low, high] {
                let off = amplitude(&tone, hz * 1.015) / amplitude(&tone, hz);
                assert!(off < 0.9, "{sign}: {off}");
            }
        }
    }

    #[test]
    fn keys_sound_for_a_tenth_of_a_second_each_with_a_tenth_between_and_a_comma_waits_two_seconds()
    {
        let (sound, whole) = sent("1 1,5", 150, 0.0);
        let loud: Vec<bool> = sound
            .chunks(8)
            .map(|ms| ms.iter().any(|sample| sample.abs() > 0.05))
            .collect();
        let mut changes = Vec::new();
        for (ms, pair) in loud.windows(2).enumerate() {
            if pair[0] != pair[1] {
                changes.push(ms + 1);
            }
        }
        let wanted = [10, 110, 210, 310, 2_420, 2_520];
        assert_eq!(changes.len(), wanted.len(), "{changes:?}");
        for (is, wanted) in changes.iter().zip(wanted) {
            assert!(is.abs_diff(wanted) <= 2, "{changes:?}");
        }
        // Two keys with their pauses are 410 ms, the third begins in frame 120 and is over in frame 130.
        let kept: Vec<usize> = (0..whole.len()).filter(|n| whole[*n]).collect();
        let wanted: Vec<usize> = (0..21).chain(120..131).collect();
        assert_eq!(kept, wanted);
    }

    #[test]
    fn the_voice_is_away_while_keys_sound_and_back_afterwards_without_a_click() {
        let (sound, _) = sent("*0", 30, 0.5);
        for pause in [115 * 8..205 * 8, 315 * 8..405 * 8] {
            assert!(sound[pause].iter().all(|sample| *sample == 0.0));
        }
        assert!(sound[425 * 8..].iter().all(|sample| *sample == 0.5));
        let steps = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let own = (0.2764 * 941.0 + 0.348 * 1_336.0) * std::f32::consts::TAU / 8_000.0;
        assert!(steps.fold(0.0, f32::max) < own + 0.63 / 32.0);
        let (sound, _) = sent(",", 10, 0.5);
        assert!(
            sound.iter().all(|sample| *sample == 0.5),
            "a comma keeps nobody silent"
        );
    }

    #[test]
    fn keys_wait_for_those_before_them_and_what_finds_no_room_is_told() {
        let mut sender = KeySender::default();
        let many = Keys::parse(&"1".repeat(MOST_KEYS)).expect("keys");
        assert!(sender.send(many.signs()) && sender.send(many.signs()));
        assert!(!sender.send(&many.signs()[..1]));
        let mut frames = 0;
        while !sender.is_idle() {
            let mut frame = [0.0; FRAME_LEN];
            sender.process(&mut frame);
            frames += 1;
        }
        // 200 ms each, 10 before the first and after the last.
        assert!((1_281..=1_282).contains(&frames), "{frames}");
    }
}
