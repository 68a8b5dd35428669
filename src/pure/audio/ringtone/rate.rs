//! A whole recording from one rate to another, at once: for what is loaded, not for what flows.

use super::super::DeviceRate;

/// Zero crossings of the filter on each side.
const CROSSINGS: f64 = 16.0;

/// The cutoff, as a share of the lower of the two Nyquist frequencies.
const CUTOFF: f64 = 0.92;

/// Converts a recording. The filter is a sinc in a Blackman window; each of the few places that samples can lie between
/// others has its own taps.
#[must_use]
pub fn convert(samples: &[f32], from: DeviceRate, to: DeviceRate) -> Vec<f32> {
    let (from, to) = (u64::from(from.hz()), u64::from(to.hz()));
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let common = gcd(from, to);
    let (up, down) = (to / common, from / common);
    let scale = CUTOFF * (to as f64 / from as f64).min(1.0);
    let reach = (CROSSINGS / scale).ceil() as usize;
    let taps: Vec<f32> = (0..up)
        .flat_map(|phase| {
            let between = phase as f64 / up as f64;
            (0..2 * reach).map(move |tap| {
                let x = tap as f64 - (reach - 1) as f64 - between;
                (scale * sinc(scale * x) * window(x / reach as f64)) as f32
            })
        })
        .collect();
    // In 64 bits: on a small machine a place times a rate fits into no `usize`.
    let length = samples.len() as u64 * up / down;
    (0..length)
        .map(|n| {
            let (at, phase) = (n * down / up, (n * down % up) as usize);
            let taps = &taps[phase * 2 * reach..][..2 * reach];
            let first = at as i64 - (reach as i64 - 1);
            taps.iter()
                .zip(first..)
                .map(|(tap, at)| {
                    let at = usize::try_from(at).ok();
                    tap * at.and_then(|at| samples.get(at)).unwrap_or(&0.0)
                })
                .sum()
        })
        .collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    let x = std::f64::consts::PI * x;
    if x == 0.0 { 1.0 } else { x.sin() / x }
}

/// Blackman's window, from -1 to 1.
fn window(x: f64) -> f64 {
    if x.abs() > 1.0 {
        return 0.0;
    }
    let x = std::f64::consts::PI * x;
    0.42 + 0.5 * x.cos() + 0.08 * (2.0 * x).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_loudness_at_any_rate() {
        for (from, to) in [
            (8_000, 48_000),
            (44_100, 48_000),
            (96_000, 48_000),
            (48_000, 44_100),
            (48_000, 8_000),
        ] {
            let rate = |hz| DeviceRate::new(hz).expect("a rate");
            let tone = |hz: u32, n: usize| {
                (n as f64 * 1_000.0 * std::f64::consts::TAU / f64::from(hz)).sin() as f32 * 0.5
            };
            let samples: Vec<f32> = (0..from as usize).map(|n| tone(from, n)).collect();
            let made = convert(&samples, rate(from), rate(to));
            assert_eq!(made.len(), to as usize);
            let edge = to as usize / 50;
            for (n, sample) in made
                .iter()
                .enumerate()
                .skip(edge)
                .take(made.len() - 2 * edge)
            {
                let wanted = tone(to, n);
                assert!(
                    (sample - wanted).abs() < 0.002,
                    "{from} to {to}, {n}: {sample} {wanted}"
                );
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_left_out() {
        let high: Vec<f32> = (0..48_000)
            .map(|n| (n as f32 * 6_000.0 * std::f32::consts::TAU / 48_000.0).sin())
            .collect();
        let low = DeviceRate::new(8_000).expect("a rate");
        let made = convert(&high, DeviceRate::HZ_48000, low);
        let peak = made[200..7_800]
            .iter()
            .fold(0.0_f32, |peak, s| peak.max(s.abs()));
        assert!(peak < 0.003, "{peak}");
    }
}
