//! What the desk hears and lets hear: of every call, and of all of them together.
//!
//! Nobody switches sound from one place to another. After each input the engine is told what differs between what it
//! does and what the calls' states say, so that no state can be reached with the sound of another.

use super::{Effect, Happening, Phone, Reason};
use crate::pure::audio::tone::{Country, Progress};
use crate::pure::audio::{Feed, Route};
use crate::pure::call::{Call, CallState, Dialed, Message, Next, Onward, Part};
use crate::pure::ids::StreamId;
use crate::pure::recording::name::Kind;

/// What the near end hears that no call says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Signals {
    /// The bell.
    bell: Option<Country>,
    /// A tone in the ear, until it is stopped.
    progress: Option<Progress>,
}

impl Phone {
    /// Tells the engine what has changed.
    pub(super) fn settle(&mut self, effects: &mut Vec<Effect>) {
        self.close_meeting(effects);
        let country = self.settings.country;
        let talk = self.calls.iter().any(Call::talks);
        let screened = self.screened();
        for call in &mut self.calls {
            let wanted = call.sound(country, talk, screened);
            let recorded = call.to_record();
            if let Some(had) = call.records
                && recorded != Some(had)
            {
                effects.push(Effect::Record(had.0, call.id.clone(), false));
                let why = match had.1 {
                    Kind::Call if call.recorded => Reason::LeftDesk,
                    Kind::Call => Reason::ByPerson,
                    Kind::Voicemail if call.talks() => Reason::ByPerson,
                    Kind::Voicemail => Reason::FarEnd,
                };
                call.note_for(Happening::RecordingEnded, why, effects);
                call.records = None;
            }
            match (call.attached, wanted) {
                (Some((had, _)), Some((stream, route))) if had != stream => {
                    effects.push(Effect::Detach(had));
                    effects.push(Effect::Admit(stream, call.id.clone(), route));
                }
                (Some((had, _)), None) => effects.push(Effect::Detach(had)),
                (Some((_, route)), Some((stream, other))) if route != other => {
                    effects.push(Effect::Route(stream, other));
                }
                (None, Some((stream, route))) => {
                    effects.push(Effect::Admit(stream, call.id.clone(), route));
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
            call.attached = wanted;
            if let Some(stream) = recorded
                && call.records.is_none()
            {
                effects.push(Effect::Record(stream.0, call.id.clone(), true));
                call.note(Happening::RecordingBegan, effects);
                call.records = Some(stream);
            }
        }
        self.settle_notice(effects);
        let signals = self.signals();
        if signals.bell != self.signals.bell {
            effects.push(Effect::Bell(signals.bell));
        }
        if signals.progress != self.signals.progress {
            effects.push(Effect::Progress(signals.progress));
        }
        self.signals = signals;
    }

    /// A meeting of one is a talk.
    fn close_meeting(&mut self, effects: &mut Vec<Effect>) {
        let mut meeting = self.calls.iter_mut().filter(|call| call.meets());
        if let (Some(last), None) = (meeting.next(), meeting.next())
            && let CallState::Talking { part, .. } = &mut last.state
        {
            *part = Part::Talks;
            last.note_for(Happening::Parted, Reason::Alone, effects);
        }
    }

    /// Returns the stream of the caller who is heard at the desk while they leave a message: the first, while the desk has
    /// no other call and wants to hear any.
    fn screened(&self) -> Option<StreamId> {
        let is_wanted = self.settings.voicemail.screening && !self.do_not_disturb;
        // Whoever is being moved hears the desk until the carrier takes them away.
        let has_sound = |call: &Call| {
            let to_speaker = call.attached.is_some_and(|(_, route)| route.to_speaker);
            call.is_at_desk() || (to_speaker && !call.is_at_voicemail() && !call.is_over())
        };
        if !is_wanted || self.calls.iter().any(has_sound) {
            return None;
        }
        self.calls.iter().find_map(|call| match call.state {
            CallState::Voicemail {
                stream,
                part: Message::Spoken(_),
                ..
            } if !call.is_quieted() => Some(stream),
            CallState::Voicemail { .. }
            | CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Leaving { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => None,
        })
    }

    fn signals(&self) -> Signals {
        let rings = self.calls.iter().any(Call::rings);
        let talks = self.calls.iter().any(Call::talks);
        let far_end_rings = self.calls.iter().any(|call| {
            matches!(
                call.state,
                CallState::Dialing {
                    far: Dialed::Rings,
                    ..
                }
            )
        });
        Signals {
            bell: (rings && !talks).then_some(self.settings.country),
            progress: match (talks, rings, far_end_rings) {
                (true, true, _) => Some(Progress::CallWaiting),
                (false, _, true) => Some(Progress::Ringback),
                (true, false, _) | (false, _, false) => None,
            },
        }
    }
}

impl Call {
    /// Returns the stream whose sound the engine is to have, and what it does with it; `talk` says whether the desk talks
    /// with anybody, `screened` who is heard that leaves a message.
    fn sound(
        &self,
        country: Country,
        talk: bool,
        screened: Option<StreamId>,
    ) -> Option<(StreamId, Route)> {
        let route = |feed, to_speaker| Route { feed, to_speaker };
        match &self.state {
            CallState::Ringing { stream, .. } => {
                Some((*stream, route(Feed::Ringback(country), false)))
            }
            CallState::Talking {
                stream,
                part: Part::Talks,
                ..
            } => {
                let feed = if self.muted {
                    Feed::Silence
                } else {
                    Feed::Desk
                };
                Some((*stream, route(feed, true)))
            }
            CallState::Talking {
                stream,
                part: Part::Meets,
                ..
            } => {
                let desk = !self.muted;
                Some((*stream, route(Feed::Meeting { desk }, true)))
            }
            CallState::Talking {
                stream,
                part: Part::Held,
                ..
            } => Some((*stream, route(Feed::Hold, false))),
            CallState::Voicemail { stream, .. } => {
                Some((*stream, route(Feed::Silence, screened == Some(*stream))))
            }
            // Until the carrier takes it away nobody need fall silent; but a bell that was not heeded has stopped.
            CallState::Leaving {
                stream: Some(stream),
                then: Next::On(to),
                ..
            } => Some(match (to, self.attached) {
                // But the desk never talks with two who do not hear each other.
                (Onward::Target(_), Some((_, had))) if !talk => {
                    let silenced = self.muted && had.feed == Feed::Desk;
                    let feed = if silenced { Feed::Silence } else { had.feed };
                    (*stream, route(feed, had.to_speaker))
                }
                (Onward::Target(_) | Onward::Stage | Onward::Declined | Onward::Back, _) => {
                    (*stream, Route::default())
                }
            }),
            CallState::Leaving {
                stream: None,
                then: Next::On(_),
                ..
            }
            | CallState::Leaving {
                then: Next::End(_), ..
            }
            | CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => None,
        }
    }
}
