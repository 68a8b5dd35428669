//! The simulated caller's voice: a greeting in each language, kept as Ogg Opus inside the program.

use super::recording::from_opus;
use crate::lang::Lang;

/// Returns the greeting, 8 kHz; the README beside it says how it was made.
#[must_use]
pub fn greeting(lang: Lang) -> Vec<i16> {
    let stored: &[u8] = match lang {
        Lang::En => include_bytes!("greeting-en.opus"),
        Lang::Fr => include_bytes!("greeting-fr.opus"),
    };
    // A test decodes every one of them.
    from_opus(stored).unwrap_or_default()
}

/// Returns the tone that asks to speak: 1,000 Hz for 250 ms, at 8 kHz.
#[must_use]
pub fn beep() -> Vec<i16> {
    (0..2_000u16)
        .map(|n| {
            let wave = (f32::from(n) * 1_000.0 * std::f32::consts::TAU / 8_000.0).sin();
            // Swells and fades within 10 ms, so that it does not click.
            let edge = f32::from(n.min(1_999 - n).min(80)) / 80.0;
            (wave * edge * 8_000.0) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::audio::comfort::Loudest;
    use crate::pure::audio::limiter::Limiter;
    use crate::pure::audio::{DeviceRate, LINE_RATE};

    #[test]
    fn every_greeting_is_some_seconds_of_speech() {
        for lang in Lang::ALL {
            let sound = greeting(lang);
            let seconds = sound.len() / 8_000;
            assert!((4..15).contains(&seconds), "{lang:?}: {seconds} s");
            let loudest = sound.iter().map(|s| s.unsigned_abs()).max();
            assert!(loudest > Some(4_000), "{lang:?}: {loudest:?}");
        }
    }

    #[test]
    fn the_limiter_of_a_real_speaker_leaves_a_greeting_as_loud_as_it_was() {
        let power = |sound: &[f32]| sound.iter().map(|s| s * s).sum::<f32>() / sound.len() as f32;
        for lang in Lang::ALL {
            let spoken: Vec<f32> = greeting(lang)
                .into_iter()
                .map(|sample| f32::from(sample) / 32_768.0)
                .collect();
            let mut heard = spoken.clone();
            let line = DeviceRate::new(LINE_RATE).expect("a rate");
            Limiter::new(Loudest::default(), line).process(&mut heard);
            for (spoken, heard) in spoken.chunks_exact(4_000).zip(heard.chunks_exact(4_000)) {
                let softer = 10.0 * (power(spoken).max(1e-9) / power(heard).max(1e-9)).log10();
                assert!((-0.01..0.75).contains(&softer), "{lang:?}: {softer} dB");
            }
        }
    }

    #[test]
    fn the_beep_neither_clicks_nor_is_too_loud() {
        let beep = beep();
        assert_eq!((beep[0], beep[1_999]), (0, 0));
        assert!(beep.iter().all(|s| s.unsigned_abs() <= 8_000));
        assert!(beep.iter().any(|s| s.unsigned_abs() > 7_000));
    }
}
