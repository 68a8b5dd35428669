//! All calls of the phone, and every decision about them.
//!
//! [`Phone::handle`] takes one [`Input`] and returns all its [`Effect`]s; [`Phone::poll_timeout`] says when to come back
//! with [`Input::Timeout`]. Nothing else changes it. Late, early and doubled news are normal: three signs tell that a call
//! is over (its stream, the carrier's question after it, the leg's status), in any order and any number.
//!
//! Read [`Phone::handle`] first, then the table that its test prints. `answers` is what the carrier is told, `news` what it
//! tells, `steps` what one call does on its way.

mod answers;
mod news;
mod steps;
mod types;

use std::time::Duration;

pub use types::*;

use super::audio::Route;
use super::call::{Call, CallState, Far, Next, Registration};
use super::ids::{CallId, Identity};
use super::time::Time;

/// How long a stream token is good.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// How long the carrier may take to do what it was asked.
const CARRIER_LIMIT: Duration = Duration::from_secs(3);

/// How long the carrier may take to ask what comes after a stream that we ended.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);

/// How long it may take to ask after a stream that broke by itself: the call is to be over within a second, all told.
const LOST_LIMIT: Duration = Duration::from_millis(700);

/// How much longer than it rings the carrier may take to say that nobody answered elsewhere.
const RING_MARGIN: Duration = Duration::from_secs(60);

/// How long it may take to ask what comes next once whoever answered elsewhere has hung up.
const HUNG_UP_LIMIT: Duration = Duration::from_secs(15);

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
    // Being switched off: nobody comes in any more.
    stopping: bool,
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
            stopping: false,
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
            Input::ChildIs {
                parent,
                child,
                status,
            } => self.child_is(&parent, child, status, now, &mut effects),
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
            Input::Stop => {
                self.stopping = true;
                for call in &mut self.calls {
                    // Whatever is over, or about to be, needs no hanging up.
                    let _ = call.hang_up(now, &mut effects);
                }
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
                | CallState::EndingElsewhere { .. }
                | CallState::Ended { .. },
            ) => Err(CommandError::WrongState),
            (Command::HangUp, _) => call.hang_up(now, effects),
        };
        effects.push(Effect::Reply(outcome.map(|()| call.view())));
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
                CallState::Leaving { then, .. } => {
                    call.drop_stream(effects);
                    call.waited_in_vain(then, now, effects);
                }
                CallState::Deciding { otherwise, .. } => call.end(otherwise, now, effects),
                CallState::Elsewhere { ref far, .. } => {
                    let reason = match far {
                        Far::Rings => EndReason::NotAnswered,
                        Far::Answered(_) => EndReason::Failed,
                        Far::HungUp => EndReason::HungUpThere,
                    };
                    call.end(reason, now, effects);
                }
                CallState::EndingElsewhere { .. } => call.is_elsewhere_again(),
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

#[cfg(test)]
mod tests;
