//! What a press means, by how the phone stands.

use super::Press;
use crate::pure::ids::CallId;
use crate::pure::keys;
use crate::pure::phone::{Command, Place, Snapshot, Stage};

/// The most keys that wait to be dialled.
const MOST_TYPED: usize = 32;

/// What is wanted of the phone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wish {
    /// Something of a call.
    Call(CallId, Command),
    /// To dial what was typed.
    Dial(String),
}

/// Which lamps of a device are lit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lamps {
    /// The line is taken.
    pub off_hook: bool,
    /// It rings.
    pub ring: bool,
    /// The microphone is closed.
    pub mute: bool,
    /// Somebody waits, and nobody talks.
    pub hold: bool,
}

impl Lamps {
    /// Says which lamps are lit while the phone stands so.
    #[must_use]
    pub fn of(phone: &Snapshot) -> Lamps {
        let at_desk = || {
            let mut calls = phone.calls.iter();
            move |is_so: fn(&crate::pure::phone::CallView) -> bool| {
                calls.any(|call| call.place == Place::Desk && is_so(call))
            }
        };
        let talks = at_desk()(|call| call.stage == Stage::Talking && !call.held);
        Lamps {
            off_hook: at_desk()(|call| {
                matches!(
                    call.stage,
                    Stage::Talking | Stage::Dialing | Stage::Connecting
                )
            }),
            ring: phone.meant_by(&Command::Answer).is_some(),
            mute: at_desk()(|call| call.stage == Stage::Talking && !call.held && call.muted),
            hold: !talks && at_desk()(|call| call.held),
        }
    }
}

/// The keys of one device: what was typed on it and is not dialled yet.
#[derive(Clone, Default)]
pub struct Keys {
    typed: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A person types codes that are nobody else's business.
        write!(f, "Keys({} typed)", self.typed.len())
    }
}

impl Keys {
    /// Returns what a press means; nothing where it asks for what is so already.
    pub fn wish(&mut self, press: Press, phone: &Snapshot) -> Option<Wish> {
        let rings = phone.meant_by(&Command::Answer);
        let talks = phone.meant_by(&Command::Hold);
        let waits = phone.meant_by(&Command::Resume);
        let on =
            |call: Option<CallId>, command: Command| call.map(|call| Wish::Call(call, command));
        if rings.is_some() {
            self.forget();
        }
        match press {
            // Who talks keeps talking: a device that lights its lamp says that it is off hook.
            Press::HookOff if talks.is_some() || is_dialling(phone) => None,
            Press::HookOff => on(rings, Command::Answer)
                .or_else(|| on(waits, Command::Resume))
                .or_else(|| self.dial()),
            // A bell that rings is not turned away by a handset that lies down.
            Press::HookOn => {
                self.forget();
                on(taken(phone), Command::HangUp)
            }
            Press::Hook => match taken(phone) {
                Some(call) => on(Some(call), Command::HangUp),
                None => on(rings, Command::Answer).or_else(|| self.dial()),
            },
            Press::HangUp => {
                self.forget();
                match taken(phone) {
                    Some(call) => on(Some(call), Command::HangUp),
                    None => on(rings, Command::Reject),
                }
            }
            Press::Flash => on(rings, Command::Answer).or_else(|| on(waits, Command::Resume)),
            Press::Hold => match talks {
                Some(call) => on(Some(call), Command::Hold),
                None => on(waits, Command::Resume),
            },
            Press::Mute => {
                let call = phone.meant_by(&Command::Mute(true))?;
                let muted = phone.call(call.as_str())?.muted;
                on(Some(call), Command::Mute(!muted))
            }
            Press::Muted(muted) => {
                let call = phone.meant_by(&Command::Mute(muted))?;
                let is_news = phone.call(call.as_str())?.muted != muted;
                is_news.then_some(Wish::Call(call, Command::Mute(muted)))
            }
            Press::Key(sign) => match talks {
                Some(call) => {
                    let keys = keys::Keys::parse(&sign.to_string()).ok()?;
                    on(Some(call), Command::Keys(keys))
                }
                None => {
                    if self.typed.len() < MOST_TYPED {
                        self.typed.push(sign);
                    }
                    None
                }
            },
        }
    }

