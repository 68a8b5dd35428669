//! The mouth: microphone samples in, frames for all legs out, at the microphone's pace.
//!
//! It runs on a thread that the capture callback wakes. A frame leaves in the push that brings its 160th sample, never
//! later; with a speakerphone it holds sound that is a block older. There is no clock here.

mod leg;
mod overlay;

use std::sync::Arc;
use std::time::Duration;

use super::clip::Clip;
use super::dtmf::SoundingKey;
use super::hold::Music;
use super::meeting::MeetingOut;
use super::pair::{Trial, Verdict, is_true};
use super::resample::ToLine;
use super::speakerphone::{BLOCK, Learned, Speakerphone, Stages};
use super::{DeviceRate, FRAME_LEN, Feed, LINE_RATE, UpFrame};
use crate::pure::ids::StreamId;
use crate::pure::keys::Sign;
use crate::pure::time::Time;
use leg::{Heard, MouthLeg};
pub use overlay::Beneath;

/// The middle of a frame is this much older than its end, in ms.
const HALF_FRAME_MS: f32 = FRAME_LEN as f32 / 2.0 * 1000.0 / LINE_RATE as f32;

/// Samples of the line over which a new microphone blends in: 10 ms.
const BLEND: usize = LINE_RATE as usize / 100;

/// The mouth itself.
#[derive(Debug)]
pub struct Mouth {
    rate: DeviceRate,
    to_line: ToLine,
    line: Vec<f32>,
    frame: [f32; FRAME_LEN],
    filled: usize,
    legs: Vec<MouthLeg>,
    music: Music,
    sounding_key: Arc<SoundingKey>,
    // The last sample that was made, for as long as another microphone blends in after it.
    last: f32,
    blends: usize,
    made: u64,
    trim_ppm: f64,
    speakerphone: Option<Speakerphone>,
    // Takes what is played to the line's rate, for the speakerphone.
    reference: ToLine,
    played: Vec<f32>,
    newest_at: Option<Time>,
    // While what was learned earlier of these devices has not shown itself true.
    trial: Option<Trial>,
}

impl Mouth {
    /// Makes a mouth for a device of `rate`, without a speakerphone.
    #[must_use]
    pub fn new(rate: DeviceRate) -> Mouth {
        Mouth::with_stages(rate, Stages::NONE)
    }

    /// Makes a mouth for a device of `rate`, with the stages of a speakerphone that are wanted.
    #[must_use]
    pub fn with_stages(rate: DeviceRate, stages: Stages) -> Mouth {
        let to_line = ToLine::new(rate, largest(rate));
        let reference = ToLine::new(rate, largest(rate));
        Mouth {
            speakerphone: Speakerphone::new(stages),
            played: vec![0.0; reference.most_made()],
            reference,
            newest_at: None,
            trial: None,
            rate,
            line: vec![0.0; to_line.most_made()],
            to_line,
            frame: [0.0; FRAME_LEN],
            filled: 0,
            legs: Vec::with_capacity(super::ear::MOST_LEGS),
            music: Music::silence(),
            sounding_key: Arc::default(),
            last: 0.0,
            blends: 0,
            made: 0,
            trim_ppm: 0.0,
        }
    }

    /// Gives it what held legs hear.
    #[must_use]
    pub fn with_music(mut self, music: Music) -> Mouth {
        self.music = music;
        self
    }

    /// Gives it whom to tell which key is being sent.
    #[must_use]
    pub fn telling(mut self, sounding_key: Arc<SoundingKey>) -> Mouth {
        self.sounding_key = sounding_key;
        self
    }

    /// Begins anew with another device, of whatever rate; what is in the filter and in a frame that is not full is lost.
    /// Allocates.
    pub fn listen(&mut self, rate: DeviceRate) {
        self.rate = rate;
        self.to_line = ToLine::new(rate, largest(rate));
        self.line = vec![0.0; self.to_line.most_made()];
        self.filled = 0;
        self.blends = BLEND;
        self.made = 0;
        self.trim(0.0);
    }

