//! What each key does: a key in, wishes out.

use super::model::{LONGEST_FIELD, Model, Purpose, is_at_desk, talks};
use crate::control::{CallReport, Request, Wish};
use crate::lang::Message;
use crate::lang::tui::{HelpKey, Tui};

/// How far down the help goes.
const LAST_HELP: u16 = HelpKey::ALL.len() as u16 - 1;

/// A key of the terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// A sign.
    Sign(char),
    /// Enter.
    Enter,
    /// Backspace.
    Backspace,
    /// Escape.
    Escape,
    /// Tab.
    Tab,
    /// The arrow up.
    Up,
    /// The arrow down.
    Down,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-L.
    Redraw,
    /// A text that was pasted.
    Paste(String),
}

/// What a key makes the program do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    /// Ask the daemon.
    Ask(Request),
    /// Draw the whole screen anew.
    Redraw,
    /// End; calls talk on.
    Quit,
}

impl Model {
    /// Takes a key, and returns what it makes the program do.
    pub(super) fn press(&mut self, key: Key) -> Option<Wanted> {
        self.told = None;
        match key {
            Key::Interrupt => return Some(Wanted::Quit),
            Key::Redraw => return Some(Wanted::Redraw),
            Key::Sign(_)
            | Key::Enter
            | Key::Backspace
            | Key::Escape
            | Key::Tab
            | Key::Up
            | Key::Down
            | Key::Paste(_) => {}
        }
        if let Some(from) = self.help {
            self.help = match key {
                Key::Up => Some(from.saturating_sub(1)),
                Key::Down => Some((from + 1).min(LAST_HELP)),
                Key::Sign(_)
                | Key::Enter
                | Key::Backspace
                | Key::Escape
                | Key::Tab
                | Key::Interrupt
                | Key::Redraw
                | Key::Paste(_) => None,
            };
            return None;
        }
        match self.purpose.clone() {
            Purpose::Dial => self.press_on_the_phone(key),
            Purpose::Further => self.press_in_the_field(key, None),
            Purpose::Transfer { call } => self.press_in_the_field(key, Some(call)),
        }
    }

    /// A key while no question is open: the keys of a telephone.
    fn press_on_the_phone(&mut self, key: Key) -> Option<Wanted> {
        match key {
            Key::Sign(sign) => return self.press_sign(sign),
            Key::Enter => return self.enter(),
            Key::Backspace if self.field.is_empty() => return self.hang_up(),
            Key::Backspace => {
                self.field.pop();
            }
            Key::Escape => {
                self.field.clear();
                self.chosen = None;
            }
            Key::Up => self.choose(-1),
            Key::Down => self.choose(1),
            Key::Paste(text) => self.paste(&text, is_dialled),
            Key::Tab | Key::Interrupt | Key::Redraw => {}
        }
        None
    }

    fn press_sign(&mut self, sign: char) -> Option<Wanted> {
        match sign {
            'q' => return Some(Wanted::Quit),
            '?' => self.help = Some(0),
            'x' => return self.hang_up(),
            'h' => {
                let call = self.one()?;
                let wish = if call.held { Wish::Resume } else { Wish::Hold };
                return wished(&call, wish);
            }
            's' => return self.swap(),
            'm' => {
                let call = self.spoken_with()?;
                let on = !call.muted;
                return wished(&call, Wish::Mute { on });
            }
            'r' => {
                let call = self.spoken_with()?;
                let on = !call.recording;
                return wished(&call, Wish::Record { on });
            }
            'g' => return self.merge(),
            't' => return self.transfer(),
            'v' => {
                let call = self.one()?;
                let to = if is_at_desk(&call) { "browser" } else { "desk" };
                let to = to.to_owned();
                return wished(&call, Wish::Move { to });
            }
            'd' => {
                let on = !self.status.as_ref()?.do_not_disturb;
                return Some(Wanted::Ask(Request::DoNotDisturb { on }));
            }
            'n' => {
                self.purpose = Purpose::Further;
                self.field.clear();
            }
            '0'..='9' | '*' | '#' if self.talking().is_some() => return self.send(sign),
            sign if is_dialled(sign) => self.write(sign),
            _ => {}
        }
        None
    }

    /// A key while a number or a name is asked for; a transfer of that call, where there is one.
    fn press_in_the_field(&mut self, key: Key, transfers: Option<String>) -> Option<Wanted> {
        match key {
            Key::Sign(sign) => self.write(sign),
            Key::Backspace => {
                self.field.pop();
            }
            Key::Paste(text) => self.paste(&text, |sign| !sign.is_control()),
            Key::Escape => self.close_field(),
            Key::Enter => {
                let to = self.field.trim().to_owned();
                self.close_field();
                let call = transfers;
                return match (to.is_empty(), call) {
                    (true, None) => None,
                    (false, None) => Some(Wanted::Ask(Request::Dial { to, key: None })),
                    (true, call @ Some(_)) => Some(Wanted::Ask(Request::Do {
                        call,
                        wish: Wish::Join,
                    })),
                    (false, call @ Some(_)) => Some(Wanted::Ask(Request::Do {
                        call,
                        wish: Wish::Move { to },
                    })),
                };
            }
            Key::Tab => {
                let call = transfers?;
                let to = self.field.trim().to_owned();
                if to.is_empty() {
                    return None;
                }
                self.close_field();
                let call = Some(call);
                return Some(Wanted::Ask(Request::Consult { call, to }));
            }
            Key::Up | Key::Down | Key::Interrupt | Key::Redraw => {}
        }
        None
    }

