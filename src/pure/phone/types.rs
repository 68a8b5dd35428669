//! What the phone is asked and told, and what it asks for and tells.

use std::time::Duration;

use crate::pure::audio::Route;
use crate::pure::audio::tone::{Country, Progress};
use crate::pure::ids::{CallId, Identity, LegId, Party, PhoneNumber, StreamId, StreamToken};
use crate::pure::keys::{Keys, NoKeys};
use crate::pure::time::Time;

use super::happening::{Happening, Reason};
use super::settings::PhoneSettings;

/// Ids and secrets for what may be made while one question of the carrier is answered; drawn by the shell.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// For a call that is not known yet.
    pub call: CallId,
    /// For a stream that may be offered.
    pub token: StreamToken,
}

/// What is known of whoever rings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Caller {
    /// They are not let through.
    pub is_blocked: bool,
    /// The desk answers them by itself, at once.
    pub is_answered: bool,
    /// It is a quiet time, and they are no exception: the desk does not ring for them.
    pub is_quieted: bool,
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
        /// What is known of whoever rings.
        caller: Caller,
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
        /// How long it rings there.
        rings_for: Duration,
    },
    /// Do not answer at all.
    Reject,
    /// Say a sentence and hang up.
    SayAndHangUp(Phrase),
    /// Join a conference of the carrier's, named after a call.
    Conference {
        /// The call that it is named after.
        name: CallId,
    },
    /// Hang up.
    HangUp,
}

/// What a person wants of one call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Pick up at the desk.
    Answer,
    /// Do not pick up: whoever calls is sent on to a polite end.
    Reject,
    /// End it, whatever its state.
    HangUp,
    /// Let the far end wait.
    Hold,
    /// Talk again; whoever talks meanwhile waits.
    Resume,
    /// Keep the desk's sound from the far end, or let it through again.
    Mute(bool),
    /// Record it, or stop that; while it waits it is recorded too.
    Record(bool),
    /// Leave out of the recording what is said from now on, or go on with it.
    PauseRecording(bool),
    /// Send keys to the far end.
    Keys(Keys),
    /// Send the keys that were typed behind a stop.
    KeysGoOn,
    /// Take it elsewhere, or to the desk; if nobody answers there, it comes back.
    Move(Target),
    /// Meet it and another at the desk: all hear each other.
    Merge(CallId),
    /// Join it with the call that was dialled for it, and leave both.
    JoinConsulted,
}

/// Where somebody wants a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// At the desk.
    Desk,
    /// In the browsers: all that are reachable ring.
    Browsers,
    /// At a number.
    Number(PhoneNumber),
    /// Where messages are taken: it hears the greeting and may speak.
    Voicemail,
    /// In a conference with another call, named after one of them.
    Conference(CallId),
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// There is no such call.
    #[error("there is no such call")]
    NoSuchCall,
    /// The call is not in a state for it.
    #[error("the call is {}, and that cannot be done with it", .0.word())]
    WrongState(Stage),
    /// The same, where more can be said.
    #[error("{}", .0.sentence())]
    Standing(super::Standing),
    /// It was to meet itself.
    #[error("a call cannot meet itself; hint: name another")]
    SameCall,
    /// No keys wait behind a stop.
    #[error("no keys wait to be sent; hint: say which")]
    NoKeysLeft,
    /// Nobody who was dialled for the call has answered.
    #[error(
        "nobody has answered yet who was dialled for this call; hint: `transfer` with `attended` dials"
    )]
    NotConsulted,
    /// Nobody may leave a message, or every line is taken.
    #[error("no message can be taken now; hint: OFFHOOK_VOICEMAIL says from whom")]
    NoVoicemail,
    /// It is not being recorded.
    #[error("the call is not being recorded; hint: `record` begins")]
    NotRecorded,
    /// No browser is reachable.
    #[error("no browser is registered, so none can ring; hint: open the page in one")]
    NoBrowser,
    /// The desk cannot be used.
    #[error("the desk has no working microphone and speaker; hint: `offhook status` says why")]
    NoDesk,
    /// Where the call is wanted may not be dialled.
    #[error("{}", .0.sentence())]
    Destination(Phrase),
}