    /// Forgets what was typed: nobody dials what was typed for another call, or long ago.
    pub fn forget(&mut self) {
        self.typed.clear();
    }

    fn dial(&mut self) -> Option<Wish> {
        let number = std::mem::take(&mut self.typed);
        (!number.is_empty()).then_some(Wish::Dial(number))
    }
}

/// Returns the call that is hung up by putting the handset down: the one that talks, is dialled or waits.
fn taken(phone: &Snapshot) -> Option<CallId> {
    phone.meant_by(&Command::HangUp).filter(|id| {
        phone
            .call(id.as_str())
            .is_some_and(|call| call.stage != Stage::Ringing)
    })
}

fn is_dialling(phone: &Snapshot) -> bool {
    phone.calls.iter().any(|call| {
        call.place == Place::Desk && matches!(call.stage, Stage::Dialing | Stage::Connecting)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::ids::Party;
    use crate::pure::phone::{CallView, Direction};
    use crate::pure::time::Time;

    #[test]
    fn every_press_means_what_the_table_says() {
        use Press::{Flash, HangUp, Hold, Hook, HookOff, HookOn, Mute, Muted};
        let quiet = phone([]);
        let rings = phone([at(Stage::Ringing)]);
        let talks = phone([at(Stage::Talking)]);
        let muted = phone([CallView {
            muted: true,
            ..at(Stage::Talking)
        }]);
        let waits = phone([CallView {
            held: true,
            ..at(Stage::Talking)
        }]);
        let dials = phone([at(Stage::Dialing)]);
        let over = phone([CallView {
            place: Place::Nowhere,
            ..at(Stage::Ended)
        }]);
        let browser = phone([CallView {
            place: Place::Browser,
            ..at(Stage::Talking)
        }]);
        let table = [
            (
                "quiet",
                &quiet,
                [None, None, None, None, None, None, None, None],
            ),
            (
                "rings",
                &rings,
                [
                    Some(Command::Answer),
                    None,
                    Some(Command::Answer),
                    Some(Command::Reject),
                    Some(Command::Answer),
                    None,
                    None,
                    None,
                ],
            ),
            (
                "talks",
                &talks,
                [
                    None,
                    Some(Command::HangUp),
                    Some(Command::HangUp),
                    Some(Command::HangUp),
                    None,
                    Some(Command::Hold),
                    Some(Command::Mute(true)),
                    Some(Command::Mute(true)),
                ],
            ),
            (
                "muted",
                &muted,
                [
                    None,
                    Some(Command::HangUp),
                    Some(Command::HangUp),
                    Some(Command::HangUp),
                    None,
                    Some(Command::Hold),
                    Some(Command::Mute(false)),
                    None,
                ],
            ),
            (
                "waits",
                &waits,
                [
                    Some(Command::Resume),
                    Some(Command::HangUp),
                    Some(Command::HangUp),
                    Some(Command::HangUp),
                    Some(Command::Resume),
                    Some(Command::Resume),
                    None,
                    None,
                ],
            ),
            (
                "dials",
                &dials,
                [
                    None,
                    Some(Command::HangUp),
                    Some(Command::HangUp),
                    Some(Command::HangUp),
                    None,
                    None,
                    Some(Command::Mute(true)),
                    Some(Command::Mute(true)),
                ],
            ),
            (
                "over",
                &over,
                [None, None, None, None, None, None, None, None],
            ),
            (
                "browser",
                &browser,
                [None, None, None, None, None, None, None, None],
            ),
        ];
        let presses = [
            HookOff,
            HookOn,
            Hook,
            HangUp,
            Flash,
            Hold,
            Mute,
            Muted(true),
        ];
        for (name, phone, commands) in table {
            for (press, command) in presses.into_iter().zip(commands) {
                let wish = Keys::default().wish(press, phone);
                let expected = command.map(|command| Wish::Call(CallId::new("c1"), command));
                assert_eq!(wish, expected, "{press:?} while it is so: {name}");
            }
        }
    }

    #[test]
    fn a_second_caller_is_taken_by_flash_and_never_by_hanging_up() {
        let second = CallView {
            id: CallId::new("c2"),
            since: Time::from_millis(9),
            ..at(Stage::Ringing)
        };
        let phone = phone([at(Stage::Talking), second]);
        let one = |press| Keys::default().wish(press, &phone);
        let wish = |call: &str, command| Some(Wish::Call(CallId::new(call), command));
        assert_eq!(one(Press::Flash), wish("c2", Command::Answer));
        assert_eq!(one(Press::Hook), wish("c1", Command::HangUp));
        assert_eq!(one(Press::HookOn), wish("c1", Command::HangUp));
        assert_eq!(one(Press::HookOff), None);
    }

    #[test]
    fn a_number_is_typed_and_dialled_by_lifting_and_sent_while_they_talk() {
        let mut keys = Keys::default();
        for sign in "514#".chars() {
            assert_eq!(keys.wish(Press::Key(sign), &phone([])), None);
        }
        assert!(!format!("{keys:?}").contains('5'));
        let dial = Some(Wish::Dial("514#".to_owned()));
        assert_eq!(keys.wish(Press::HookOff, &phone([])), dial);
        assert_eq!(keys.wish(Press::HookOff, &phone([])), None, "once");
        keys.wish(Press::Key('5'), &phone([]));
        keys.wish(Press::HookOn, &phone([]));
        assert_eq!(keys.wish(Press::HookOff, &phone([])), None, "given up");
        let sent = keys.wish(Press::Key('7'), &phone([at(Stage::Talking)]));
        let seven = crate::pure::keys::Keys::parse("7").expect("a key");
        assert_eq!(
            sent,
            Some(Wish::Call(CallId::new("c1"), Command::Keys(seven)))
        );
        for _ in 0..100 {
            keys.wish(Press::Key('1'), &phone([]));
        }
        assert_eq!(
            keys.wish(Press::Hook, &phone([])),
            Some(Wish::Dial("1".repeat(MOST_TYPED)))
        );
    }

    #[test]
    fn the_lamps_tell_how_the_phone_stands() {
        let lit = |calls: Vec<CallView>| {
            let lamps = Lamps::of(&phone(calls));
            [lamps.off_hook, lamps.ring, lamps.mute, lamps.hold]
        };
        assert_eq!(lit(vec![]), [false; 4]);
        assert_eq!(lit(vec![at(Stage::Ringing)]), [false, true, false, false]);
        assert_eq!(lit(vec![at(Stage::Talking)]), [true, false, false, false]);
        let muted = CallView {
            muted: true,
            ..at(Stage::Talking)
        };
        assert_eq!(lit(vec![muted]), [true, false, true, false]);
        let held = CallView {
            held: true,
            ..at(Stage::Talking)
        };
        assert_eq!(lit(vec![held.clone()]), [true, false, false, true]);
        assert_eq!(
            lit(vec![held, at(Stage::Talking)]),
            [true, false, false, false]
        );
        let gone = CallView {
            place: Place::Nowhere,
            ..at(Stage::Ended)
        };
        assert_eq!(lit(vec![gone]), [false; 4]);
    }

    fn phone(calls: impl IntoIterator<Item = CallView>) -> Snapshot {
        Snapshot {
            calls: calls.into_iter().collect(),
            ..Snapshot::default()
        }
    }

    fn at(stage: Stage) -> CallView {
        CallView {
            id: CallId::new("c1"),
            leg: None,
            direction: Direction::Incoming,
            from: Party::parse("+15145550100"),
            to: Party::parse("+18199754345"),
            stage,
            place: Place::Desk,
            since: Time::START,
            muted: false,
            held: false,
            merged: false,
            recorded: false,
            recording_paused: false,
            consults: None,
            stream: None,
            end_reason: None,
        }
    }
}
