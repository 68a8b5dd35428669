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
    fn the_beep_neither_clicks_nor_is_too_loud() {
        let beep = beep();
        assert_eq!((beep[0], beep[1_999]), (0, 0));
        assert!(beep.iter().all(|s| s.unsigned_abs() <= 8_000));
        assert!(beep.iter().any(|s| s.unsigned_abs() > 7_000));
    }
}
