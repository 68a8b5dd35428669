//! What a person may change while the telephone runs: the settings whose next use is the telephone's next decision.
//!
//! [`Tuned`] holds what the settings said at the start, what holds now, and which of it a person has changed since: that
//! stands above the settings until it is given up. How values are read and written is a matter of the settings.

use std::collections::BTreeSet;
use std::time::Duration;

use super::audio::comfort::Volume;
use super::ids::PhoneNumber;
use super::phone::{AutoAnswer, Forwarding, MessagesFrom, PhoneSettings, Ring, Voicemail};

/// One thing that can be changed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Knob {
    /// Who rings.
    Ring,
    /// How long the desk rings.
    RingSeconds,
    /// Whether the desk answers by itself.
    AutoAnswer,
    /// Whether the desk rings for a further caller while it talks.
    CallWaiting,
    /// How long a call at the desk may last.
    LongestCall,
    /// Whither everybody is forwarded.
    ForwardAlways,
    /// Whither those are forwarded who find the desk taken.
    ForwardBusy,
    /// Whither those are forwarded whom nobody answers.
    ForwardNoAnswer,
    /// Who may leave a message.
    Voicemail,
    /// Whether the desk hears a message while it is spoken.
    Screening,
    /// How loud the far end is.
    Volume,
    /// How loud it rings.
    RingVolume,
    /// Whether the desk is kept from ringing.
    DoNotDisturb,
}

impl Knob {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Knob; 13] = [
        Knob::Ring,
        Knob::RingSeconds,
        Knob::AutoAnswer,
        Knob::CallWaiting,
        Knob::LongestCall,
        Knob::ForwardAlways,
        Knob::ForwardBusy,
        Knob::ForwardNoAnswer,
        Knob::Voicemail,
        Knob::Screening,
        Knob::Volume,
        Knob::RingVolume,
        Knob::DoNotDisturb,
    ];

    /// Returns its name: the setting's key in the TOML file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Knob::Ring => "ring",
            Knob::RingSeconds => "ring_seconds",
            Knob::AutoAnswer => "auto_answer",
            Knob::CallWaiting => "call_waiting",
            Knob::LongestCall => "longest_call",
            Knob::ForwardAlways => "forward_always",
            Knob::ForwardBusy => "forward_busy",
            Knob::ForwardNoAnswer => "forward_no_answer",
            Knob::Voicemail => "voicemail",
            Knob::Screening => "screening",
            Knob::Volume => "volume",
            Knob::RingVolume => "ring_volume",
            Knob::DoNotDisturb => "do_not_disturb",
        }
    }

    /// Finds one by its name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Knob> {
        Knob::ALL.into_iter().find(|knob| knob.name() == name)
    }
}

/// Where all of it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tuning {
    /// Who rings.
    pub ring: Ring,
    /// How long the desk rings, in whole seconds.
    pub ring_for: Duration,
    /// Whether the desk answers by itself, after whole seconds.
    pub auto_answer: AutoAnswer,
    /// Whether the desk rings for a further caller while it talks.
    pub call_waiting: bool,
    /// How long a call at the desk may last, in whole minutes.
    pub longest_call: Duration,
    /// Where callers are forwarded to.
    pub forwarding: Forwarding,
    /// How messages are taken.
    pub voicemail: Voicemail,
    /// How loud the far end is.
    pub volume: Volume,
    /// How loud it rings.
    pub ring_volume: Volume,
    /// Whether the desk is kept from ringing.
    pub do_not_disturb: bool,
}

impl Tuning {
    /// Takes what the phone is to behave like, at full volume and to be disturbed.
    #[must_use]
    pub fn of(settings: &PhoneSettings) -> Tuning {
        Tuning {
            ring: settings.ring,
            ring_for: settings.ring_for,
            auto_answer: settings.auto_answer,
            call_waiting: settings.call_waiting,
            longest_call: settings.longest_call,
            forwarding: settings.forwarding.clone(),
            voicemail: settings.voicemail,
            volume: Volume::default(),
            ring_volume: Volume::default(),
            do_not_disturb: false,
        }
    }

    /// Tells the phone how to behave.
    pub fn apply_to(&self, settings: &mut PhoneSettings) {
        settings.ring = self.ring;
        settings.ring_for = self.ring_for;
        settings.auto_answer = self.auto_answer;
        settings.call_waiting = self.call_waiting;
        settings.longest_call = self.longest_call;
        settings.forwarding.clone_from(&self.forwarding);
        settings.voicemail = self.voicemail;
    }

    /// Takes one thing over from another.
    fn take(&mut self, knob: Knob, from: &Tuning) {
        match knob {
            Knob::Ring => self.ring = from.ring,
            Knob::RingSeconds => self.ring_for = from.ring_for,
            Knob::AutoAnswer => self.auto_answer = from.auto_answer,
            Knob::CallWaiting => self.call_waiting = from.call_waiting,
            Knob::LongestCall => self.longest_call = from.longest_call,
            Knob::ForwardAlways => self.forwarding.always.clone_from(&from.forwarding.always),
            Knob::ForwardBusy => self.forwarding.busy.clone_from(&from.forwarding.busy),
            Knob::ForwardNoAnswer => {
                self.forwarding
                    .no_answer
                    .clone_from(&from.forwarding.no_answer);
            }
            Knob::Voicemail => self.voicemail.from = from.voicemail.from,
            Knob::Screening => self.voicemail.screening = from.voicemail.screening,
            Knob::Volume => self.volume = from.volume,
            Knob::RingVolume => self.ring_volume = from.ring_volume,
            Knob::DoNotDisturb => self.do_not_disturb = from.do_not_disturb,
        }
    }