    /// Makes so many ppm more of what the microphone brings from now on, until another one is listened to: see
    /// [`super::pace`].
    pub fn trim(&mut self, ppm: f64) {
        let more = ppm - std::mem::replace(&mut self.trim_ppm, ppm);
        self.to_line.trim(ppm);
        if let Some(speakerphone) = &mut self.speakerphone {
            speakerphone.trimmed(more);
        }
    }

    /// Returns how many samples of the line were made of what this microphone brought.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Returns the speakerphone, where there is one.
    pub fn speakerphone(&mut self) -> Option<&mut Speakerphone> {
        self.speakerphone.as_mut()
    }

    /// Begins with another pair of devices, of which something may be known: that is on trial until the echo is gone.
    pub fn meet(&mut self, known: Option<Learned>) {
        if let Some(speakerphone) = &mut self.speakerphone {
            speakerphone.meet(known);
            self.trial = known.map(|_| Trial::default());
        }
    }

    /// Returns what was learned of these devices, where the echo shows that it is true; as of a microphone that is not
    /// trimmed.
    #[must_use]
    pub fn learned(&self) -> Option<Learned> {
        let speakerphone = self.speakerphone.as_ref()?;
        let learned = speakerphone
            .learned()
            .filter(|_| is_true(speakerphone.cancelled_db()))?;
        Learned::new(learned.lead_blocks(), learned.drift_ppm() + self.trim_ppm)
    }

    /// Begins anew with what another speaker plays, of whatever rate. Allocates.
    pub fn play(&mut self, rate: DeviceRate) {
        self.reference = ToLine::new(rate, largest(rate));
        self.played = vec![0.0; self.reference.most_made()];
    }

    /// Hears what the speaker plays, as many samples as there are; `newest_at` is when the last of them sounds.
    pub fn hear_speaker(&mut self, samples: &[f32], newest_at: Option<Time>) {
        let Some(speakerphone) = &mut self.speakerphone else {
            return;
        };
        let late = Duration::from_secs_f32(self.reference.delay_ms().max(0.0) / 1000.0);
        let mut left = samples.len();
        for block in samples.chunks(self.reference.largest()) {
            left -= block.len();
            let made = if self.legs.is_empty() {
                // What nobody hears needs no canceller: it only keeps count.
                let made = self.reference.pass(block, &mut self.played);
                self.played[..made].fill(0.0);
                made
            } else {
                self.reference.convert(block, &mut self.played)
            };
            let newer =
                late + Duration::from_secs_f32(left as f32 / self.reference.rate().hz() as f32);
            if let Some(trial) = &mut self.trial {
                trial.hear(&self.played[..made]);
            }
            speakerphone.hear_reference(
                &self.played[..made],
                newest_at.map(|newest| newest.before(newer)),
            );
        }
    }

    /// Says when the last sample of the next push was at the microphone.
    pub fn heard_until(&mut self, newest_at: Option<Time>) {
        self.newest_at = newest_at;
    }

    /// Takes a leg in; its first frame is the next that is complete. The first leg's frames begin with the next push.
    pub fn attach(&mut self, stream: StreamId, feed: Feed) {
        self.take_in(MouthLeg::new(stream, feed));
    }

    /// Takes a leg in, with the way of what its far end says to the others of a meeting.
    pub fn attach_with(&mut self, stream: StreamId, feed: Feed, meeting: MeetingOut) {
        self.take_in(MouthLeg::new(stream, feed).meeting(meeting));
    }

    fn take_in(&mut self, leg: MouthLeg) {
        self.detach(leg.stream());
        if self.legs.is_empty() {
            if let Some(speakerphone) = &mut self.speakerphone {
                speakerphone.skip(self.filled % BLOCK);
            }
            self.filled = 0;
        }
        self.legs.push(leg);
    }

    fn leg(&mut self, stream: StreamId) -> Option<&mut MouthLeg> {
        self.legs.iter_mut().find(|leg| leg.is(stream))
    }

