//! How the phone is to behave.

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
