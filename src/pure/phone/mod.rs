//! All calls of the phone, and every decision about them.
//!
//! [`Phone::handle`] takes one [`Input`] and returns all its [`Effect`]s; [`Phone::poll_timeout`] says when to come back
//! with [`Input::Timeout`]. Nothing else changes it. Late, early and doubled news are normal: three signs tell that a call
//! is over (its stream, the carrier's question after it, the leg's status), in any order and any number.
//!
//! Read [`Phone::handle`] first, then the table that its test prints. `answers` is what the carrier is told, `news` what it
//! tells, `commands` what a person wants (`meant`: of which call), `steps` what one call does on its way, `unanswered` where somebody
//! is looked for who answers, and how a message is taken, `desk` what all that sounds like, `notice` how far ends learn that
//! they are recorded.

mod answers;
mod commands;
mod desk;
mod happening;
mod meant;
mod news;
mod notice;
mod settings;
mod standing;
mod steps;
mod types;
mod unanswered;

use std::time::Duration;

pub use happening::*;
pub use settings::*;
pub use standing::Standing;
pub use types::*;

use super::audio::tone::Progress;
use super::call::{Call, CallState, Dialed, Far, Message, Next, Onward, Purpose, Registration};
use super::ids::{CallId, Identity, LegId};
use super::time::Time;

/// How long a stream token is good.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// How long the carrier may take to do what it was asked.
const CARRIER_LIMIT: Duration = Duration::from_secs(3);

/// How long the carrier may take to say that it dials, with asking it what became of a wish that it did not answer.
pub const DIAL_LIMIT: Duration = Duration::from_secs(14);

