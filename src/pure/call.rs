//! One call: where it stands, and what it becomes.

use super::audio::Route;
use super::ids::{CallId, Identity, LegId, Party, StreamId, StreamToken};
use super::keys::Keys;
use super::phone::{Ask, CallView, Direction, Document, EndReason, Place, Stage, Target};
use super::recording::name::Kind;
use super::time::Time;

/// Where a call stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CallState {
    /// The desk dialled; nobody has answered, or the stream is not up yet.
    Dialing {
        /// How far it has come.
        far: Dialed,
        /// What the stream must bring along that comes when somebody answers.
        token: StreamToken,
        /// Until when.
        until: Time,
    },
    /// The carrier was told to bring a stream; it has not come yet.
    Offered {
        /// What it must bring along.
        token: StreamToken,
        /// What becomes of the call when it is there.
        purpose: Purpose,
        /// Until when.
        until: Time,
    },
    /// A stream is up; the caller hears it ring, the desk rings.
    Ringing {
        /// The stream.
        stream: StreamId,
        /// Until when.
        until: Time,
        /// When the desk answers by itself.
        auto: Option<Time>,
    },
    /// Answered, and at the desk.
    Talking {
        /// The stream.
        stream: StreamId,
        /// Whether sound flows.
        part: Part,
        /// When it is hung up at the latest.
        until: Time,
    },
    /// Nobody answered, and the caller hears the greeting or leaves a message.
    Voicemail {
        /// The stream.
        stream: StreamId,
        /// How far that has come.
        part: Message,
        /// When it is over at the latest.
        until: Time,
    },
    /// The carrier was asked to take the call away from its stream, or to end it.
    Leaving {
        /// The stream, while it is up.
        stream: Option<StreamId>,
        /// What is to become of the call.
        then: Next,
        /// When we stop waiting.
        until: Time,
    },
    /// No stream, and the carrier's question is awaited.
    Deciding {
        /// What its answer will be.
        to: Onward,
        /// When we stop waiting.
        until: Time,
        /// Why it is over if nothing is asked.
        otherwise: EndReason,
    },
    /// Rings or is held in a browser, at a number or in a conference, or was dialled from a browser; its sound never
    /// passes us.
    Elsewhere {
        /// How far it has come there.
        far: Far,
        /// What becomes of it if nobody answers there.
        unanswered: Unanswered,
        /// When it is over at the latest.
        until: Time,
    },
    /// Elsewhere, and wanted away from there. There is no stream to close, so only the carrier can do it, and may fail to:
    /// then it is elsewhere as before.
    LeavingElsewhere {
        /// How far it has come there.
        far: Far,
        /// What becomes of it if nobody answers there.
        unanswered: Unanswered,
        /// When it is over at the latest, if the carrier fails.
        over_by: Time,
        /// What is to become of the call.
        then: Next,
        /// When we stop waiting for the carrier.
        until: Time,
    },
    /// Over, and it stays over: unless nobody had answered, and the carrier asks late what comes next.
    Ended {
        /// Why.
        reason: EndReason,
        /// When it is forgotten.
        until: Time,
    },
}

/// How far a call has come that the desk dialled. News of it comes in any order, so it only ever moves on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Dialed {
    /// The carrier was asked to dial, and has not answered.
    Asked,
    /// It dials.
    Placed,
    /// It rings at the far end.
    Rings,
    /// Somebody answered; the stream is to come.
    Answered,
}

/// What becomes of a call when the stream is up that it was offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// The desk rings; it must be free.
    Ring,
    /// It rings in the ear of whoever talks: the desk was taken when this was offered.
    Wait,
    /// The desk talks at once: somebody there asked for the call.
    Talk,
    /// A message is taken.
    Message,
}

/// How far the taking of a message has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Message {
    /// The caller hears the greeting.
    Greeting,
    /// The caller speaks, and is recorded, since then.
    Spoken(Time),
}

