//! One leg of the mouth: what its far end hears, frame by frame.

use super::super::dtmf::KeySender;
use super::super::hold::Music;
use super::super::tone::{Country, Tone};
use super::super::{DeviceRate, FRAME_LEN, Feed, UpFrame, g711};
use crate::pure::ids::StreamId;

/// A leg, as the mouth has it.
#[derive(Debug)]
pub(super) struct MouthLeg {
    stream: StreamId,
    feed: Feed,
    // What was fed before: faded out under the first frame of what is fed now.
    before: Feed,
    ringback: Option<(Country, Tone)>,
    /// How far the music is that it hears on hold.
    place: usize,
    keys: KeySender,
}

impl MouthLeg {
    /// Makes a leg, which fades in.
    pub(super) fn new(stream: StreamId, feed: Feed) -> MouthLeg {
        MouthLeg {
            stream,
            feed,
            before: Feed::Silence,
            ringback: None,
            place: 0,
            keys: KeySender::default(),
        }
    }

    pub(super) fn stream(&self) -> StreamId {
        self.stream
    }

    /// Changes what it hears, from the next frame on.
    pub(super) fn feed(&mut self, feed: Feed) {
        self.feed = feed;
    }

    /// Returns what sends keys to it.
    pub(super) fn keys(&mut self) -> &mut KeySender {
        &mut self.keys
    }

    /// Makes this leg's frame of what the desk said meanwhile.
    pub(super) fn frame(&mut self, desk: &[f32; FRAME_LEN], music: &Music) -> UpFrame {
        let mut ulaw = [g711::SILENCE; FRAME_LEN];
        let (before, now) = (self.before, self.feed);
        self.before = now;
        if now == Feed::Silence && before == Feed::Silence && self.keys.is_idle() {
            return UpFrame { ulaw, whole: false };
        }
        let mut sound = self.sound(now, desk, music);
        if before != now {
            let old = self.sound(before, desk, music);
            for (n, (sample, old)) in sound.iter_mut().zip(old).enumerate() {
                let share = (n + 1) as f32 / FRAME_LEN as f32;
                *sample = *sample * share + old * (1.0 - share);
            }
        }
        let whole = self.keys.process(&mut sound);
        g711::encode_slice(&sound, &mut ulaw);
        UpFrame { ulaw, whole }
    }

    fn sound(&mut self, feed: Feed, desk: &[f32; FRAME_LEN], music: &Music) -> [f32; FRAME_LEN] {
        let mut sound = [0.0; FRAME_LEN];
        match feed {
            Feed::Silence => {}
            Feed::Desk => sound = *desk,
            Feed::Ringback(country) => {
                let known = self.ringback.as_ref();
                if known.is_none_or(|(known, _)| *known != country) {
                    self.ringback = Some((country, Tone::ringback(country, DeviceRate::LINE)));
                }
                if let Some((_, tone)) = &mut self.ringback {
                    tone.add_to(&mut sound);
                }
            }
            Feed::Hold => music.play(&mut self.place, &mut sound),
        }
        sound
    }
}