    /// Dials what is typed, answers what rings, talks again with who waits, or brings the last number back.
    fn enter(&mut self) -> Option<Wanted> {
        if !self.field.is_empty() {
            let to = std::mem::take(&mut self.field);
            return Some(Wanted::Ask(Request::Dial { to, key: None }));
        }
        if let Some(call) = self.ringing().or_else(|| self.at_voicemail()) {
            let call = Some(call.id.clone());
            return Some(Wanted::Ask(Request::Answer { call }));
        }
        if self.talking().is_none()
            && let Some(call) = self.meant().filter(|call| call.held).cloned()
        {
            return wished(&call, Wish::Resume);
        }
        match self.last_dialled().map(str::to_owned) {
            Some(number) if self.live().next().is_none() => self.field = number,
            Some(_) | None => self.told = Some(Tui::NothingToDial.text(self.lang)),
        }
        None
    }

    fn hang_up(&mut self) -> Option<Wanted> {
        let call = self.one()?;
        if call.state == "ringing" && call.direction == "incoming" {
            return wished(&call, Wish::Reject);
        }
        let call = Some(call.id);
        Some(Wanted::Ask(Request::Hangup { call }))
    }

    /// Talks with the one that waits: the chosen one, else the one that came to it last.
    fn swap(&mut self) -> Option<Wanted> {
        let chosen = self.meant().filter(|call| call.held).cloned();
        let waits = chosen.or_else(|| self.live().rfind(|call| call.held).cloned());
        match waits {
            Some(call) => wished(&call, Wish::Resume),
            None => self.none_for_that(),
        }
    }

    /// Lets the chosen call, or one that waits, meet the one that talks.
    fn merge(&mut self) -> Option<Wanted> {
        let Some(talks) = self.talking().cloned() else {
            return self.none_for_that();
        };
        let is_other = |call: &&CallReport| call.id != talks.id && is_at_desk(call);
        let chosen = self.meant().filter(is_other);
        let waits = self.live().rfind(|call| is_other(call) && call.held);
        let Some(other) = chosen.or(waits) else {
            self.told = Some(Tui::NoSecondCall.text(self.lang));
            return None;
        };
        let with = other.id.clone();
        wished(&talks, Wish::Merge { with })
    }

    /// Connects a call with the one that was dialled for it, or asks where it is to go.
    fn transfer(&mut self) -> Option<Wanted> {
        if let Some((waits, _)) = &self.consults {
            return Some(Wanted::Ask(Request::Do {
                call: Some(waits.clone()),
                wish: Wish::Join,
            }));
        }
        let call = self.one()?.id;
        self.purpose = Purpose::Transfer { call };
        self.field.clear();
        None
    }

    fn send(&mut self, sign: char) -> Option<Wanted> {
        let chosen = self.meant().filter(|call| talks(call));
        let call = chosen.or_else(|| self.talking())?.clone();
        let digits = sign.to_string();
        self.note_sent(&call.id, &digits);
        wished(&call, Wish::Dtmf { digits })
    }

    /// Returns the call that is meant, or says that there is none.
    fn one(&mut self) -> Option<CallReport> {
        let call = self.meant().cloned();
        if call.is_none() {
            self.none_for_that();
        }
        call
    }

    /// Returns the call that is meant where it is at the desk and does not ring, else the one that talks.
    fn spoken_with(&mut self) -> Option<CallReport> {
        let is_spoken_with = |call: &&CallReport| is_at_desk(call) && call.state != "ringing";
        let chosen = self.meant().filter(is_spoken_with);
        let call = chosen.or_else(|| self.talking()).cloned();
        if call.is_none() {
            self.none_for_that();
        }
        call
    }

    fn none_for_that(&mut self) -> Option<Wanted> {
        self.told = Some(Message::NoCallForThat.text(self.lang));
        None
    }

    fn close_field(&mut self) {
        self.purpose = Purpose::Dial;
        self.field.clear();
    }

    fn write(&mut self, sign: char) {
        if self.field.chars().count() < LONGEST_FIELD {
            self.field.push(sign);
        }
    }

    fn paste(&mut self, text: &str, takes: impl Fn(char) -> bool) {
        let text = text.trim();
        let text = text.strip_prefix("tel:").unwrap_or(text);
        for sign in text.chars().filter(|sign| takes(*sign)) {
            self.write(sign);
        }
    }

    /// Chooses the call that stands so many lines below the one that is meant.
    fn choose(&mut self, step: isize) {
        let ids: Vec<String> = self.live().map(|call| call.id.clone()).collect();
        let meant = self.meant().map(|call| call.id.clone());
        let Some(at) = ids.iter().position(|id| Some(id) == meant.as_ref()) else {
            return;
        };
        let to = at.saturating_add_signed(step).min(ids.len() - 1);
        self.chosen = ids.into_iter().nth(to);
    }
}

/// Says whether a sign may stand in a number that is dialled.
fn is_dialled(sign: char) -> bool {
    matches!(sign, '0'..='9' | '*' | '#' | '+' | ',' | ';')
}

fn wished(call: &CallReport, wish: Wish) -> Option<Wanted> {
    let call = Some(call.id.clone());
    Some(Wanted::Ask(Request::Do { call, wish }))
}
