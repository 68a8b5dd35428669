//! Tells the person before the terminal what becomes of the calls, wherever it was done: who rings, who talks, what is
//! over and why.
//!
//! Read [`Teller::news`]: it compares each snapshot with what was told.

use std::collections::HashMap;

use crate::cli::status;
use crate::lang::{Lang, Message};
use crate::pure::call_report::reason_word;
use crate::pure::ids::{CallId, Party};
use crate::pure::phone::{CallView, Direction, Place, Snapshot, Stage};

/// What was told of each call that a snapshot holds.
#[derive(Debug)]
pub(super) struct Teller {
    lang: Lang,
    told: HashMap<CallId, (Stage, Place)>,
}

impl Teller {
    /// Makes one that has told nothing yet.
    pub(super) fn new(lang: Lang) -> Teller {
        Teller {
            lang,
            told: HashMap::new(),
        }
    }

    /// Returns what is new in a snapshot, a sentence for each thing; `name` says what somebody is called among the contacts.
    pub(super) fn news(
        &mut self,
        snapshot: &Snapshot,
        name: impl Fn(&Party) -> Option<String>,
    ) -> Vec<String> {
        self.told
            .retain(|id, _| snapshot.calls.iter().any(|call| call.id == *id));
        let mut news = Vec::new();
        for call in &snapshot.calls {
            let now = (call.stage, call.place.clone());
            let before = self.told.insert(call.id.clone(), now.clone());
            if before.as_ref() == Some(&now) {
                continue;
            }
            let was_over = before.is_some_and(|(stage, _)| stage == Stage::Ended);
            news.extend(self.sentence(call, was_over, &name));
        }
        news
    }

    /// Says where a call stands now; nothing where that is no news to a person.
    fn sentence(
        &self,
        call: &CallView,
        was_over: bool,
        name: impl Fn(&Party) -> Option<String>,
    ) -> Option<String> {
        let is_incoming = call.direction == Direction::Incoming;
        let party = call.far_end();
        let party = &status::named(name(party).as_deref(), &party.to_text());
        let at_desk = call.place == Place::Desk;
        let why = call
            .end_reason
            .map(|reason| status::word(reason_word(reason), self.lang));
        let message = match call.stage {
            Stage::Ringing if at_desk => Message::CallRingsHere { from: party },
            Stage::Ringing if is_incoming => Message::CallRings { from: party },
            Stage::Talking if at_desk => Message::CallAnswered { party },
            Stage::Talking => Message::CallAnsweredElsewhere { party },
            Stage::Voicemail => Message::CallAtVoicemail { party },
            Stage::Ended if !was_over => match &why {
                Some(why) => Message::CallEndedFor { party, why },
                None => Message::CallEnded { party },
            },
            Stage::Dialing | Stage::Ringing | Stage::Connecting | Stage::Ended => return None,
        };
        Some(message.text(self.lang))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::ids::LegId;
    use crate::pure::phone::EndReason;
    use crate::pure::time::Time;

    fn call(stage: Stage, place: Place, end_reason: Option<EndReason>) -> CallView {
        CallView {
            id: CallId::new("c1"),
            leg: Some(LegId::new("CA1")),
            direction: Direction::Incoming,
            from: Party::parse("+15145550100"),
            to: Party::parse("+15145550199"),
            stage,
            place,
            since: Time::START,
            muted: false,
            held: false,
            merged: false,
            recorded: false,
            recording_paused: false,
            consults: None,
            stream: None,
            end_reason,
        }
    }

    fn news(teller: &mut Teller, call: CallView) -> Vec<String> {
        let snapshot = Snapshot {
            calls: vec![call],
            ..Snapshot::default()
        };
        teller.news(&snapshot, |_| None)
    }

    #[test]
    fn a_call_is_told_when_it_rings_talks_and_ends_each_once() {
        let mut teller = Teller::new(Lang::En);
        for (stage, place, reason, told) in [
            (Stage::Connecting, Place::Nowhere, None, vec![]),
            (
                Stage::Ringing,
                Place::Desk,
                None,
                vec!["+15145550100 is calling (Enter picks up)"],
            ),
            (Stage::Ringing, Place::Desk, None, vec![]),
            (
                Stage::Ringing,
                Place::Browser,
                None,
                vec!["+15145550100 is calling"],
            ),
            (
                Stage::Talking,
                Place::Browser,
                None,
                vec!["+15145550100 talks elsewhere"],
            ),
            (
                Stage::Talking,
                Place::Desk,
                None,
                vec!["talking with +15145550100"],
            ),
            (
                Stage::Ended,
                Place::Nowhere,
                Some(EndReason::HungUpThere),
                vec!["the call with +15145550100 is over: hung up there"],
            ),
            (
                Stage::Ended,
                Place::Nowhere,
                Some(EndReason::HungUpThere),
                vec![],
            ),
        ] {
            let view = call(stage, place.clone(), reason);
            assert_eq!(news(&mut teller, view), told, "{stage:?} {place:?}");
        }
    }

    #[test]
    fn whom_we_dialled_is_told_by_their_number() {
        let mut teller = Teller::new(Lang::Fr);
        let talking = CallView {
            direction: Direction::Outgoing,
            ..call(Stage::Talking, Place::Browser, None)
        };
        assert_eq!(
            news(&mut teller, talking),
            ["+15145550199 est en communication ailleurs"]
        );
    }

    #[test]
    fn who_is_among_the_contacts_is_told_by_name_and_number() {
        let mut teller = Teller::new(Lang::En);
        let snapshot = Snapshot {
            calls: vec![call(Stage::Talking, Place::Desk, None)],
            ..Snapshot::default()
        };
        let anna = Party::parse("+15145550100");
        let name = |party: &Party| (*party == anna).then(|| "Anna".to_owned());
        assert_eq!(
            teller.news(&snapshot, name),
            ["talking with Anna (+15145550100)"]
        );
    }

    #[test]
    fn two_calls_are_told_apart_and_one_that_is_gone_is_forgotten() {
        let mut teller = Teller::new(Lang::En);
        let other = CallView {
            id: CallId::new("c2"),
            from: Party::parse("+15145550101"),
            ..call(Stage::Ringing, Place::Browser, None)
        };
        let both = Snapshot {
            calls: vec![call(Stage::Talking, Place::Desk, None), other],
            ..Snapshot::default()
        };
        assert_eq!(
            teller.news(&both, |_| None),
            ["talking with +15145550100", "+15145550101 is calling"]
        );
        assert_eq!(teller.news(&Snapshot::default(), |_| None), [""; 0]);
        assert!(teller.told.is_empty());
    }
}
