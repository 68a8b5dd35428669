//! What the carrier is told when it asks for a document, and what that makes of the call.
//!
//! Read [`Phone::answer_carrier`] first.

use super::{
    Ask, Caller, DialOutcome, Direction, Document, Effect, EndReason, Fresh, Happening,
    LONGEST_ELSEWHERE, LegStatus, MOST_BROWSERS, NUMBER_RINGS_FOR, Phone, Phrase, RING_MARGIN,
    Reason, Ring, TOKEN_LIFE, Target,
};
use crate::pure::call::{Began, Call, CallState, Far, Next, Onward, Purpose, Station, Unanswered};
use crate::pure::destination::{self, Destination};
use crate::pure::ids::{CallId, Identity, LegId, Party, StreamToken};
use crate::pure::time::Time;

impl Phone {
    pub(super) fn answer_carrier(
        &mut self,
        leg: LegId,
        ask: Ask,
        fresh: Fresh,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        let known = self.by_leg(&leg).or_else(|| self.is_fetched(&leg));
        match (ask, known) {
            (Ask::Incoming { .. }, _) if self.stopping => {
                Document::SayAndHangUp(Phrase::NobodyCanAnswer)
            }
            (Ask::Outgoing { .. }, _) if self.stopping => {
                Document::SayAndHangUp(Phrase::CouldNotBeReached)
            }
            // A webhook that is repeated gets what it got.
            (ask @ (Ask::Incoming { .. } | Ask::Outgoing { .. }), Some(n))
                if self.calls[n].is_asked_again(&ask) =>
            {
                self.say_again(n, now)
            }
            (Ask::Incoming { from, to, caller }, known) => {
                self.forget(known, now, effects);
                self.incoming(leg, (from, to), caller, fresh, now, effects)
            }
            (Ask::Outgoing { from, to }, known) => {
                self.forget(known, now, effects);
                self.outgoing(leg, from, to, fresh.call, now, effects)
            }
            (Ask::AfterStream { leg_status }, Some(n)) => {
                self.after_stream(n, leg_status, fresh.token, now, effects)
            }
            (Ask::AfterDial { outcome }, Some(n)) => {
                self.after_dial(n, outcome, fresh.token, now, effects)
            }
            // We know nothing of the leg, as after a restart. Whoever may still be there hears why it ends.
            (Ask::AfterStream { leg_status }, None) if leg_status.is_over() => Document::HangUp,
            (
                Ask::AfterDial {
                    outcome: DialOutcome::Completed | DialOutcome::Canceled,
                },
                None,
            ) => Document::HangUp,
            (
                Ask::AfterStream { .. }
                | Ask::AfterDial {
                    outcome: DialOutcome::Busy | DialOutcome::NoAnswer | DialOutcome::Failed,
                },
                None,
            ) => Document::SayAndHangUp(Phrase::NobodyCanAnswer),
        }
    }

    /// Ends and forgets a call whose name another one bears now: the carrier names no two legs alike, but whoever tries
    /// the doors by hand does.
    fn forget(&mut self, known: Option<usize>, now: Time, effects: &mut Vec<Effect>) {
        if let Some(n) = known {
            self.leg_of_call_is(n, LegStatus::Completed, now, effects);
            // The engine lets go of it while it is known.
            self.settle(effects);
            self.calls.remove(n);
        }
    }

    fn say_again(&mut self, n: usize, now: Time) -> Document {
        let call = &mut self.calls[n];
        if let CallState::Offered { until, .. } = &mut call.state {
            *until = now + TOKEN_LIFE;
        }
        call.told.clone()
    }

