//! All calls of the phone, and every decision about them.
//!
//! [`Phone::handle`] takes one [`Input`] and returns all its [`Effect`]s; [`Phone::poll_timeout`] says when to come back
//! with [`Input::Timeout`]. Nothing else changes it. Late, early and doubled news are normal: three signs tell that a call
//! is over (its stream, the carrier's question after it, the leg's status), in any order and any number.
//!
//! Read [`Phone::handle`] first, then the table that its test prints.

mod types;

use std::time::Duration;

pub use types::*;

use super::audio::{Feed, Route};
use super::call::{Call, CallState, Next, Registration};
use super::destination::{self, Destination};
use super::ids::{CallId, Identity, LegId, Party, StreamId, StreamToken};
use super::time::Time;

/// How long a stream token is good.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// How long the carrier may take to do what it was asked.
const CARRIER_LIMIT: Duration = Duration::from_secs(3);

/// How long the carrier may take to ask what comes after a stream that we ended.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to ask after a stream that broke by itself.
const LOST_LIMIT: Duration = Duration::from_secs(1);

/// A call in a browser is over after this at the latest: Twilio's own limit of 4 h, and some.
const LONGEST_ELSEWHERE: Duration = Duration::from_secs(4 * 3600 + 600);

/// How long a call that is over can still be seen.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Calls that are known at once, those remembered included.
const MOST_CALLS: usize = 1_000;

/// Browsers that ring at once: Twilio dials no more.
const MOST_BROWSERS: usize = 10;

/// The phone.
#[derive(Debug)]
pub struct Phone {
    settings: PhoneSettings,
    calls: Vec<Call>,
    // The freshest last.
    browsers: Vec<Registration>,
    desk_usable: bool,
}

impl Phone {
    /// Makes a phone without calls, whose desk cannot be used until it is told otherwise.
    #[must_use]
    pub fn new(settings: PhoneSettings) -> Phone {
        Phone {
            settings,
            calls: Vec::new(),
            browsers: Vec::new(),
            desk_usable: false,
        }
    }