/// Why the desk did not dial.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DialError {
    /// Whom one may not dial.
    #[error("{}", .0.sentence())]
    Destination(Phrase),
    /// What stands behind the number are no keys.
    #[error("{0}")]
    Keys(NoKeys),
    /// There is no such call for which it was to be dialled.
    #[error("there is no such call")]
    NoSuchCall,
    /// The call for which it was to be dialled was not answered at the desk.
    #[error("the call is {}, and that cannot be done with it", .0.word())]
    WrongState(Stage),
    /// There is no number to dial from.
    #[error("there is no number to call from; hint: set TWILIO_PHONE_NUMBER")]
    NoOwnNumber,
    /// Every line is taken.
    #[error("every line is taken; hint: hang up a call first")]
    NoLine,
    /// The desk cannot be used.
    #[error("the desk has no working microphone and speaker; hint: `offhook status` says why")]
    NoDesk,
    /// The telephone is being switched off.
    #[error("the telephone is being switched off")]
    Stopping,
    /// The carrier refused, or cannot be reached.
    #[error("{}", .0.message)]
    Carrier(DialRefusal),
    /// It was hung up before the carrier had dialled.
    #[error("it was hung up before it was dialled")]
    HungUp,
}

impl CommandError {
    /// Returns the stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            CommandError::NoSuchCall => "no_such_call",
            CommandError::WrongState(_) | CommandError::Standing(_) => "wrong_state",
            CommandError::SameCall => "same_call",
            CommandError::NoKeysLeft => "no_keys_left",
            CommandError::NotConsulted => "not_consulted",
            CommandError::NoVoicemail => "no_voicemail",
            CommandError::NotRecorded => "not_recorded",
            CommandError::NoBrowser => "no_browser",
            CommandError::NoDesk => "no_desk",
            CommandError::Destination(phrase) => phrase.code(),
        }
    }
}

impl DialError {
    /// Returns the stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            DialError::Destination(phrase) => phrase.code(),
            DialError::Keys(_) => "invalid_digits",
            DialError::NoSuchCall => "no_such_call",
            DialError::WrongState(_) => "wrong_state",
            DialError::NoOwnNumber => "no_own_number",
            DialError::NoLine => "no_line",
            DialError::NoDesk => "no_desk",
            DialError::Stopping => "stopping",
            DialError::Carrier(refusal) => refusal.code,
            DialError::HungUp => "hung_up",
        }
    }
}

/// Why the carrier did not dial.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialRefusal {
    /// A stable word for programs, such as `geo_permission`.
    pub code: &'static str,
    /// What happened and what to do, for people; names no secret.
    pub message: String,
    /// The tone that tells it.
    pub tone: Progress,
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
    /// The near end declined it.
    Rejected,
    /// Whoever called is on the block list.
    Blocked,
    /// The far end was busy.
    Busy,
    /// It had lasted as long as it may.
    TooLong,
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
    /// They left a message.
    LeftMessage,
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
    /// It hears the greeting, or leaves a message.
    Voicemail,
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
    /// At a number that it was moved to.
    Number,
    /// In a conference of the carrier's.
    Conference,
}

/// One call, as the person may see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallView {
    /// Our name for it.
    pub id: CallId,
    /// The carrier's name for it; nothing until it has told it.
    pub leg: Option<LegId>,
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
    /// Whether the far end does not hear the desk.
    pub muted: bool,
    /// Whether the far end waits.
    pub held: bool,
    /// Whether it meets others at the desk.
    pub merged: bool,
    /// Whether it is being recorded.
    pub recorded: bool,
    /// Whether that pauses.
    pub recording_paused: bool,
    /// The call that this one was dialled for.
    pub consults: Option<CallId>,
    /// The stream, while it has one.
    pub stream: Option<StreamId>,
    /// Why it is over, once it is.
    pub end_reason: Option<EndReason>,
}

impl CallView {
    /// Returns the other side: who called, or who was called.
    #[must_use]
    pub fn far_end(&self) -> &Party {
        match self.direction {
            Direction::Incoming => &self.from,
            Direction::Outgoing => &self.to,
        }
    }
}

/// All that may be known of the phone at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// The calls, oldest first; those that ended stay for a minute.
    pub calls: Vec<CallView>,
    /// Whether the desk does not ring.
    pub do_not_disturb: bool,
    /// How many messages nobody has heard yet.
    pub voicemails_waiting: u64,
    /// The number of the newest event that this snapshot holds.
    pub seq: u64,
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

