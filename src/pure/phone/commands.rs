//! What a person wants: of the desk, and of one call.

use super::{
    Command, CommandError, DIAL_LIMIT, DialError, Direction, Document, Effect, EndReason, Fresh,
    Happening, LINES, Phone, Reason, Target,
};
use crate::pure::call::{Began, Call, CallState, Dialed, Far, Next, Onward, Part};
use crate::pure::destination::{self, Destination};
use crate::pure::ids::{CallId, Party};
use crate::pure::keys::Keys;
use crate::pure::time::Time;

impl Phone {
    /// Has the carrier dial for the desk. Whoever talks waits meanwhile.
    pub(super) fn dial(
        &mut self,
        to: &str,
        consults: Option<CallId>,
        fresh: Fresh,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let id = fresh.call.clone();
        if let Err(why) = self.try_dial(to, consults, fresh, now, effects) {
            effects.push(Effect::Dialled(id, Err(why)));
        }
    }

    fn try_dial(
        &mut self,
        to: &str,
        consults: Option<CallId>,
        fresh: Fresh,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), DialError> {
        if let Some(id) = &consults {
            let known = self.calls.iter().find(|call| call.id == *id);
            let call = known.ok_or(DialError::NoSuchCall)?;
            if !matches!(call.state, CallState::Talking { .. }) {
                return Err(DialError::WrongState(call.view().stage));
            }
        }
        let (to, keys) = match to.find([',', ';']) {
            Some(at) => (&to[..at], Some(Keys::parse(&to[at..]))),
            None => (to, None),
        };
        let keys = keys.transpose().map_err(DialError::Keys)?;
        let to = match destination::judge(to) {
            Destination::Number(number) => number,
            Destination::Client(_) => {
                return Err(DialError::Destination(super::Phrase::NotANumber));
            }
            Destination::Refused(phrase) => return Err(DialError::Destination(phrase)),
        };
        if self.stopping {
            return Err(DialError::Stopping);
        }
        let own = self
            .settings
            .own_number
            .clone()
            .ok_or(DialError::NoOwnNumber)?;
        if !self.desk_usable {
            return Err(DialError::NoDesk);
        }
        let lines = self.calls.iter().filter(|call| call.takes_a_line()).count();
        if lines >= LINES || !self.make_room() {
            return Err(DialError::NoLine);
        }
        let began = Began {
            direction: Direction::Outgoing,
            from: Party::Number(own.clone()),
            to: Party::Number(to.clone()),
            asked: None,
            told: Document::Stream {
                call: fresh.call.clone(),
                token: fresh.token.clone(),
            },
        };
        let asked = CallState::Dialing {
            far: Dialed::Asked,
            token: fresh.token.clone(),
            until: now + DIAL_LIMIT,
        };
        let mut call = Call::new(fresh.call.clone(), None, began, asked, now);
        call.keys = keys;
        call.dial_is_open = true;
        call.consults = consults;
        call.note_for(Happening::Began, Reason::ByPerson, effects);
        self.calls.push(call);
        self.hold_others(self.calls.len() - 1, Reason::AnotherCall, effects);
        effects.push(Effect::CarrierDials {
            call: fresh.call,
            to,
            caller_id: own,
            token: fresh.token,
        });
        Ok(())
    }

    /// Lets everybody wait who talks, but for one call.
    pub(super) fn hold_others(&mut self, n: usize, why: Reason, effects: &mut Vec<Effect>) {
        for (m, call) in self.calls.iter_mut().enumerate() {
            if m != n {
                call.hold(why, effects);
            }
        }
    }

    pub(super) fn command(
        &mut self,
        id: &CallId,
        command: Command,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let outcome = match self.calls.iter().position(|call| call.id == *id) {
            Some(n) => self
                .obey(n, command, now, effects)
                .map(|()| self.calls[n].view()),
            None => Err(CommandError::NoSuchCall),
        };
        effects.push(Effect::Reply(outcome));
    }

