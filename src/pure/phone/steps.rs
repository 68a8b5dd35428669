//! The steps that a call takes, whatever the reason: to be picked up, to leave the desk, to end.

use super::*;

impl Call {
    /// The desk picks up.
    pub(super) fn pick_up(&mut self, now: Time, effects: &mut Vec<Effect>) {
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
    pub(super) fn leave_desk(&mut self, effects: &mut Vec<Effect>) -> Option<StreamId> {
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

    pub(super) fn answered_elsewhere(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if let CallState::Elsewhere { answered, .. } = &mut self.state
            && !*answered
        {
            *answered = true;
            self.since = now;
            effects.push(Effect::Event(self.id.clone(), Happening::Answered));
        }
    }

    pub(super) fn waited_in_vain(&mut self, then: Next, now: Time, effects: &mut Vec<Effect>) {
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

    pub(super) fn end(&mut self, reason: EndReason, now: Time, effects: &mut Vec<Effect>) {
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