/// What is said to a far end instead of what the desk says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spoken {
    /// The greeting before a message, and the beep behind it.
    Greeting,
    /// The beep alone.
    Beep,
    /// That the call is recorded; the desk goes on beneath it, softly.
    Notice,
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
        /// Our name for the call, where the carrier was told it when it dialled.
        call: Option<CallId>,
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
    /// The recording of a stream goes no further, wanted or not.
    RecordingOver(StreamId),
    /// The last sample of what was said has left, or nothing can be said. Never after [`Effect::Hush`], nor for what was
    /// replaced by something else.
    SpeechOver(StreamId),
    /// A person wants the desk to dial. Answered by exactly one [`Effect::Dialled`], now or later, for `fresh.call`.
    Dial {
        /// Whom: a number as it came; behind it, from the first comma or semicolon on, keys to send once somebody answers.
        to: String,
        /// The call for which it is dialled, which is held meanwhile.
        consults: Option<CallId>,
        /// What may be made.
        fresh: Fresh,
    },
    /// The carrier dialled, or did not.
    CarrierDialled {
        /// For which call.
        call: CallId,
        /// The leg, or why there is none.
        outcome: Result<LegId, DialRefusal>,
    },
    /// The desk is not to ring, or may again.
    DoNotDisturb(bool),
    /// How the phone is to behave from now on; what was decided stays so.
    Settings(Box<PhoneSettings>),
    /// A person wants something of a call. Answered by exactly one [`Effect::Reply`].
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
    /// Have the carrier dial, and connect whoever answers to a stream; answered later by [`Input::CarrierDialled`].
    CarrierDials {
        /// For which call.
        call: CallId,
        /// Whom.
        to: PhoneNumber,
        /// The caller id shown.
        caller_id: PhoneNumber,
        /// What the stream must bring along.
        token: StreamToken,
    },
    /// Tell the person how dialling went, for the call of its [`Input::Dial`].
    Dialled(CallId, Result<CallView, DialError>),
    /// Ring the bell, or stop it.
    Bell(Option<Country>),
    /// Let the near end hear how a call goes on that is on its way, or that another one waits; or stop that.
    Progress(Option<Progress>),
    /// Send keys to the far end of a stream.
    Keys(StreamId, Keys),
    /// Record an admitted stream for a call, or stop that; what is stopped comes before its [`Effect::Detach`].
    Record(StreamId, CallId, bool),
    /// Leave out of the recording of a stream what sounds from now on, or go on with it.
    PauseRecording(StreamId, bool),
    /// Let the far end of a stream hear the tone of a call that is recorded, over all else, or no more.
    RecordingTone(StreamId, bool),
    /// Say something to the far end of an admitted stream; answered later by [`Input::SpeechOver`].
    Speak(StreamId, Spoken),
    /// Stop saying it; its end is told no more.
    Hush(StreamId),
    /// Warn the near end with one beep.
    Beep,
    /// Tell the near end with a tone that the far end has gone.
    CallEnded(Progress),
    /// The call was answered at the desk: file devices begin.
    DeskAnswered,
    /// Tell the person how a command went.
    Reply(Result<CallView, CommandError>),
    /// Something happened, to a call or to the whole desk, and why; to be logged with the next sequence number.
    Event(Option<CallId>, Happening, Reason),
}

impl DialRefusal {
    /// The carrier has not said in time whether it dials.
    #[must_use]
    pub fn silence() -> DialRefusal {
        DialRefusal {
            code: "carrier_silent",
            message: "Twilio did not say in time whether it dials; if it does after all, that is ended at once; hint: see https://status.twilio.com and the network of this machine".to_owned(),
            tone: Progress::Congestion,
        }
    }
}

impl Phrase {
    /// Returns the stable word under which a program knows why it may not be dialled.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Phrase::NobodyCanAnswer => "nobody_can_answer",
            Phrase::DestinationNotAllowed => "destination_not_allowed",
            Phrase::NotANumber => "not_a_number",
            Phrase::EmergencyRefused => "emergency_number",
            Phrase::NotAllowedToDial => "not_allowed_to_dial",
            Phrase::CouldNotBeReached => "could_not_be_reached",
        }
    }

    /// Returns the sentence for whoever typed what may not be dialled.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Phrase::NobodyCanAnswer => "nobody can answer",
            Phrase::DestinationNotAllowed => {
                "that kind of number costs more than a call, so it is not dialled; hint: premium, satellite and shared-cost numbers are refused"
            }
            Phrase::NotANumber => {
                "that is no telephone number; hint: a plus sign, the country code and the number, such as +15145550100"
            }
            Phrase::EmergencyRefused => {
                "this telephone does not call emergency services; use another telephone now"
            }
            Phrase::NotAllowedToDial => "nobody may dial from there",
            Phrase::CouldNotBeReached => "it could not be reached",
        }
    }
}

impl Stage {
    /// Returns the word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Stage::Dialing => "dialing",
            Stage::Ringing => "ringing",
            Stage::Connecting => "connecting",
            Stage::Talking => "talking",
            Stage::Voicemail => "voicemail",
            Stage::Ended => "ended",
        }
    }
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