    fn obey(
        &mut self,
        n: usize,
        command: Command,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let wrong_state = Err(CommandError::WrongState(self.calls[n].view().stage));
        match (command, self.calls[n].state.clone()) {
            (Command::HangUp, _) => self.calls[n].hang_up(EndReason::HungUpHere, now, effects),
            // Whoever leaves a message is spoken to in the middle of it.
            (
                Command::Answer,
                CallState::Ringing { stream, .. } | CallState::Voicemail { stream, .. },
            ) => {
                if self.calls[n].is_at_voicemail() {
                    effects.push(Effect::Hush(stream));
                }
                self.hold_others(n, Reason::AnotherCall, effects);
                let longest = now + self.settings.longest_call;
                self.calls[n].talk(stream, Part::Talks, longest, now, effects);
                Ok(())
            }
            (Command::Reject, CallState::Ringing { .. }) => {
                self.calls[n].go_on(Onward::Declined, None, now, effects)
            }
            (
                Command::Hold,
                CallState::Talking {
                    part: Part::Talks | Part::Meets,
                    ..
                },
            ) => {
                self.calls[n].hold(Reason::ByPerson, effects);
                Ok(())
            }
            (
                Command::Resume,
                CallState::Talking {
                    stream,
                    part: Part::Held,
                    until,
                },
            ) => {
                let why = if self.calls.iter().any(Call::talks) {
                    Reason::Swap
                } else {
                    Reason::ByPerson
                };
                self.hold_others(n, why, effects);
                let call = &mut self.calls[n];
                call.state = CallState::Talking {
                    stream,
                    part: Part::Talks,
                    until,
                };
                call.note_for(Happening::Resumed, why, effects);
                Ok(())
            }
            (
                Command::Mute(on),
                CallState::Talking { .. }
                | CallState::Dialing { .. }
                | CallState::Leaving {
                    then: Next::On(_), ..
                },
            ) => {
                self.mute(n, on, effects);
                Ok(())
            }
            (Command::Record(on), CallState::Talking { .. }) => {
                self.calls[n].recorded = on;
                self.calls[n].recording_paused &= on;
                Ok(())
            }
            (Command::PauseRecording(on), CallState::Talking { .. }) => {
                self.calls[n].pause_recording(on, effects)
            }
            (Command::Keys(keys), CallState::Talking { stream, .. }) => {
                self.calls[n].send_keys(stream, keys, effects);
                Ok(())
            }
            (Command::KeysGoOn, CallState::Talking { stream, .. }) => {
                let keys = self.calls[n].keys.take();
                let keys = keys.ok_or(CommandError::NoKeysLeft)?;
                self.calls[n].send_keys(stream, keys, effects);
                Ok(())
            }
            (Command::Move(target), state) => self.move_to(n, target, &state, now, effects),
            (Command::Merge(with), CallState::Talking { .. }) => self.merge(n, &with, effects),
            (Command::JoinConsulted, CallState::Talking { .. }) => {
                self.join_consulted(n, now, effects)
            }
            (
                Command::Answer
                | Command::Reject
                | Command::Hold
                | Command::Resume
                | Command::Mute(_)
                | Command::Record(_)
                | Command::PauseRecording(_)
                | Command::Keys(_)
                | Command::KeysGoOn
                | Command::Merge(_)
                | Command::JoinConsulted,
                CallState::Dialing { .. }
                | CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Voicemail { .. }
                | CallState::Leaving { .. }
                | CallState::Deciding { .. }
                | CallState::Elsewhere { .. }
                | CallState::LeavingElsewhere { .. }
                | CallState::Ended { .. },
            ) => wrong_state,
        }
    }

    /// Keeps the microphone from a far end, and from all whom it meets at the desk, or lets it through again.
    fn mute(&mut self, n: usize, on: bool, effects: &mut Vec<Effect>) {
        let meets = self.calls[n].meets();
        for (m, call) in self.calls.iter_mut().enumerate() {
            if (m == n || (meets && call.meets())) && call.muted != on {
                call.muted = on;
                let happening = if on {
                    Happening::Muted
                } else {
                    Happening::Unmuted
                };
                call.note(happening, effects);
            }
        }
    }

