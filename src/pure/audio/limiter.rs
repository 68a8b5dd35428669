//! The limiter: whatever a far end sends, no sample is louder than the bound. It adds no delay.
//!
//! Without looking ahead a bound can only hold if the gain falls with the very sample that is too loud. So the envelope
//! attacks at once, and the gain is a smooth function of it: while a sound grows beyond all before, the output follows a
//! curve that bends away below the bound; afterwards the gain stands and comes back slowly. Either way the output is
//! continuous in the input and never steeper, so that nothing clicks, and a steady tone keeps its shape.
//!
//! For `b` the bound, `k` the knee 2 dB below it and `e` the envelope, the output of a peak is `e` up to the knee and
//! `k + (b - k) (1 - exp(-(e - k) / (b - k)))` beyond: 1 is the slope at the knee, `b` is never reached, and the gain, that
//! divided by `e`, only falls. See Giannoulis, Massberg, Reiss, "Digital Dynamic Range Compressor Design", JAES 60 (2012),
//! for the parts of such a thing.
//!
//! What is loud for seconds (a fax, a stuck tone) is brought down further: where the mean power of the last seconds, pauses
//! and all, is above -9 dBFS and less than 6 dB below the bound, two decibel for every one, 12 at most. No speech is that
//! loud: its peaks lie some 15 dB above its mean. Ordinary speech may well be louder than a bound that is set low, and is then
//! only bounded; that is why the level is also an absolute one.

use super::DeviceRate;
use super::comfort::Loudest;

/// The knee, as a share of the bound: 2 dB below it.
const KNEE: f32 = 0.8;

/// What is loud for seconds, as a share of the bound: 6 dB below it.
const LOUD: f32 = 0.5;

/// What is below this is never loud, as a share of full scale: -9 dBFS, 6 dB below the bound that is usual.
const LOUD_AT_LEAST: f32 = 0.354;

/// A mean power below this is none: without it silence would be reckoned with subnormal numbers, which take long.
const NO_POWER: f32 = 1e-30;

/// How long the envelope stands before it falls, in ms: half a wave of 50 Hz, so that it does not follow the wave.
const HOLD_MS: u32 = 10;

/// The time constant of its fall, in s.
const RELEASE: f32 = 0.4;

/// The time constant of the mean power, in s.
const MEAN: f32 = 2.0;

/// The least gain of what is loud for long: -12 dB.
const LEAST: f32 = 0.25;

/// Beyond this a sample is no sound, and would keep the gain down for minutes.
const SANE: f32 = 4.0;

/// The limiter itself.
#[derive(Clone, Debug)]
pub struct Limiter {
    bound: f32,
    knee: f32,
    hold: u32,
    release: f32,
    mean: f32,
    envelope: f32,
    held: u32,
    gain: f32,
    power: f32,
}

impl Limiter {
    /// Makes one that has heard nothing.
    #[must_use]
    pub fn new(loudest: Loudest, rate: DeviceRate) -> Limiter {
        let bound = loudest.amplitude();
        let mut limiter = Limiter {
            bound,
            knee: KNEE * bound,
            hold: 0,
            release: 0.0,
            mean: 0.0,
            envelope: 0.0,
            held: 0,
            gain: 1.0,
            power: 0.0,
        };
        limiter.set_rate(rate);
        limiter
    }

    /// Goes on at another rate.
    pub fn set_rate(&mut self, rate: DeviceRate) {
        let hz = rate.hz() as f32;
        self.hold = rate.hz() * HOLD_MS / 1000;
        self.release = (-1.0 / (RELEASE * hz)).exp();
        self.mean = 1.0 - (-1.0 / (MEAN * hz)).exp();
    }

    /// Limits a block. Sound that stays below the knee, and is not loud for seconds, passes bit by bit; what is no number
    /// becomes silence.
    pub fn process(&mut self, block: &mut [f32]) {
        for sample in block {
            *sample = self.limit(*sample);
        }
    }