    /// Takes one input and returns everything that must be done about it, in order.
    pub fn handle(&mut self, input: Input, now: Time) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::CarrierAsks { leg, ask, fresh } => {
                let document = self.answer_carrier(leg, ask, fresh, now, &mut effects);
                effects.push(Effect::Answer(document));
            }
            Input::LegIs { leg, status } => self.leg_is(&leg, status, now, &mut effects),
            Input::ChildIs { parent, status } => self.child_is(&parent, status, now, &mut effects),
            Input::StreamUp { stream, leg, token } => {
                self.stream_up(stream, &leg, &token, now, &mut effects)
            }
            Input::StreamDown { stream, end } => self.stream_down(stream, end, now, &mut effects),
            Input::Key { stream, digit } => {
                if let Some(call) = self.calls.iter().find(|call| call.stream() == Some(stream)) {
                    effects.push(Effect::Event(call.id.clone(), Happening::Key(digit)));
                }
            }
            Input::Command { call, command } => self.command(&call, command, now, &mut effects),
            Input::CarrierDid { request, done } => {
                self.carrier_did(&request, done, now, &mut effects)
            }
            Input::DeskUsable(usable) => self.desk_usable = usable,
            Input::Registered { identity, until } => {
                self.browsers.retain(|known| known.identity != identity);
                self.browsers.push(Registration { identity, until });
            }
            Input::Timeout => self.timeout(now, &mut effects),
        }
        effects
    }

    /// Returns when [`Input::Timeout`] is due, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let calls = self.calls.iter().map(Call::deadline);
        let browsers = self.browsers.iter().map(|known| known.until);
        calls
            .chain(browsers)
            .min()
            .filter(|due| *due < Time::from_micros(u64::MAX))
    }

    /// Returns the calls as a person may see them, oldest first.
    #[must_use]
    pub fn views(&self) -> Vec<CallView> {
        self.calls.iter().map(Call::view).collect()
    }

    fn answer_carrier(
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

    fn leg_is(&mut self, leg: &LegId, status: LegStatus, now: Time, effects: &mut Vec<Effect>) {
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

    fn child_is(
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

    fn stream_up(
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

    fn stream_down(
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

    fn command(&mut self, id: &CallId, command: Command, now: Time, effects: &mut Vec<Effect>) {
        let Some(call) = self.calls.iter_mut().find(|call| call.id == *id) else {
            effects.push(Effect::Reply(Err(CommandError::NoSuchCall)));
            return;
        };
        let outcome = match (command, &call.state) {
            (Command::Answer, CallState::Ringing { .. }) => {
                call.pick_up(now, effects);
                Ok(())
            }
            (
                Command::Answer,
                CallState::Offered { .. }
                | CallState::Talking { .. }
                | CallState::Leaving { .. }
                | CallState::Deciding { .. }
                | CallState::Elsewhere { .. }
                | CallState::Ended { .. },
            ) => Err(CommandError::WrongState),
            (
                Command::HangUp,
                CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Leaving {
                    then: Next::Stage, ..
                }
                | CallState::Deciding { .. }
                | CallState::Elsewhere { .. },
            ) => {
                let stream = call.leave_desk(effects);
                call.state = CallState::Leaving {
                    stream,
                    then: Next::End,
                    until: now + CARRIER_LIMIT,
                };
                call.since = now;
                effects.push(Effect::Carrier(CarrierRequest::End(call.leg.clone())));
                Ok(())
            }
            (
                Command::HangUp,
                CallState::Leaving {
                    then: Next::End, ..
                }
                | CallState::Ended { .. },
            ) => Err(CommandError::WrongState),
        };
        effects.push(Effect::Reply(outcome.map(|()| call.view())));
    }

    fn carrier_did(
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

    fn timeout(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.browsers.retain(|known| known.until > now);
        self.calls
            .retain(|call| !(call.is_over() && call.deadline() <= now));
        for call in &mut self.calls {
            if call.deadline() > now {
                continue;
            }
            match call.state {
                CallState::Offered { .. } => call.end(EndReason::Failed, now, effects),
                CallState::Ringing { stream, until, .. } if until <= now => {
                    // The stream stays up, and silent, until the carrier has taken the call away.
                    effects.push(Effect::Bell(None));
                    effects.push(Effect::Route(stream, Route::default()));
                    effects.push(Effect::Carrier(CarrierRequest::Redirect(call.leg.clone())));
                    let until = now + CARRIER_LIMIT;
                    call.state = CallState::Leaving {
                        stream: Some(stream),
                        then: Next::Stage,
                        until,
                    };
                    call.since = now;
                }
                CallState::Ringing { .. } => {
                    call.pick_up(now, effects);
                    effects.push(Effect::Beep);
                }
                CallState::Leaving {
                    stream: Some(stream),
                    then,
                    ..
                } => {
                    effects.push(Effect::CloseStream(stream));
                    call.leave_desk(effects);
                    call.waited_in_vain(then, now, effects);
                }
                CallState::Leaving {
                    stream: None, then, ..
                } => call.waited_in_vain(then, now, effects),
                CallState::Deciding { otherwise, .. } => call.end(otherwise, now, effects),
                CallState::Elsewhere { .. } => call.end(EndReason::Failed, now, effects),
                CallState::Talking { .. } | CallState::Ended { .. } => {}
            }
        }
    }

    fn is_registered(&self, identity: &Identity, now: Time) -> bool {
        self.browsers
            .iter()
            .any(|known| known.identity == *identity && known.until > now)
    }

    /// Forgets the oldest call that is over where there are too many; says whether another one can be taken.
    fn make_room(&mut self) -> bool {
        if self.calls.len() < MOST_CALLS {
            return true;
        }
        let Some(oldest) = self.calls.iter().position(Call::is_over) else {
            return false;
        };
        self.calls.remove(oldest);
        true
    }
}

impl Call {
    /// The desk picks up.
    fn pick_up(&mut self, now: Time, effects: &mut Vec<Effect>) {
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
    fn leave_desk(&mut self, effects: &mut Vec<Effect>) -> Option<StreamId> {
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
            | CallState::Ended { .. } => {}
        }
        effects.push(Effect::Detach(stream));
        Some(stream)
    }

    fn answered_elsewhere(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if let CallState::Elsewhere { answered, .. } = &mut self.state
            && !*answered
        {
            *answered = true;
            self.since = now;
            effects.push(Effect::Event(self.id.clone(), Happening::Answered));
        }
    }

    fn waited_in_vain(&mut self, then: Next, now: Time, effects: &mut Vec<Effect>) {
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

    fn end(&mut self, reason: EndReason, now: Time, effects: &mut Vec<Effect>) {
        if self.is_over() {
            return;
        }
        self.state = CallState::Ended {
            reason,
            until: now + REMEMBERED,
        };
        self.since = now;
        effects.push(Effect::Event(self.id.clone(), Happening::Ended(reason)));
    }
}

#[cfg(test)]
mod tests;
