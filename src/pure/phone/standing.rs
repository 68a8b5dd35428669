//! How a call stands that cannot be done with what a person wants of it: a sentence that says more than its state.

use super::{CallView, Command, Place, Stage, Target};

/// What keeps a command from being carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is on hold, and was to be held.
    HeldAlready,
    /// It talks at the desk, and was to go on.
    NotHeld,
    /// It was answered, and was to be answered or turned away.
    AnsweredAlready,
    /// It is at the desk, and was to be moved there.
    AtDeskAlready,
    /// It is in a browser.
    InBrowser,
    /// It was moved to a number.
    AtNumber,
    /// It is in a conference of the carrier's.
    InConference,
    /// It rings somewhere else than at the desk.
    RingsElsewhere,
    /// It is at voicemail.
    AtVoicemail,
    /// It is over.
    Over,
}

impl Standing {
    /// Returns what keeps a command from a call that is not in a state for it, where that can be said.
    #[must_use]
    pub fn of(command: &Command, call: &CallView) -> Option<Standing> {
        match (call.stage, &call.place) {
            (Stage::Ended, _) => return Some(Standing::Over),
            (Stage::Ringing | Stage::Dialing, Place::Browser | Place::Number) => {
                return Some(Standing::RingsElsewhere);
            }
            (_, Place::Browser) => return Some(Standing::InBrowser),
            (_, Place::Number) => return Some(Standing::AtNumber),
            (_, Place::Conference) => return Some(Standing::InConference),
            (Stage::Dialing | Stage::Ringing | Stage::Connecting, _) => return None,
            (Stage::Voicemail, Place::Desk | Place::Nowhere) => return Some(Standing::AtVoicemail),
            (Stage::Talking, Place::Desk | Place::Nowhere) => {}
        }
        match command {
            Command::Hold if call.held => Some(Standing::HeldAlready),
            Command::Resume if !call.held => Some(Standing::NotHeld),
            Command::Answer | Command::Reject => Some(Standing::AnsweredAlready),
            Command::Move(Target::Desk) => Some(Standing::AtDeskAlready),
            Command::HangUp
            | Command::Hold
            | Command::Resume
            | Command::Mute(_)
            | Command::Record(_)
            | Command::PauseRecording(_)
            | Command::Keys(_)
            | Command::KeysGoOn
            | Command::Move(_)
            | Command::Merge(_)
            | Command::JoinConsulted => None,
        }
    }

    /// Returns the sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Standing::HeldAlready => "the call is on hold already",
            Standing::NotHeld => "the call is not on hold: it talks at the desk",
            Standing::AnsweredAlready => "the call is answered already; hint: `hangup` ends it",
            Standing::AtDeskAlready => "the call is at the desk already",
            Standing::AtVoicemail => {
                "the caller is at voicemail; hint: `answer` takes the call over"
            }
            Standing::InBrowser => {
                "the call is in a browser, where the desk cannot do that; hint: `move` it to `desk` first"
            }
            Standing::AtNumber => {
                "the call was moved to a number, where the desk cannot do that; hint: `move` it to `desk` first"
            }
            Standing::InConference => {
                "the call meets another in a conference, where the desk cannot do that; hint: `hangup` takes it out"
            }
            Standing::RingsElsewhere => {
                "the call rings elsewhere, and nobody has answered it yet; hint: `hangup` ends it"
            }
            Standing::Over => "the call is over",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::ids::{CallId, Party};
    use crate::pure::phone::{CommandError, Direction};
    use crate::pure::time::Time;

    fn call(stage: Stage, place: Place, held: bool) -> CallView {
        CallView {
            id: CallId::new("c1"),
            leg: None,
            direction: Direction::Incoming,
            from: Party::parse("+15145550100"),
            to: Party::parse("+15145550199"),
            stage,
            place,
            since: Time::START,
            muted: false,
            held,
            merged: false,
            recorded: false,
            recording_paused: false,
            consults: None,
            stream: None,
            end_reason: None,
        }
    }

    #[test]
    fn a_refusal_says_how_the_call_stands() {
        for (command, call, words) in [
            (
                Command::Hold,
                call(Stage::Talking, Place::Desk, true),
                "on hold already",
            ),
            (
                Command::Resume,
                call(Stage::Talking, Place::Desk, false),
                "not on hold",
            ),
            (
                Command::Answer,
                call(Stage::Talking, Place::Desk, false),
                "answered already",
            ),
            (
                Command::Move(Target::Desk),
                call(Stage::Talking, Place::Desk, false),
                "at the desk already",
            ),
            (
                Command::Hold,
                call(Stage::Talking, Place::Browser, false),
                "in a browser",
            ),
            (
                Command::Mute(true),
                call(Stage::Talking, Place::Number, false),
                "moved to a number",
            ),
            (
                Command::Hold,
                call(Stage::Talking, Place::Conference, false),
                "in a conference",
            ),
            (
                Command::Answer,
                call(Stage::Ringing, Place::Browser, false),
                "rings elsewhere",
            ),
            (
                Command::HangUp,
                call(Stage::Ended, Place::Nowhere, false),
                "over",
            ),
        ] {
            let standing = Standing::of(&command, &call).expect(words);
            let error = CommandError::Standing(standing);
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.code(), "wrong_state");
        }
        let rings = call(Stage::Ringing, Place::Desk, false);
        assert_eq!(Standing::of(&Command::Hold, &rings), None);
    }
}
