//! What becomes of a call when the carrier, or one of its streams, tells something.
//!
//! Three signs tell that a call is over (its stream, the carrier's question after it, the leg's status), in any order and
//! any number.

use super::{
    AutoAnswer, CarrierRequest, Direction, Effect, EndReason, Happening, LOST_LIMIT, LegStatus,
    Phone, QUESTION_LIMIT, StreamEnd, StreamRefusal,
};
use crate::pure::audio::{Feed, Route};
use crate::pure::call::{CallState, Far, Next};
use crate::pure::ids::{LegId, StreamId, StreamToken};
use crate::pure::time::Time;

impl Phone {
    pub(super) fn leg_is(
        &mut self,
        leg: &LegId,
        status: LegStatus,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some(call) = self.calls.iter_mut().find(|call| call.leg == *leg) else {
            return;
        };
        if !status.is_over() {
            if status == LegStatus::InProgress && call.direction == Direction::Outgoing {
                call.answered_elsewhere(None, now, effects);
            }
            return;
        }
        let reason = match (&call.state, status) {
            (
                CallState::Leaving {
                    then: Next::End, ..
                }
                | CallState::EndingElsewhere { .. },
                _,
            ) => EndReason::HungUpHere,
            (_, LegStatus::Failed) => EndReason::Failed,
            (
                CallState::Talking { .. }
                | CallState::Elsewhere {
                    far: Far::Answered(_) | Far::HungUp,
                    ..
                },
                _,
            ) => EndReason::HungUpThere,
            (_, LegStatus::Completed | LegStatus::Canceled) => EndReason::HungUpThere,
            (
                _,
                LegStatus::Queued
                | LegStatus::Ringing
                | LegStatus::InProgress
                | LegStatus::Busy
                | LegStatus::NoAnswer,
            ) => EndReason::NotAnswered,
        };
        call.drop_stream(effects);
        call.end(reason, now, effects);
    }

    /// Statuses overtake each other, so each says only how far the call has come at least.
    pub(super) fn child_is(
        &mut self,
        parent: &LegId,
        child: LegId,
        status: LegStatus,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some(call) = self.calls.iter_mut().find(|call| call.leg == *parent) else {
            return;
        };
        match status {
            LegStatus::InProgress => call.answered_elsewhere(Some(child), now, effects),
            LegStatus::Completed => {
                // Only what was answered is completed; the news of that may be yet to come.
                call.answered_elsewhere(Some(child.clone()), now, effects);
                call.hung_up_elsewhere(&child, now);
            }
            // The carrier asks what comes next when nobody is left who may answer.
            LegStatus::Queued
            | LegStatus::Ringing
            | LegStatus::Busy
            | LegStatus::NoAnswer
            | LegStatus::Failed
            | LegStatus::Canceled => {}
        }
    }