    /// Changes what a leg hears, from the next frame on and without a click.
    pub fn feed(&mut self, stream: StreamId, feed: Feed) {
        if let Some(leg) = self.leg(stream) {
            leg.feed(feed);
        }
    }

    /// Sends keys to a leg, after those that are still to be sent: see [`super::dtmf::KeySender::send`]. Says whether there
    /// is such a leg, and room for all of them.
    pub fn keys(&mut self, stream: StreamId, signs: &[Sign]) -> bool {
        let leg = self.leg(stream);
        leg.is_some_and(|leg| leg.keys().send(signs))
    }

    /// Plays a clip to a leg's far end from the next frame on, in place of one that is being played; says whether there is
    /// such a leg. The microphone's pace is the clip's.
    pub fn say(&mut self, stream: StreamId, clip: Clip, beneath: Beneath) -> bool {
        let leg = self.leg(stream);
        leg.map(|leg| leg.overlay().say(clip, beneath)).is_some()
    }

    /// Lets the clip fade that is played to a leg.
    pub fn hush(&mut self, stream: StreamId) {
        if let Some(leg) = self.leg(stream) {
            leg.overlay().hush();
        }
    }

    /// Says whether the last sample of the clip that is played to a leg has left; also where there is none, and no such leg.
    pub fn is_through(&mut self, stream: StreamId) -> bool {
        let leg = self.leg(stream);
        leg.is_none_or(|leg| leg.overlay().is_through())
    }

    /// Adds a clip to what a leg hears, again and again without a pause; or lets it fade.
    pub fn repeat(&mut self, stream: StreamId, clip: Option<Clip>) {
        if let Some(leg) = self.leg(stream) {
            leg.overlay().repeat(clip);
        }
    }

    /// Lets a leg go. One of a meeting fades for the others, a frame long; of its own nothing is emitted any more.
    pub fn detach(&mut self, stream: StreamId) {
        if let Some(leg) = self.leg(stream) {
            leg.leave();
        }
        self.sweep();
    }

    /// Drops the legs that nobody hears any more.
    fn sweep(&mut self) {
        self.legs.retain(|leg| {
            let (_, gone) = leg.leaves();
            !gone
        });
    }

    /// Takes samples of the microphone, as many as there are, and emits every frame that they complete, with the time in ms
    /// that passed on the microphone's clock between the frame's last sample and the last of `samples`.
    pub fn push(&mut self, samples: &[f32], mut emit: impl FnMut(StreamId, &UpFrame, f32)) {
        let mut left = samples.len();
        for block in samples.chunks(self.to_line.largest()) {
            left -= block.len();
            let made = if self.legs.is_empty() {
                let made = self.to_line.pass(block, &mut self.line);
                self.line[..made].fill(0.0);
                made
            } else {
                self.to_line.convert(block, &mut self.line)
            };
            self.blend(made);
            self.made += made as u64;
            for n in 0..made {
                self.frame[self.filled] = self.line[n];
                self.filled += 1;
                let newer_ms = (made - 1 - n) as f32 * 1000.0 / LINE_RATE as f32
                    + left as f32 * 1000.0 / self.rate.hz() as f32;
                if self.filled.is_multiple_of(BLOCK) {
                    self.end_block(newer_ms);
                }
                if self.filled == FRAME_LEN {
                    self.filled = 0;
                    self.end_frame(|stream, frame| emit(stream, frame, newer_ms));
                }
            }
        }
    }

    /// Makes the frame of each leg.
    fn end_frame(&mut self, mut emit: impl FnMut(StreamId, &UpFrame)) {
        let mut meeting = [0.0; FRAME_LEN];
        for leg in &mut self.legs {
            leg.listen(&mut meeting);
        }
        let heard = Heard {
            desk: &self.frame,
            meeting: &meeting,
            music: &self.music,
        };
        let (mut sounding, mut left) = (None, false);
        for leg in &mut self.legs {
            sounding = sounding.or(leg.keys().sounding());
            let frame = leg.frame(&heard);
            let (leaves, _) = leg.leaves();
            left |= leaves;
            if !leaves {
                emit(leg.stream(), &frame);
            }
        }
        self.sounding_key.set(sounding);
        if left {
            self.sweep();
        }
    }

