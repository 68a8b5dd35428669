//! The mouth: microphone samples in, frames for all legs out, at the microphone's pace.
//!
//! It runs on a thread that the capture callback wakes. A frame leaves in the push that brings its 160th sample, never
//! later; there is no clock here.

use super::resample::ToLine;
use super::tone::{Country, Tone};
use super::{DeviceRate, FRAME_LEN, Feed, LINE_RATE, UpFrame, g711};
use crate::pure::ids::StreamId;

/// The middle of a frame is this much older than its end, in ms.
const HALF_FRAME_MS: f32 = FRAME_LEN as f32 / 2.0 * 1000.0 / LINE_RATE as f32;

/// The mouth itself.
#[derive(Debug)]
pub struct Mouth {
    rate: DeviceRate,
    to_line: ToLine,
    line: Vec<f32>,
    frame: [f32; FRAME_LEN],
    filled: usize,
    legs: Vec<MouthLeg>,
}

#[derive(Debug)]
struct MouthLeg {
    stream: StreamId,
    feed: Feed,
    // What was fed before: faded out under the first frame of what is fed now.
    before: Feed,
    ringback: Option<(Country, Tone)>,
}

impl Mouth {
    /// Makes a mouth for a device of `rate`.
    #[must_use]
    pub fn new(rate: DeviceRate) -> Mouth {
        let to_line = ToLine::new(rate, largest(rate));
        Mouth {
            rate,
            line: vec![0.0; to_line.most_made()],
            to_line,
            frame: [0.0; FRAME_LEN],
            filled: 0,
            legs: Vec::with_capacity(super::ear::MOST_LEGS),
        }
    }

    /// Moves to a device of another rate; what is in the filter is lost. Allocates.
    pub fn set_rate(&mut self, rate: DeviceRate) {
        if rate == self.rate {
            return;
        }
        self.rate = rate;
        self.to_line = ToLine::new(rate, largest(rate));
        self.line = vec![0.0; self.to_line.most_made()];
    }

    /// Takes a leg in; its first frame is the next that is complete.
    pub fn attach(&mut self, stream: StreamId, feed: Feed) {
        self.detach(stream);
        self.legs.push(MouthLeg {
            stream,
            feed,
            before: feed,
            ringback: None,
        });
    }

    /// Changes what a leg hears, from the next frame on and without a click.
    pub fn feed(&mut self, stream: StreamId, feed: Feed) {
        if let Some(leg) = self.legs.iter_mut().find(|leg| leg.stream == stream) {
            leg.feed = feed;
        }
    }

    /// Lets a leg go.
    pub fn detach(&mut self, stream: StreamId) {
        self.legs.retain(|leg| leg.stream != stream);
    }

    /// Takes samples of the microphone, as many as there are, and emits every frame that they complete.
    pub fn push(&mut self, samples: &[f32], mut emit: impl FnMut(StreamId, &UpFrame)) {
        for block in samples.chunks(self.to_line.largest()) {
            let made = self.to_line.convert(block, &mut self.line);
            for n in 0..made {
                self.frame[self.filled] = self.line[n];
                self.filled += 1;
                if self.filled == FRAME_LEN {
                    self.filled = 0;
                    for leg in &mut self.legs {
                        emit(leg.stream, &leg.frame(&self.frame));
                    }
                }
            }
        }
    }

    /// Returns how old the middle of a frame is, in ms, at the moment when its last sample comes from the device: the
    /// filter and half a frame.
    #[must_use]
    pub fn delay_ms(&self) -> f32 {
        self.to_line.delay_ms() + HALF_FRAME_MS
    }
}

impl MouthLeg {
    /// Makes this leg's frame of what the desk said meanwhile.
    fn frame(&mut self, desk: &[f32; FRAME_LEN]) -> UpFrame {
        let mut ulaw = [g711::SILENCE; FRAME_LEN];
        let (before, now) = (self.before, self.feed);
        self.before = now;
        if now == Feed::Silence && before == Feed::Silence {
            return UpFrame { ulaw };
        }
        let mut sound = self.sound(now, desk);
        if before != now {
            let old = self.sound(before, desk);
            for (n, (sample, old)) in sound.iter_mut().zip(old).enumerate() {
                let share = (n + 1) as f32 / FRAME_LEN as f32;
                *sample = *sample * share + old * (1.0 - share);
            }
        }
        g711::encode_slice(&sound, &mut ulaw);
        UpFrame { ulaw }
    }