    /// Writes one thing as it stands in the environment.
    #[must_use]
    pub fn text(&self, knob: Knob) -> String {
        let number = |to: &Option<PhoneNumber>| {
            let number = to.as_ref().map(PhoneNumber::as_str);
            number.unwrap_or("off").to_owned()
        };
        match knob {
            Knob::Ring => match self.ring {
                Ring::Desk => "desk".to_owned(),
                Ring::Browser => "browser".to_owned(),
                Ring::DeskThenBrowser => "desk-then-browser".to_owned(),
            },
            Knob::RingSeconds => self.ring_for.as_secs().to_string(),
            Knob::AutoAnswer => match self.auto_answer {
                AutoAnswer::Off => "false".to_owned(),
                AutoAnswer::After(Duration::ZERO) => "true".to_owned(),
                AutoAnswer::After(delay) => delay.as_secs().to_string(),
            },
            Knob::CallWaiting => self.call_waiting.to_string(),
            Knob::LongestCall => (self.longest_call.as_secs() / 60).to_string(),
            Knob::ForwardAlways => number(&self.forwarding.always),
            Knob::ForwardBusy => number(&self.forwarding.busy),
            Knob::ForwardNoAnswer => number(&self.forwarding.no_answer),
            Knob::Voicemail => match self.voicemail.from {
                MessagesFrom::Nobody => "off".to_owned(),
                MessagesFrom::Unanswered => "unanswered".to_owned(),
                MessagesFrom::Everybody => "always".to_owned(),
            },
            Knob::Screening => self.voicemail.screening.to_string(),
            Knob::Volume => self.volume.percent().to_string(),
            Knob::RingVolume => self.ring_volume.percent().to_string(),
            Knob::DoNotDisturb => self.do_not_disturb.to_string(),
        }
    }
}

/// What the settings said, and what a person has changed since.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tuned {
    base: Tuning,
    now: Tuning,
    changed: BTreeSet<Knob>,
}

impl Tuned {
    /// Takes what the settings say; nothing is changed yet.
    #[must_use]
    pub fn new(base: Tuning) -> Tuned {
        Tuned {
            now: base.clone(),
            base,
            changed: BTreeSet::new(),
        }
    }

    /// Returns what holds now.
    #[must_use]
    pub fn now(&self) -> &Tuning {
        &self.now
    }

    /// Says whether a person has changed something.
    #[must_use]
    pub fn is_changed(&self, knob: Knob) -> bool {
        self.changed.contains(&knob)
    }

    /// Returns all that a person has changed, as it stands in the environment.
    #[must_use]
    pub fn changes(&self) -> Vec<(Knob, String)> {
        let text = |knob: &Knob| (*knob, self.now.text(*knob));
        self.changed.iter().map(text).collect()
    }

    /// Takes one thing from `wanted`, which stands above the settings from now on.
    pub fn change(&mut self, knob: Knob, wanted: &Tuning) {
        self.now.take(knob, wanted);
        self.changed.insert(knob);
    }

    /// Gives up what a person has changed: what the settings say holds again.
    pub fn give_up(&mut self, knob: Knob) {
        self.now.take(knob, &self.base);
        self.changed.remove(&knob);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Tuning {
        Tuning {
            ring: Ring::Desk,
            ring_for: Duration::from_secs(20),
            auto_answer: AutoAnswer::Off,
            call_waiting: true,
            longest_call: Duration::from_secs(3_600),
            forwarding: Forwarding::default(),
            voicemail: Voicemail::default(),
            volume: Volume::default(),
            ring_volume: Volume::default(),
            do_not_disturb: false,
        }
    }

    #[test]
    fn what_is_changed_holds_until_it_is_given_up_and_touches_nothing_else() {
        let half = Volume::new(50).expect("a percentage");
        let wanted = Tuning {
            ring: Ring::Browser,
            ring_for: Duration::from_secs(7),
            auto_answer: AutoAnswer::After(Duration::from_secs(3)),
            call_waiting: false,
            longest_call: Duration::from_secs(60),
            forwarding: Forwarding {
                always: PhoneNumber::parse("+15145550101").ok(),
                busy: PhoneNumber::parse("+15145550102").ok(),
                no_answer: PhoneNumber::parse("+15145550103").ok(),
                ..Forwarding::default()
            },
            voicemail: Voicemail {
                from: MessagesFrom::Everybody,
                screening: false,
                ..Voicemail::default()
            },
            volume: half,
            ring_volume: half,
            do_not_disturb: true,
        };
        for knob in Knob::ALL {
            let mut tuned = Tuned::new(base());
            tuned.change(knob, &wanted);
            assert_eq!(tuned.changes(), [(knob, wanted.text(knob))]);
            for other in Knob::ALL {
                let expected = if other == knob { &wanted } else { &base() };
                assert_eq!(tuned.now().text(other), expected.text(other), "{other:?}");
            }
            tuned.give_up(knob);
            assert_eq!(tuned, Tuned::new(base()), "{knob:?}");
        }
    }

    #[test]
    fn every_name_is_its_own() {
        for knob in Knob::ALL {
            assert_eq!(Knob::by_name(knob.name()), Some(knob));
        }
        assert_eq!(Knob::by_name("port"), None);
    }

    #[test]
    fn the_desk_answers_at_once_later_or_not() {
        for (auto_answer, text) in [
            (AutoAnswer::Off, "false"),
            (AutoAnswer::After(Duration::ZERO), "true"),
            (AutoAnswer::After(Duration::from_secs(3)), "3"),
        ] {
            let tuning = Tuning {
                auto_answer,
                ..base()
            };
            assert_eq!(tuning.text(Knob::AutoAnswer), text);
        }
    }
}
