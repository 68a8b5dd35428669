//! What becomes of a call when the carrier, or one of its streams, tells something.
//!
//! Three signs tell that a call is over (its stream, the carrier's question after it, the leg's status), in any order and
//! any number.

use super::*;

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
                call.answered_elsewhere(now, effects);
            }
            return;
        }
        let reason = match (&call.state, status) {
            (
                CallState::Leaving {
                    then: Next::End, ..
                },
                _,
            ) => EndReason::HungUpHere,
            (_, LegStatus::Failed) => EndReason::Failed,
            (CallState::Talking { .. } | CallState::Elsewhere { answered: true, .. }, _) => {
                EndReason::HungUpThere
            }
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
        if let Some(stream) = call.leave_desk(effects) {
            effects.push(Effect::CloseStream(stream));
        }
        call.end(reason, now, effects);
    }

    pub(super) fn child_is(
        &mut self,
        parent: &LegId,
        status: LegStatus,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some(call) = self.calls.iter_mut().find(|call| call.leg == *parent) else {
            return;
        };
        if status == LegStatus::InProgress {
            call.answered_elsewhere(now, effects);
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
        let CallState::Leaving { stream, then, .. } = call.state else {
            return;
        };
        if done && stream.is_some() {
            // The carrier closes the stream now; the limit stands in case that it does not.
            return;
        }
        if !done && let Some(stream) = stream {
            effects.push(Effect::CloseStream(stream));
            return;
        }
        match then {
            Next::End => call.end(EndReason::HungUpHere, now, effects),
            Next::Stage => {
                call.state = CallState::Deciding {
                    until: now + QUESTION_LIMIT,
                    otherwise: EndReason::NotAnswered,
                };
            }
        }
    }
}