    fn incoming(
        &mut self,
        leg: LegId,
        (from, to): (Party, Party),
        caller: Caller,
        fresh: Fresh,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        if !self.make_room() {
            return Document::SayAndHangUp(Phrase::NobodyCanAnswer);
        }
        let began = Happening::Began;
        effects.push(Effect::Event(
            Some(fresh.call.clone()),
            began,
            Reason::FarEnd,
        ));
        let always = self.settings.forwarding.always.as_ref();
        let forwarded = always.is_some_and(|to| self.may_forward(to, &from));
        let told = Document::Stream {
            call: fresh.call.clone(),
            token: fresh.token.clone(),
        };
        let began = Began {
            direction: Direction::Incoming,
            from: from.clone(),
            to: to.clone(),
            asked: Some(Ask::Incoming { from, to, caller }),
            told: told.clone(),
        };
        let is_quieted = self.do_not_disturb || caller.is_quieted;
        let purpose = if is_quieted || forwarded {
            None
        } else {
            self.how_the_desk_rings(now)
        };
        let token = fresh.token;
        let offered = CallState::Offered {
            token: token.clone(),
            purpose: purpose.unwrap_or(Purpose::Ring),
            until: now + TOKEN_LIFE,
        };
        let mut call = Call::new(fresh.call, Some(leg), began, offered, now);
        call.was_tried = is_quieted || purpose.is_some();
        call.found_busy = self.calls.iter().any(Call::is_at_desk);
        if forwarded {
            call.station = Station::Browsers;
        }
        if caller.is_blocked {
            call.end(EndReason::Blocked, now, effects);
            call.told = Document::Reject;
        }
        self.calls.push(call);
        if caller.is_blocked {
            return Document::Reject;
        }
        if purpose.is_some() {
            return told;
        }
        self.next_stage(self.calls.len() - 1, token, now, effects)
    }

    /// Says how the desk would ring for one more caller, if it would. It rings for one at a time; while it has another
    /// call, the browsers ring, and where there are none, the caller waits.
    fn how_the_desk_rings(&self, now: Time) -> Option<Purpose> {
        let browsers_ring = match self.settings.ring {
            Ring::Desk => false,
            Ring::DeskThenBrowser => !self.reachable_browsers(now).is_empty(),
            Ring::Browser => return None,
        };
        if !self.desk_usable {
            None
        } else if !self.is_desk_taken(None, Purpose::Ring) {
            Some(Purpose::Ring)
        } else if browsers_ring || self.is_desk_taken(None, Purpose::Wait) {
            None
        } else {
            Some(Purpose::Wait)
        }
    }

    fn outgoing(
        &mut self,
        leg: LegId,
        from: Party,
        dialled: String,
        id: CallId,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        let may_dial = match &from {
            Party::Number(number) => self.settings.own_number.as_ref() == Some(number),
            Party::Client(identity) => self.is_registered(identity, now),
            Party::Other(_) => false,
        };
        if !may_dial {
            return Document::SayAndHangUp(Phrase::NotAllowedToDial);
        }
        let (told, to, rings_for) = match destination::judge(&dialled) {
            Destination::Refused(phrase) => return Document::SayAndHangUp(phrase),
            Destination::Client(identity) if !self.is_registered(&identity, now) => {
                return Document::SayAndHangUp(Phrase::CouldNotBeReached);
            }
            Destination::Client(identity) => (
                Document::RingBrowsers {
                    call: id.clone(),
                    identities: vec![identity.clone()],
                },
                Party::Client(identity),
                self.settings.browsers_ring_for,
            ),
            Destination::Number(number) => match &self.settings.own_number {
                Some(own) => (
                    Document::DialNumber {
                        call: id.clone(),
                        to: number.clone(),
                        caller_id: own.clone(),
                        rings_for: NUMBER_RINGS_FOR,
                    },
                    Party::Number(number),
                    NUMBER_RINGS_FOR,
                ),
                None => return Document::SayAndHangUp(Phrase::NotAllowedToDial),
            },
        };
        if !self.make_room() {
            return Document::SayAndHangUp(Phrase::CouldNotBeReached);
        }
        let began = Happening::Began;
        effects.push(Effect::Event(Some(id.clone()), began, Reason::ByPerson));
        let began = Began {
            direction: Direction::Outgoing,
            from: from.clone(),
            to,
            asked: Some(Ask::Outgoing { from, to: dialled }),
            told: told.clone(),
        };
        let rings = CallState::Elsewhere {
            far: Far::Rings,
            unanswered: Unanswered::GoesOn,
            until: now + rings_for + RING_MARGIN,
        };
        self.calls.push(Call::new(id, Some(leg), began, rings, now));
        told
    }

