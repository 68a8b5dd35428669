//! What becomes of a call when the carrier, or one of its streams, tells something.
//!
//! Three signs tell that a call is over (its stream, the carrier's question after it, the leg's status), in any order and
//! any number.

use super::{
    Ask, AutoAnswer, CARRIER_LIMIT, CONNECT_LIMIT, CarrierRequest, DialError, DialRefusal,
    Direction, Effect, EndReason, Happening, LOST_LIMIT, LegStatus, NUMBER_RINGS_FOR, Phone,
    QUESTION_LIMIT, RING_MARGIN, Reason, StreamEnd, StreamRefusal,
};
use crate::pure::call::{Call, CallState, Dialed, Far, Next, Onward, Part, Purpose};
use crate::pure::ids::{CallId, LegId, StreamId, StreamToken};
use crate::pure::time::Time;

impl Phone {
    /// Takes note of where a leg stands; the call is told by name where the carrier has not named its leg before.
    pub(super) fn leg_is(
        &mut self,
        leg: LegId,
        call: Option<&CallId>,
        status: LegStatus,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(n) = self.by_leg(&leg) {
            self.leg_of_call_is(n, status, now, effects);
            return;
        }
        let Some(n) = call.and_then(|id| self.calls.iter().position(|call| call.id == *id)) else {
            return;
        };
        if self.calls[n].leg.is_none() {
            self.is_placed(n, leg, now, effects);
            self.leg_of_call_is(n, status, now, effects);
        } else if self.calls[n].asked.is_none() && !status.is_over() {
            // Dialled twice for one wish, however that came about.
            effects.push(Effect::Carrier(CarrierRequest::End(leg)));
        }
    }

