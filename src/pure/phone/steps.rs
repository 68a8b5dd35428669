//! The steps that a call takes, whatever the reason: to be picked up, to leave the desk, to end.

use super::{
    Ask, CARRIER_LIMIT, CarrierRequest, CommandError, DIAL_LIMIT, DialError, Direction, Effect,
    EndReason, HUNG_UP_LIMIT, Happening, LONGEST_ELSEWHERE, QUESTION_LIMIT, REMEMBERED, Reason,
    Target,
};
use crate::pure::audio::tone::Progress;
use crate::pure::call::{Call, CallState, Dialed, Far, Next, Onward, Part, Purpose};
use crate::pure::ids::{LegId, StreamId};
use crate::pure::keys::Keys;
use crate::pure::time::Time;

impl Call {
    /// Notes what happened to it, for the usual reason.
    pub(super) fn note(&self, happening: Happening, effects: &mut Vec<Effect>) {
        let reason = happening.usual_reason();
        self.note_for(happening, reason, effects);
    }

    /// Notes what happened to it, and why.
    pub(super) fn note_for(&self, happening: Happening, reason: Reason, effects: &mut Vec<Effect>) {
        effects.push(Effect::Event(Some(self.id.clone()), happening, reason));
    }

    /// Tells whoever dialled how it went, once.
    pub(super) fn tell_dialled(
        &mut self,
        outcome: Result<(), DialError>,
        effects: &mut Vec<Effect>,
    ) {
        if std::mem::take(&mut self.dial_is_open) {
            let outcome = outcome.map(|()| self.view());
            effects.push(Effect::Dialled(self.id.clone(), outcome));
        }
    }