    /// Returns the browsers that can be rung, at most ten, the freshest first.
    pub(super) fn reachable_browsers(&self, now: Time) -> Vec<Identity> {
        self.browsers
            .iter()
            .rev()
            .filter(|known| known.until > now)
            .take(MOST_BROWSERS)
            .map(|known| known.identity.clone())
            .collect()
    }

    /// Sends a call to where it was to go on to.
    fn lead_on(
        &mut self,
        n: usize,
        to: Onward,
        token: StreamToken,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        match to {
            Onward::Stage => self.next_stage(n, token, now, effects),
            Onward::Declined => {
                let call = &mut self.calls[n];
                call.end(EndReason::Rejected, now, effects);
                call.told = Document::SayAndHangUp(Phrase::NobodyCanAnswer);
                call.told.clone()
            }
            Onward::Back => self.offer(n, Purpose::Ring, token, now, effects),
            Onward::Target(Target::Desk) => self.offer(n, Purpose::Talk, token, now, effects),
            Onward::Target(Target::Browsers) => {
                let identities = self.reachable_browsers(now);
                if identities.is_empty() {
                    return self.offer(n, Purpose::Ring, token, now, effects);
                }
                let until = now + self.settings.browsers_ring_for + RING_MARGIN;
                let call = self.calls[n].id.clone();
                let document = Document::RingBrowsers { call, identities };
                let moved = Happening::Moved(Target::Browsers);
                self.calls[n].note(moved, effects);
                self.is_moved(n, document, Far::Rings, until, now)
            }
            Onward::Target(Target::Number(to)) => {
                let Some(caller_id) = self.settings.own_number.clone() else {
                    return self.offer(n, Purpose::Ring, token, now, effects);
                };
                let call = self.calls[n].id.clone();
                let moved = Happening::Moved(Target::Number(to.clone()));
                self.calls[n].note(moved, effects);
                let document = Document::DialNumber {
                    call,
                    to,
                    caller_id,
                    rings_for: NUMBER_RINGS_FOR,
                };
                let until = now + NUMBER_RINGS_FOR + RING_MARGIN;
                self.is_moved(n, document, Far::Rings, until, now)
            }
            Onward::Target(Target::Voicemail) => self.offer_voicemail(n, token, now),
            // Whoever it was to meet has gone meanwhile.
            Onward::Target(Target::Conference(name)) if self.is_alone(n, &name) => {
                self.offer(n, Purpose::Ring, token, now, effects)
            }
            Onward::Target(Target::Conference(name)) => {
                let until = now + LONGEST_ELSEWHERE;
                let moved = Happening::Moved(Target::Conference(name.clone()));
                self.calls[n].note(moved, effects);
                self.is_moved(
                    n,
                    Document::Conference { name },
                    Far::Answered(None),
                    until,
                    now,
                )
            }
        }
    }

    /// Takes note that a document sends a call away from the desk.
    fn is_moved(&mut self, n: usize, told: Document, far: Far, until: Time, now: Time) -> Document {
        let call = &mut self.calls[n];
        call.state = CallState::Elsewhere {
            far,
            unanswered: Unanswered::ComesBack,
            until,
        };
        call.since = now;
        call.in_conference = matches!(told, Document::Conference { .. });
        call.told = told.clone();
        told
    }