    pub(super) fn stream_up(
        &mut self,
        stream: StreamId,
        leg: &LegId,
        token: &StreamToken,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        if self.stopping {
            effects.push(Effect::Refuse(stream, StreamRefusal::Stopping));
            return;
        }
        let taken_by_other = self
            .calls
            .iter()
            .any(|call| call.holds_desk() && call.leg != *leg);
        let country = self.settings.country;
        let ring_for = self.settings.ring_for;
        let auto_answer = self.settings.auto_answer;
        let Some(call) = self.calls.iter_mut().find(|call| call.leg == *leg) else {
            effects.push(Effect::Refuse(stream, StreamRefusal::BadToken));
            return;
        };
        let refusal = match &call.state {
            CallState::Offered { token: good, until } => {
                if good != token || now > *until {
                    Some(StreamRefusal::BadToken)
                } else if taken_by_other {
                    // The token is spent; the question that follows sends the caller on.
                    call.state = CallState::Deciding {
                        until: now + QUESTION_LIMIT,
                        otherwise: EndReason::NotAnswered,
                    };
                    Some(StreamRefusal::DeskTaken)
                } else {
                    None
                }
            }
            CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Leaving {
                stream: Some(_), ..
            } => Some(StreamRefusal::SecondStream),
            CallState::Leaving { stream: None, .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::EndingElsewhere { .. }
            | CallState::Ended { .. } => Some(StreamRefusal::BadToken),
        };
        if let Some(refusal) = refusal {
            effects.push(Effect::Refuse(stream, refusal));
            return;
        }
        let auto = match auto_answer {
            AutoAnswer::Off => None,
            AutoAnswer::After(delay) => Some(now + delay),
        };
        call.state = CallState::Ringing {
            stream,
            until: now + ring_for,
            auto,
        };
        call.since = now;
        let ringing = Route {
            feed: Feed::Ringback(country),
            to_speaker: false,
        };
        effects.push(Effect::Admit(stream, call.id.clone(), ringing));
        effects.push(Effect::Event(call.id.clone(), Happening::Rings));
        if auto == Some(now) {
            call.pick_up(now, effects);
            effects.push(Effect::Beep);
        } else {
            effects.push(Effect::Bell(Some(country)));
        }
    }

    pub(super) fn stream_down(
        &mut self,
        stream: StreamId,
        end: StreamEnd,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some(call) = self
            .calls
            .iter_mut()
            .find(|call| call.stream() == Some(stream))
        else {
            return;
        };
        let state = call.state.clone();
        call.leave_desk(effects);
        match (state, end) {
            // We did not ask for it, so whoever called has gone.
            (CallState::Ringing { .. } | CallState::Talking { .. }, StreamEnd::Stopped) => {
                call.end(EndReason::HungUpThere, now, effects);
            }
            (CallState::Talking { .. }, StreamEnd::Lost | StreamEnd::Faulted) => {
                call.end(EndReason::StreamLost, now, effects);
            }
            (CallState::Talking { .. }, StreamEnd::ClosedByUs) => {
                call.end(EndReason::HungUpHere, now, effects)
            }
            (
                CallState::Ringing { .. },
                StreamEnd::Lost | StreamEnd::Faulted | StreamEnd::ClosedByUs,
            ) => {
                call.state = CallState::Deciding {
                    until: now + LOST_LIMIT,
                    otherwise: EndReason::StreamLost,
                };
            }
            (
                CallState::Leaving {
                    then: Next::End, ..
                },
                _,
            ) => call.end(EndReason::HungUpHere, now, effects),
            (
                CallState::Leaving {
                    then: Next::Stage, ..
                },
                _,
            ) => {
                call.state = CallState::Deciding {
                    until: now + QUESTION_LIMIT,
                    otherwise: EndReason::NotAnswered,
                };
            }
            // Without a stream there is none to lose: the search above found none of these.
            (
                CallState::Offered { .. }
                | CallState::Deciding { .. }
                | CallState::Elsewhere { .. }
                | CallState::EndingElsewhere { .. }
                | CallState::Ended { .. },
                _,
            ) => {}
        }
    }

    pub(super) fn carrier_did(
        &mut self,
        request: &CarrierRequest,
        done: bool,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let (CarrierRequest::End(leg) | CarrierRequest::Redirect(leg)) = request;
        let Some(call) = self.calls.iter_mut().find(|call| call.leg == *leg) else {
            return;
        };
        match (request, &call.state) {
            (
                CarrierRequest::End(_),
                CallState::Leaving {
                    stream,
                    then: then @ Next::End,
                    ..
                },
            )
            | (
                CarrierRequest::Redirect(_),
                CallState::Leaving {
                    stream,
                    then: then @ Next::Stage,
                    ..
                },
            ) => match (*stream, done) {
                // The carrier closes the stream now; the limit stands in case that it does not.
                (Some(_), true) => {}
                (Some(stream), false) => effects.push(Effect::CloseStream(stream)),
                (None, _) => call.waited_in_vain(*then, now, effects),
            },
            // It may take longer than we waited for it.
            (
                CarrierRequest::End(_),
                CallState::Elsewhere { .. } | CallState::EndingElsewhere { .. },
            ) => {
                if done {
                    call.end(EndReason::HungUpHere, now, effects);
                } else {
                    call.is_elsewhere_again();
                }
            }
            // Something else was wanted of the call meanwhile, or it is over.
            (
                CarrierRequest::End(_),
                CallState::Leaving {
                    then: Next::Stage, ..
                },
            )
            | (
                CarrierRequest::Redirect(_),
                CallState::Leaving {
                    then: Next::End, ..
                }
                | CallState::Elsewhere { .. }
                | CallState::EndingElsewhere { .. },
            )
            | (
                CarrierRequest::End(_) | CarrierRequest::Redirect(_),
                CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Deciding { .. }
                | CallState::Ended { .. },
            ) => {}
        }
    }
}