    /// The desk talks, or the call waits, until then at the latest; whether anybody else talks is the caller's matter.
    pub(super) fn talk(
        &mut self,
        stream: StreamId,
        part: Part,
        until: Time,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let answered_by = match &self.state {
            CallState::Dialing { .. } => Reason::FarEnd,
            CallState::Ringing {
                auto: Some(auto), ..
            } if *auto <= now => Reason::ByItself,
            CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Leaving { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => Reason::ByPerson,
        };
        self.state = CallState::Talking {
            stream,
            part,
            until,
        };
        self.since = now;
        self.was_answered = true;
        self.wanted = false;
        self.offered_again = false;
        if !self.answered {
            self.answered = true;
            effects.push(Effect::DeskAnswered);
            self.note_for(Happening::Answered, answered_by, effects);
        }
        if part == Part::Held {
            self.note_for(Happening::Held, Reason::AnotherCall, effects);
        }
        if let Some(keys) = self.keys.take() {
            self.send_keys(stream, keys, effects);
        }
    }

    /// Sends keys up to the first stop, and keeps the others.
    pub(super) fn send_keys(&mut self, stream: StreamId, keys: Keys, effects: &mut Vec<Effect>) {
        let (now, later) = keys.until_wait();
        if let Some(keys) = now {
            effects.push(Effect::Keys(stream, keys));
        }
        self.keys = later;
    }

    /// Lets the far end wait, if it talks.
    pub(super) fn hold(&mut self, why: Reason, effects: &mut Vec<Effect>) {
        if let CallState::Talking {
            part: part @ (Part::Talks | Part::Meets),
            ..
        } = &mut self.state
        {
            let met = std::mem::replace(part, Part::Held) == Part::Meets;
            if met {
                self.note_for(Happening::Parted, why, effects);
            }
            self.note_for(Happening::Held, why, effects);
        }
    }

    /// Has the socket of its stream closed, if there is one; the engine lets go of it with the state.
    pub(super) fn close_stream(&self, effects: &mut Vec<Effect>) {
        if let Some(stream) = self.stream() {
            effects.push(Effect::CloseStream(stream));
        }
    }

    /// Hangs up here, whatever the state.
    pub(super) fn hang_up(
        &mut self,
        reason: EndReason,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let mut limit = CARRIER_LIMIT;
        match &self.state {
            CallState::Dialing { far, .. } => {
                if *far == Dialed::Asked {
                    // Nobody can end a leg without a name: that is done once the carrier has told it.
                    limit = DIAL_LIMIT;
                }
                self.state = CallState::Leaving {
                    stream: None,
                    then: Next::End(reason),
                    until: now + limit,
                };
                self.since = now;
            }
            CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Leaving {
                then: Next::On(_), ..
            }
            | CallState::Deciding { .. } => {
                self.state = CallState::Leaving {
                    stream: self.stream(),
                    then: Next::End(reason),
                    until: now + limit,
                };
                self.since = now;
            }
            CallState::Elsewhere {
                far,
                unanswered,
                until,
            } => {
                self.state = CallState::LeavingElsewhere {
                    far: far.clone(),
                    unanswered: *unanswered,
                    over_by: *until,
                    then: Next::End(reason),
                    until: now + limit,
                };
            }
            CallState::LeavingElsewhere {
                far,
                unanswered,
                over_by,
                then: Next::On(_),
                ..
            } => {
                self.state = CallState::LeavingElsewhere {
                    far: far.clone(),
                    unanswered: *unanswered,
                    over_by: *over_by,
                    then: Next::End(reason),
                    until: now + limit,
                };
            }
            CallState::Leaving {
                then: Next::End(_), ..
            }
            | CallState::LeavingElsewhere {
                then: Next::End(_), ..
            }
            | CallState::Ended { .. } => {
                return Err(CommandError::WrongState(self.view().stage));
            }
        }
        if let Some(leg) = &self.leg {
            effects.push(Effect::Carrier(CarrierRequest::End(leg.clone())));
        }
        Ok(())
    }

    /// Asks the carrier to take the call away from where it is, and to ask us where to. Its far end is on `leg`, where that
    /// is not the leg that it is known by.
    pub(super) fn go_on(
        &mut self,
        to: Onward,
        leg: Option<LegId>,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let Some(leg) = leg.or_else(|| self.leg.clone()) else {
            return Err(CommandError::WrongState(self.view().stage));
        };
        let until = now + CARRIER_LIMIT;
        match &self.state {
            CallState::Ringing { stream, .. }
            | CallState::Talking { stream, .. }
            | CallState::Voicemail { stream, .. } => {
                if self.is_at_voicemail() {
                    effects.push(Effect::Hush(*stream));
                }
                self.state = CallState::Leaving {
                    stream: Some(*stream),
                    then: Next::On(to),
                    until,
                };
                self.since = now;
            }
            CallState::Elsewhere {
                far,
                unanswered,
                until: over_by,
            } => {
                self.state = CallState::LeavingElsewhere {
                    far: far.clone(),
                    unanswered: *unanswered,
                    over_by: *over_by,
                    then: Next::On(to),
                    until,
                };
            }
            CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Leaving { .. }
            | CallState::Deciding { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => {
                return Err(CommandError::WrongState(self.view().stage));
            }
        }
        effects.push(Effect::Carrier(CarrierRequest::Redirect(leg)));
        Ok(())
    }

    /// Says why it is offered the desk's stream again.
    pub(super) fn comes_back_for(&self, purpose: Purpose) -> Reason {
        let leads_to = match &self.state {
            CallState::Leaving {
                then: Next::On(to), ..
            }
            | CallState::LeavingElsewhere {
                then: Next::On(to), ..
            }
            | CallState::Deciding { to, .. } => Some(to),
            CallState::Leaving { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Elsewhere { .. }
            | CallState::Ended { .. } => None,
        };
        match (purpose, leads_to) {
            (Purpose::Talk | Purpose::Message, _) => Reason::ByPerson,
            (
                Purpose::Ring | Purpose::Wait,
                Some(Onward::Back | Onward::Target(Target::Conference(_))),
            ) => Reason::Alone,
            (Purpose::Ring | Purpose::Wait, _) => Reason::NotAnsweredElsewhere,
        }
    }

    /// The carrier did not do what was wanted of a call that is elsewhere: it is as it was, and can be asked again.
    pub(super) fn is_elsewhere_again(&mut self) {
        if let CallState::LeavingElsewhere {
            far,
            unanswered,
            over_by,
            ..
        } = &self.state
        {
            self.state = CallState::Elsewhere {
                far: far.clone(),
                unanswered: *unanswered,
                until: *over_by,
            };
        }
    }

    /// Somebody answered elsewhere, on a leg that may be known.
    pub(super) fn answered_elsewhere(
        &mut self,
        by: Option<LegId>,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some((far, until)) = elsewhere(&mut self.state) else {
            return;
        };
        match far {
            Far::Rings => {
                *far = Far::Answered(by);
                *until = now + LONGEST_ELSEWHERE;
                self.since = now;
                self.was_answered = true;
                let by_far_end = self.was_dialled_in_a_browser();
                let why = if by_far_end {
                    Reason::FarEnd
                } else {
                    Reason::Elsewhere
                };
                self.note_for(Happening::Answered, why, effects);
            }
            Far::Answered(known) => {
                if known.is_none() {
                    *known = by;
                }
            }
            Far::HungUp => {}
        }
    }

    /// A leg that the carrier dialled for this call was answered and is over.
    pub(super) fn hung_up_elsewhere(&mut self, by: &LegId, now: Time) {
        let Some((far, until)) = elsewhere(&mut self.state) else {
            return;
        };
        // Of several that rang, only the one that was answered is the call.
        if *far == Far::Answered(Some(by.clone())) {
            *far = Far::HungUp;
            *until = now + HUNG_UP_LIMIT;
        }
    }

    /// Says whether a question is the one that this call began with, and what was told then still holds. While a stream is
    /// up that is so too: its token is spent, so that the answer is of no use to anybody, but a live call is not to be ended
    /// because a tunnel delivered its webhook twice. A stream that was up once, or a call that is over, leaves nothing.
    pub(super) fn is_asked_again(&self, ask: &Ask) -> bool {
        let told_holds = match (&self.state, self.direction) {
            (
                CallState::Dialing { .. }
                | CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Voicemail { .. },
                _,
            ) => true,
            (CallState::Leaving { stream, .. }, _) => stream.is_some(),
            (
                CallState::Elsewhere { far, .. } | CallState::LeavingElsewhere { far, .. },
                Direction::Incoming,
            ) => *far == Far::Rings,
            (
                CallState::Elsewhere { .. } | CallState::LeavingElsewhere { .. },
                Direction::Outgoing,
            ) => true,
            (CallState::Deciding { .. } | CallState::Ended { .. }, _) => false,
        };
        // What is known of the caller may be another thing by now; the question is the same.
        let is_same = if let (
            Some(Ask::Incoming { from, to, .. }),
            Ask::Incoming {
                from: caller,
                to: called,
                ..
            },
        ) = (&self.asked, ask)
        {
            (from, to) == (caller, called)
        } else {
            self.asked.as_ref() == Some(ask)
        };
        told_holds && is_same
    }

    pub(super) fn waited_in_vain(&mut self, then: Next, now: Time, effects: &mut Vec<Effect>) {
        match then {
            Next::End(reason) => self.end(reason, now, effects),
            Next::On(to) => {
                self.state = CallState::Deciding {
                    to,
                    until: now + QUESTION_LIMIT,
                    otherwise: EndReason::NotAnswered,
                };
            }
        }
    }

    pub(super) fn end(&mut self, reason: EndReason, now: Time, effects: &mut Vec<Effect>) {
        if let Some(tone) = self.last_tone(reason) {
            effects.push(Effect::CallEnded(tone));
        }
        self.end_silently(reason, now, effects);
    }

    /// Ends it without a tone.
    pub(super) fn end_silently(&mut self, reason: EndReason, now: Time, effects: &mut Vec<Effect>) {
        if self.is_over() {
            return;
        }
        self.state = CallState::Ended {
            reason,
            until: now + REMEMBERED,
        };
        self.since = now;
        self.keys = None;
        self.note(Happening::Ended(reason), effects);
        if self.is_missed(reason) {
            self.note(Happening::Missed(reason), effects);
        }
    }

    /// Says whether a call that is over for that reason is one that the person missed.
    fn is_missed(&self, reason: EndReason) -> bool {
        let turned_away = match reason {
            EndReason::HungUpHere
            | EndReason::Rejected
            | EndReason::Blocked
            | EndReason::Refused => true,
            EndReason::Busy
            | EndReason::TooLong
            | EndReason::HungUpThere
            | EndReason::NotAnswered
            | EndReason::Failed
            | EndReason::LeftMessage
            | EndReason::StreamLost => false,
        };
        self.direction == Direction::Incoming && !self.was_answered && !turned_away
    }

    /// Returns what the near end hears of a call's end. Whoever hung up here knows it, and of a call that waits nothing is
    /// heard.
    fn last_tone(&self, reason: EndReason) -> Option<Progress> {
        match &self.state {
            CallState::Talking {
                part: Part::Talks | Part::Meets,
                ..
            } => match reason {
                EndReason::HungUpThere => Some(Progress::Busy),
                EndReason::StreamLost | EndReason::Failed => Some(Progress::Congestion),
                EndReason::HungUpHere
                | EndReason::Rejected
                | EndReason::Blocked
                | EndReason::Busy
                | EndReason::TooLong
                | EndReason::NotAnswered
                | EndReason::LeftMessage
                | EndReason::Refused => None,
            },
            CallState::Dialing { .. } => match reason {
                EndReason::Busy => Some(Progress::Busy),
                EndReason::HungUpThere
                | EndReason::NotAnswered
                | EndReason::Failed
                | EndReason::StreamLost => Some(Progress::Congestion),
                EndReason::HungUpHere
                | EndReason::Rejected
                | EndReason::Blocked
                | EndReason::TooLong
                | EndReason::LeftMessage
                | EndReason::Refused => None,
            },
            CallState::Talking {
                part: Part::Held, ..
            }
            | CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Voicemail { .. }
            | CallState::Leaving { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => None,
        }
    }
}

/// Returns how far a call has come elsewhere, and when it is over at the latest; nothing where it is not elsewhere.
fn elsewhere(state: &mut CallState) -> Option<(&mut Far, &mut Time)> {
    match state {
        CallState::Elsewhere { far, until, .. } => Some((far, until)),
        CallState::LeavingElsewhere { far, over_by, .. } => Some((far, over_by)),
        CallState::Dialing { .. }
        | CallState::Offered { .. }
        | CallState::Ringing { .. }
        | CallState::Talking { .. }
        | CallState::Voicemail { .. }
        | CallState::Leaving { .. }
        | CallState::Deciding { .. }
        | CallState::Ended { .. } => None,
    }
}