    /// Leads from the last sample of one microphone to the sound of another, so that it does not click.
    fn blend(&mut self, made: usize) {
        for sample in self.line[..made].iter_mut().take(self.blends) {
            let share = self.blends as f32 / BLEND as f32;
            *sample = *sample * (1.0 - share) + self.last * share;
            self.blends -= 1;
        }
        if self.blends == 0 && made > 0 {
            self.last = self.line[made - 1];
        }
    }

    /// Runs the half of a frame that is just full through the speakerphone.
    fn end_block(&mut self, newer_ms: f32) {
        let Some(speakerphone) = &mut self.speakerphone else {
            return;
        };
        if self.legs.is_empty() {
            // Nobody hears it, and an idle telephone costs nothing.
            return speakerphone.skip(BLOCK);
        }
        let newer = Duration::from_secs_f32((newer_ms + self.to_line.delay_ms()).max(0.0) / 1000.0);
        let newest_at = self.newest_at.map(|newest| newest.before(newer));
        let half = &mut self.frame[self.filled - BLOCK..self.filled];
        if let Ok(block) = <&mut [f32; BLOCK]>::try_from(half) {
            speakerphone.process(block, newest_at);
        }
        let verdict = self
            .trial
            .and_then(|trial| trial.verdict(speakerphone.cancelled_db()));
        match verdict {
            None => {}
            Some(Verdict::True) => self.trial = None,
            Some(Verdict::Wrong) => {
                self.trial = None;
                speakerphone.meet(None);
            }
        }
    }

    /// Returns how old the middle of a frame is, in ms, at the moment when its last sample comes from the device: the
    /// filter, the speakerphone and half a frame.
    #[must_use]
    pub fn delay_ms(&self) -> f32 {
        let speakerphone = self.speakerphone.as_ref();
        self.to_line.delay_ms() + speakerphone.map_or(0.0, Speakerphone::delay_ms) + HALF_FRAME_MS
    }
}

/// The largest piece that is converted at once: 20 ms.
fn largest(rate: DeviceRate) -> usize {
    rate.hz() as usize / 50
}

#[cfg(test)]
mod tests {
    use super::super::g711;
    use super::super::tone::Country;
    use super::*;

    fn speak(mouth: &mut Mouth, samples: &[f32], block: usize) -> Vec<f32> {
        let mut line = Vec::new();
        for block in samples.chunks(block) {
            mouth.push(block, |_, frame, _| {
                line.extend(frame.ulaw.iter().map(|code| g711::decode_f32(*code)))
            });
        }
        line
    }

