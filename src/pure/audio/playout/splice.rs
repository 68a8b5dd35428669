//! Where sound can be made shorter or longer without anybody hearing it: by one period of its pitch, cross-faded.

use super::samples;

/// Periods that are tried: 400 Hz down to 67 Hz, which is every voice.
pub(super) const SHORTEST: usize = samples(5) / 2;
/// The longest of them.
pub(super) const LONGEST: usize = samples(15);

/// What two neighbouring periods are compared over, at least.
const WINDOW: usize = samples(5);

/// Finds the period at which `sound` repeats itself best, between [`SHORTEST`] and [`LONGEST`], and how alike the two are:
/// their normalised correlation, -1 to 1. `sound` holds two of the longest; of less, shorter periods are tried.
pub(super) fn period(sound: &[f32]) -> (usize, f32) {
    let longest = LONGEST.min(sound.len() / 2);
    let mut best = (SHORTEST, -1.0);
    let mut attempt = |lag: usize| {
        let window = lag.max(WINDOW).min(sound.len() - lag);
        let value = alike(&sound[..window], &sound[lag..lag + window]);
        if value > best.1 {
            best = (lag, value);
        }
        best.0
    };
    // Every second lag first, then the neighbours of the best.
    let mut found = SHORTEST;
    for lag in (SHORTEST..=longest).step_by(2) {
        found = attempt(lag);
    }
    for lag in [found - 1, found + 1] {
        if (SHORTEST..=longest).contains(&lag) {
            attempt(lag);
        }
    }
    best
}

/// Returns how alike two sounds of one length are: -1 to 1, and 0 where one of them is silent.
pub(super) fn alike(one: &[f32], other: &[f32]) -> f32 {
    let (mut both, mut first, mut second) = (0.0_f32, 1e-9_f32, 1e-9_f32);
    for (a, b) in one.iter().zip(other) {
        both += a * b;
        first += a * a;
        second += b * b;
    }
    both / (first * second).sqrt()
}

/// Returns the mean power of a sound.
pub(super) fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32
}

/// The share of what comes, at sample `n` of a fade of `length`; what goes has the rest.
pub(super) fn share(n: usize, length: usize) -> f32 {
    (n + 1) as f32 / (length + 1) as f32
}