    fn move_to(
        &mut self,
        n: usize,
        target: Target,
        state: &CallState,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let wrong_state = Err(CommandError::WrongState(self.calls[n].view().stage));
        let mut far_end = None;
        match (&target, state) {
            // Its stream is there already: nothing need be asked of the carrier.
            (
                Target::Voicemail,
                CallState::Ringing { stream, .. } | CallState::Talking { stream, .. },
            ) if self.calls[n].direction == Direction::Incoming => {
                if !self.is_voicemail_free() {
                    return Err(CommandError::NoVoicemail);
                }
                self.take_message(n, *stream, Reason::ByPerson, now, effects);
                return Ok(());
            }
            (
                Target::Voicemail,
                CallState::Elsewhere {
                    far: Far::Rings | Far::Answered(_),
                    ..
                },
            ) if self.calls[n].direction == Direction::Incoming
                && !matches!(self.calls[n].told, Document::Conference { .. }) =>
            {
                if !self.is_voicemail_free() {
                    return Err(CommandError::NoVoicemail);
                }
            }
            // From the desk to elsewhere; a bell that rings can be sent there too.
            (
                Target::Browsers,
                CallState::Talking { .. } | CallState::Ringing { .. } | CallState::Voicemail { .. },
            ) => {
                if self.reachable_browsers(now).is_empty() {
                    return Err(CommandError::NoBrowser);
                }
            }
            (
                Target::Number(_),
                CallState::Talking { .. } | CallState::Ringing { .. } | CallState::Voicemail { .. },
            )
            | (Target::Conference(_), CallState::Talking { .. } | CallState::Ringing { .. }) => {}
            (
                Target::Desk,
                CallState::Elsewhere {
                    far: Far::Answered(by),
                    ..
                },
            ) => {
                let call = &mut self.calls[n];
                if matches!(call.told, Document::Conference { .. }) {
                    // The conference would end for the other.
                    return wrong_state;
                }
                if !self.desk_usable {
                    return Err(CommandError::NoDesk);
                }
                if call.was_dialled_in_a_browser() {
                    // The far end is the leg that was dialled for it.
                    if by.is_none() {
                        return wrong_state;
                    }
                    far_end.clone_from(by);
                }
                call.wanted = true;
            }
            (
                Target::Desk
                | Target::Browsers
                | Target::Number(_)
                | Target::Voicemail
                | Target::Conference(_),
                CallState::Dialing { .. }
                | CallState::Offered { .. }
                | CallState::Ringing { .. }
                | CallState::Talking { .. }
                | CallState::Voicemail { .. }
                | CallState::Leaving { .. }
                | CallState::Deciding { .. }
                | CallState::Elsewhere { .. }
                | CallState::LeavingElsewhere { .. }
                | CallState::Ended { .. },
            ) => return wrong_state,
        }
        let call = &mut self.calls[n];
        call.go_on(Onward::Target(target.clone()), far_end, now, effects)?;
        call.note(Happening::Moves(target), effects);
        Ok(())
    }

    /// Lets two calls meet at the desk, and whoever meets with either; whoever talks apart from them waits.
    fn merge(
        &mut self,
        n: usize,
        with: &CallId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let other = self
            .calls
            .iter()
            .position(|call| call.id == *with)
            .filter(|other| *other != n)
            .ok_or(CommandError::NoSuchCall)?;
        if !matches!(self.calls[other].state, CallState::Talking { .. }) {
            return Err(CommandError::WrongState(self.calls[other].view().stage));
        }
        let joins = self.calls[n].meets() || self.calls[other].meets();
        for (m, call) in self.calls.iter_mut().enumerate() {
            if m == n || m == other {
                if let CallState::Talking { part, .. } = &mut call.state
                    && *part != Part::Meets
                {
                    *part = Part::Meets;
                    call.note(Happening::Merged, effects);
                }
            } else if !(joins && call.meets()) {
                call.hold(Reason::AnotherCall, effects);
            }
        }
        Ok(())
    }

    /// Joins a call with the one that was dialled for it, in a conference of the carrier's; the desk leaves both.
    fn join_consulted(
        &mut self,
        n: usize,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let id = self.calls[n].id.clone();
        let consulted = self
            .calls
            .iter()
            .position(|call| {
                call.consults.as_ref() == Some(&id)
                    && matches!(call.state, CallState::Talking { .. })
            })
            .ok_or(CommandError::NotConsulted)?;
        for call in [n, consulted] {
            let state = self.calls[call].state.clone();
            self.move_to(call, Target::Conference(id.clone()), &state, now, effects)?;
        }
        Ok(())
    }
}