    fn sound(&mut self, feed: Feed, desk: &[f32; FRAME_LEN]) -> [f32; FRAME_LEN] {
        match feed {
            Feed::Silence => [0.0; FRAME_LEN],
            Feed::Desk => *desk,
            Feed::Ringback(country) => {
                let line = DeviceRate::new(LINE_RATE).unwrap_or(DeviceRate::HZ_48000);
                if self
                    .ringback
                    .as_ref()
                    .is_none_or(|(known, _)| *known != country)
                {
                    self.ringback = Some((country, Tone::ringback(country, line)));
                }
                let mut sound = [0.0; FRAME_LEN];
                if let Some((_, tone)) = &mut self.ringback {
                    tone.add_to(&mut sound);
                }
                sound
            }
        }
    }
}

/// The largest piece that is converted at once: 20 ms.
fn largest(rate: DeviceRate) -> usize {
    rate.hz() as usize / 50
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speak(mouth: &mut Mouth, samples: &[f32], block: usize) -> Vec<f32> {
        let mut line = Vec::new();
        for block in samples.chunks(block) {
            mouth.push(block, |_, frame| {
                line.extend(frame.ulaw.iter().map(|code| g711::decode_f32(*code)))
            });
        }
        line
    }

    fn tone(hz: f32, rate: u32, seconds: u32) -> Vec<f32> {
        (0..seconds * rate)
            .map(|n| (n as f32 * std::f32::consts::TAU * hz / rate as f32).sin() * 0.5)
            .collect()
    }

    #[test]
    fn a_tone_leaves_as_loud_as_it_came_and_without_gaps() {
        for hz in [16_000, 44_100, 48_000] {
            let mut mouth = Mouth::new(DeviceRate::new(hz).expect("a rate"));
            mouth.attach(StreamId(1), Feed::Desk);
            let line = speak(&mut mouth, &tone(1_000.0, hz, 5), hz as usize / 100);
            for window in line[800..].chunks_exact(80) {
                let power =
                    window.iter().map(|sample| sample * sample).sum::<f32>() / window.len() as f32;
                let gain = 20.0 * (power.sqrt() * std::f32::consts::SQRT_2 / 0.5).log10();
                assert!(gain.abs() < 0.5, "{hz} Hz: {gain} dB");
            }
        }
    }

    #[test]
    fn ten_minutes_of_microphone_are_ten_minutes_of_frames() {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        mouth.attach(StreamId(1), Feed::Desk);
        let second = vec![0.1; 48_000];
        let mut frames = 0;
        for _ in 0..600 {
            for block in second.chunks(480) {
                mouth.push(block, |_, _| frames += 1);
            }
        }
        assert!((29_999..=30_000).contains(&frames), "{frames}");
    }

    #[test]
    fn a_frame_leaves_with_its_last_sample() {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        mouth.attach(StreamId(1), Feed::Silence);
        let mut pushes = Vec::new();
        for n in 0..100 {
            mouth.push(&[0.0; 480], |_, _| pushes.push(n));
        }
        let gaps: Vec<i32> = pushes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            gaps.iter().all(|gap| *gap == 2),
            "every second push of 10 ms completes a frame: {gaps:?}"
        );
    }

    #[test]
    fn each_leg_hears_its_own_feed() {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        mouth.attach(StreamId(1), Feed::Desk);
        mouth.attach(StreamId(2), Feed::Silence);
        mouth.attach(StreamId(3), Feed::Ringback(Country::NorthAmerica));
        let mut power = [0.0_f32; 4];
        mouth.push(&tone(300.0, 48_000, 1), |stream, frame| {
            power[stream.0 as usize] += frame
                .ulaw
                .iter()
                .map(|code| g711::decode_f32(*code).powi(2))
                .sum::<f32>();
        });
        assert!(power[1] > 100.0 && power[3] > 10.0, "{power:?}");
        assert!(power[2] == 0.0, "{power:?}");
    }

    #[test]
    fn a_change_of_feed_does_not_click() {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        mouth.attach(StreamId(1), Feed::Silence);
        let level = vec![0.5; 24_000];
        let mut line = speak(&mut mouth, &level, 480);
        mouth.feed(StreamId(1), Feed::Desk);
        line.extend(speak(&mut mouth, &level, 480));
        mouth.feed(StreamId(1), Feed::Silence);
        line.extend(speak(&mut mouth, &level, 480));
        let step = line
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max);
        assert!(step < 0.05, "{step}");
    }

    #[test]
    fn the_delay_is_what_it_says() {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        mouth.attach(StreamId(1), Feed::Desk);
        let mut samples = vec![0.0; 48_000];
        samples[24_000..24_006].fill(0.9);
        let line = speak(&mut mouth, &samples, 480);
        let loudest = line
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
            .expect("some")
            .0;
        // A frame that ends with line sample n leaves when the device's sample n × 6 is there.
        let filter = loudest as f32 / 8.0 - 500.0;
        let told = mouth.delay_ms() - HALF_FRAME_MS;
        assert!((filter - told).abs() < 0.5, "{filter} ms, {told} ms told");
    }
}