    /// Offers the desk's stream to a call, or what comes next where the desk cannot be used.
    fn offer(
        &mut self,
        n: usize,
        purpose: Purpose,
        token: StreamToken,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        if !self.desk_usable || self.stopping {
            return self.next_stage(n, token, now, effects);
        }
        let why = self.calls[n].comes_back_for(purpose);
        let call = &mut self.calls[n];
        if let CallState::Elsewhere {
            far: Far::Answered(Some(by)),
            ..
        }
        | CallState::LeavingElsewhere {
            far: Far::Answered(Some(by)),
            ..
        } = &call.state
        {
            call.former.push(by.clone());
        }
        call.state = CallState::Offered {
            token: token.clone(),
            purpose,
            until: now + TOKEN_LIFE,
        };
        call.since = now;
        call.note_for(Happening::CameBack, why, effects);
        call.told = Document::Stream {
            call: call.id.clone(),
            token,
        };
        call.told.clone()
    }

    fn after_stream(
        &mut self,
        n: usize,
        status: LegStatus,
        token: StreamToken,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        let call = &mut self.calls[n];
        if status.is_over() {
            let reason = match &call.state {
                CallState::Leaving {
                    then: Next::End(reason),
                    ..
                }
                | CallState::LeavingElsewhere {
                    then: Next::End(reason),
                    ..
                } => *reason,
                CallState::Dialing { .. }
                | CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Leaving {
                    then: Next::On(_), ..
                }
                | CallState::Deciding { .. }
                | CallState::Voicemail { .. }
                | CallState::Elsewhere { .. }
                | CallState::LeavingElsewhere {
                    then: Next::On(_), ..
                }
                | CallState::Ended { .. } => call.hung_up_there(now),
            };
            call.close_stream(effects);
            call.end(reason, now, effects);
            return Document::HangUp;
        }
        match call.state.clone() {
            // The question may overtake the end of the stream.
            CallState::Ringing { .. } => {
                call.close_stream(effects);
                self.next_stage(n, token, now, effects)
            }
            CallState::Leaving {
                then: Next::On(to), ..
            } => {
                call.close_stream(effects);
                self.lead_on(n, to, token, now, effects)
            }
            CallState::Deciding { to, .. }
            | CallState::LeavingElsewhere {
                then: Next::On(to), ..
            } => self.lead_on(n, to, token, now, effects),
            // Asked on two ways at once: by the end of where it was, and by being fetched from there.
            CallState::Offered { purpose, .. } if call.answered && !call.offered_again => {
                call.offered_again = true;
                self.offer(n, purpose, token, now, effects)
            }
            // A stream that was turned away, or never came up.
            CallState::Offered { .. } => self.next_stage(n, token, now, effects),
            CallState::Talking { .. } | CallState::Voicemail { .. } => {
                let reason = call.hung_up_there(now);
                call.close_stream(effects);
                call.end(reason, now, effects);
                Document::HangUp
            }
            // Whoever was dialled has answered, and the stream to us could not be opened.
            CallState::Dialing { .. } => {
                call.end(EndReason::Failed, now, effects);
                Document::HangUp
            }
            CallState::Leaving {
                then: Next::End(reason),
                ..
            }
            | CallState::LeavingElsewhere {
                then: Next::End(reason),
                ..
            } => {
                call.close_stream(effects);
                call.end(reason, now, effects);
                Document::HangUp
            }
            // Asked twice: whoever waits must not lose the call for it.
            CallState::Elsewhere {
                far: Far::Rings, ..
            } => match (call.direction, &call.asked) {
                (Direction::Incoming, _) | (Direction::Outgoing, None) => call.told.clone(),
                (Direction::Outgoing, Some(_)) => Document::HangUp,
            },
            // The carrier did what it was asked, later than we waited for it.
            CallState::Elsewhere {
                far: Far::Answered(_) | Far::HungUp,
                ..
            } if call.wanted => self.offer(n, Purpose::Talk, token, now, effects),
            CallState::Elsewhere {
                far: Far::Answered(_) | Far::HungUp,
                ..
            } => match &call.told {
                told @ Document::Conference { .. } => told.clone(),
                Document::Stream { .. }
                | Document::RingBrowsers { .. }
                | Document::DialNumber { .. }
                | Document::Reject
                | Document::SayAndHangUp(_)
                | Document::HangUp => Document::HangUp,
            },
            CallState::Ended { reason, .. } => {
                match (&call.told, reason, call.answered) {
                    // Nobody answered, and the carrier took longer to ask than we waited: better late than never.
                    (
                        Document::Stream { .. },
                        EndReason::StreamLost | EndReason::NotAnswered | EndReason::Failed,
                        false,
                    ) if call.direction == Direction::Incoming => {
                        self.next_stage(n, token, now, effects)
                    }
                    (Document::SayAndHangUp(_), _, false) => call.told.clone(),
                    (
                        Document::Stream { .. }
                        | Document::RingBrowsers { .. }
                        | Document::DialNumber { .. }
                        | Document::Conference { .. }
                        | Document::Reject
                        | Document::SayAndHangUp(_)
                        | Document::HangUp,
                        _,
                        _,
                    ) => Document::HangUp,
                }
            }
        }
    }