/// Where somebody is looked for who answers a caller, in this order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Station {
    /// At the desk.
    Desk,
    /// In the browsers.
    Browsers,
    /// At the number that calls are forwarded to.
    Forward,
    /// Nobody answers: a message is taken.
    Voicemail,
    /// Nowhere: the caller hears a sentence.
    Nobody,
}

/// What part an answered call has in what the desk says and hears. Either one talks, or two or more meet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Sound flows both ways.
    Talks,
    /// Sound flows between the desk, this call and the others that meet there.
    Meets,
    /// It waits.
    Held,
}

/// What becomes of a call that nobody answers where it was moved to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unanswered {
    /// Somebody is looked for at the next station.
    GoesOn,
    /// The desk rings again.
    ComesBack,
}

/// How far a call has come whose sound never passes us. News of it comes in any order, so it only ever moves on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Far {
    /// It rings.
    Rings,
    /// Somebody answered: on which leg of the carrier's, where that is known.
    Answered(Option<LegId>),
    /// Whoever answered has hung up, and only the carrier's question is to come.
    HungUp,
}

/// What is to become of a call that leaves where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// It goes on: the carrier will ask for a document.
    On(Onward),
    /// Its end, and why.
    End(EndReason),
}

/// Where a call goes on to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Onward {
    /// To the next station.
    Stage,
    /// To a polite end: it was declined.
    Declined,
    /// To the desk, which rings: whoever it was to meet elsewhere has gone.
    Back,
    /// To where somebody wants it.
    Target(Target),
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Our name for it.
    pub id: CallId,
    /// The carrier's name for the leg of the far end; nothing until the carrier has told it.
    pub leg: Option<LegId>,
    /// Who began.
    pub direction: Direction,
    /// Who called.
    pub from: Party,
    /// Who was called.
    pub to: Party,
    /// What the carrier asked when it began; nothing where the desk dialled.
    pub asked: Option<Ask>,
    /// Where it stands.
    pub state: CallState,
    /// Since when.
    pub since: Time,
    /// The last station at which it was tried.
    pub station: Station,
    /// Whether anybody was rung for it, or a quiet time forbade that.
    pub was_tried: bool,
    /// Whether the desk was taken when it came in.
    pub found_busy: bool,
    /// Whether it was ever answered at the desk.
    pub answered: bool,
    /// Whether anybody ever answered it, wherever.
    pub was_answered: bool,
    /// Whether the far end does not hear the desk.
    pub muted: bool,
    /// Whether somebody wants it recorded, as often as its sound passes us.
    pub recorded: bool,
    /// The stream of it that is being recorded, and as what.
    pub records: Option<(StreamId, Kind)>,
    /// Whether somebody wants that to pause.
    pub recording_paused: bool,
    /// The stream whose recording was told to pause.
    pub paused: Option<StreamId>,
    /// The stream whose far end was told that it is recorded: it hears the tone, or has begun to hear the notice.
    pub noticed: Option<StreamId>,
    /// The stream whose far end hears the notice now.
    pub hears_notice: Option<StreamId>,
    /// Whether somebody wants it at the desk who has not got it yet.
    pub wanted: bool,
    /// Whether it was sent into a conference.
    pub in_conference: bool,
    /// Whether the desk's stream was offered a second time, since the first never came up.
    pub offered_again: bool,
    /// Legs that had their part in the call where it was before; late news of them is none of its own.
    pub former: Vec<LegId>,
    /// Whether whoever dialled at the desk waits to hear how it went.
    pub dial_is_open: bool,
    /// The call that this one was dialled for, to be joined with it.
    pub consults: Option<CallId>,
    /// Keys that are sent once it is answered, or once somebody says so.
    pub keys: Option<Keys>,
    /// The stream whose sound the engine has, and what it was told to do with it.
    pub attached: Option<(StreamId, Route)>,
    /// What the carrier was told last: said again when it asks again.
    pub told: Document,
}