    fn limit(&mut self, sample: f32) -> f32 {
        if !sample.is_finite() {
            return 0.0;
        }
        let sample = sample.clamp(-SANE, SANE);
        self.power += (sample * sample - self.power) * self.mean;
        if self.power < NO_POWER {
            self.power = 0.0;
        }
        let sample = sample * self.long();
        let peak = sample.abs();
        if peak >= self.envelope {
            self.envelope = peak;
            self.held = self.hold;
            self.gain = self.short();
        } else if self.held > 0 {
            self.held -= 1;
        } else if self.envelope > self.knee {
            self.envelope = (self.envelope * self.release).max(peak);
            self.gain = self.short();
        } else {
            // Nothing to come back from.
            self.envelope = peak;
        }
        // The gain is rounded, and so is the product; the bound is not to depend on either.
        (sample * self.gain).clamp(-self.bound, self.bound)
    }

    /// Returns the gain for the envelope.
    fn short(&self) -> f32 {
        if self.envelope <= self.knee {
            return 1.0;
        }
        let room = self.bound - self.knee;
        let beyond = (self.envelope - self.knee) / room;
        (self.knee + room * (1.0 - (-beyond).exp())) / self.envelope
    }

    /// Returns the gain for the power of the last seconds.
    fn long(&self) -> f32 {
        // A little more than a square wave of that level, however its power is rounded.
        let loud = (LOUD * self.bound).max(LOUD_AT_LEAST);
        let most = 1.01 * loud * loud;
        if self.power <= most {
            1.0
        } else {
            (most / self.power).max(LEAST)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HZ: f32 = 48_000.0;

    fn limiter() -> Limiter {
        Limiter::new(Loudest::default(), DeviceRate::HZ_48000)
    }

    fn sine(hz: f32, level: f32, seconds: f32) -> Vec<f32> {
        (0..(seconds * HZ) as usize)
            .map(|n| (n as f32 * std::f32::consts::TAU * hz / HZ).sin() * level)
            .collect()
    }

    fn steepest(sound: &[f32]) -> f32 {
        sound
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    }

    fn peak(sound: &[f32]) -> f32 {
        sound
            .iter()
            .fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// Samples as a decoder, a broken one or a bad file may give them.
    fn any_sample() -> impl Strategy<Value = f32> {
        prop_oneof![
            8 => -1.0_f32..=1.0,
            2 => prop_oneof![Just(1.0_f32), Just(-1.0), Just(0.0)],
            1 => any::<f32>(),
        ]
    }

    proptest! {
        #[test]
        fn nothing_whatever_is_louder_than_the_bound(
            sound in proptest::collection::vec(any_sample(), 0..3_000),
            dbfs in -30_i8..=0,
            hz in 8_000_u32..192_000,
        ) {
            let loudest = Loudest::new(dbfs).expect("a level");
            let rate = DeviceRate::new(hz).expect("a rate");
            let mut limiter = Limiter::new(loudest, rate);
            let mut out = sound;
            limiter.process(&mut out);
            prop_assert!(out.iter().all(|sample| sample.abs() <= loudest.amplitude()));
        }

        #[test]
        fn what_stays_below_the_knee_is_not_touched_by_a_bit(
            sound in proptest::collection::vec(-1.0_f32..=1.0, 0..3_000),
            dbfs in -30_i8..=0,
        ) {
            let loudest = Loudest::new(dbfs).expect("a level");
            let sound: Vec<f32> = sound.iter().map(|s| s * KNEE * loudest.amplitude()).collect();
            let mut out = sound.clone();
            Limiter::new(loudest, DeviceRate::HZ_48000).process(&mut out);
            prop_assert_eq!(out, sound);
        }

        #[test]
        fn no_step_is_larger_than_in_the_sound_itself(
            sound in proptest::collection::vec(-1.0_f32..=1.0, 2..3_000),
        ) {
            // Rounding, and the gain's way back in one sample.
            let own = steepest(&sound) + 1e-4;
            let mut out = sound;
            limiter().process(&mut out);
            prop_assert!(steepest(&out) <= own, "{} > {own}", steepest(&out));
        }
    }

    #[test]
    fn speech_as_loud_as_it_ever_is_passes_for_minutes() {
        // A square wave has the most power that a peak of -9 dBFS can have.
        let level = LOUD * Loudest::default().amplitude();
        let mut limiter = limiter();
        for second in 0..120 {
            let mut square: Vec<f32> = (0..48_000)
                .map(|n| if n / 80 % 2 == 0 { level } else { -level })
                .collect();
            let before = square.clone();
            limiter.process(&mut square);
            assert_eq!(square, before, "second {second}");
        }
    }

    /// Words of 0.6 s, each of three syllables, -20 dBFS while they sound; pauses of 0.4 s. 8 kHz.
    fn speech(seconds: usize) -> Vec<f32> {
        let mut seed = 1_u32;
        (0..seconds * 8_000)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = ((seed >> 8) as f32 / 8_388_608.0 - 1.0) * 3_f32.sqrt();
                let syllable = 1.0 - (n as f32 * std::f32::consts::TAU / 1_600.0).cos();
                let says = n % 8_000 < 4_800;
                if says {
                    noise * 0.1 * syllable.sqrt()
                } else {
                    0.0
                }
            })
            .collect()
    }

    #[test]
    fn ordinary_speech_is_bounded_and_no_more_whatever_the_bound() {
        let rate = DeviceRate::new(8_000).expect("a rate");
        for dbfs in -30..=0 {
            let loudest = Loudest::new(dbfs).expect("a level");
            let mut limiter = Limiter::new(loudest, rate);
            let said = speech(20);
            let mut out = said.clone();
            limiter.process(&mut out);
            for (second, (said, heard)) in said.chunks(8_000).zip(out.chunks(8_000)).enumerate() {
                // As loud as it was, or up to the knee.
                let least = peak(said).min(KNEE * loudest.amplitude());
                assert!(peak(heard) >= 0.999 * least, "{dbfs} dBFS, second {second}");
            }
        }
    }

    #[test]
    fn silence_is_not_reckoned_with_subnormal_numbers() {
        let mut limiter = Limiter::new(Loudest::default(), DeviceRate::new(8_000).expect("a rate"));
        limiter.process(&mut [0.001; 80]);
        assert!(limiter.power > 0.0);
        for _ in 0..180 {
            limiter.process(&mut [0.0; 8_000]);
            assert!(!limiter.power.is_subnormal());
        }
        assert_eq!(limiter.power, 0.0);
    }

    #[test]
    fn a_scream_out_of_silence_is_bounded_and_does_not_click() {
        for hz in [200.0, 1_000.0, 3_000.0] {
            let mut sound = vec![0.0; 4_800];
            sound.extend(sine(hz, 1.0, 0.5));
            let own = steepest(&sound);
            limiter().process(&mut sound);
            assert!(peak(&sound) < 0.7079, "{hz} Hz");
            assert!(steepest(&sound) <= own, "{hz} Hz: {}", steepest(&sound));
        }
    }

    #[test]
    fn a_steady_tone_keeps_its_shape() {
        // After the first wave only the way back of the gain is left of the limiter: its share of other frequencies.
        let mut sound = sine(1_000.0, 0.8, 0.5);
        limiter().process(&mut sound);
        let late = &sound[12_000..16_800];
        let (mut re, mut im, mut power) = (0.0_f64, 0.0_f64, 0.0_f64);
        for (n, sample) in late.iter().enumerate() {
            let phase = n as f64 * std::f64::consts::TAU / 48.0;
            re += f64::from(*sample) * phase.cos();
            im += f64::from(*sample) * phase.sin();
            power += f64::from(*sample).powi(2);
        }
        let own = 2.0 * (re * re + im * im) / late.len() as f64;
        let rest = 10.0 * ((power - own).max(0.0) / power).log10();
        assert!(rest < -50.0, "{rest} dB");
    }

    #[test]
    fn what_is_loud_for_seconds_is_brought_down_and_forgiven_after() {
        let mut limiter = limiter();
        let mut fax = sine(2_100.0, 1.0, 10.0);
        limiter.process(&mut fax);
        let (first, last) = (peak(&fax[..24_000]), peak(&fax[9 * 48_000..]));
        assert!((0.6..0.7079).contains(&first), "{first}");
        assert!(last < 0.36, "8 dB less than at first: {last}");
        assert!(last > 0.2, "and still to be heard: {last}");
        let mut pause = vec![0.0; 5 * 48_000];
        limiter.process(&mut pause);
        let mut speech = sine(300.0, 0.3, 1.0);
        let before = speech.clone();
        limiter.process(&mut speech);
        assert_eq!(speech, before);
    }
}
