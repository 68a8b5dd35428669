//! What the carrier is told when it asks for a document, and what that makes of the call.
//!
//! Read [`Phone::answer_carrier`] first.

use super::{
    Ask, DialOutcome, Direction, Document, Effect, EndReason, Fresh, Happening, LegStatus,
    MOST_BROWSERS, NUMBER_RINGS_FOR, Phone, Phrase, RING_MARGIN, Ring, TOKEN_LIFE,
};
use crate::pure::call::{Call, CallState, Far, Next};
use crate::pure::destination::{self, Destination};
use crate::pure::ids::{CallId, Identity, LegId, Party};
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
        let known = self.calls.iter().position(|call| call.leg == leg);
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
            (Ask::Incoming { from, to }, known) => {
                self.forget(known, now, effects);
                self.incoming(leg, from, to, fresh, now, effects)
            }
            (Ask::Outgoing { from, to }, known) => {
                self.forget(known, now, effects);
                self.outgoing(leg, from, to, fresh.call, now, effects)
            }
            (Ask::AfterStream { leg_status }, Some(n)) => {
                self.after_stream(n, leg_status, now, effects)
            }
            (Ask::AfterDial { outcome }, Some(n)) => self.after_dial(n, outcome, now, effects),
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
            let leg = self.calls[n].leg.clone();
            self.leg_is(&leg, LegStatus::Completed, now, effects);
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
        from: Party,
        to: Party,
        fresh: Fresh,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        if !self.make_room() {
            return Document::SayAndHangUp(Phrase::NobodyCanAnswer);
        }
        effects.push(Effect::Event(fresh.call.clone(), Happening::Began));
        let desk_rings = match self.settings.ring {
            Ring::Desk | Ring::DeskThenBrowser => true,
            Ring::Browser => false,
        };
        let desk_free = !self.calls.iter().any(Call::holds_desk);
        let told = Document::Stream {
            call: fresh.call.clone(),
            token: fresh.token.clone(),
        };
        self.calls.push(Call {
            id: fresh.call,
            leg,
            direction: Direction::Incoming,
            from: from.clone(),
            to: to.clone(),
            asked: Ask::Incoming { from, to },
            state: CallState::Offered {
                token: fresh.token,
                until: now + TOKEN_LIFE,
            },
            since: now,
            answered: false,
            told: told.clone(),
        });
        if desk_rings && self.desk_usable && desk_free {
            return told;
        }
        self.next_stage(self.calls.len() - 1, now, effects)
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
                self.settings.ring_for,
            ),
            Destination::Number(number) => match &self.settings.own_number {
                Some(own) => (
                    Document::DialNumber {
                        call: id.clone(),
                        to: number.clone(),
                        caller_id: own.clone(),
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
        effects.push(Effect::Event(id.clone(), Happening::Began));
        self.calls.push(Call {
            id,
            leg,
            direction: Direction::Outgoing,
            from: from.clone(),
            to,
            asked: Ask::Outgoing { from, to: dialled },
            state: CallState::Elsewhere {
                far: Far::Rings,
                until: now + rings_for + RING_MARGIN,
            },
            since: now,
            answered: false,
            told: told.clone(),
        });
        told
    }

    /// What comes after a desk that did not answer: the browsers, or a polite end.
    fn next_stage(&mut self, n: usize, now: Time, effects: &mut Vec<Effect>) -> Document {
        let browsers_ring = match self.settings.ring {
            Ring::Browser | Ring::DeskThenBrowser => !self.stopping,
            Ring::Desk => false,
        };
        let identities: Vec<Identity> = self
            .browsers
            .iter()
            .rev()
            .filter(|known| known.until > now)
            .take(if browsers_ring { MOST_BROWSERS } else { 0 })
            .map(|known| known.identity.clone())
            .collect();
        let call = &mut self.calls[n];
        call.since = now;
        call.told = if identities.is_empty() {
            call.end(EndReason::NotAnswered, now, effects);
            Document::SayAndHangUp(Phrase::NobodyCanAnswer)
        } else {
            call.state = CallState::Elsewhere {
                far: Far::Rings,
                until: now + self.settings.ring_for + RING_MARGIN,
            };
            effects.push(Effect::Event(call.id.clone(), Happening::RingsBrowsers));
            Document::RingBrowsers {
                call: call.id.clone(),
                identities,
            }
        };
        call.told.clone()
    }

    fn after_stream(
        &mut self,
        n: usize,
        status: LegStatus,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        let call = &mut self.calls[n];
        if status.is_over() {
            let reason = match call.state {
                CallState::Leaving {
                    then: Next::End, ..
                }
                | CallState::EndingElsewhere { .. } => EndReason::HungUpHere,
                CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Leaving {
                    then: Next::Stage, ..
                }
                | CallState::Deciding { .. }
                | CallState::Elsewhere { .. }
                | CallState::Ended { .. } => EndReason::HungUpThere,
            };
            call.drop_stream(effects);
            call.end(reason, now, effects);
            return Document::HangUp;
        }
        match &call.state {
            // The question may overtake the end of the stream.
            CallState::Ringing { .. }
            | CallState::Leaving {
                then: Next::Stage, ..
            } => {
                call.drop_stream(effects);
                self.next_stage(n, now, effects)
            }
            CallState::Offered { .. } | CallState::Deciding { .. } => {
                self.next_stage(n, now, effects)
            }
            CallState::Talking { .. } => {
                call.drop_stream(effects);
                call.end(EndReason::HungUpThere, now, effects);
                Document::HangUp
            }
            CallState::Leaving {
                then: Next::End, ..
            }
            | CallState::EndingElsewhere { .. } => {
                call.drop_stream(effects);
                call.end(EndReason::HungUpHere, now, effects);
                Document::HangUp
            }
            // Asked twice: whoever waits must not lose the call for it.
            CallState::Elsewhere {
                far: Far::Rings, ..
            } => match call.direction {
                Direction::Incoming => call.told.clone(),
                Direction::Outgoing => Document::HangUp,
            },
            CallState::Elsewhere {
                far: Far::Answered(_) | Far::HungUp,
                ..
            } => Document::HangUp,
            CallState::Ended { reason, .. } => {
                match (&call.told, reason, call.answered) {
                    // Nobody answered, and the carrier took longer to ask than we waited: better late than never.
                    (
                        Document::Stream { .. },
                        EndReason::StreamLost | EndReason::NotAnswered | EndReason::Failed,
                        false,
                    ) => self.next_stage(n, now, effects),
                    (Document::SayAndHangUp(_), _, false) => call.told.clone(),
                    (
                        Document::Stream { .. }
                        | Document::RingBrowsers { .. }
                        | Document::DialNumber { .. }
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
        match call.state {
            CallState::Elsewhere { .. } => {
                call.end(reason, now, effects);
                call.told = document.clone();
                document
            }
            CallState::Leaving { .. } | CallState::EndingElsewhere { .. } => {
                call.drop_stream(effects);
                call.end(EndReason::HungUpHere, now, effects);
                Document::HangUp
            }
            // Asked twice: the answer is the same, and the end stays what it was.
            CallState::Ended { .. } => document,
            CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Deciding { .. } => Document::HangUp,
        }
    }
}