impl Call {
    /// Makes a call that begins now, with nothing attached to it.
    #[must_use]
    pub fn new(id: CallId, leg: Option<LegId>, began: Began, state: CallState, now: Time) -> Call {
        Call {
            id,
            leg,
            direction: began.direction,
            from: began.from,
            to: began.to,
            asked: began.asked,
            told: began.told,
            state,
            since: now,
            station: Station::Desk,
            was_tried: false,
            found_busy: false,
            answered: false,
            was_answered: false,
            muted: false,
            recorded: false,
            records: None,
            recording_paused: false,
            paused: None,
            noticed: None,
            hears_notice: None,
            wanted: false,
            in_conference: false,
            offered_again: false,
            former: Vec::new(),
            dial_is_open: false,
            consults: None,
            keys: None,
            attached: None,
        }
    }

    /// Returns the stream that is up.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self.state {
            CallState::Ringing { stream, .. }
            | CallState::Talking { stream, .. }
            | CallState::Voicemail { stream, .. } => Some(stream),
            CallState::Leaving { stream, .. } => stream,
            CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => None,
        }
    }

    /// Returns the stream that is to be recorded, and as what: a message, or once it talks, until its sound does not pass us
    /// any more.
    #[must_use]
    pub fn to_record(&self) -> Option<(StreamId, Kind)> {
        match self.state {
            CallState::Voicemail {
                stream,
                part: Message::Spoken(_),
                ..
            } => return Some((stream, Kind::Voicemail)),
            CallState::Talking { stream, .. } => Some((stream, Kind::Call)),
            CallState::Leaving {
                stream,
                then: Next::On(_),
                ..
            } => {
                let had = self.records;
                had.filter(|(had, kind)| stream == Some(*had) && *kind == Kind::Call)
            }
            CallState::Voicemail {
                part: Message::Greeting,
                ..
            }
            | CallState::Leaving {
                then: Next::End(_), ..
            }
            | CallState::Dialing { .. }
            | CallState::Offered { .. }
            | CallState::Ringing { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::LeavingElsewhere { .. }
            | CallState::Ended { .. } => None,
        }
        .filter(|_| self.recorded)
    }

    /// Says whether the desk rings, or talks, or dials, with this call, or holds it.
    #[must_use]
    pub fn is_at_desk(&self) -> bool {
        matches!(
            self.state,
            CallState::Dialing { .. } | CallState::Ringing { .. } | CallState::Talking { .. }
        )
    }

    /// Says whether sound flows between the desk and the far end.
    #[must_use]
    pub fn talks(&self) -> bool {
        matches!(
            self.state,
            CallState::Talking {
                part: Part::Talks | Part::Meets,
                ..
            }
        )
    }

    /// Says whether it meets others at the desk.
    #[must_use]
    pub fn meets(&self) -> bool {
        matches!(
            self.state,
            CallState::Talking {
                part: Part::Meets,
                ..
            }
        )
    }

    /// Says whether the desk rings for it.
    #[must_use]
    pub fn rings(&self) -> bool {
        matches!(self.state, CallState::Ringing { .. })
    }

    /// Says whether a browser, or our own number, dialled it.
    #[must_use]
    pub fn was_dialled_in_a_browser(&self) -> bool {
        self.direction == Direction::Outgoing && self.asked.is_some()
    }

    /// Says whether it hears the greeting, or leaves a message.
    #[must_use]
    pub fn is_at_voicemail(&self) -> bool {
        matches!(self.state, CallState::Voicemail { .. })
    }

    /// Says whether it takes a line: it has a stream, or will have one.
    #[must_use]
    pub fn takes_a_line(&self) -> bool {
        self.is_at_desk()
            || self.is_at_voicemail()
            || matches!(
                self.state,
                CallState::Offered {
                    purpose: Purpose::Message,
                    ..
                }
            )
    }

    /// Says whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, CallState::Ended { .. })
    }

    /// Returns when the call must be looked at again.
    #[must_use]
    pub fn deadline(&self) -> Time {
        match self.state {
            CallState::Ringing { until, auto, .. } => auto.map_or(until, |auto| auto.min(until)),
            CallState::Dialing { until, .. }
            | CallState::Offered { until, .. }
            | CallState::Talking { until, .. }
            | CallState::Voicemail { until, .. }
            | CallState::Leaving { until, .. }
            | CallState::Deciding { until, .. }
            | CallState::Elsewhere { until, .. }
            | CallState::LeavingElsewhere { until, .. }
            | CallState::Ended { until, .. } => until,
        }
    }

    /// Returns where a call is whose sound never passes us: where its document sent it.
    fn place_elsewhere(&self) -> Place {
        match (&self.told, self.direction, &self.asked) {
            (Document::Conference { .. }, _, _) => Place::Conference,
            (Document::DialNumber { .. }, Direction::Incoming, _)
            | (Document::DialNumber { .. }, Direction::Outgoing, None) => Place::Number,
            (
                Document::DialNumber { .. }
                | Document::Stream { .. }
                | Document::RingBrowsers { .. }
                | Document::Reject
                | Document::SayAndHangUp(_)
                | Document::HangUp,
                _,
                _,
            ) => Place::Browser,
        }
    }

    /// Returns what a person may see of it.
    #[must_use]
    pub fn view(&self) -> CallView {
        let (stage, place, end_reason) = match &self.state {
            CallState::Dialing {
                far: Dialed::Answered,
                ..
            } => (Stage::Connecting, Place::Desk, None),
            CallState::Dialing {
                far: Dialed::Asked | Dialed::Placed | Dialed::Rings,
                ..
            } => (Stage::Dialing, Place::Desk, None),
            CallState::Offered { .. }
            | CallState::Leaving {
                then: Next::On(_), ..
            }
            | CallState::Deciding { .. } => (Stage::Connecting, Place::Nowhere, None),
            CallState::Ringing { .. } => (Stage::Ringing, Place::Desk, None),
            CallState::Talking { .. } => (Stage::Talking, Place::Desk, None),
            CallState::Voicemail { .. } => (Stage::Voicemail, Place::Desk, None),
            // While the carrier is asked to end it, it goes on: whoever hung up must see it if that fails.
            CallState::Elsewhere { far, .. } | CallState::LeavingElsewhere { far, .. } => {
                let stage = match (far, self.direction) {
                    (Far::Answered(_) | Far::HungUp, _) => Stage::Talking,
                    (Far::Rings, Direction::Incoming) => Stage::Ringing,
                    (Far::Rings, Direction::Outgoing) => Stage::Dialing,
                };
                (stage, self.place_elsewhere(), None)
            }
            CallState::Leaving {
                then: Next::End(reason),
                ..
            }
            | CallState::Ended { reason, .. } => (Stage::Ended, Place::Nowhere, Some(*reason)),
        };
        CallView {
            id: self.id.clone(),
            leg: self.leg.clone(),
            direction: self.direction,
            from: self.from.clone(),
            to: self.to.clone(),
            stage,
            place,
            since: self.since,
            muted: self.muted,
            held: matches!(
                self.state,
                CallState::Talking {
                    part: Part::Held,
                    ..
                }
            ),
            merged: self.meets(),
            recorded: self.to_record().is_some(),
            recording_paused: self.recording_paused && self.to_record().is_some(),
            consults: self.consults.clone(),
            stream: self.stream(),
            end_reason,
        }
    }
}

/// How a call began.
#[derive(Clone, Debug)]
pub struct Began {
    /// Who began.
    pub direction: Direction,
    /// Who called.
    pub from: Party,
    /// Who was called.
    pub to: Party,
    /// What the carrier asked; nothing where the desk dialled.
    pub asked: Option<Ask>,
    /// What was told.
    pub told: Document,
}

/// A browser that can be rung.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registration {
    /// Who.
    pub identity: Identity,
    /// Until when.
    pub until: Time,
}
