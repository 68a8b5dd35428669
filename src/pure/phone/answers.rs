//! What the carrier is told when it asks for a document, and what that makes of the call.
//!
//! Read [`Phone::answer_carrier`] first.

use super::*;

impl Phone {
    pub(super) fn answer_carrier(
        &mut self,
        leg: LegId,
        ask: Ask,
        fresh: Fresh,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        self.forget_namesake(&leg, &ask, now, effects);
        let known = self.calls.iter().position(|call| call.leg == leg);
        match (ask, known) {
            // A webhook that is repeated gets what it got.
            (Ask::Incoming { .. } | Ask::Outgoing { .. }, Some(n)) => self.say_again(n, now),
            (Ask::Incoming { from, to }, None) => self.incoming(leg, from, to, fresh, now, effects),
            (Ask::Outgoing { from, to }, None) => {
                self.outgoing(leg, from, &to, fresh.call, now, effects)
            }
            (Ask::AfterStream { leg_status }, Some(n)) => {
                self.after_stream(n, leg_status, now, effects)
            }
            (Ask::AfterDial { outcome }, Some(n)) => self.after_dial(n, outcome, now, effects),
            (Ask::AfterStream { .. } | Ask::AfterDial { .. }, None) => Document::HangUp,
        }
    }

    /// Ends and forgets a call of the same name that went the other way: no leg goes both ways, so this is another one,
    /// as when somebody tries the doors by hand.
    fn forget_namesake(&mut self, leg: &LegId, ask: &Ask, now: Time, effects: &mut Vec<Effect>) {
        let direction = match ask {
            Ask::Incoming { .. } => Direction::Incoming,
            Ask::Outgoing { .. } => Direction::Outgoing,
            Ask::AfterStream { .. } | Ask::AfterDial { .. } => return,
        };
        let is_namesake = |call: &Call| call.leg == *leg && call.direction != direction;
        if self.calls.iter().any(is_namesake) {
            self.leg_is(leg, LegStatus::Completed, now, effects);
            self.calls.retain(|call| !is_namesake(call));
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
            from,
            to,
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
        to: &str,
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
        let (told, to) = match destination::judge(to) {
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
            ),
            Destination::Number(number) => match &self.settings.own_number {
                Some(own) => (
                    Document::DialNumber {
                        call: id.clone(),
                        to: number.clone(),
                        caller_id: own.clone(),
                    },
                    Party::Number(number),
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
            from,
            to,
            state: CallState::Elsewhere {
                answered: false,
                until: now + LONGEST_ELSEWHERE,
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
            Ring::Browser | Ring::DeskThenBrowser => true,
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
                answered: false,
                until: now + LONGEST_ELSEWHERE,
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
                } => EndReason::HungUpHere,
                CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Leaving { .. }
                | CallState::Deciding { .. }
                | CallState::Elsewhere { .. }
                | CallState::Ended { .. } => EndReason::HungUpThere,
            };
            call.leave_desk(effects);
            call.end(reason, now, effects);
            return Document::HangUp;
        }
        match call.state {
            // The question may overtake the end of the stream.
            CallState::Ringing { .. }
            | CallState::Leaving {
                then: Next::Stage, ..
            } => {
                call.leave_desk(effects);
                self.next_stage(n, now, effects)
            }
            CallState::Offered { .. } | CallState::Deciding { .. } => {
                self.next_stage(n, now, effects)
            }
            // Its stream broke before anybody answered, and the carrier took its time to ask.
            CallState::Ended {
                reason: EndReason::StreamLost,
                ..
            } if !call.answered => self.next_stage(n, now, effects),
            CallState::Talking { .. } => {
                call.leave_desk(effects);
                call.end(EndReason::HungUpThere, now, effects);
                Document::HangUp
            }
            CallState::Leaving {
                then: Next::End, ..
            } => {
                call.leave_desk(effects);
                call.end(EndReason::HungUpHere, now, effects);
                Document::HangUp
            }
            CallState::Elsewhere { .. } | CallState::Ended { .. } => Document::HangUp,
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
                document
            }
            CallState::Leaving { .. } => {
                call.leave_desk(effects);
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
