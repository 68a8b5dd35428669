//! What the telephone on the terminal knows and shows: the daemon's answers and a person's keys go in, wishes come out.
//!
//! It has no clock, no socket and no terminal: whoever owns it says what time it is. Read [`Model::learn`] and
//! [`Model::press`](super::keys) first.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::trend::Trend;
use crate::control::{CallReport, Recalled, Reply, Request, Status};
use crate::lang::tui::Tui;
use crate::lang::{Lang, Message};
use crate::pure::book::history::HistoryEntry;

/// After how long without an answer that is told.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most signs that are typed into a field.
pub(super) const LONGEST_FIELD: usize = 64;

/// The most keys sent that are shown.
const KEYS_SHOWN: usize = 24;

/// How the daemon is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Link {
    /// It was not asked yet.
    Looking,
    /// It answers.
    Up,
    /// It does not, and why.
    Away(String),
}

/// What is typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// A number to dial, among the keys of the telephone.
    Dial,
    /// A number or a name for a further call: every letter counts.
    Further,
    /// Where a call is to go: every letter counts.
    Transfer {
        /// Which call.
        call: String,
    },
}

/// All that is known and shown.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) lang: Lang,
    pub(super) now: SystemTime,
    pub(super) link: Link,
    /// When the daemon answered last.
    answered: Option<SystemTime>,
    pub(super) status: Option<Status>,
    pub(super) history: Vec<HistoryEntry>,
    pub(super) unseen: u64,
    trends: BTreeMap<String, Trend>,
    /// The call that a person chose; nothing: the one that is meant.
    pub(super) chosen: Option<String>,
    pub(super) purpose: Purpose,
    pub(super) field: String,
    /// The keys that were sent, by the call that they were sent to.
    sent: Option<(String, String)>,
    /// What stays until the next key.
    pub(super) told: Option<String>,
    /// How many requests are under way that may take long.
    pub(super) asked: usize,
    /// From which line on the help is shown, where it is.
    pub(super) help: Option<u16>,
    /// The call that was dialled to be joined, by the one that waits for it.
    pub(super) consults: Option<(String, String)>,
}

impl Model {
    /// Knows nothing yet.
    pub(super) fn new(lang: Lang, now: SystemTime) -> Model {
        Model {
            lang,
            now,
            link: Link::Looking,
            answered: None,
            status: None,
            history: Vec::new(),
            unseen: 0,
            trends: BTreeMap::new(),
            chosen: None,
            purpose: Purpose::Dial,
            field: String::new(),
            sent: None,
            told: None,
            asked: 0,
            help: None,
            consults: None,
        }
    }

    /// Takes the time.
    pub(super) fn tick(&mut self, now: SystemTime) {
        self.now = now;
    }

    /// Takes what the daemon answered to a request; says whether the last calls are worth another look.
    pub(super) fn learn(&mut self, request: &Request, reply: Reply) -> bool {
        self.link = Link::Up;
        self.answered = Some(self.now);
        match reply {
            Reply::Status(status) => self.see(*status),
            Reply::Call(call) => {
                if let Request::Consult {
                    call: Some(waits), ..
                } = request
                {
                    self.consults = Some((waits.clone(), call.id.clone()));
                }
                self.see_call(*call);
                true
            }
            Reply::Recalled(recalled) => {
                if let Recalled::History(page) = *recalled {
                    self.history = page.calls;
                    self.unseen = page.unseen;
                }
                false
            }
            Reply::Error { code, message } => {
                self.told = Some(match code.as_str() {
                    "no_such_call" => Message::NoCallForThat.text(self.lang),
                    "wrong_state" => Message::WrongState.text(self.lang),
                    _ => message,
                });
                false
            }
            Reply::Done => {
                if let (Request::DoNotDisturb { on }, Some(status)) = (request, &mut self.status) {
                    status.do_not_disturb = *on;
                }
                false
            }
            Reply::Calls(_) | Reply::Settings(_) => false,
        }
    }

    /// Takes that the daemon cannot be asked, and why. What it said before is true no longer.
    pub(super) fn lose(&mut self, why: String) {
        self.link = Link::Away(why);
        self.status = None;
        self.consults = None;
        self.trends.clear();
    }

    fn see(&mut self, status: Status) -> bool {
        let places = |status: &Status| -> Vec<(String, String)> {
            let place = |call: &CallReport| (call.id.clone(), call.state.clone());
            status.calls.iter().map(place).collect()
        };
        let is_new = self.status.as_ref().map(places) != Some(places(&status));
        for call in &status.calls {
            if let Some(quality) = &call.quality {
                let trend = self.trends.entry(call.id.clone()).or_default();
                trend.note(quality);
            }
        }
        let is_there = |id: &String| status.calls.iter().any(|call| call.id == *id);
        self.trends.retain(|id, _| is_there(id));
        let goes_on = |id: &String| {
            let mut calls = status.calls.iter();
            calls.any(|call| call.id == *id && goes_on(call))
        };
        self.chosen = self.chosen.take().filter(goes_on);
        self.consults = self
            .consults
            .take()
            .filter(|(waits, other)| goes_on(waits) && goes_on(other));
        self.sent = self.sent.take().filter(|(call, _)| goes_on(call));
        if let Purpose::Transfer { call } = &self.purpose
            && !goes_on(call)
        {
            self.purpose = Purpose::Dial;
            self.field.clear();
        }
        self.status = Some(status);
        is_new
    }

