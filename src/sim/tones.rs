//! Sounds that the carrier makes itself, at 8 kHz: ringback, music for whoever waits, and keys.

use std::f32::consts::TAU;
use std::time::Duration;

use super::script::FRAME;

/// How long a key sounds when `<Play digits>` or a far end presses it, and how long the pause behind it is.
const KEY: Duration = Duration::from_millis(100);

/// Returns so much of a North American ringback: 440 and 480 Hz, two seconds in every six.
pub(super) fn ringback(time: Duration) -> Vec<i16> {
    let length = samples(time);
    let rings = |n: &usize| n % samples(Duration::from_secs(6)) < samples(Duration::from_secs(2));
    (0..length)
        .map(|n| {
            if rings(&n) {
                pair(n, 440.0, 480.0, 2_500.0)
            } else {
                0
            }
        })
        .collect()
}

/// Returns a frame of the music that somebody hears who waits: three notes in turn, half a second each, never silent.
pub(super) fn music(frame: u64) -> [i16; FRAME] {
    let note = [523.25, 659.25, 783.99][(frame / 25 % 3) as usize];
    let from = (frame % 25) as usize * FRAME;
    std::array::from_fn(|n| pair(from + n, note, note * 2.0, 1_500.0))
}

/// Returns the tones of digits (ITU-T Q.23), 100 ms each and 100 ms apart; `w` and `W` are pauses of half a second and one.
pub(super) fn keys(digits: &str) -> Vec<i16> {
    let mut sound = Vec::new();
    for digit in digits.chars() {
        match digit {
            'w' => sound.resize(sound.len() + 4_000, 0),
            'W' => sound.resize(sound.len() + 8_000, 0),
            _ => {
                sound.extend(key(digit));
                sound.resize(sound.len() + samples(KEY), 0);
            }
        }
    }
    sound
}

/// Returns the tone of one key, 100 ms; silence where a telephone has no such key.
pub(super) fn key(digit: char) -> Vec<i16> {
    const ROWS: [(&str, f32); 4] = [
        ("123A", 697.0),
        ("456B", 770.0),
        ("789C", 852.0),
        ("*0#D", 941.0),
    ];
    const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
    let found = ROWS.iter().find_map(|(row, low)| {
        let column = row.find(digit)?;
        Some((*low, COLUMNS[column]))
    });
    let tone = |n| found.map_or(0, |(low, high)| pair(n, low, high, 5_000.0));
    (0..samples(KEY)).map(tone).collect()
}

fn pair(n: usize, low: f32, high: f32, each: f32) -> i16 {
    let at = |hz: f32| (n as f32 / 8_000.0 * hz * TAU).sin() * each;
    (at(low) + at(high)) as i16
}

fn samples(time: Duration) -> usize {
    usize::try_from(time.as_millis() * 8).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how strongly a sound has a frequency in it, against all of it.
    fn share(sound: &[i16], hz: f32) -> f32 {
        let (mut sine, mut cosine, mut power) = (0.0, 0.0, 0.0);
        for (n, sample) in sound.iter().enumerate() {
            let (angle, sample) = (n as f32 / 8_000.0 * hz * TAU, f32::from(*sample));
            sine += sample * angle.sin();
            cosine += sample * angle.cos();
            power += sample * sample;
        }
        2.0 * (sine * sine + cosine * cosine) / (power * sound.len() as f32)
    }

    #[test]
    fn a_key_has_the_two_tones_of_its_row_and_column() {
        let five = key('5');
        assert!(share(&five, 770.0) > 0.4 && share(&five, 1_336.0) > 0.4);
        assert!(share(&five, 697.0) < 0.05);
        assert_eq!(key('x'), [0; 800]);
        assert_eq!(keys("1w2").len(), 1_600 + 4_000 + 1_600);
    }

    #[test]
    fn it_rings_for_two_seconds_in_six_and_the_music_never_stops() {
        let ring = ringback(Duration::from_secs(7));
        assert!(share(&ring[..16_000], 440.0) > 0.4);
        assert!(ring[16_000..48_000].iter().all(|sample| *sample == 0));
        assert!(share(&ring[48_000..], 480.0) > 0.4);
        for frame in [0, 24, 25, 80] {
            assert!(
                music(frame)
                    .iter()
                    .any(|sample| sample.unsigned_abs() > 500)
            );
        }
    }
}
