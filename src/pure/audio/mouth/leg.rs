//! One leg of the mouth: what its far end hears, frame by frame.

use super::super::comfort::Loudest;
use super::super::dtmf::KeySender;
use super::super::hold::Music;
use super::super::limiter::Limiter;
use super::super::meeting::MeetingOut;
use super::super::tone::{Country, Tone};
use super::super::{DeviceRate, FRAME_LEN, Feed, UpFrame, g711};
use super::overlay::Overlay;
use crate::pure::ids::StreamId;

/// What there is to be heard while a frame passes.
pub(super) struct Heard<'a> {
    /// The desk.
    pub(super) desk: &'a [f32; FRAME_LEN],
    /// All far ends of the meeting together.
    pub(super) meeting: &'a [f32; FRAME_LEN],
    /// What held legs hear.
    pub(super) music: &'a Music,
}

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
    overlay: Overlay,
    meeting: Option<MeetingOut>,
    /// What it says to the others meanwhile.
    said: [f32; FRAME_LEN],
    /// Over a meeting and over clips, and from then on over all.
    limiter: Option<Limiter>,
    /// Let go: it leaves once the others have heard it fade.
    leaving: bool,
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
            overlay: Overlay::default(),
            meeting: None,
            said: [0.0; FRAME_LEN],
            limiter: None,
            leaving: false,
        }
    }

    /// Gives it the way of its sound into a meeting.
    pub(super) fn meeting(mut self, meeting: MeetingOut) -> MouthLeg {
        self.meeting = Some(meeting);
        self
    }

    /// Says whether it is this stream's, and stays.
    pub(super) fn is(&self, stream: StreamId) -> bool {
        self.stream == stream && !self.leaving
    }

    /// Says whether it was let go, and whether nobody hears it any more.
    pub(super) fn leaves(&self) -> (bool, bool) {
        (self.leaving, self.leaving && !meets(self.before))
    }

    /// Lets it go.
    pub(super) fn leave(&mut self) {
        (self.leaving, self.feed) = (true, Feed::Silence);
    }

    /// Takes in what its far end said meanwhile, and adds it to what all of the meeting said.
    pub(super) fn listen(&mut self, all: &mut [f32; FRAME_LEN]) {
        let (before, now) = (meets(self.before), meets(self.feed));
        let Some(meeting) = &mut self.meeting else {
            return;
        };
        if !before && !now {
            meeting.rest();
            return;
        }
        self.said = meeting.pull();
        for (n, (said, all)) in self.said.iter_mut().zip(all).enumerate() {
            // Whoever comes or goes fades.
            let share = (n + 1) as f32 / FRAME_LEN as f32;
            *said *= match (before, now) {
                (false, true) => share,
                (true, false) => 1.0 - share,
                (true, true) | (false, false) => 1.0,
            };
            *all += *said;
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

    /// Returns what is laid over all that it hears but the keys.
    pub(super) fn overlay(&mut self) -> &mut Overlay {
        &mut self.overlay
    }

    /// Makes this leg's frame of what the desk said meanwhile.
    pub(super) fn frame(&mut self, heard: &Heard<'_>) -> UpFrame {
        let mut ulaw = [g711::SILENCE; FRAME_LEN];
        let (before, now) = (self.before, self.feed);
        self.before = now;
        let overlaid = !self.overlay.is_idle();
        let others = now != Feed::Silence || before != Feed::Silence || overlaid;
        if !others && self.keys.is_idle() {
            return UpFrame { ulaw, whole: false };
        }
        let mut sound = self.sound(now, heard);
        if before != now {
            let old = self.sound(before, heard);
            for (n, (sample, old)) in sound.iter_mut().zip(old).enumerate() {
                let share = (n + 1) as f32 / FRAME_LEN as f32;
                *sample = *sample * share + old * (1.0 - share);
            }
        }
        if overlaid {
            self.overlay.process(&mut sound);
        }
        self.limit(meets(now) || overlaid, &mut sound);
        let whole = self.keys.process(&mut sound);
        g711::encode_slice(&sound, &mut ulaw);
        UpFrame { ulaw, whole }
    }

    /// Keeps what several say at once below full scale.
    fn limit(&mut self, several: bool, sound: &mut [f32; FRAME_LEN]) {
        if several && self.limiter.is_none() {
            self.limiter = Some(Limiter::new(Loudest::default(), DeviceRate::LINE));
        }
        if let Some(limiter) = &mut self.limiter {
            limiter.process(sound);
        }
    }

    fn sound(&mut self, feed: Feed, heard: &Heard<'_>) -> [f32; FRAME_LEN] {
        let mut sound = [0.0; FRAME_LEN];
        match feed {
            Feed::Silence => {}
            Feed::Desk => sound = *heard.desk,
            Feed::Ringback(country) => {
                let known = self.ringback.as_ref();
                if known.is_none_or(|(known, _)| *known != country) {
                    self.ringback = Some((country, Tone::ringback(country, DeviceRate::LINE)));
                }
                if let Some((_, tone)) = &mut self.ringback {
                    tone.add_to(&mut sound);
                }
            }
            Feed::Meeting { desk } => {
                let all = heard.meeting.iter().zip(&self.said);
                for ((sound, (all, own)), voice) in sound.iter_mut().zip(all).zip(heard.desk) {
                    *sound = all - own + if desk { *voice } else { 0.0 };
                }
            }
            Feed::Hold => heard.music.play(&mut self.place, &mut sound),
        }
        sound
    }
}

fn meets(feed: Feed) -> bool {
    match feed {
        Feed::Meeting { .. } => true,
        Feed::Silence | Feed::Ringback(_) | Feed::Desk | Feed::Hold => false,
    }
}