    fn after_dial(
        &mut self,
        n: usize,
        outcome: DialOutcome,
        token: StreamToken,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        let call = &mut self.calls[n];
        let (reason, phrase) = match (outcome, call.direction) {
            (DialOutcome::Completed, _) => (EndReason::HungUpThere, None),
            (DialOutcome::Canceled, _) => (EndReason::NotAnswered, None),
            (DialOutcome::Busy | DialOutcome::NoAnswer, Direction::Incoming) => {
                (EndReason::NotAnswered, Some(Phrase::NobodyCanAnswer))
            }
            (DialOutcome::Failed, Direction::Incoming) => {
                (EndReason::Failed, Some(Phrase::NobodyCanAnswer))
            }
            (DialOutcome::Busy | DialOutcome::NoAnswer, Direction::Outgoing) => {
                (EndReason::NotAnswered, Some(Phrase::CouldNotBeReached))
            }
            (DialOutcome::Failed, Direction::Outgoing) => {
                (EndReason::Failed, Some(Phrase::CouldNotBeReached))
            }
        };
        let document = phrase.map_or(Document::HangUp, Document::SayAndHangUp);
        match &call.state {
            CallState::Elsewhere {
                unanswered: Unanswered::ComesBack,
                ..
            } if phrase.is_some() => self.offer(n, Purpose::Ring, token, now, effects),
            CallState::Elsewhere {
                far: Far::Rings,
                unanswered: Unanswered::GoesOn,
                ..
            } if phrase.is_some() && call.direction == Direction::Incoming => {
                self.next_stage(n, token, now, effects)
            }
            // The browser that dialled it is through; the far end is asked for on its own leg.
            CallState::LeavingElsewhere {
                then: Next::On(_), ..
            } if call.was_dialled_in_a_browser() => Document::HangUp,
            CallState::LeavingElsewhere {
                then: Next::On(to), ..
            } => {
                // Asked on the way: where it is wanted is the answer.
                let to = to.clone();
                self.lead_on(n, to, token, now, effects)
            }
            CallState::Elsewhere { .. } => {
                call.end(reason, now, effects);
                call.told = document.clone();
                document
            }
            CallState::Leaving {
                then: Next::End(reason),
                ..
            }
            | CallState::LeavingElsewhere {
                then: Next::End(reason),
                ..
            } => {
                let reason = *reason;
                call.close_stream(effects);
                call.end(reason, now, effects);
                Document::HangUp
            }
            CallState::Leaving {
                then: Next::On(_), ..
            } => {
                call.close_stream(effects);
                call.end(EndReason::HungUpHere, now, effects);
                Document::HangUp
            }
            // Asked twice: the answer is the same, and the end stays what it was.
            CallState::Ended { .. } => document,
            CallState::Offered { .. } => call.told.clone(),
            CallState::Dialing { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Deciding { .. } => Document::HangUp,
        }
    }
}
