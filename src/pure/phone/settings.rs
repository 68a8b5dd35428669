//! How the phone is to behave: who rings, for how long, and what becomes of whom nobody answers.

use std::time::Duration;

use crate::pure::audio::tone::Country;
use crate::pure::ids::PhoneNumber;

/// Who rings when a call comes in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Ring {
    /// The desk alone.
    Desk,
    /// The browsers alone.
    Browser,
    /// The desk, and the browsers when it cannot or does not answer.
    #[default]
    DeskThenBrowser,
}

/// Whether the desk answers by itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AutoAnswer {
    /// A person answers.
    #[default]
    Off,
    /// After this long; zero: at once.
    After(Duration),
}

/// How long a number that is dialled rings. Twilio's own default of 30 s gives up before many voicemails begin.
pub const NUMBER_RINGS_FOR: Duration = Duration::from_secs(60);

/// Where callers are forwarded to whom nobody answers here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forwarding {
    /// Whither everybody is sent at once, without any bell.
    pub always: Option<PhoneNumber>,
    /// Whither those are sent who find the desk taken, once no browser answers.
    pub busy: Option<PhoneNumber>,
    /// Whither those are sent whom neither desk nor browsers answer.
    pub no_answer: Option<PhoneNumber>,
    /// How long that number rings.
    pub ring_for: Duration,
}

/// Who may leave a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MessagesFrom {
    /// Nobody.
    Nobody,
    /// Whom nobody answered, or whom a quiet time kept away.
    #[default]
    Unanswered,
    /// These, and whoever finds nothing that could ring.
    Everybody,
}

/// How messages are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Voicemail {
    /// From whom.
    pub from: MessagesFrom,
    /// How long a message may be.
    pub longest: Duration,
    /// Whether the desk hears a message while it is spoken, unless it has another call.
    pub screening: bool,
}

/// How far ends learn that they are recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RecordNotice {
    /// Nobody tells them.
    #[default]
    Off,
    /// A short tone when it begins, and every 15 s.
    Tone,
    /// A sentence, once it has begun.
    Spoken,
}

/// How the phone is to behave.
#[derive(Clone, Debug)]
pub struct PhoneSettings {
    /// Who rings.
    pub ring: Ring,
    /// How long the desk rings.
    pub ring_for: Duration,
    /// How long the browsers ring.
    pub browsers_ring_for: Duration,
    /// Where callers are forwarded to.
    pub forwarding: Forwarding,
    /// How messages are taken.
    pub voicemail: Voicemail,
    /// Whether the desk answers by itself.
    pub auto_answer: AutoAnswer,
    /// The line's own number: caller id of what browsers dial.
    pub own_number: Option<PhoneNumber>,
    /// Whose tones are used.
    pub country: Country,
    /// Whether the desk rings for a further caller while it talks.
    pub call_waiting: bool,
    /// How long a call at the desk may last.
    pub longest_call: Duration,
    /// How far ends learn that they are recorded.
    pub record_notice: RecordNotice,
}

impl Default for Forwarding {
    fn default() -> Forwarding {
        Forwarding {
            always: None,
            busy: None,
            no_answer: None,
            ring_for: Duration::from_secs(20),
        }
    }
}

impl Default for Voicemail {
    fn default() -> Voicemail {
        Voicemail {
            from: MessagesFrom::default(),
            longest: Duration::from_secs(180),
            screening: true,
        }
    }
}
