//! Chirps to be played, and a matched filter that finds them again.

use realfft::RealFftPlanner;

/// Length of one chirp, in seconds.
const LENGTH: f64 = 0.04;

/// Makes one chirp from 400 Hz to 3 kHz under a Hann window: 40 ms that a telephone line carries whole.
pub(crate) fn chirp(rate: u32) -> Vec<f32> {
    let samples = (LENGTH * f64::from(rate)) as usize;
    (0..samples)
        .map(|n| {
            let t = n as f64 / f64::from(rate);
            let phase =
                std::f64::consts::TAU * (400.0 * t + (3000.0 - 400.0) / (2.0 * LENGTH) * t * t);
            let window = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / samples as f64).cos();
            (phase.sin() * window * 0.6) as f32
        })
        .collect()
}

/// Makes `count` chirps, one a `spacing` seconds, the first after half a spacing.
pub(crate) fn chirps(rate: u32, count: usize, spacing: f64) -> Vec<f32> {
    let every = (spacing * f64::from(rate)) as usize;
    let one = chirp(rate);
    let mut sound = vec![0.0; every * count + every / 2];
    for k in 0..count {
        let start = every / 2 + k * every;
        sound[start..start + one.len()].copy_from_slice(&one);
    }
    sound
}

/// Finds the chirps in a recording: their first samples, in seconds, oldest first.
///
/// What correlates with less than 0.4 of the best find, or lies within 0.3 s of a better one, is no chirp.
pub(crate) fn find_chirps(recording: &[f32], rate: u32) -> Vec<f64> {
    let pattern = chirp(rate);
    let size = (recording.len() + pattern.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let forward = planner.plan_fft_forward(size);
    let inverse = planner.plan_fft_inverse(size);
    let spectrum = |samples: &[f32]| {
        let mut padded = samples.to_vec();
        padded.resize(size, 0.0);
        let mut bins = forward.make_output_vec();
        forward
            .process(&mut padded, &mut bins)
            .expect("the sizes are the plan's");
        bins
    };
    let (a, b) = (spectrum(recording), spectrum(&pattern));
    let mut product: Vec<_> = a.iter().zip(&b).map(|(x, y)| x * y.conj()).collect();
    // The first and the last bin of a real signal are real; rounding may say otherwise.
    product[0].im = 0.0;
    let last = product.len() - 1;
    product[last].im = 0.0;
    let mut match_at = inverse.make_output_vec();
    inverse
        .process(&mut product, &mut match_at)
        .expect("the sizes are the plan's");
    match_at.truncate(recording.len());
    for value in &mut match_at {
        *value = value.abs();
    }
    let guard = (0.3 * f64::from(rate)) as usize;
    let strongest = match_at.iter().copied().fold(0.0, f32::max);
    let mut found = Vec::new();
    while found.len() < 1000 && strongest > 0.0 {
        let (at, value) = match_at
            .iter()
            .copied()
            .enumerate()
            .fold(
                (0, 0.0),
                |best, now| if now.1 > best.1 { now } else { best },
            );
        if value < 0.4 * strongest {
            break;
        }
        found.push(at as f64 / f64::from(rate));
        let from = at.saturating_sub(guard);
        let to = (at + guard).min(match_at.len());
        match_at[from..to].fill(0.0);
    }
    found.sort_by(f64::total_cmp);
    found
}

/// Returns lowest, median and highest, or nothing of nothing.
pub(crate) fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    Some((*values.first()?, values[values.len() / 2], *values.last()?))
}
