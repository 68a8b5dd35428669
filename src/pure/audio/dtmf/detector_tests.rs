//! The conditions of ITU-T Q.24, and speech in which there is no key.

use super::super::{KeySender, frequencies};
use super::*;
use crate::pure::audio::FRAME_LEN;
use crate::pure::keys::Keys;

const ALL: &str = "0123456789*#ABCD";

/// A sequence that is the same every time.
struct Chance(u32);

impl Chance {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (self.next() + 1.0) / 2.0 * (most - least)
    }

    /// Noise of a normal distribution, nearly: power 1.
    fn noise(&mut self) -> f32 {
        (0..12).map(|_| self.next()).sum::<f32>() / 2.0
    }
}

/// A key as it may come: levels in dBm0, frequencies as factors, lengths in ms.
#[derive(Clone, Copy)]
struct Press {
    sign: char,
    dbm0: [f64; 2],
    factor: [f64; 2],
    ms: usize,
    pause: usize,
}

const PLAIN: Press = Press {
    sign: '5',
    dbm0: [-10.0, -8.0],
    factor: [1.0, 1.0],
    ms: 40,
    pause: 40,
};

fn press(sound: &mut Vec<f32>, press: Press) {
    let hz = frequencies(Key::new(press.sign).expect("a key"));
    for n in 0..press.ms * 8 {
        let of = |k: usize| {
            let turn = std::f64::consts::TAU * hz[k] * press.factor[k] * n as f64 / 8_000.0;
            (turn + k as f64).sin() * 10_f64.powf((press.dbm0[k] - 3.17) / 20.0)
        };
        sound.push((of(0) + of(1)) as f32);
    }
    sound.extend(vec![0.0; press.pause * 8]);
}

fn told(sound: &[f32]) -> String {
    let mut detector = KeyDetector::default();
    let mut keys = String::new();
    for frame in sound.chunks(FRAME_LEN) {
        let ulaw: Vec<u8> = frame.iter().map(|s| g711::encode_f32(*s)).collect();
        detector.hear(&ulaw, |key| keys.push(key.sign()));
    }
    keys
}

/// Every key as `like` has it, at every place between two looks.
fn all(like: impl Fn(char) -> Press) -> (String, String) {
    let (mut sound, mut wanted) = (vec![0.0; 800], String::new());
    for (n, sign) in ALL.chars().cycle().take(80).enumerate() {
        press(&mut sound, like(sign));
        sound.extend(vec![0.0; n % 40]);
        wanted.push(sign);
    }
    sound.extend(vec![0.0; 800]);
    (told(&sound), wanted)
}

#[test]
fn every_key_of_40_ms_with_pauses_of_40_ms_is_told_once() {
    let (told, wanted) = all(|sign| Press { sign, ..PLAIN });
    assert_eq!(told, wanted);
    // The same key again and again.
    let mut sound = Vec::new();
    (0..30).for_each(|_| press(&mut sound, PLAIN));
    assert_eq!(self::told(&sound), "5".repeat(30));
}

#[test]
fn keys_are_told_at_any_level_down_to_minus_28_dbm0_and_with_the_twist_of_any_line() {
    for low in [-2.0, -8.0, -15.0, -25.0, -28.0] {
        for twist in [-8.0, -5.0, 0.0, 2.0, 4.0] {
            // The stronger one has the level.
            let dbm0 = [low - f64::max(twist, 0.0), low + f64::min(twist, 0.0)];
            if dbm0[0].min(dbm0[1]) < -29.0 {
                continue;
            }
            let (told, wanted) = all(|sign| Press {
                sign,
                dbm0,
                ..PLAIN
            });
            assert_eq!(told, wanted, "{dbm0:?} dBm0");
        }
    }
}

#[test]
fn frequencies_that_are_one_and_a_half_percent_off_are_taken_and_three_and_a_half_are_not() {
    for (factor, taken) in [
        ([1.015, 1.015], true),
        ([0.985, 0.985], true),
        ([0.985, 1.015], true),
        ([1.015, 0.985], true),
        ([1.035, 1.0], false),
        ([0.965, 1.0], false),
        ([1.0, 1.035], false),
        ([1.0, 0.965], false),
    ] {
        let (told, wanted) = all(|sign| Press {
            sign,
            factor,
            ..PLAIN
        });
        assert_eq!(
            told,
            if taken { wanted } else { String::new() },
            "{factor:?}"
        );
    }
}

#[test]
fn what_is_too_short_or_too_soft_or_a_single_tone_is_no_key() {
    let (told, _) = all(|sign| Press {
        sign,
        ms: 20,
        ..PLAIN
    });
    assert_eq!(told, "");
    let (told, _) = all(|sign| Press {
        sign,
        dbm0: [-45.0, -45.0],
        ms: 100,
        ..PLAIN
    });
    assert_eq!(told, "");
    for dbm0 in [[-10.0, -60.0], [-60.0, -10.0], [-25.0, -8.0], [-5.0, -25.0]] {
        let (told, _) = all(|sign| Press {
            sign,
            dbm0,
            ms: 100,
            ..PLAIN
        });
        assert_eq!(told, "", "{dbm0:?}");
    }
}

