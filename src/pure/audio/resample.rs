//! From the line's rate to a device's and back.
//!
//! Both ways use one windowed-sinc design: 48 taps of the slower side, a Blackman window, a cutoff at 0.95 of the slower
//! side's Nyquist frequency. It is flat to 3.4 kHz, rejects images and aliases from 4.2 kHz on by more than 60 dB, and
//! costs 3 ms of delay. Blocks may have any length: a block is never held back to fill another.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable as _, Async, FixedAsync, Resampler as _, Resizable, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::pace::MOST_TRIM_PPM;
use super::{DeviceRate, LINE_RATE};

/// Taps of the filter, counted at the slower of the two rates.
const TAPS: usize = 48;

/// Device samples of silence that [`ToLine`] begins with: samples of the line, rounded up, and two or more of the device.
///
/// rubato begins two input samples short, so that 10 ms would bring 79 line samples first and 80 from then on: the 160th of a
/// frame would always be the first of a block and leave a whole callback late.
fn priming(rate: DeviceRate) -> usize {
    let step = rate.hz().div_ceil(LINE_RATE) as usize;
    if step <= 2 { 2 * step } else { step }
}

/// From the line to a device: so many device samples are wanted, and it says how many line samples that takes.
pub struct ToDevice {
    inner: Async<f32>,
    rate: DeviceRate,
    largest: usize,
}

impl ToDevice {
    /// Makes a converter for blocks of up to `largest` device samples, 1 or more.
    #[must_use]
    pub fn new(rate: DeviceRate, largest: usize) -> ToDevice {
        let largest = largest.max(1);
        let ratio = f64::from(rate.hz()) / f64::from(LINE_RATE);
        ToDevice {
            inner: build(ratio, 1.0, largest, FixedAsync::Output),
            rate,
            largest,
        }
    }

    /// Returns the line samples that the next block of `wanted` device samples takes, and the most that any block takes
    /// where `wanted` is above the largest block.
    pub fn needs(&mut self, wanted: usize) -> usize {
        // The range was checked: 1 to the largest.
        let _ = self.inner.set_chunk_size(wanted.clamp(1, self.largest));
        self.inner.input_frames_next()
    }

    /// Returns the most line samples that a block ever takes.
    #[must_use]
    pub fn most_needed(&self) -> usize {
        self.inner.input_frames_max()
    }

    /// Fills a block with what `line` becomes; `line` must be as long as [`ToDevice::needs`] said for this block.
    pub fn convert(&mut self, line: &[f32], block: &mut [f32]) {
        let needed = self.needs(block.len());
        debug_assert_eq!(needed, line.len(), "the block takes what was said");
        let frames = block.len();
        if run(&mut self.inner, line, block, frames).is_none() {
            block.fill(0.0);
        }
    }

    /// Returns how long a sound is under way through the filter, in ms.
    #[must_use]
    pub fn delay_ms(&self) -> f32 {
        delay_ms(LINE_RATE, self.rate.hz())
    }

    /// Returns the largest block, in device samples.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.largest
    }
}

impl std::fmt::Debug for ToDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToDevice")
            .field("rate", &self.rate)
            .field("largest", &self.largest)
            .finish_non_exhaustive()
    }
}

/// From a device to the line: here are so many device samples, and out come as many line samples as they are worth.
pub struct ToLine {
    inner: Async<f32>,
    rate: DeviceRate,
    largest: usize,
}

impl ToLine {
    /// Makes a converter for blocks of up to `largest` device samples and of two line samples at least.
    #[must_use]
    pub fn new(rate: DeviceRate, largest: usize) -> ToLine {
        let priming = priming(rate);
        let largest = largest.max(priming);
        let ratio = f64::from(LINE_RATE) / f64::from(rate.hz());
        let mut to_line = ToLine {
            inner: build(
                ratio,
                1.0 + MOST_TRIM_PPM * 1e-6,
                largest,
                FixedAsync::Input,
            ),
            rate,
            largest,
        };
        let mut unheard = vec![0.0; to_line.most_made()];
        to_line.convert(&vec![0.0; priming], &mut unheard);
        to_line
    }

    /// Returns the most line samples that come of one block: how long `line` must be.
    #[must_use]
    pub fn most_made(&self) -> usize {
        self.inner.output_frames_max()
    }

