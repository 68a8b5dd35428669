//! Where sound of the line can lose a piece without anybody hearing it: one period of its pitch, or a stretch of quiet.
//!
//! A piece goes by fading from what is before it into what is after it, so nothing becomes louder than it was, and what
//! is left keeps its pitch (W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity",
//! ICASSP 1993).

/// The shortest period that is looked for, in samples: 2.5 ms, 400 Hz.
pub const SHORTEST: usize = 20;

/// The longest, in samples: 15 ms, 67 Hz.
pub const LONGEST: usize = 120;

/// How much more alike a longer period must be than a shorter one.
const BETTER: f32 = 0.01;

/// What is compared to find a period, in samples: 10 ms.
const WINDOW: usize = 80;

/// The least that is compared, and the shortest fade, in samples: 5 ms.
pub const FADE: usize = 40;

/// Finds the period at which `sound` repeats itself best, between [`SHORTEST`] and [`LONGEST`] samples, and how alike the
/// two are (normalised correlation, -1 to 1). Nothing where `sound` is too short for any.
#[must_use]
pub fn period(sound: &[f32]) -> Option<(usize, f32)> {
    let longest = LONGEST.min(sound.len().checked_sub(FADE)?);
    let mut best: Option<(usize, f32)> = None;
    let mut before = f32::INFINITY;
    for lag in SHORTEST..=longest {
        let window = WINDOW.min(sound.len() - lag);
        let value = alike(&sound[..window], &sound[lag..lag + window]);
        // Two periods are as good as one, and it takes longer until so much may go.
        let climbs = best.is_some_and(|(at, _)| at + 1 == lag) && value > before;
        if climbs || best.is_none_or(|(_, known)| value > known + BETTER) {
            best = Some((lag, value));
        }
        before = value;
    }
    best
}

/// Finds where exactly `length` samples can go best: the first of them, and how alike what is faded there is. Nothing where
/// `sound` does not hold `length` and a fade.
#[must_use]
pub fn place(sound: &[f32], length: usize) -> Option<(usize, f32)> {
    let last = sound.len().checked_sub(length + FADE)?;
    (0..=last)
        .map(|at| {
            let (goes, comes) = (&sound[at..at + FADE], &sound[at + length..]);
            (at, alike(goes, comes))
        })
        .max_by(|one, other| one.1.total_cmp(&other.1))
}

/// Returns how alike two sounds are, over the shorter of them: their normalised correlation, -1 to 1. Silence is like
/// itself.
#[must_use]
pub fn alike(one: &[f32], other: &[f32]) -> f32 {
    // A sound of -80 dBFS: what is softer counts as silence.
    const SILENCE: f32 = 1e-8;
    let least = SILENCE * one.len() as f32;
    let (mut both, mut first, mut second) = (least, least, least);
    for (a, b) in one.iter().zip(other) {
        both += a * b;
        first += a * a;
        second += b * b;
    }
    both / (first * second).sqrt()
}

/// Returns the mean power of a sound, 1 being that of a square wave at full scale.
#[must_use]
pub fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|s| s * s).sum::<f32>() / sound.len().max(1) as f32
}

/// Returns sample `n` of a fade over `length` samples from `from` to `to`, which is never louder than the louder of them.
#[must_use]
pub fn fade(n: usize, length: usize, from: f32, to: f32) -> f32 {
    let share = (n + 1) as f32 / (length + 1) as f32;
    from + (to - from) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|n| (n as f32 * std::f32::consts::TAU * hz / 8_000.0).sin() * 0.5)
            .collect()
    }

    #[test]
    fn the_period_of_a_tone_is_found_or_a_multiple_of_it() {
        for hz in [70.0, 100.0, 133.3, 250.0, 400.0, 1_000.0, 2_000.0] {
            let (lag, alike) = period(&tone(hz, 240)).expect("long enough");
            let periods = lag as f32 * hz / 8_000.0;
            assert!((periods - periods.round()).abs() < 0.06, "{hz} Hz: {lag}");
            assert!(alike > 0.95, "{hz} Hz: {alike}");
        }
    }

    #[test]
    fn noise_has_no_period() {
        let mut seed = 1_u32;
        let noise: Vec<f32> = (0..240)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect();
        assert!(period(&noise).is_some_and(|(_, alike)| alike < 0.5));
    }

    #[test]
    fn too_short_a_sound_has_neither_period_nor_place() {
        assert_eq!(period(&[0.0; 30]), None);
        assert_eq!(place(&[0.0; 100], 61), None);
        assert!(place(&[0.0; 100], 60).is_some());
    }

    #[test]
    fn a_place_for_any_length_is_where_the_sound_is_alike() {
        // Quiet from sample 100 on: nothing but that is alike over 77 samples of a tone of 900 Hz.
        let mut sound = tone(900.0, 300);
        sound[100..].fill(0.0);
        let (at, alike) = place(&sound, 77).expect("long enough");
        assert!(at >= 100 && alike > 0.99, "{at}, {alike}");
    }
}