#[test]
fn a_chord_that_holds_the_two_frequencies_of_a_key_is_none() {
    // The third note has -9 dB of the power of all three.
    for hz in [392.0, 523.3, 1_046.5, 1_975.5] {
        let mut sound = vec![0.0; 800];
        for sign in ALL.chars() {
            let begin = sound.len();
            press(
                &mut sound,
                Press {
                    sign,
                    dbm0: [-15.0, -15.0],
                    ms: 200,
                    ..PLAIN
                },
            );
            for (n, sample) in sound[begin..begin + 1_600].iter_mut().enumerate() {
                let third = (n as f64 * hz * std::f64::consts::TAU / 8_000.0).sin();
                *sample += (third * 10_f64.powf((-20.5 - 3.17) / 20.0)) as f32;
            }
        }
        assert_eq!(told(&sound), "", "{hz} Hz");
    }
}

#[test]
fn an_interruption_of_ten_milliseconds_is_none() {
    for ms in [40, 43, 47, 52] {
        let mut sound = vec![0.0; 800];
        press(
            &mut sound,
            Press {
                ms,
                pause: 10,
                ..PLAIN
            },
        );
        press(
            &mut sound,
            Press {
                ms,
                pause: 100,
                ..PLAIN
            },
        );
        assert_eq!(told(&sound), "5", "{ms} ms");
    }
}

#[test]
fn keys_are_told_in_noise_15_db_below_them_and_in_hum() {
    let mut chance = Chance(7);
    let (mut sound, mut wanted) = (vec![0.0; 800], String::new());
    for (n, sign) in ALL.chars().cycle().take(800).enumerate() {
        let like = Press {
            sign,
            dbm0: [-15.0, -15.0],
            ms: 50,
            pause: 50,
            ..PLAIN
        };
        press(&mut sound, like);
        sound.extend(vec![0.0; n % 40]);
        wanted.push(sign);
    }
    sound.extend(vec![0.0; 800]);
    // -15 dBm0 each are -12 together, in power.
    let noise = 10_f32.powf((-27.0 - 6.18) / 20.0) * std::f32::consts::SQRT_2;
    for (n, sample) in sound.iter_mut().enumerate() {
        let hum = (n as f32 * 50.0 * std::f32::consts::TAU / 8_000.0).sin();
        *sample += noise * chance.noise() + 0.01 * hum;
    }
    let told = told(&sound);
    assert_eq!(told, wanted);
}

#[test]
fn what_is_sent_here_is_told_here() {
    let typed = "0123456789*#ABCD5511,2";
    let mut sender = KeySender::default();
    assert!(sender.send(Keys::parse(typed).expect("keys").signs()));
    let mut sound = Vec::new();
    while !sender.is_idle() {
        let mut frame = [0.3; FRAME_LEN];
        sender.process(&mut frame);
        sound.extend(frame);
    }
    assert_eq!(told(&sound), typed.replace(',', ""));
}

/// Talk that never ends: vowels of two to four formants with gliding pitch and formants, hisses and pauses, of many
/// speakers.
fn talk(seconds: usize, chance: &mut Chance) -> Vec<f32> {
    let mut sound = Vec::new();
    let mut state = [(0.0_f32, 0.0_f32); 3];
    let mut phase = 0.0_f32;
    while sound.len() < seconds * 8_000 {
        // A speaker, for a second or two.
        let voice = chance.between(85.0, 320.0);
        for _ in 0..6 {
            let length = chance.between(0.06, 0.35) * 8_000.0;
            let kind = chance.between(0.0, 1.0);
            let (from, to) = (
                [
                    chance.between(250.0, 950.0),
                    chance.between(850.0, 2_400.0),
                    chance.between(2_300.0, 3_300.0),
                ],
                chance.between(0.85, 1.18),
            );
            let glide = chance.between(0.85, 1.2);
            let loud = chance.between(0.05, 0.5);
            for n in 0..length as usize {
                let at = n as f32 / length;
                phase += voice * (1.0 + (glide - 1.0) * at) / 8_000.0;
                let source = if kind < 0.75 {
                    (1.0 - phase.fract()).powi(4) - 0.2 + 0.01 * chance.next()
                } else if kind < 0.9 {
                    0.3 * chance.next()
                } else {
                    0.0
                };
                let mut said = 0.0;
                for (formant, (one, two)) in from.iter().zip(&mut state) {
                    let hz = formant * (1.0 + (to - 1.0) * at);
                    let (shrink, turn) = (0.97_f32, std::f32::consts::TAU * hz / 8_000.0);
                    let next = source + 2.0 * shrink * turn.cos() * *one - shrink * shrink * *two;
                    (*one, *two) = (next, *one);
                    said += next * 0.02;
                }
                let edge = (at.min(1.0 - at) * 10.0).min(1.0);
                sound.push((said * loud * edge * 8.0).clamp(-1.0, 1.0));
            }
        }
    }
    sound
}

#[test]
fn half_an_hour_of_talk_holds_no_key() {
    let mut chance = Chance(3);
    let talk = talk(1_800, &mut chance);
    assert!(talk.iter().any(|sample| sample.abs() > 0.5));
    assert_eq!(told(&talk), "");
}

#[test]
fn ringback_busy_tone_and_music_hold_no_key() {
    use crate::pure::audio::DeviceRate;
    use crate::pure::audio::hold::Music;
    use crate::pure::audio::tone::{Country, Progress, Tone};

    for country in Country::all() {
        for progress in Progress::ALL {
            let mut sound = vec![0.0; 48_000];
            if let Some(mut tone) = Tone::progress(progress, country, DeviceRate::LINE) {
                tone.add_to(&mut sound);
            }
            assert_eq!(told(&sound), "", "{country:?} {progress:?}");
        }
    }
    let music = Music::built_in();
    let mut sound = vec![0.0; music.len()];
    music.play(&mut 0, &mut sound);
    assert_eq!(told(&sound), "");
}