    /// Makes so many ppm more samples of what comes from now on, at most [`MOST_TRIM_PPM`] either way; the next block glides
    /// there, so that nothing clicks.
    pub fn trim(&mut self, ppm: f64) {
        // The reciprocal of the most is a little nearer to one than the least.
        let most = 1.0 + MOST_TRIM_PPM * 1e-6;
        let ratio = (1.0 + ppm * 1e-6).clamp(1.0 / most, most);
        // The range was checked, and a figure that is none changes nothing.
        let _ = self.inner.set_resample_ratio_relative(ratio, true);
    }

    /// Returns the device's rate.
    #[must_use]
    pub fn rate(&self) -> DeviceRate {
        self.rate
    }

    /// Turns a block of at most [`ToLine::largest`] samples into line samples and returns how many there are.
    pub fn convert(&mut self, block: &[f32], line: &mut [f32]) -> usize {
        if block.is_empty() || self.inner.set_chunk_size(block.len()).is_err() {
            return 0;
        }
        let frames = line.len();
        run(&mut self.inner, block, line, frames).unwrap_or(0)
    }

    /// Lets a block of at most [`ToLine::largest`] samples pass that nobody hears, and returns how many line samples it is
    /// worth: as many as [`ToLine::convert`] would have made untrimmed, so that what is converted next comes out where it
    /// would have. Costs next to nothing for a block of whole periods of the two rates (at 48 kHz, 6 samples); `line` is
    /// where the rest goes.
    pub fn pass(&mut self, block: &[f32], line: &mut [f32]) -> usize {
        let (hz, line_hz) = (self.rate.hz() as usize, LINE_RATE as usize);
        let common = gcd(hz, line_hz);
        let periods = block.len() / (hz / common);
        let rest = &block[periods * (hz / common)..];
        periods * (line_hz / common) + self.convert(rest, line)
    }

    /// Returns how long a sound is under way through the filter, in ms.
    #[must_use]
    pub fn delay_ms(&self) -> f32 {
        // The silence at the beginning comes before the sound, less the line samples that were made of it alone.
        let step = self.rate.hz() as f32 / LINE_RATE as f32;
        let priming = priming(self.rate);
        let made = ((priming - 2) as f32 / step).floor();
        delay_ms(self.rate.hz(), LINE_RATE) + priming as f32 * 1000.0 / self.rate.hz() as f32
            - made * 1000.0 / LINE_RATE as f32
    }

    /// Returns the largest block, in device samples.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.largest
    }
}

impl std::fmt::Debug for ToLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToLine")
            .field("rate", &self.rate)
            .field("largest", &self.largest)
            .finish_non_exhaustive()
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Half the filter, less one sample of the output: rubato begins with what lies one step after the beginning.
fn delay_ms(input: u32, output: u32) -> f32 {
    let half = taps(f64::from(output) / f64::from(input)) as f32 / 2.0;
    half * 1000.0 / input as f32 - 1000.0 / output as f32
}

/// Taps count input samples, so going down takes more of them for the same filter. rubato makes them a multiple of eight.
fn taps(ratio: f64) -> usize {
    let taps = if ratio < 1.0 {
        (TAPS as f64 / ratio).ceil() as usize
    } else {
        TAPS
    };
    taps.next_multiple_of(8)
}

fn build(ratio: f64, turned: f64, largest: usize, fixed: FixedAsync) -> Async<f32> {
    let taps = taps(ratio);
    let filter = SincInterpolationParameters::new(taps, WindowFunction::Blackman)
        .f_cutoff(0.95)
        .oversampling_factor(256)
        .interpolation(SincInterpolationType::Linear);
    Async::new_sinc(ratio, turned, &filter, largest, 1, fixed)
        .expect("a ratio between two checked rates and a block of at least one sample are valid")
}

