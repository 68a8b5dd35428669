//! What becomes of a caller whom nobody answers: the browsers ring, then the number that calls are forwarded to, then a
//! message is taken, or there is a sentence. Each is tried once, in this order ([`Station`]).
//!
//! Read [`Phone::next_stage`] first, then how a message is taken from [`Phone::take_message`] on.

use std::time::Duration;

use super::{
    Direction, Document, Effect, EndReason, Happening, LINES, MessagesFrom, Phone, Phrase,
    RING_MARGIN, Reason, Ring, Spoken, TOKEN_LIFE,
};
use crate::pure::call::{Call, CallState, Far, Message, Onward, Purpose, Station, Unanswered};
use crate::pure::ids::{Identity, Party, PhoneNumber, StreamId, StreamToken};
use crate::pure::time::Time;

/// A greeting is over after this at the latest: three minutes of the owner's own, and some.
const GREETING_LIMIT: Duration = Duration::from_secs(200);

/// Whoever hangs up sooner has left no message.
const SHORTEST_MESSAGE: Duration = Duration::from_secs(1);

/// Where a call goes to that nobody has answered so far.
enum Try {
    /// To the browsers.
    Browsers(Vec<Identity>),
    /// To another number.
    Forward(PhoneNumber),
    /// To where messages are taken.
    Voicemail,
    /// To a sentence.
    Nobody,
}

