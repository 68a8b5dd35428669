//! The near end's own keys, softly in its own ear.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::Pair;
use crate::pure::audio::DeviceRate;
use crate::pure::audio::fader::Fader;
use crate::pure::keys::Key;

/// The loudness of each frequency: two together are -34 dBFS, 12 dB below a voice on a telephone line.
const LEVEL: f32 = 0.02;

/// The key that is being sent, told by the mouth and read by the ear.
#[derive(Debug, Default)]
pub struct SoundingKey(AtomicU8);

impl SoundingKey {
    /// Tells which key sounds now; nothing: none.
    pub fn set(&self, key: Option<Key>) {
        let sign = key.and_then(|key| u8::try_from(key.sign()).ok());
        self.0.store(sign.unwrap_or(0), Ordering::Relaxed);
    }

    fn get(&self) -> Option<Key> {
        Key::new(char::from(self.0.load(Ordering::Relaxed)))
    }
}

/// What the near end hears of it.
#[derive(Debug)]
pub struct KeyTone {
    told: Arc<SoundingKey>,
    rate: DeviceRate,
    sounds: Option<(Key, Pair)>,
    fader: Fader,
}

impl KeyTone {
    /// Makes one for a device of `rate`.
    #[must_use]
    pub fn new(told: Arc<SoundingKey>, rate: DeviceRate) -> KeyTone {
        KeyTone {
            told,
            rate,
            sounds: None,
            fader: Fader::new(0.0, rate),
        }
    }

    /// Moves to a device of another rate.
    pub fn set_rate(&mut self, rate: DeviceRate) {
        *self = KeyTone::new(Arc::clone(&self.told), rate);
    }

    /// Adds what is heard to a block.
    pub fn add_to(&mut self, block: &mut [f32]) {
        let key = self.told.get();
        for sample in block {
            if self.fader.gain() == 0.0 {
                self.sounds = key.map(|key| (key, Pair::new(key, self.rate.hz())));
            }
            let Some((known, pair)) = &mut self.sounds else {
                return;
            };
            self.fader
                .set(if key == Some(*known) { LEVEL } else { 0.0 });
            let [low, high] = pair.next();
            *sample += (low + high) * self.fader.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_heard_softly_while_it_is_sent_and_changes_without_a_click() {
        let told = Arc::new(SoundingKey::default());
        let mut tone = KeyTone::new(Arc::clone(&told), DeviceRate::HZ_48000);
        let mut heard = Vec::new();
        for sign in ["5", "", "D", "1", ""] {
            told.set(sign.chars().next().and_then(Key::new));
            let mut sound = vec![0.0; 4_800];
            sound.chunks_mut(480).for_each(|block| tone.add_to(block));
            let late = &sound[2_400..];
            let power = late.iter().map(|s| s * s).sum::<f32>() / late.len() as f32;
            if sign.is_empty() {
                assert!(late.iter().all(|sample| *sample == 0.0));
            } else {
                assert!((10.0 * power.log10() + 34.0).abs() < 0.5, "{sign}: {power}");
            }
            heard.extend(sound);
        }
        let steps = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let own = LEVEL * (941.0 + 1_633.0) * std::f32::consts::TAU / 48_000.0;
        assert!(steps.fold(0.0, f32::max) < own + 2.0 * LEVEL / 10.0);
    }
}