    /// Lets the mouth hear ten seconds of noise over its speaker and, 30 ms later, its echo; what was learned earlier may be
    /// wrong. Returns what is left of the echo in each second, in dB.
    fn echo_left(known: Option<Learned>) -> Vec<f64> {
        const HZ: u64 = 8_000;
        let rate = DeviceRate::new(HZ as u32).expect("a rate");
        let mut mouth = Mouth::with_stages(
            rate,
            Stages {
                echo_canceller: true,
                ..Stages::NONE
            },
        );
        mouth.meet(known);
        mouth.attach(StreamId(1), Feed::Desk);
        let mut seed = 1_u64;
        let noise: Vec<f32> = (0..11 * HZ)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((seed >> 33) as f32 / (1_u64 << 30) as f32 - 1.0) * 0.2
            })
            .collect();
        let played = |n: usize| n.checked_sub(240).map_or(0.0, |n| noise[n]);
        let mut left = Vec::new();
        for second in 0..10 {
            let (mut came, mut went) = (0.0_f64, 0.0_f64);
            for block in 0..100 {
                let first = second * 8_000 + block * 80;
                let at = |n: usize| Time::from_micros(1_000_000 + n as u64 * 125);
                // What is played is known 20 ms before it sounds.
                mouth.hear_speaker(&noise[first + 160..][..80], Some(at(first + 239)));
                let heard: Vec<f32> = (first..first + 80).map(|n| 0.3 * played(n)).collect();
                came += heard.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
                mouth.heard_until(Some(at(first + 79)));
                mouth.push(&heard, |_, frame, _| {
                    let sound = frame.ulaw.iter().map(|code| g711::decode_f32(*code));
                    went += sound.map(|s| f64::from(s).powi(2)).sum::<f64>();
                });
            }
            left.push(10.0 * ((went + 1e-9) / came).log10());
        }
        left
    }

    #[test]
    fn what_was_learned_of_the_devices_and_is_wrong_is_given_up() {
        let anew = echo_left(None);
        for (lead, ppm) in [
            (-60, 0.0),
            (-100, -500.0),
            (20, 0.0),
            (i32::MAX, 500.0),
            (3, 1e9),
        ] {
            let left = echo_left(Learned::new(lead, ppm));
            for second in 5..10 {
                assert!(
                    left[second] < anew[second] + 3.0 || left[second] < -40.0,
                    "{lead} blocks, {ppm} ppm, second {second}: {left:?}, anew {anew:?}"
                );
            }
        }
        assert!(anew[5] < -20.0, "{anew:?}");
    }

    #[test]
    fn what_was_learned_of_the_devices_is_told_only_where_the_echo_shows_it() {
        let mut mouth = Mouth::with_stages(DeviceRate::HZ_48000, Stages::ALL);
        mouth.meet(Learned::new(-60, 10.0));
        assert_eq!(mouth.learned(), None);
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
                mouth.push(block, |_, _, _| frames += 1);
            }
        }
        assert_eq!(frames, 30_000);
    }

    #[test]
    fn a_frame_of_a_microphone_that_is_trimmed_leaves_no_later_than_in_the_push_that_brings_its_last_sample()
     {
        for ppm in [-200.0, 200.0] {
            let mut mouth = Mouth::new(DeviceRate::HZ_48000);
            mouth.attach(StreamId(1), Feed::Desk);
            mouth.trim(ppm);
            let (mut frames, mut newest) = (0_u64, 0.0_f32);
            for _ in 0..60_000 {
                mouth.push(&[0.1; 480], |_, _, newer_ms| {
                    frames += 1;
                    newest = newest.max(newer_ms);
                });
                // Whatever has been made has left, but for what is no whole frame.
                assert_eq!(frames, mouth.made() / FRAME_LEN as u64);
            }
            assert!(newest <= 10.0, "{ppm} ppm: {newest} ms");
            // Ten minutes, and 120 ms more or less.
            let made_ms = mouth.made() as f64 / 8.0;
            assert!(
                (made_ms - 600_000.0 - 0.6 * ppm).abs() < 0.5,
                "{ppm} ppm: {made_ms} ms"
            );
        }
    }

    #[test]
    fn a_frame_leaves_in_the_push_that_brings_its_last_sample_and_nothing_newer() {
        for hz in [16_000, 44_100, 48_000, 96_000] {
            let mut mouth = Mouth::new(DeviceRate::new(hz).expect("a rate"));
            let block = vec![0.0; hz as usize / 100];
            // Wherever in a frame nobody listened to a leg comes.
            for before in 0..3 {
                for _ in 0..before {
                    mouth.push(&block, |_, _, _| {});
                }
                mouth.attach(StreamId(1), Feed::Desk);
                for n in 0..100 {
                    let mut left = Vec::new();
                    mouth.push(&block, |_, _, newer_ms| left.push(newer_ms));
                    let due: &[f32] = if n % 2 == 1 { &[0.0] } else { &[] };
                    assert_eq!(left, due, "{hz} Hz, push {n} after {before}");
                }
                mouth.detach(StreamId(1));
            }
        }
    }

    #[test]
    fn what_is_newer_than_a_frame_is_told() {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        mouth.attach(StreamId(1), Feed::Desk);
        let mut newer = Vec::new();
        mouth.push(&[0.0; 48 * 65], |_, _, newer_ms| newer.push(newer_ms));
        assert_eq!(newer, [45.0, 25.0, 5.0]);
    }

    #[test]
    fn another_microphone_begins_a_frame_of_its_own() {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        mouth.attach(StreamId(1), Feed::Desk);
        mouth.push(&[0.0; 480], |_, _, _| unreachable!("half a frame"));
        mouth.listen(DeviceRate::HZ_48000);
        mouth.push(&[0.0; 480], |_, _, _| unreachable!("half a frame again"));
        let mut frames = 0;
        mouth.push(&[0.0; 480], |_, _, _| frames += 1);
        assert_eq!(frames, 1);
    }

    #[test]
    fn each_leg_hears_its_own_feed() {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        mouth.attach(StreamId(1), Feed::Desk);
        mouth.attach(StreamId(2), Feed::Silence);
        mouth.attach(StreamId(3), Feed::Ringback(Country::NorthAmerica));
        let mut power = [0.0_f32; 4];
        mouth.push(&tone(300.0, 48_000, 1), |stream, frame, _| {
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
    fn each_held_leg_hears_the_music_from_its_own_place_on() {
        let piece: Vec<f32> = (0..4_000).map(|n| (n as f32 * 0.1).sin() * 0.2).collect();
        let music = Music::recording(piece);
        let mut whole = vec![0.0; 4_000];
        music.play(&mut 0, &mut whole);
        let mut mouth = Mouth::new(DeviceRate::HZ_48000).with_music(music);
        let mut heard = [const { Vec::new() }; 3];
        let mut wait = |mouth: &mut Mouth, frames: usize| {
            mouth.push(&vec![0.0; frames * 960], |stream, frame, _| {
                let sound = frame.ulaw.iter().map(|code| g711::decode_f32(*code));
                heard[stream.0 as usize].extend(sound);
            });
        };
        mouth.attach(StreamId(1), Feed::Hold);
        wait(&mut mouth, 5);
        mouth.attach(StreamId(2), Feed::Hold);
        wait(&mut mouth, 5);
        // One that is not held meanwhile goes on where it was.
        mouth.feed(StreamId(1), Feed::Silence);
        wait(&mut mouth, 5);
        mouth.feed(StreamId(1), Feed::Hold);
        wait(&mut mouth, 5);
        assert_eq!(heard[1][160..1_600], whole[160..1_600]);
        // A frame of it was faded out, another in.
        assert!(heard[1][1_760..2_400].iter().all(|sample| *sample == 0.0));
        assert_eq!(heard[1][2_560..3_200], whole[1_920..2_560]);
        assert_eq!(heard[2][160..2_400], whole[160..2_400]);
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
        // A pulse as wide as the line can carry, around device sample 24,000.
        let samples: Vec<f32> = (0..48_000)
            .map(|n| 0.9 * (-((n as f32 - 24_000.0) / 12.0).powi(2)).exp())
            .collect();
        let told = mouth.delay_ms();
        let mut pushed = 0;
        let (mut weight, mut delay) = (0.0, 0.0);
        for block in samples.chunks(480) {
            pushed += block.len();
            mouth.push(block, |_, frame, newer_ms| {
                let power: f32 = frame
                    .ulaw
                    .iter()
                    .map(|c| g711::decode_f32(*c).powi(2))
                    .sum();
                // When the frame leaves, the newest sample of the microphone was just there.
                let left_ms = pushed as f32 / 48.0;
                let into_ms: f32 = frame
                    .ulaw
                    .iter()
                    .enumerate()
                    .map(|(k, c)| k as f32 / 8.0 * g711::decode_f32(*c).powi(2))
                    .sum::<f32>();
                // A sample in the middle of its frame is as old as is told; others by as much as they lie before it.
                weight += power;
                delay += power * (left_ms - newer_ms - 500.0) + into_ms - power * HALF_FRAME_MS;
            });
        }
        let measured = delay / weight;
        assert!(
            (measured - told).abs() < 0.2,
            "{measured} ms, {told} ms told"
        );
    }
}
