//! What the phone is asked and told, and what it asks for and tells.

use std::time::Duration;

use crate::pure::audio::Route;
use crate::pure::audio::tone::{Country, Progress};
use crate::pure::ids::{CallId, Identity, LegId, Party, PhoneNumber, StreamId, StreamToken};
use crate::pure::time::Time;

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
}

/// Ids and secrets for what may be made while one question of the carrier is answered; drawn by the shell.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// For a call that is not known yet.
    pub call: CallId,
    /// For a stream that may be offered.
    pub token: StreamToken,
}

/// What the carrier wants a document for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// Somebody rings our number (`/handle_calls`).
    Incoming {
        /// Who rings.
        from: Party,
        /// Whom they dialled.
        to: Party,
    },
    /// A browser, or our own number, wants to dial (`/twiml/outgoing`).
    Outgoing {
        /// Who dials.
        from: Party,
        /// What was dialled, as it came.
        to: String,
    },
    /// The stream of a call is over, or the call was redirected to here (`/twilio/after-stream`).
    AfterStream {
        /// What the carrier says of the leg.
        leg_status: LegStatus,
    },
    /// Everybody who was dialled is through with it (`/twilio/after-dial`).
    AfterDial {
        /// What became of it.
        outcome: DialOutcome,
    },
}

/// What became of a `<Dial>`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DialOutcome {
    /// Somebody answered and it is over.
    Completed,
    /// Busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// It could not be put through.
    Failed,
    /// The caller gave up.
    Canceled,
}

/// Where the carrier says that a leg stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LegStatus {
    /// On its way.
    Queued,
    /// It rings.
    Ringing,
    /// Answered, by our document or by a person.
    InProgress,
    /// Over, after it was answered.
    Completed,
    /// Over: busy.
    Busy,
    /// Over: nobody answered.
    NoAnswer,
    /// Over: it could not be put through.
    Failed,
    /// Over: the caller gave up.
    Canceled,
}

/// A sentence that the caller hears instead of a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phrase {
    /// Nobody can answer now.
    NobodyCanAnswer,
    /// This destination is not allowed.
    DestinationNotAllowed,
    /// This is no number.
    NotANumber,
    /// Emergency numbers are not dialled: use another telephone.
    EmergencyRefused,
    /// Whoever asks may not dial.
    NotAllowedToDial,
    /// Whoever was dialled is not there, is busy or did not answer.
    CouldNotBeReached,
}

/// What the carrier is told to do with a leg: the answer to an [`Ask`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Document {
    /// Connect it to a stream of ours.
    Stream {
        /// The call.
        call: CallId,
        /// What the stream must bring along.
        token: StreamToken,
    },
    /// Ring the browsers, at most 10, freshest first.
    RingBrowsers {
        /// The call.
        call: CallId,
        /// Whom.
        identities: Vec<Identity>,
    },
    /// Dial a number.
    DialNumber {
        /// The call.
        call: CallId,
        /// Whom.
        to: PhoneNumber,
        /// The caller id shown.
        caller_id: PhoneNumber,
    },
    /// Say a sentence and hang up.
    SayAndHangUp(Phrase),
    /// Hang up.
    HangUp,
}

/// What a person wants of one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// Pick up at the desk.
    Answer,
    /// End it, whatever its state.
    HangUp,
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// There is no such call.
    #[error("there is no such call")]
    NoSuchCall,
    /// The call is not in a state for it.
    #[error("the call is not in a state for that")]
    WrongState,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamEnd {
    /// The carrier said `stop`.
    Stopped,
    /// The socket was closed, reset or lost without `stop`.
    Lost,
    /// The carrier broke the protocol or fell silent, and we closed.
    Faulted,
    /// We closed it as the phone had asked.
    ClosedByUs,
}

/// What is asked of the carrier, over REST.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CarrierRequest {
    /// End the leg.
    End(LegId),
    /// Stop what the leg is doing and ask us anew, at `/twilio/after-stream`.
    Redirect(LegId),
}

/// Why a call is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndReason {
    /// The near end hung up.
    HungUpHere,
    /// The far end hung up.
    HungUpThere,
    /// Nobody answered.
    NotAnswered,
    /// It was refused: a destination or a caller that is not allowed.
    Refused,
    /// The carrier could not put it through.
    Failed,
    /// The stream broke.
    StreamLost,
}

/// Where a call stands, as the person sees it. The JSON words are the names in lower case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// We dial.
    Dialing,
    /// It rings here.
    Ringing,
    /// It was offered a stream that is not up yet, or is being moved.
    Connecting,
    /// Sound flows both ways.
    Talking,
    /// Over.
    Ended,
}

/// Who began a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// They did.
    Incoming,
    /// We did.
    Outgoing,
}

/// Where a call is held, or rings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Nowhere yet, or no more.
    Nowhere,
    /// At the desk.
    Desk,
    /// In a browser, or in several that ring.
    Browser,
}

/// One call, as the person may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallView {
    /// Our name for it.
    pub id: CallId,
    /// The carrier's name for it.
    pub leg: LegId,
    /// Who began.
    pub direction: Direction,
    /// Who called.
    pub from: Party,
    /// Who was called.
    pub to: Party,
    /// Where it stands.
    pub stage: Stage,
    /// Where it is.
    pub place: Place,
    /// Since when it stands there.
    pub since: Time,
    /// The stream, while it has one.
    pub stream: Option<StreamId>,
    /// Why it is over, once it is.
    pub end_reason: Option<EndReason>,
}

