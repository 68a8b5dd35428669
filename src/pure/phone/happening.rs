//! What happens, and why: the entries of the log of events.

use std::time::SystemTime;

use super::{Direction, EndReason, Target};
use crate::pure::ids::{CallId, LegId, Party};

/// What happened to a call, or to the desk, for the log of events.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Happening {
    /// A call came in, or began.
    Began,
    /// It rings at the desk.
    Rings,
    /// It rings at the far end.
    FarEndRings,
    /// It rings in the browsers.
    RingsBrowsers,
    /// Sound flows.
    Answered,
    /// The far end waits.
    Held,
    /// It talks again.
    Resumed,
    /// It meets others at the desk.
    Merged,
    /// It meets them no more.
    Parted,
    /// The far end does not hear the desk any more.
    Muted,
    /// It does again.
    Unmuted,
    /// It is being recorded.
    RecordingBegan,
    /// It is recorded no longer: somebody stopped it, its sound does not pass us any more, or it could not be written.
    RecordingEnded,
    /// What is said now is left out of the recording.
    RecordingPaused,
    /// It is recorded again.
    RecordingResumed,
    /// Somebody wants it elsewhere, or at the desk.
    Moves(Target),
    /// The carrier was sent there with it; it rings there, or is in the conference.
    Moved(Target),
    /// It is at the desk again: somebody wanted it there, or nobody answered elsewhere.
    CameBack,
    /// It rings at the number that calls are forwarded to.
    Forwarded,
    /// It hears the greeting, and may leave a message.
    ReachedVoicemail,
    /// It leaves a message.
    LeavesMessage,
    /// The far end pressed a key: `0`-`9`, `*`, `#`, `A`-`D`.
    Key(char),
    /// It is over.
    Ended(EndReason),
    /// It is over, it came in, nobody answered it, and nobody here turned it away.
    Missed(EndReason),
    /// The desk is kept from ringing, or may ring again.
    DoNotDisturb(bool),
}

/// Why something happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// A person here wanted it.
    ByPerson,
    /// The far end did it.
    FarEnd,
    /// The desk does so by itself, as it was set.
    ByItself,
    /// It was answered in a browser, or where it was moved to.
    Elsewhere,
    /// The settings say so.
    Settings,
    /// The desk is not to be disturbed.
    DoNotDisturb,
    /// The desk has no working microphone and speaker.
    NoDesk,
    /// The desk is taken by another call.
    DeskTaken,
    /// Nobody answered where it rang before.
    StageUnanswered,
    /// Nobody answered where it was moved to.
    NotAnsweredElsewhere,
    /// Whomever it met, or was to meet, has gone.
    Alone,
    /// Another call is talked with.
    AnotherCall,
    /// Two calls changed places.
    Swap,
    /// It came back to the desk.
    CameBack,
    /// It left the desk.
    LeftDesk,
    /// It could not be done any longer.
    Failed,
    /// The call is over for this reason.
    End(EndReason),
}

impl Happening {
    /// Returns the reason for which it usually happens.
    #[must_use]
    pub fn usual_reason(&self) -> Reason {
        match self {
            Happening::Began
            | Happening::Rings
            | Happening::FarEndRings
            | Happening::LeavesMessage
            | Happening::Key(_) => Reason::FarEnd,
            Happening::RingsBrowsers | Happening::Forwarded | Happening::ReachedVoicemail => {
                Reason::StageUnanswered
            }
            Happening::CameBack => Reason::NotAnsweredElsewhere,
            Happening::Answered
            | Happening::Held
            | Happening::Resumed
            | Happening::Merged
            | Happening::Parted
            | Happening::Muted
            | Happening::Unmuted
            | Happening::RecordingBegan
            | Happening::RecordingEnded
            | Happening::RecordingPaused
            | Happening::RecordingResumed
            | Happening::Moves(_)
            | Happening::Moved(_)
            | Happening::DoNotDisturb(_) => Reason::ByPerson,
            Happening::Ended(reason) | Happening::Missed(reason) => Reason::End(*reason),
        }
    }
}

/// What is told of the call that something happened to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventCall {
    /// Our name for it.
    pub id: CallId,
    /// The carrier's name for it, where it is known.
    pub leg: Option<LegId>,
    /// Who began.
    pub direction: Direction,
    /// Who called.
    pub from: Party,
    /// Who was called.
    pub to: Party,
    /// What the far end is called among the contacts.
    pub name: Option<String>,
}

/// One entry of the log of events.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Its number: without gaps within a run, and beyond all of the runs before.
    pub seq: u64,
    /// Which call; nothing where it concerns the desk.
    pub call: Option<EventCall>,
    /// What.
    pub happening: Happening,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: SystemTime,
}