    pub(super) fn leg_of_call_is(
        &mut self,
        n: usize,
        status: LegStatus,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let call = &mut self.calls[n];
        if !status.is_over() {
            match (&call.state, status, call.direction) {
                (CallState::Dialing { .. }, LegStatus::Ringing, _) => {
                    call.comes_to(Dialed::Rings, now, effects);
                }
                (CallState::Dialing { .. }, LegStatus::InProgress, _) => {
                    call.comes_to(Dialed::Answered, now, effects);
                }
                (_, LegStatus::InProgress, Direction::Outgoing) if call.asked.is_some() => {
                    call.answered_elsewhere(None, now, effects);
                }
                (_, _, Direction::Incoming | Direction::Outgoing) => {}
            }
            return;
        }
        let reason = match (&call.state, status) {
            (
                CallState::Leaving {
                    then: Next::End(reason),
                    ..
                }
                | CallState::LeavingElsewhere {
                    then: Next::End(reason),
                    ..
                },
                _,
            ) => *reason,
            (CallState::Voicemail { .. }, _) => call.hung_up_there(now),
            (_, LegStatus::Failed) => EndReason::Failed,
            (CallState::Dialing { .. }, LegStatus::Busy) => EndReason::Busy,
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
        call.close_stream(effects);
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
        let Some(n) = self.by_leg(parent) else {
            // The call was fetched from a browser, and this is the leg of its far end.
            if let Some(n) = self.by_leg(&child) {
                self.leg_of_call_is(n, status, now, effects);
            }
            return;
        };
        let call = &mut self.calls[n];
        if call.former.contains(&child) {
            return;
        }
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

    /// Takes note of what became of dialling.
    pub(super) fn carrier_dialled(
        &mut self,
        id: &CallId,
        outcome: Result<LegId, DialRefusal>,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let known = self.calls.iter().position(|call| call.id == *id);
        // Found in the list of calls, but another call's: then nobody knows where this one is.
        let outcome = outcome.and_then(|leg| match self.by_leg(&leg) {
            Some(n) if Some(n) != known => Err(DialRefusal::silence()),
            Some(_) | None => Ok(leg),
        });
        match (outcome, known) {
            // Nobody knows of it any more, and nobody else will ever end it.
            (Ok(leg), None) => effects.push(Effect::Carrier(CarrierRequest::End(leg))),
            (Err(_), None) => {}
            (Ok(leg), Some(n)) => self.is_placed(n, leg, now, effects),
            (Err(why), Some(n)) => {
                let call = &mut self.calls[n];
                match &call.state {
                    CallState::Dialing {
                        far: Dialed::Asked, ..
                    } => {
                        effects.push(Effect::CallEnded(why.tone));
                        call.end_silently(EndReason::Failed, now, effects);
                        call.tell_dialled(Err(DialError::Carrier(why)), effects);
                    }
                    CallState::Leaving {
                        stream: None,
                        then: Next::End(reason),
                        ..
                    } if call.leg.is_none() => {
                        let reason = *reason;
                        call.tell_dialled(Err(DialError::HungUp), effects);
                        call.end(reason, now, effects);
                    }
                    // Its leg was told already, so it is there, or is over.
                    CallState::Dialing {
                        far: Dialed::Placed | Dialed::Rings | Dialed::Answered,
                        ..
                    }
                    | CallState::Leaving { .. }
                    | CallState::Offered { .. }
                    | CallState::Ringing { .. }
                    | CallState::Talking { .. }
                    | CallState::Voicemail { .. }
                    | CallState::Deciding { .. }
                    | CallState::Elsewhere { .. }
                    | CallState::LeavingElsewhere { .. }
                    | CallState::Ended { .. } => {}
                }
            }
        }
    }

    /// The carrier has named the leg of a call that the desk dialled: in its answer, in a status, or in a stream.
    fn is_placed(&mut self, n: usize, leg: LegId, now: Time, effects: &mut Vec<Effect>) {
        let call = &mut self.calls[n];
        if let Some(known) = &call.leg {
            if *known != leg {
                // Dialled twice for one wish, however that came about.
                effects.push(Effect::Carrier(CarrierRequest::End(leg)));
            }
            return;
        }
        call.leg = Some(leg.clone());
        match &mut call.state {
            CallState::Dialing { .. } => {
                call.comes_to(Dialed::Placed, now, effects);
                call.tell_dialled(Ok(()), effects);
            }
            // Hung up meanwhile: now it can be done.
            CallState::Leaving { until, .. } => {
                *until = now + CARRIER_LIMIT;
                effects.push(Effect::Carrier(CarrierRequest::End(leg)));
                call.tell_dialled(Err(DialError::HungUp), effects);
            }
            CallState::Ended { .. } => effects.push(Effect::Carrier(CarrierRequest::End(leg))),
            // Only what is dialled, or was, has no leg.
            CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. } => {}
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
        match self.admit(stream, leg, token, now, effects) {
            Ok(()) => {}
            Err(why) => effects.push(Effect::Refuse(stream, why)),
        }
    }

    fn admit(
        &mut self,
        stream: StreamId,
        leg: &LegId,
        token: &StreamToken,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StreamRefusal> {
        if self.stopping {
            return Err(StreamRefusal::Stopping);
        }
        // A stream may come before the carrier's answer names the leg that it dialled; its token names the call.
        let unnamed = |call: &Call| match &call.state {
            CallState::Dialing { token: good, .. } => call.leg.is_none() && good == token,
            CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Leaving { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => false,
        };
        let n = self
            .by_leg(leg)
            .or_else(|| self.calls.iter().position(unnamed))
            .ok_or(StreamRefusal::BadToken)?;
        let longest = now + self.settings.longest_call;
        match self.calls[n].state.clone() {
            CallState::Dialing { token: good, .. } => {
                if good != *token {
                    return Err(StreamRefusal::BadToken);
                }
                self.is_placed(n, leg.clone(), now, effects);
                let part = if self.calls.iter().any(Call::talks) {
                    Part::Held
                } else {
                    Part::Talks
                };
                self.calls[n].talk(stream, part, longest, now, effects);
            }
            CallState::Offered {
                token: good,
                purpose,
                until,
            } => {
                if good != *token || now > until {
                    return Err(StreamRefusal::BadToken);
                }
                let taken = self.is_desk_taken(Some(n), purpose);
                match purpose {
                    Purpose::Talk => {
                        self.hold_others(n, Reason::AnotherCall, effects);
                        self.calls[n].talk(stream, Part::Talks, longest, now, effects);
                    }
                    // Whoever has spoken here already is not sent away for others who ring.
                    Purpose::Ring | Purpose::Wait if taken && !self.calls[n].answered => {
                        // The token is spent; the question that follows sends the caller on.
                        self.calls[n].state = CallState::Deciding {
                            to: Onward::Stage,
                            until: now + QUESTION_LIMIT,
                            otherwise: EndReason::NotAnswered,
                        };
                        return Err(StreamRefusal::DeskTaken);
                    }
                    Purpose::Ring | Purpose::Wait => self.ring(n, stream, now, effects),
                    Purpose::Message => {
                        let why = self.why_elsewhere(n);
                        self.take_message(n, stream, why, now, effects);
                    }
                }
            }
            CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Leaving {
                stream: Some(_), ..
            } => return Err(StreamRefusal::SecondStream),
            CallState::Leaving { stream: None, .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => return Err(StreamRefusal::BadToken),
        }
        Ok(())
    }

    /// Says whether the desk talks or dials.
    fn is_busy(&self) -> bool {
        let busy = |call: &Call| call.talks() || matches!(call.state, CallState::Dialing { .. });
        self.calls.iter().any(busy)
    }

    /// Rings the desk for a call, or answers it at once where that is set; never over somebody who talks or dials.
    fn ring(&mut self, n: usize, stream: StreamId, now: Time, effects: &mut Vec<Effect>) {
        let busy = self.is_busy();
        let call = &mut self.calls[n];
        let is_answered = matches!(
            &call.asked,
            Some(Ask::Incoming { caller, .. }) if caller.is_answered
        );
        let auto = match self.settings.auto_answer {
            _ if busy => None,
            // Whoever comes back has been spoken to, and rings.
            _ if is_answered && !call.answered => Some(now),
            AutoAnswer::After(delay) => Some(now + delay),
            AutoAnswer::Off => None,
        };
        call.state = CallState::Ringing {
            stream,
            until: now + self.settings.ring_for,
            auto,
        };
        call.since = now;
        let why = if call.answered {
            Reason::CameBack
        } else {
            Reason::FarEnd
        };
        call.note_for(Happening::Rings, why, effects);
        if auto == Some(now) {
            self.answer_by_itself(n, now, effects);
        }
    }

    /// The desk answers by itself, and says so with a beep, unless somebody talks by now.
    pub(super) fn answer_by_itself(&mut self, n: usize, now: Time, effects: &mut Vec<Effect>) {
        let busy = self.is_busy();
        match &mut self.calls[n].state {
            CallState::Ringing { auto, .. } if busy => *auto = None,
            CallState::Ringing { stream, .. } => {
                let stream = *stream;
                let longest = now + self.settings.longest_call;
                self.calls[n].talk(stream, Part::Talks, longest, now, effects);
                effects.push(Effect::Beep);
            }
            CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Leaving { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => {}
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
        match (call.state.clone(), end) {
            // We did not ask for it, so whoever called has gone.
            (CallState::Ringing { .. } | CallState::Talking { .. }, StreamEnd::Stopped) => {
                call.end(EndReason::HungUpThere, now, effects);
            }
            (CallState::Voicemail { .. }, _) => {
                let reason = call.hung_up_there(now);
                call.end(reason, now, effects);
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
                    to: Onward::Stage,
                    until: now + LOST_LIMIT,
                    otherwise: EndReason::StreamLost,
                };
            }
            (
                CallState::Leaving {
                    then: Next::End(reason),
                    ..
                },
                _,
            ) => call.end(reason, now, effects),
            (
                CallState::Leaving {
                    then: Next::On(to), ..
                },
                _,
            ) => {
                call.state = CallState::Deciding {
                    to,
                    until: now + QUESTION_LIMIT,
                    otherwise: EndReason::NotAnswered,
                };
            }
            // Without a stream there is none to lose: the search above found none of these.
            (
                CallState::Dialing { .. }
                | CallState::Offered { .. }
                | CallState::Deciding { .. }
                | CallState::Elsewhere { .. }
                | CallState::LeavingElsewhere { .. }
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
        let Some(n) = self.by_leg(leg).or_else(|| self.is_fetched_by(leg)) else {
            return;
        };
        let call = &mut self.calls[n];
        match (request, call.state.clone()) {
            (
                CarrierRequest::End(_),
                CallState::Leaving {
                    stream,
                    then: then @ Next::End(_),
                    ..
                },
            )
            | (
                CarrierRequest::Redirect(_),
                CallState::Leaving {
                    stream,
                    then: then @ Next::On(_),
                    ..
                },
            ) => match (stream, done) {
                // The carrier closes the stream now; the limit stands in case that it does not.
                (Some(_), true) => {}
                (Some(stream), false) => effects.push(Effect::CloseStream(stream)),
                (None, _) => call.waited_in_vain(then, now, effects),
            },
            // It may take longer than we waited for it.
            (CarrierRequest::End(_), CallState::Elsewhere { .. }) => {
                if done {
                    call.end(EndReason::HungUpHere, now, effects);
                }
            }
            (
                CarrierRequest::End(_),
                CallState::LeavingElsewhere {
                    then: Next::End(reason),
                    ..
                },
            ) => {
                if done {
                    call.end(reason, now, effects);
                } else {
                    call.is_elsewhere_again();
                }
            }
            (
                CarrierRequest::Redirect(_),
                CallState::LeavingElsewhere {
                    then: Next::On(_), ..
                },
            ) => {
                if !done {
                    call.is_elsewhere_again();
                } else if let CallState::LeavingElsewhere { until, .. } = &mut call.state {
                    // Done: the question is to come.
                    *until = now + QUESTION_LIMIT;
                }
            }
            // The stream is gone and the carrier could not redirect: most likely whoever was there has hung up.
            (CarrierRequest::Redirect(_), CallState::Deciding { .. }) if !done => {
                if let CallState::Deciding {
                    until, otherwise, ..
                } = &mut call.state
                {
                    *until = (*until).min(now + CARRIER_LIMIT);
                    *otherwise = EndReason::HungUpThere;
                }
            }
            // Something else was wanted of the call meanwhile, or it is over.
            (
                CarrierRequest::End(_),
                CallState::Leaving {
                    then: Next::On(_), ..
                }
                | CallState::LeavingElsewhere {
                    then: Next::On(_), ..
                },
            )
            | (
                CarrierRequest::Redirect(_),
                CallState::Leaving {
                    then: Next::End(_), ..
                }
                | CallState::LeavingElsewhere {
                    then: Next::End(_), ..
                }
                | CallState::Elsewhere { .. },
            )
            | (
                CarrierRequest::End(_) | CarrierRequest::Redirect(_),
                CallState::Dialing { .. }
                | CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Voicemail { .. }
                | CallState::Deciding { .. }
                | CallState::Ended { .. },
            ) => {}
        }
    }
}

impl Call {
    /// Takes note of how far a call has come that the desk dialled; it never goes back.
    fn comes_to(&mut self, news: Dialed, now: Time, effects: &mut Vec<Effect>) {
        let CallState::Dialing { far, until, .. } = &mut self.state else {
            return;
        };
        if news <= *far {
            return;
        }
        let rang = *far >= Dialed::Rings;
        *far = news;
        *until = now
            + match news {
                Dialed::Asked | Dialed::Placed | Dialed::Rings => NUMBER_RINGS_FOR + RING_MARGIN,
                Dialed::Answered => CONNECT_LIMIT,
            };
        self.since = now;
        if news == Dialed::Rings && !rang {
            self.note(Happening::FarEndRings, effects);
        }
    }
}
