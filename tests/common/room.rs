//! Rooms for an echo: seeded impulse responses with a direct path and an exponentially decaying tail, a loudspeaker whose
//! clock drifts, and the noise of a microphone. Nothing here was recorded.

/// A generator of chance that always says the same for the same seed (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Begins with a seed.
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D)
    }

    /// Returns 64 bits of chance.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 to 1, evenly.
    pub(crate) fn even(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Returns a number of mean 0 and variance 1: the sum of twelve even ones, less six.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.even()).sum::<f32>() - 6.0
    }
}

/// A room with a loudspeaker and a microphone in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Which room of its kind.
    pub(crate) seed: u64,
    /// How long its sound takes to decay by 60 dB, in ms.
    pub rt60_ms: f32,
    /// The direct path's energy against that of the tail, in dB.
    pub(crate) drr_db: f32,
    /// How late the echo begins, in ms.
    pub(crate) delay_ms: f32,
    /// How much faster the loudspeaker's clock runs than the microphone's, in parts per million.
    pub(crate) drift_ppm: f64,
}

impl Room {
    /// Returns the impulse response at a rate, without the bulk delay: its energy is 1.
    pub(crate) fn response(&self, rate: u32) -> Vec<f32> {
        let mut dice = Dice::new(self.seed);
        let length = (self.rt60_ms * 1.1 / 1000.0 * rate as f32) as usize;
        let gap = rate as usize / 1000;
        let mut response: Vec<f32> = (0..length)
            .map(|n| {
                let decay = (-6.908 * n as f32 / (self.rt60_ms / 1000.0 * rate as f32)).exp();
                if n < gap { 0.0 } else { dice.normal() * decay }
            })
            .collect();
        let tail: f32 = response.iter().map(|tap| tap * tap).sum();
        response[0] = (tail * 10_f32.powf(self.drr_db / 10.0)).sqrt();
        let energy: f32 = response.iter().map(|tap| tap * tap).sum();
        for tap in &mut response {
            *tap /= energy.sqrt();
        }
        response
    }

    /// Returns what the microphone hears of `played`, as long as it is, delay and drift within.
    pub(crate) fn echo_of(&self, played: &[f32], rate: u32) -> Vec<f32> {
        let delay = f64::from(self.delay_ms) / 1000.0 * f64::from(rate);
        let faster = 1.0 + self.drift_ppm * 1e-6;
        let heard: Vec<f32> = (0..played.len())
            .map(|n| between(played, n as f64 * faster - delay))
            .collect();
        let response = self.response(rate);
        let mut echo = vec![0.0; played.len()];
        for (k, tap) in response.iter().enumerate().take(played.len()) {
            let late = echo.len() - k;
            for (out, sample) in echo[k..].iter_mut().zip(&heard[..late]) {
                *out += tap * sample;
            }
        }
        echo
    }
}

/// Returns a signal's value between its samples, by a windowed sinc of 32 taps.
pub(crate) fn between(signal: &[f32], at: f64) -> f32 {
    const HALF: i64 = 16;
    let first = at.floor() as i64 - HALF + 1;
    (first..first + 2 * HALF)
        .filter_map(|n| {
            let sample = *signal.get(usize::try_from(n).ok()?)?;
            let x = at - n as f64;
            let window = 0.5 + 0.5 * (std::f64::consts::PI * x / HALF as f64).cos();
            let sinc = if x.abs() < 1e-9 {
                1.0
            } else {
                (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x)
            };
            Some(sample * (sinc * window) as f32)
        })
        .sum()
}