/// Runs one block and returns how many samples came out, or nothing where the lengths do not fit.
fn run(inner: &mut Async<f32>, input: &[f32], output: &mut [f32], frames: usize) -> Option<usize> {
    // An adapter wants at least one frame even when a short block takes no input at all.
    const NOTHING: [f32; 1] = [0.0];
    let input = if input.is_empty() {
        &NOTHING[..]
    } else {
        input
    };
    let from = InterleavedSlice::new(input, 1, input.len()).ok()?;
    let mut to = InterleavedSlice::new_mut(output, 1, frames).ok()?;
    let (_, made) = inner.process_into_buffer(&from, &mut to, None).ok()?;
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 6] = [8_000, 11_025, 16_000, 44_100, 48_000, 96_000];

    fn rate(hz: u32) -> DeviceRate {
        DeviceRate::new(hz).expect("a rate of a device")
    }

    fn tone(hz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        (0..(seconds * f64::from(rate)) as usize)
            .map(|n| (std::f64::consts::TAU * hz * n as f64 / f64::from(rate)).sin() as f32 * 0.5)
            .collect()
    }

    #[test]
    fn what_passes_unheard_is_worth_as_much_as_what_is_converted() {
        for hz in RATES {
            for block in [hz as usize / 100, 512.min(hz as usize / 50), 7] {
                let largest = hz as usize / 50;
                let (mut heard, mut unheard) = (
                    ToLine::new(rate(hz), largest),
                    ToLine::new(rate(hz), largest),
                );
                let mut line = vec![0.0; heard.most_made()];
                let (mut made, mut passed) = (0, 0);
                for n in 0..1_000 {
                    made += heard.convert(&vec![0.0; block], &mut line);
                    passed += if n % 3 == 0 {
                        unheard.convert(&vec![0.0; block], &mut line)
                    } else {
                        unheard.pass(&vec![0.0; block], &mut line)
                    };
                    assert_eq!(made, passed, "{hz} Hz, {block} samples, block {n}");
                }
            }
        }
    }

    fn up(line: &[f32], hz: u32, block: usize) -> Vec<f32> {
        let mut converter = ToDevice::new(rate(hz), block);
        let mut out = Vec::new();
        let mut used = 0;
        loop {
            let needed = converter.needs(block);
            if used + needed > line.len() {
                return out;
            }
            let mut samples = vec![0.0; block];
            converter.convert(&line[used..used + needed], &mut samples);
            used += needed;
            out.extend(samples);
        }
    }

    fn down(device: &[f32], hz: u32, block: usize) -> Vec<f32> {
        let mut converter = ToLine::new(rate(hz), block);
        let mut line = vec![0.0; converter.most_made()];
        let mut out = Vec::new();
        for block in device.chunks(block) {
            let made = converter.convert(block, &mut line);
            out.extend_from_slice(&line[..made]);
        }
        out
    }

    /// The amplitude of one frequency, by projection.
    fn amplitude(samples: &[f32], hz: f64, rate: u32) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let phase = std::f64::consts::TAU * hz * n as f64 / f64::from(rate);
            re += f64::from(*sample) * phase.cos();
            im += f64::from(*sample) * phase.sin();
        }
        2.0 * re.hypot(im) / samples.len() as f64
    }

    fn db(ratio: f64) -> f64 {
        20.0 * ratio.log10()
    }

    #[test]
    fn the_voice_band_passes_both_ways_at_every_rate() {
        for hz in RATES {
            for pitch in [300.0, 1037.0, 3300.0] {
                let there = up(&tone(pitch, LINE_RATE, 1.0), hz, hz as usize / 100);
                let gain = db(amplitude(&there[there.len() / 4..], pitch, hz) / 0.5);
                assert!(gain.abs() < 0.3, "{pitch} Hz to {hz} Hz: {gain:.2} dB");
                if f64::from(hz) > 2.0 * pitch {
                    let back = down(&tone(pitch, hz, 1.0), hz, hz as usize / 100);
                    let gain = db(amplitude(&back[back.len() / 4..], pitch, LINE_RATE) / 0.5);
                    assert!(gain.abs() < 0.3, "{pitch} Hz from {hz} Hz: {gain:.2} dB");
                }
            }
        }
    }

    #[test]
    fn what_the_line_cannot_carry_does_not_fold_into_it() {
        for hz in [16_000, 44_100, 48_000] {
            for (pitch, alias) in [(4_237.0, 3_763.0), (5_037.0, 2_963.0)] {
                let back = down(&tone(pitch, hz, 1.0), hz, hz as usize / 100);
                let leak = db(amplitude(&back[back.len() / 4..], alias, LINE_RATE) / 0.5);
                assert!(leak < -60.0, "{pitch} Hz from {hz} Hz: {leak:.1} dB");
            }
        }
    }

    #[test]
    fn samples_are_neither_lost_nor_made_over_ten_minutes() {
        let silence = vec![0.0; 48_000];
        let mut converter = ToLine::new(DeviceRate::HZ_48000, 480);
        let mut line = vec![0.0; converter.most_made()];
        let mut made = 0;
        for _ in 0..600 {
            for block in silence.chunks(480) {
                made += converter.convert(block, &mut line);
            }
        }
        assert_eq!(made, 4_800_000);
    }

    #[test]
    fn ten_milliseconds_of_a_device_are_80_samples_of_the_line_from_the_first_block_on() {
        let rates = [
            8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000,
        ];
        for hz in rates {
            let block = vec![0.0; hz as usize / 100];
            let mut converter = ToLine::new(rate(hz), block.len());
            let mut line = vec![0.0; converter.most_made()];
            for n in 0..2_000 {
                let made = converter.convert(&block, &mut line);
                // 10 ms are no whole number of samples at 22.05 kHz, so there the line is behind now and then.
                let whole = hz % 100 == 0;
                assert!(
                    made == 80 || (!whole && made == 79),
                    "{hz} Hz, block {n}: {made}"
                );
            }
        }
    }

    #[test]
    fn blocks_of_any_length_give_the_same_sound() {
        let line = tone(700.0, LINE_RATE, 0.5);
        let whole = up(&line, 48_000, 480);
        for block in [1, 7, 64, 441] {
            let pieces = up(&line, 48_000, block);
            let same = whole.iter().zip(&pieces).all(|(a, b)| (a - b).abs() < 1e-3);
            assert!(same, "blocks of {block}");
        }
    }

    #[test]
    fn a_pace_that_is_turned_makes_more_or_fewer_samples_and_neither_a_click_nor_another_level() {
        for ppm in [-1_000.0, -100.0, 37.0, 1_000.0] {
            let mut converter = ToLine::new(DeviceRate::HZ_48000, 480);
            let mut line = vec![0.0; converter.most_made()];
            let mut out = Vec::new();
            for (n, block) in tone(1_000.0, 48_000, 100.0).chunks(480).enumerate() {
                if n == 1_000 {
                    converter.trim(ppm);
                }
                let made = converter.convert(block, &mut line);
                out.extend_from_slice(&line[..made]);
            }
            let more = out.len() as f64 - 800_000.0;
            assert!((more - 0.72 * ppm).abs() < 3.0, "{ppm} ppm: {more} samples");
            // A sine of 1 kHz at 8 kHz is what s[n] = √2 s[n-1] - s[n-2] makes; a click would break that.
            let worst = out[100..]
                .windows(3)
                .map(|s| (s[2] - std::f32::consts::SQRT_2 * s[1] + s[0]).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.003, "{ppm} ppm: {worst}");
        }
    }

    #[test]
    fn the_delay_down_to_the_line_is_what_it_says() {
        for hz in [8_000, 16_000, 44_100, 48_000, 96_000] {
            // A pulse that is wide enough for the line, at half a second.
            let centre = f64::from(hz) / 2.0;
            let width = f64::from(hz) / 4_000.0;
            let device: Vec<f32> = (0..hz)
                .map(|n| (-((f64::from(n) - centre) / width).powi(2)).exp() as f32)
                .collect();
            let line = down(&device, hz, hz as usize / 100);
            let weight: f64 = line.iter().map(|s| f64::from(*s)).sum();
            let middle: f64 = line
                .iter()
                .enumerate()
                .map(|(n, s)| n as f64 * f64::from(*s))
                .sum::<f64>()
                / weight;
            let delay = middle / 8.0 - 500.0;
            let said = f64::from(ToLine::new(rate(hz), 480).delay_ms());
            assert!(
                (delay - said).abs() < 0.02,
                "{hz} Hz: {delay:.3} ms, said {said:.3} ms"
            );
        }
    }

    #[test]
    fn the_delay_up_to_the_device_is_what_it_says() {
        let mut line = vec![0.0; 800];
        line[400] = 1.0;
        for hz in [16_000, 44_100, 48_000] {
            let there = up(&line, hz, hz as usize / 100);
            let peak = there
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(b.1))
                .expect("some")
                .0;
            let delay = peak as f32 * 1000.0 / hz as f32 - 50.0;
            let said = ToDevice::new(rate(hz), 480).delay_ms();
            assert!(
                (delay - said).abs() < 0.1,
                "{hz} Hz: {delay:.2} ms, said {said:.2} ms"
            );
        }
    }
}
