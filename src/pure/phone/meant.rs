//! Which call a person means who names none, and where a word says that a call is wanted.

use super::{CallView, Command, CommandError, Place, Snapshot, Stage, Target};
use crate::pure::destination::{self, Destination};
use crate::pure::ids::CallId;

impl Snapshot {
    /// Returns the call that a command must mean: to answer, the one that rings at the desk; to hang up or to hold, the one
    /// that talks there; to go on, the one that waits. One that waits is hung up by its name alone, unless it is the only one.
    #[must_use]
    pub fn meant_by(&self, command: &Command) -> Option<CallId> {
        let at_desk = |wanted: fn(&CallView) -> bool| {
            // Of several, the one that came to it last.
            self.calls
                .iter()
                .filter(|call| call.place == Place::Desk && wanted(call))
                .max_by_key(|call| call.since)
        };
        let rings = || at_desk(|call| call.stage == Stage::Ringing);
        let talks = || at_desk(|call| call.stage == Stage::Talking && !call.held);
        let held = || at_desk(|call| call.held);
        let only_held = || {
            let goes_on = |call: &&CallView| call.stage != Stage::Ended;
            held().filter(|_| self.calls.iter().filter(goes_on).count() == 1)
        };
        let dials = || at_desk(|call| matches!(call.stage, Stage::Dialing | Stage::Connecting));
        let message = || at_desk(|call| call.stage == Stage::Voicemail);
        let elsewhere = || {
            self.calls
                .iter()
                .rfind(|call| call.stage == Stage::Talking && call.place != Place::Desk)
        };
        let call = match command {
            Command::Answer => rings().or_else(message),
            Command::Reject => rings(),
            // Whoever waits is not cut off by mistake.
            Command::HangUp => talks()
                .or_else(dials)
                .or_else(rings)
                .or_else(message)
                .or_else(only_held),
            Command::Hold | Command::Keys(_) | Command::KeysGoOn | Command::Merge(_) => talks(),
            Command::Mute(_) => talks().or_else(dials),
            Command::Record(_) => talks().or_else(held),
            Command::PauseRecording(_) => at_desk(|call| call.recorded),
            Command::Resume => held(),
            Command::JoinConsulted => {
                at_desk(|call| call.stage == Stage::Talking && call.consults.is_some())
                    .and_then(|other| other.consults.as_ref())
                    .and_then(|id| self.calls.iter().find(|call| call.id == *id))
                    .filter(|call| call.place == Place::Desk)
            }
            Command::Move(Target::Desk) => elsewhere(),
            Command::Move(Target::Voicemail) => rings(),
            Command::Move(Target::Browsers | Target::Number(_) | Target::Conference(_)) => {
                talks().or_else(rings).or_else(message)
            }
        };
        call.map(|call| call.id.clone())
    }

    /// Says whether the desk has no call: nobody rings, is dialled, talks or waits there.
    #[must_use]
    pub fn desk_is_quiet(&self) -> bool {
        let is_there = |call: &CallView| call.place == Place::Desk && call.stage != Stage::Ended;
        !self.calls.iter().any(is_there)
    }

    /// Finds a call by our name for it, or the carrier's.
    #[must_use]
    pub fn call(&self, id: &str) -> Option<&CallView> {
        self.calls.iter().find(|call| {
            call.id.as_str() == id || call.leg.as_ref().is_some_and(|leg| leg.as_str() == id)
        })
    }
}

impl Target {
    /// Reads where a call is wanted: `desk`, `browser`, `voicemail` or a number.
    ///
    /// # Errors
    /// [`CommandError::Destination`] where it may not be dialled.
    pub fn parse(text: &str) -> Result<Target, CommandError> {
        match text {
            "desk" => Ok(Target::Desk),
            "browser" => Ok(Target::Browsers),
            "voicemail" => Ok(Target::Voicemail),
            number => match destination::judge(number) {
                Destination::Number(number) => Ok(Target::Number(number)),
                Destination::Client(_) => Err(CommandError::Destination(super::Phrase::NotANumber)),
                Destination::Refused(phrase) => Err(CommandError::Destination(phrase)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::ids::{LegId, Party};
    use crate::pure::phone::{Direction, Phrase};
    use crate::pure::time::Time;

    fn call(id: &str, stage: Stage, place: Place, held: bool) -> CallView {
        CallView {
            id: CallId::new(id),
            leg: Some(LegId::new(format!("CA{id}"))),
            direction: Direction::Incoming,
            from: Party::parse("+15145550100"),
            to: Party::parse("client:kitchen"),
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

    fn snapshot(calls: Vec<CallView>) -> Snapshot {
        Snapshot {
            calls,
            ..Snapshot::default()
        }
    }

    #[test]
    fn without_a_name_the_call_is_the_one_that_is_meant() {
        let mut consulted = call("talks", Stage::Talking, Place::Desk, false);
        consulted.consults = Some(CallId::new("waits"));
        let all = snapshot(vec![
            call("browser", Stage::Talking, Place::Browser, false),
            call("over", Stage::Ended, Place::Nowhere, false),
            call("rings", Stage::Ringing, Place::Desk, false),
            call("waits", Stage::Talking, Place::Desk, true),
            consulted,
        ]);
        for (command, meant) in [
            (Command::Answer, "rings"),
            (Command::Reject, "rings"),
            (Command::HangUp, "talks"),
            (Command::Hold, "talks"),
            (Command::Mute(true), "talks"),
            (Command::Record(true), "talks"),
            (Command::Resume, "waits"),
            (Command::JoinConsulted, "waits"),
            (Command::Move(Target::Desk), "browser"),
            (Command::Move(Target::Browsers), "talks"),
        ] {
            let id = all.meant_by(&command);
            assert_eq!(id, Some(CallId::new(meant)), "{command:?}");
        }
        let rings = snapshot(vec![call("rings", Stage::Ringing, Place::Desk, false)]);
        let id = rings.meant_by(&Command::HangUp);
        assert_eq!(id, Some(CallId::new("rings")));
        let waits = |id| call(id, Stage::Talking, Place::Desk, true);
        let over = call("over", Stage::Ended, Place::Nowhere, false);
        let only = snapshot(vec![waits("one"), over]);
        let id = only.meant_by(&Command::HangUp);
        assert_eq!(id, Some(CallId::new("one")));
        let two = snapshot(vec![waits("one"), waits("two")]);
        assert_eq!(
            two.meant_by(&Command::HangUp),
            None,
            "either might be meant"
        );
        for command in [Command::Answer, Command::HangUp, Command::Resume] {
            assert_eq!(Snapshot::default().meant_by(&command), None);
        }
    }

    #[test]
    fn a_call_is_found_by_either_name() {
        let one = snapshot(vec![call("c1", Stage::Ringing, Place::Desk, false)]);
        assert!(one.call("c1").is_some() && one.call("CAc1").is_some());
        assert!(one.call("CA").is_none());
    }

    #[test]
    fn where_a_call_is_wanted_is_read_and_judged() {
        assert_eq!(Target::parse("desk"), Ok(Target::Desk));
        assert_eq!(Target::parse("browser"), Ok(Target::Browsers));
        assert!(matches!(
            Target::parse("+15145550100"),
            Ok(Target::Number(_))
        ));
        for (text, phrase) in [
            ("911", Phrase::EmergencyRefused),
            ("+19005550100", Phrase::DestinationNotAllowed),
            ("client:kitchen", Phrase::NotANumber),
            ("", Phrase::NotANumber),
        ] {
            let refused = Err(CommandError::Destination(phrase));
            assert_eq!(Target::parse(text), refused, "{text}");
        }
    }
}