    fn see_call(&mut self, call: CallReport) {
        let Some(status) = &mut self.status else {
            return;
        };
        match status.calls.iter_mut().find(|known| known.id == call.id) {
            Some(known) => *known = call,
            None => status.calls.push(call),
        }
    }

    /// Takes note of keys that are sent to a call.
    pub(super) fn note_sent(&mut self, call: &str, keys: &str) {
        let mut all = match self.sent.take() {
            Some((known, keys)) if known == call => keys,
            Some(_) | None => String::new(),
        };
        all.push_str(keys);
        let surplus = all.chars().count().saturating_sub(KEYS_SHOWN);
        self.sent = Some((call.to_owned(), all.chars().skip(surplus).collect()));
    }

    /// Returns the keys that were sent to the call that talks.
    pub(super) fn keys_sent(&self) -> Option<&str> {
        self.sent.as_ref().map(|(_, keys)| keys.as_str())
    }

    /// Returns every call, the oldest first.
    pub(super) fn calls(&self) -> &[CallReport] {
        self.status
            .as_ref()
            .map_or(&[], |status| status.calls.as_slice())
    }

    /// Returns the calls that go on.
    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = &CallReport> {
        self.calls().iter().filter(|call| goes_on(call))
    }

    /// Returns the call that the keys are for: the one that a person chose, else the one that talks, rings, is dialled, waits
    /// or is elsewhere.
    pub(super) fn meant(&self) -> Option<&CallReport> {
        let chosen = |id: &String| self.live().find(|call| call.id == *id);
        self.chosen
            .as_ref()
            .and_then(chosen)
            .or_else(|| self.talking())
            .or_else(|| self.ringing())
            .or_else(|| self.live().rfind(|call| is_at_desk(call) && !call.held))
            .or_else(|| self.live().rfind(|call| is_at_desk(call)))
            .or_else(|| self.live().next_back())
    }

    /// Returns the call that talks at the desk.
    pub(super) fn talking(&self) -> Option<&CallReport> {
        self.live().rfind(|call| talks(call))
    }

    /// Returns the call that rings at the desk: the chosen one, where that rings.
    pub(super) fn ringing(&self) -> Option<&CallReport> {
        let rings = |call: &&CallReport| {
            call.state == "ringing" && call.direction == "incoming" && is_at_desk(call)
        };
        let chosen = self.chosen.as_ref();
        self.live()
            .filter(rings)
            .find(|call| Some(&call.id) == chosen)
            .or_else(|| self.live().rfind(rings))
    }

    /// Returns the call that leaves a message, which may be picked up while the desk does not talk.
    pub(super) fn at_voicemail(&self) -> Option<&CallReport> {
        let mut live = self.live();
        live.rfind(|call| call.state == "voicemail")
            .filter(|_| self.talking().is_none())
    }

    /// Returns how loud a call is now.
    pub(super) fn levels_of(&self, call: &str) -> (Option<f32>, Option<f32>) {
        let levels = self.status.as_ref().and_then(|status| {
            let mut levels = status.levels.iter();
            levels.find(|levels| levels.call == call)
        });
        levels.map_or((None, None), |levels| {
            (levels.microphone_dbfs, levels.far_end_dbfs)
        })
    }

    /// Returns what a call was like so far.
    pub(super) fn trend_of(&self, call: &str) -> Option<&Trend> {
        self.trends.get(call)
    }

    /// Returns what the other side of a call is called among the contacts.
    pub(super) fn name_of(&self, call: &str) -> Option<&str> {
        let mut entries = self.history.iter();
        entries.find(|entry| entry.id == call)?.name.as_deref()
    }

    /// Returns the last number that was dialled.
    pub(super) fn last_dialled(&self) -> Option<&str> {
        let mut entries = self.history.iter();
        let last = entries.find(|entry| entry.direction == "outgoing")?;
        Some(&last.to)
    }

    /// Returns the calls that are over, the newest first.
    pub(super) fn past(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.history
            .iter()
            .filter(|entry| !self.live().any(|call| call.id == entry.id))
    }

    /// Returns what is to be told in a line, and whether it is a trouble.
    pub(super) fn line(&self) -> Option<(String, bool)> {
        if let Some(told) = &self.told {
            return Some((told.clone(), true));
        }
        match &self.link {
            Link::Looking => Some((Tui::Looking.text(self.lang), false)),
            Link::Away(why) => Some((Tui::Away(why).text(self.lang), true)),
            Link::Up => {
                let silent = self
                    .answered
                    .and_then(|last| self.now.duration_since(last).ok())
                    .is_some_and(|since| since > PATIENCE);
                if silent {
                    return Some((Tui::Silent.text(self.lang), true));
                }
                if self.asked > 0 {
                    return Some((Tui::Asked.text(self.lang), false));
                }
                let sent = self.keys_sent()?;
                Some((Tui::KeysSent(sent).text(self.lang), false))
            }
        }
    }
}

/// Says whether a call is not over.
pub(super) fn goes_on(call: &CallReport) -> bool {
    call.state != "ended"
}

/// Says whether a call is at the desk.
pub(super) fn is_at_desk(call: &CallReport) -> bool {
    call.place.as_deref() == Some("desk")
}

/// Says whether a call talks at the desk.
pub(super) fn talks(call: &CallReport) -> bool {
    call.state == "talking" && is_at_desk(call) && !call.held
}