impl Phone {
    /// Answers the carrier's question what comes after a station at which nobody answered.
    pub(super) fn next_stage(
        &mut self,
        n: usize,
        token: StreamToken,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Document {
        let next = self.next_try(n, now);
        let why = self.why_elsewhere(n);
        let call = &mut self.calls[n];
        call.since = now;
        let (station, told, rings_for) = match next {
            Try::Voicemail => return self.offer_voicemail(n, token, now),
            Try::Nobody => {
                call.station = Station::Nobody;
                call.end(EndReason::NotAnswered, now, effects);
                call.told = Document::SayAndHangUp(Phrase::NobodyCanAnswer);
                return call.told.clone();
            }
            Try::Browsers(identities) => {
                call.note_for(Happening::RingsBrowsers, why, effects);
                let call = call.id.clone();
                let told = Document::RingBrowsers { call, identities };
                (Station::Browsers, told, self.settings.browsers_ring_for)
            }
            Try::Forward(to) => {
                call.note_for(Happening::Forwarded, why, effects);
                let caller_id = match (&call.from, &self.settings.own_number) {
                    // Twilio lets the number pass that it was called from.
                    (Party::Number(number), _) => number.clone(),
                    (Party::Client(_) | Party::Other(_), own) => {
                        own.clone().unwrap_or_else(|| to.clone())
                    }
                };
                let rings_for = self.settings.forwarding.ring_for;
                let told = Document::DialNumber {
                    call: call.id.clone(),
                    to,
                    caller_id,
                    rings_for,
                };
                (Station::Forward, told, rings_for)
            }
        };
        let call = &mut self.calls[n];
        call.station = station;
        call.was_tried = true;
        call.state = CallState::Elsewhere {
            far: Far::Rings,
            unanswered: Unanswered::GoesOn,
            until: now + rings_for + RING_MARGIN,
        };
        call.told = told.clone();
        told
    }

    fn next_try(&self, n: usize, now: Time) -> Try {
        let call = &self.calls[n];
        if self.stopping {
            return Try::Nobody;
        }
        let browsers = match self.settings.ring {
            Ring::Browser | Ring::DeskThenBrowser => self.reachable_browsers(now),
            Ring::Desk => Vec::new(),
        };
        if call.station < Station::Browsers && !browsers.is_empty() {
            return Try::Browsers(browsers);
        }
        if call.direction == Direction::Outgoing {
            return Try::Nobody;
        }
        if call.station < Station::Forward
            && let Some(to) = self.forwarded_to(call)
        {
            return Try::Forward(to);
        }
        let may_speak = match self.settings.voicemail.from {
            MessagesFrom::Nobody => false,
            // Without a microphone and a speaker no stream is offered, unless somebody wants messages all the same.
            MessagesFrom::Unanswered => call.was_tried && self.desk_usable,
            MessagesFrom::Everybody => true,
        };
        if call.station < Station::Voicemail && may_speak && self.has_a_line() {
            Try::Voicemail
        } else {
            Try::Nobody
        }
    }

    /// Says why others are tried for a call than the desk.
    pub(super) fn why_elsewhere(&self, n: usize) -> Reason {
        let call = &self.calls[n];
        match &call.state {
            _ if self.do_not_disturb || call.is_quieted() => Reason::DoNotDisturb,
            _ if call.station > Station::Desk && call.was_tried => Reason::StageUnanswered,
            _ if call.station > Station::Desk || self.settings.ring == Ring::Browser => {
                Reason::Settings
            }
            _ if !self.desk_usable => Reason::NoDesk,
            CallState::Offered { .. } | CallState::Deciding { .. }
                if self.is_desk_taken(Some(n), Purpose::Ring) =>
            {
                Reason::DeskTaken
            }
            CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Voicemail { .. }
            | CallState::Leaving { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => Reason::StageUnanswered,
        }
    }

    fn forwarded_to(&self, call: &Call) -> Option<PhoneNumber> {
        let forwarding = &self.settings.forwarding;
        let busy = forwarding.busy.as_ref().filter(|_| call.found_busy);
        let wanted = [
            forwarding.always.as_ref(),
            busy,
            forwarding.no_answer.as_ref(),
        ];
        let mut wanted = wanted.into_iter().flatten();
        wanted.find(|to| self.may_forward(to, &call.from)).cloned()
    }

    /// Says whether a caller can be forwarded to a number: not to ours, which brings them back, nor to their own, which talks.
    pub(super) fn may_forward(&self, to: &PhoneNumber, from: &Party) -> bool {
        self.settings.own_number.as_ref() != Some(to) && *from != Party::Number(to.clone())
    }

    /// The desk has rung long enough, or is to ring no more. Where only a message is left, its stream is good for that.
    pub(super) fn goes_unanswered(&mut self, n: usize, now: Time, effects: &mut Vec<Effect>) {
        match (self.next_try(n, now), self.calls[n].stream()) {
            (Try::Voicemail, Some(stream)) => {
                let why = self.why_elsewhere(n);
                self.take_message(n, stream, why, now, effects);
            }
            // The stream stays up, and silent, until the carrier has taken the call away.
            (Try::Voicemail | Try::Browsers(_) | Try::Forward(_) | Try::Nobody, _) => {
                // What rings has a leg.
                let _ = self.calls[n].go_on(Onward::Stage, None, now, effects);
            }
        }
    }

    /// Says whether one more message can be taken.
    pub(super) fn is_voicemail_free(&self) -> bool {
        self.settings.voicemail.from != MessagesFrom::Nobody && self.has_a_line()
    }

    fn has_a_line(&self) -> bool {
        self.calls.iter().filter(|call| call.takes_a_line()).count() < LINES
    }

    /// Offers a stream on which a message is taken.
    pub(super) fn offer_voicemail(&mut self, n: usize, token: StreamToken, now: Time) -> Document {
        let call = &mut self.calls[n];
        call.station = Station::Voicemail;
        call.since = now;
        call.state = CallState::Offered {
            token: token.clone(),
            purpose: Purpose::Message,
            until: now + TOKEN_LIFE,
        };
        call.told = Document::Stream {
            call: call.id.clone(),
            token,
        };
        call.told.clone()
    }

    /// Lets a caller hear the greeting on a stream that is up.
    pub(super) fn take_message(
        &mut self,
        n: usize,
        stream: StreamId,
        why: Reason,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let call = &mut self.calls[n];
        call.station = Station::Voicemail;
        call.since = now;
        call.state = CallState::Voicemail {
            stream,
            part: Message::Greeting,
            until: now + GREETING_LIMIT,
        };
        call.note_for(Happening::ReachedVoicemail, why, effects);
        effects.push(Effect::Speak(stream, Spoken::Greeting));
    }

    /// What was spoken on a stream is over: after the greeting it is the caller's turn.
    pub(super) fn speech_over(&mut self, stream: StreamId, now: Time, effects: &mut Vec<Effect>) {
        let longest = self.settings.voicemail.longest;
        let mut calls = self.calls.iter_mut();
        if let Some(call) = calls.find(|call| call.stream() == Some(stream)) {
            call.begin_message(longest, now, effects);
        }
    }
}

impl Call {
    /// Says whether it is not to be heard at the desk: a quiet time was in force when it came.
    pub(super) fn is_quieted(&self) -> bool {
        matches!(
            &self.asked,
            Some(super::Ask::Incoming { caller, .. }) if caller.is_quieted
        )
    }

    /// Begins to write down what a caller says, if they hear the greeting.
    pub(super) fn begin_message(
        &mut self,
        longest: Duration,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        if let CallState::Voicemail {
            part: part @ Message::Greeting,
            until,
            ..
        } = &mut self.state
        {
            *part = Message::Spoken(now);
            *until = now + longest;
            self.note(Happening::LeavesMessage, effects);
        }
    }

    /// A caller who knows the greeting goes on to the beep.
    pub(super) fn skip_greeting(&self, effects: &mut Vec<Effect>) {
        if let CallState::Voicemail {
            stream,
            part: Message::Greeting,
            ..
        } = &self.state
        {
            effects.push(Effect::Hush(*stream));
            effects.push(Effect::Speak(*stream, Spoken::Beep));
        }
    }

    /// Returns why a call is over that the far end has hung up.
    pub(super) fn hung_up_there(&self, now: Time) -> EndReason {
        match &self.state {
            CallState::Voicemail {
                part: Message::Spoken(since),
                ..
            } if now >= *since + SHORTEST_MESSAGE => EndReason::LeftMessage,
            CallState::Voicemail { .. }
            | CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Talking { .. }
            | CallState::Leaving { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => EndReason::HungUpThere,
        }
    }
}