/// All that may be known of the phone at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// The calls, oldest first; those that ended stay for a minute.
    pub calls: Vec<CallView>,
    /// The number of the newest event that this snapshot holds.
    pub seq: u64,
}

/// What happened to a call, for the log of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Happening {
    /// A call came in, or began.
    Began,
    /// It rings at the desk.
    Rings,
    /// It rings in the browsers.
    RingsBrowsers,
    /// Sound flows.
    Answered,
    /// The far end pressed a key: `0`-`9`, `*`, `#`, `A`-`D`.
    Key(char),
    /// It is over.
    Ended(EndReason),
}

/// Why a stream was turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamRefusal {
    /// No such token was given out for this leg, or it is spent or too old.
    #[error("the token is unknown, spent, too old or another call's")]
    BadToken,
    /// The call has a stream already.
    #[error("another stream of this call is open")]
    SecondStream,
    /// The desk is taken by another call.
    #[error("the desk is taken by another call")]
    DeskTaken,
    /// The telephone is being switched off.
    #[error("the telephone is being switched off")]
    Stopping,
}

/// What the phone takes.
#[derive(Clone, Debug)]
pub enum Input {
    /// The carrier wants a document. Answered by exactly one [`Effect::Answer`].
    CarrierAsks {
        /// For which leg.
        leg: LegId,
        /// Why.
        ask: Ask,
        /// What may be made.
        fresh: Fresh,
    },
    /// The carrier says where a leg stands; may come late, twice, out of order.
    LegIs {
        /// Which.
        leg: LegId,
        /// Where.
        status: LegStatus,
    },
    /// The carrier says where a leg stands that it dialled for a leg of ours.
    ChildIs {
        /// The leg of ours.
        parent: LegId,
        /// The other.
        child: LegId,
        /// Where the other stands.
        status: LegStatus,
    },
    /// A stream wants in. Answered by exactly one [`Effect::Admit`] or [`Effect::Refuse`].
    StreamUp {
        /// Which.
        stream: StreamId,
        /// For which leg, as its `start` said.
        leg: LegId,
        /// What it brought along.
        token: StreamToken,
    },
    /// A stream is gone.
    StreamDown {
        /// Which.
        stream: StreamId,
        /// How.
        end: StreamEnd,
    },
    /// The far end pressed a key.
    Key {
        /// On which stream.
        stream: StreamId,
        /// Which key.
        digit: char,
    },
    /// A person wants something. Answered by exactly one [`Effect::Reply`].
    Command {
        /// Of which call.
        call: CallId,
        /// What.
        command: Command,
    },
    /// What was asked of the carrier was done, or failed.
    CarrierDid {
        /// What was asked.
        request: CarrierRequest,
        /// Whether it was done.
        done: bool,
    },
    /// The desk's devices came or went.
    DeskUsable(bool),
    /// A browser is reachable until then.
    Registered {
        /// Who.
        identity: Identity,
        /// Until when.
        until: Time,
    },
    /// The telephone is being switched off: every call is hung up, and none comes any more.
    Stop,
    /// The moment of [`super::Phone::poll_timeout`] has come.
    Timeout,
}

/// What the phone asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Give the carrier this document.
    Answer(Document),
    /// Let the stream in, and hand its port to the engine with this route.
    Admit(StreamId, CallId, Route),
    /// Turn the stream away (close 1008).
    Refuse(StreamId, StreamRefusal),
    /// Change what an admitted stream hears.
    Route(StreamId, Route),
    /// Take the stream's port from the engine.
    Detach(StreamId),
    /// Close the socket with 1000; its `action` decides what follows.
    CloseStream(StreamId),
    /// Ask the carrier over REST; answered later by [`Input::CarrierDid`].
    Carrier(CarrierRequest),
    /// Ring the bell, or stop it.
    Bell(Option<Country>),
    /// Warn the near end with one beep.
    Beep,
    /// Tell the near end with a tone that the far end has gone.
    CallEnded(Progress),
    /// The call was answered at the desk: file devices begin.
    DeskAnswered,
    /// Tell the person how a command went.
    Reply(Result<CallView, CommandError>),
    /// Something happened, to be logged with the next sequence number.
    Event(CallId, Happening),
}

impl StreamRefusal {
    /// Every one of them.
    pub const ALL: [StreamRefusal; 4] = [
        StreamRefusal::BadToken,
        StreamRefusal::SecondStream,
        StreamRefusal::DeskTaken,
        StreamRefusal::Stopping,
    ];

    /// Returns the word under which it is counted.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            StreamRefusal::BadToken => "bad_token",
            StreamRefusal::SecondStream => "second_stream",
            StreamRefusal::DeskTaken => "desk_taken",
            StreamRefusal::Stopping => "stopping",
        }
    }
}

impl LegStatus {
    /// Says whether the leg is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            LegStatus::Queued | LegStatus::Ringing | LegStatus::InProgress => false,
            LegStatus::Completed
            | LegStatus::Busy
            | LegStatus::NoAnswer
            | LegStatus::Failed
            | LegStatus::Canceled => true,
        }
    }
}
