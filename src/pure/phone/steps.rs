//! The steps that a call takes, whatever the reason: to be picked up, to leave the desk, to end.

use super::{
    Ask, CARRIER_LIMIT, CarrierRequest, CommandError, Direction, Effect, EndReason, HUNG_UP_LIMIT,
    Happening, LONGEST_ELSEWHERE, QUESTION_LIMIT, REMEMBERED,
};
use crate::pure::audio::tone::Progress;
use crate::pure::audio::{Feed, Route};
use crate::pure::call::{Call, CallState, Far, Next};
use crate::pure::ids::{LegId, StreamId};
use crate::pure::time::Time;

impl Call {
    /// The desk picks up.
    pub(super) fn pick_up(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let CallState::Ringing { stream, .. } = self.state else {
            return;
        };
        self.state = CallState::Talking { stream };
        self.since = now;
        self.answered = true;
        effects.push(Effect::Bell(None));
        effects.push(Effect::Route(
            stream,
            Route {
                feed: Feed::Desk,
                to_speaker: true,
            },
        ));
        effects.push(Effect::DeskAnswered);
        effects.push(Effect::Event(self.id.clone(), Happening::Answered));
    }

    /// Takes the stream's sound from the desk, if there is any, and returns the stream.
    pub(super) fn leave_desk(&mut self, effects: &mut Vec<Effect>) -> Option<StreamId> {
        let stream = self.stream()?;
        match self.state {
            CallState::Ringing { .. } => effects.push(Effect::Bell(None)),
            // Hung up at the desk: it was let go already.
            CallState::Leaving {
                then: Next::End, ..
            } => return Some(stream),
            CallState::Offered { .. }
            | CallState::Talking { .. }
            | CallState::Leaving {
                then: Next::Stage, ..
            }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::EndingElsewhere { .. }
            | CallState::Ended { .. } => {}
        }
        effects.push(Effect::Detach(stream));
        Some(stream)
    }

    /// Takes the stream's sound from the desk and has its socket closed, if there is one.
    pub(super) fn drop_stream(&mut self, effects: &mut Vec<Effect>) {
        if let Some(stream) = self.leave_desk(effects) {
            effects.push(Effect::CloseStream(stream));
        }
    }

    /// Hangs up here, whatever the state.
    pub(super) fn hang_up(
        &mut self,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        match &self.state {
            CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Leaving {
                then: Next::Stage, ..
            }
            | CallState::Deciding { .. } => {
                let stream = self.leave_desk(effects);
                self.state = CallState::Leaving {
                    stream,
                    then: Next::End,
                    until: now + CARRIER_LIMIT,
                };
                self.since = now;
            }
            CallState::Elsewhere { far, until } => {
                self.state = CallState::EndingElsewhere {
                    far: far.clone(),
                    over_by: *until,
                    until: now + CARRIER_LIMIT,
                };
            }
            CallState::Leaving {
                then: Next::End, ..
            }
            | CallState::EndingElsewhere { .. }
            | CallState::Ended { .. } => return Err(CommandError::WrongState),
        }
        effects.push(Effect::Carrier(CarrierRequest::End(self.leg.clone())));
        Ok(())
    }

    /// The carrier did not end a call that is elsewhere: it is as it was, and can be hung up again.
    pub(super) fn is_elsewhere_again(&mut self) {
        if let CallState::EndingElsewhere { far, over_by, .. } = &self.state {
            self.state = CallState::Elsewhere {
                far: far.clone(),
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
                effects.push(Effect::Event(self.id.clone(), Happening::Answered));
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
                CallState::Offered { .. } | CallState::Ringing { .. } | CallState::Talking { .. },
                _,
            ) => true,
            (CallState::Leaving { stream, .. }, _) => stream.is_some(),
            (
                CallState::Elsewhere { far, .. } | CallState::EndingElsewhere { far, .. },
                Direction::Incoming,
            ) => *far == Far::Rings,
            (
                CallState::Elsewhere { .. } | CallState::EndingElsewhere { .. },
                Direction::Outgoing,
            ) => true,
            (CallState::Deciding { .. } | CallState::Ended { .. }, _) => false,
        };
        told_holds && self.asked == *ask
    }

    pub(super) fn waited_in_vain(&mut self, then: Next, now: Time, effects: &mut Vec<Effect>) {
        match then {
            Next::End => self.end(EndReason::HungUpHere, now, effects),
            Next::Stage => {
                self.state = CallState::Deciding {
                    until: now + QUESTION_LIMIT,
                    otherwise: EndReason::NotAnswered,
                };
            }
        }
    }

    pub(super) fn end(&mut self, reason: EndReason, now: Time, effects: &mut Vec<Effect>) {
        if self.is_over() {
            return;
        }
        // Whoever hung up here knows it.
        if let CallState::Talking { .. } = self.state {
            match reason {
                EndReason::HungUpThere => effects.push(Effect::CallEnded(Progress::Busy)),
                EndReason::StreamLost | EndReason::Failed => {
                    effects.push(Effect::CallEnded(Progress::Congestion));
                }
                EndReason::HungUpHere | EndReason::NotAnswered | EndReason::Refused => {}
            }
        }
        self.state = CallState::Ended {
            reason,
            until: now + REMEMBERED,
        };
        self.since = now;
        effects.push(Effect::Event(self.id.clone(), Happening::Ended(reason)));
    }
}

/// Returns how far a call has come elsewhere, and when it is over at the latest; nothing where it is not elsewhere.
fn elsewhere(state: &mut CallState) -> Option<(&mut Far, &mut Time)> {
    match state {
        CallState::Elsewhere { far, until } => Some((far, until)),
        CallState::EndingElsewhere { far, over_by, .. } => Some((far, over_by)),
        CallState::Offered { .. }
        | CallState::Ringing { .. }
        | CallState::Talking { .. }
        | CallState::Leaving { .. }
        | CallState::Deciding { .. }
        | CallState::Ended { .. } => None,
    }
}