/// How long it may take from an answer to its stream.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Calls that the desk can have at once: dialled, ringing, talking and held.
pub const LINES: usize = 16;

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
    do_not_disturb: bool,
    // What the near end hears now.
    signals: desk::Signals,
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
            do_not_disturb: false,
            signals: desk::Signals::default(),
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
            Input::LegIs { leg, call, status } => {
                self.leg_is(leg, call.as_ref(), status, now, &mut effects)
            }
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
                let mut calls = self.calls.iter_mut();
                if let Some(call) = calls.find(|call| call.stream() == Some(stream)) {
                    call.note(Happening::Key(digit), &mut effects);
                    if digit == '#' {
                        call.skip_greeting(&mut effects);
                    }
                }
            }
            Input::RecordingOver(stream) => {
                let mut calls = self.calls.iter_mut();
                let is_it = |call: &&mut Call| call.records.is_some_and(|(had, _)| had == stream);
                if let Some(call) = calls.find(is_it) {
                    call.records = None;
                    call.recorded = false;
                    call.recording_paused = false;
                    call.note_for(Happening::RecordingEnded, Reason::Failed, &mut effects);
                    if call.is_at_voicemail() {
                        // Nobody should speak to a machine that does not write it down.
                        let _ = call.hang_up(EndReason::Failed, now, &mut effects);
                    }
                }
            }
            Input::SpeechOver(stream) => {
                self.notice_is_over(stream);
                self.speech_over(stream, now, &mut effects);
            }
            Input::Dial {
                to,
                consults,
                fresh,
            } => self.dial(&to, consults, fresh, now, &mut effects),
            Input::CarrierDialled { call, outcome } => {
                self.carrier_dialled(&call, outcome, now, &mut effects)
            }
            Input::DoNotDisturb(on) => {
                if self.do_not_disturb != on {
                    let happening = Happening::DoNotDisturb(on);
                    effects.push(Effect::Event(None, happening, Reason::ByPerson));
                }
                self.do_not_disturb = on;
                if on {
                    self.ring_elsewhere(now, &mut effects);
                }
            }
            Input::Settings(settings) => self.settings = *settings,
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
                    // Who left a message has left it.
                    let reason = if call.hung_up_there(now) == EndReason::LeftMessage {
                        EndReason::LeftMessage
                    } else {
                        EndReason::HungUpHere
                    };
                    // Whatever is over, or about to be, needs no hanging up.
                    let _ = call.hang_up(reason, now, &mut effects);
                }
            }
            Input::Timeout => self.timeout(now, &mut effects),
        }
        self.bring_back_who_is_alone(now, &mut effects);
        self.settle(&mut effects);
        // Keys and speech go to a stream that the engine has, and a call's last tone sounds once it has let go of the call.
        effects.sort_by_key(|effect| match effect {
            Effect::CallEnded(_) => 2,
            Effect::Keys(..) | Effect::Speak(..) => 1,
            Effect::Answer(_)
            | Effect::Record(..)
            | Effect::PauseRecording(..)
            | Effect::RecordingTone(..)
            | Effect::Hush(_)
            | Effect::Admit(..)
            | Effect::Refuse(..)
            | Effect::Route(..)
            | Effect::Detach(_)
            | Effect::CloseStream(_)
            | Effect::Carrier(_)
            | Effect::CarrierDials { .. }
            | Effect::Dialled(..)
            | Effect::Bell(_)
            | Effect::Progress(_)
            | Effect::Beep
            | Effect::DeskAnswered
            | Effect::Reply(_)
            | Effect::Event(..) => 0,
        });
        effects
    }

    /// Returns when [`Input::Timeout`] is due, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let calls = self.calls.iter().map(Call::deadline);
        let browsers = self.browsers.iter().map(|known| known.until);
        calls.chain(browsers).min()
    }

    /// Says whether the desk does not ring.
    #[must_use]
    pub fn do_not_disturb(&self) -> bool {
        self.do_not_disturb
    }

    /// Returns one call as a person may see it.
    #[must_use]
    pub fn view(&self, id: &CallId) -> Option<CallView> {
        let call = self.calls.iter().find(|call| call.id == *id);
        call.map(Call::view)
    }

    /// Returns the calls as a person may see them, oldest first.
    #[must_use]
    pub fn views(&self) -> Vec<CallView> {
        self.calls.iter().map(Call::view).collect()
    }

    /// Sends on whoever rings at the desk; who comes back to it is not sent away.
    fn ring_elsewhere(&mut self, now: Time, effects: &mut Vec<Effect>) {
        for n in 0..self.calls.len() {
            if self.calls[n].rings() && !self.calls[n].answered {
                self.goes_unanswered(n, now, effects);
            }
        }
    }

    fn timeout(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.browsers.retain(|known| known.until > now);
        self.calls
            .retain(|call| !(call.is_over() && call.deadline() <= now));
        for n in 0..self.calls.len() {
            if self.calls[n].deadline() <= now {
                self.time_is_up(n, now, effects);
            }
        }
    }

    fn time_is_up(&mut self, n: usize, now: Time, effects: &mut Vec<Effect>) {
        let longest_message = self.settings.voicemail.longest;
        let call = &mut self.calls[n];
        match call.state.clone() {
            CallState::Dialing { far, .. } => {
                let reason = match far {
                    Dialed::Placed | Dialed::Rings => EndReason::NotAnswered,
                    Dialed::Asked | Dialed::Answered => EndReason::Failed,
                };
                let silent = DialError::Carrier(DialRefusal::silence());
                call.tell_dialled(Err(silent), effects);
                effects.push(Effect::CallEnded(Progress::Congestion));
                // Whatever is dialled can be hung up.
                let _ = call.hang_up(reason, now, effects);
            }
            CallState::Offered { .. } => call.end(EndReason::Failed, now, effects),
            CallState::Ringing { until, .. } if until > now => {
                self.answer_by_itself(n, now, effects);
            }
            // The stream stays up, and silent, until the carrier has taken the call away.
            CallState::Ringing { .. } => self.goes_unanswered(n, now, effects),
            CallState::Voicemail { part, .. } => match part {
                Message::Greeting => call.begin_message(longest_message, now, effects),
                Message::Spoken(_) => {
                    let _ = call.hang_up(EndReason::LeftMessage, now, effects);
                }
            },
            CallState::Talking { .. } => {
                effects.push(Effect::CallEnded(Progress::Congestion));
                let _ = call.hang_up(EndReason::TooLong, now, effects);
            }
            CallState::Leaving { then, .. } => {
                call.close_stream(effects);
                call.tell_dialled(Err(DialError::HungUp), effects);
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
            CallState::LeavingElsewhere { .. } => call.is_elsewhere_again(),
            CallState::Ended { .. } => {}
        }
    }

    /// Returns where the call of a leg stands among the calls.
    fn by_leg(&self, leg: &LegId) -> Option<usize> {
        self.calls
            .iter()
            .position(|call| call.leg.as_ref() == Some(leg))
    }

    /// Returns the call that a browser dialled and that is being fetched from it, by the leg of its far end.
    fn is_fetched_by(&self, leg: &LegId) -> Option<usize> {
        self.calls.iter().position(|call| {
            matches!(
                &call.state,
                CallState::LeavingElsewhere {
                    far: Far::Answered(Some(by)),
                    then: Next::On(_),
                    ..
                } | CallState::Elsewhere {
                    far: Far::Answered(Some(by)),
                    ..
                } if by == leg && call.wanted && call.was_dialled_in_a_browser()
            )
        })
    }

    /// The same, and from now on it is known by that leg: the browser's own has no part in it any more.
    fn is_fetched(&mut self, leg: &LegId) -> Option<usize> {
        let n = self.is_fetched_by(leg)?;
        let call = &mut self.calls[n];
        call.former.extend(call.leg.replace(leg.clone()));
        call.asked = None;
        Some(n)
    }

    /// Returns the call that another is to meet in a conference.
    fn partner(&self, n: usize, name: &CallId) -> Option<&Call> {
        let call = &self.calls[n];
        self.calls.iter().find(|other| {
            other.id != call.id && (other.id == *name || other.consults.as_ref() == Some(name))
        })
    }

    /// Says whether nobody will come whom a call is to meet in a conference.
    fn is_alone(&self, n: usize, name: &CallId) -> bool {
        self.partner(n, name).is_none_or(Call::is_over)
    }

    /// Whoever waits in a conference for somebody who hung up on the way there comes back to the desk.
    fn bring_back_who_is_alone(&mut self, now: Time, effects: &mut Vec<Effect>) {
        for n in 0..self.calls.len() {
            let (CallState::Elsewhere { .. }, Document::Conference { name }) =
                (&self.calls[n].state, &self.calls[n].told)
            else {
                continue;
            };
            let never_came = self
                .partner(n, name)
                .is_some_and(|partner| partner.is_over() && !partner.in_conference);
            if never_came {
                // It is elsewhere and has a leg.
                let _ = self.calls[n].go_on(Onward::Back, None, now, effects);
            }
        }
    }

    /// Says whether the desk is not to be had for a purpose, for one more call or for one that is known.
    fn is_desk_taken(&self, known: Option<usize>, purpose: Purpose) -> bool {
        let others = || {
            self.calls
                .iter()
                .enumerate()
                .filter(|(n, call)| Some(*n) != known && call.is_at_desk())
        };
        match purpose {
            Purpose::Ring => others().next().is_some(),
            Purpose::Wait => {
                !self.settings.call_waiting
                    || others().any(|(_, call)| call.rings())
                    || self.calls.iter().filter(|call| call.takes_a_line()).count() >= LINES
            }
            Purpose::Talk | Purpose::Message => false,
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
