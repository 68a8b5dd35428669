//! One call: where it stands, and what it becomes.

use super::ids::{CallId, Identity, LegId, Party, StreamId, StreamToken};
use super::phone::{Ask, CallView, Direction, Document, EndReason, Place, Stage};
use super::time::Time;

/// Where a call stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CallState {
    /// The carrier was told to bring a stream; it has not come yet.
    Offered {
        /// What it must bring along.
        token: StreamToken,
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
    /// Sound flows both ways at the desk.
    Talking {
        /// The stream.
        stream: StreamId,
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
    /// No stream, and the carrier's question is awaited: unanswered, so the next stage is its answer.
    Deciding {
        /// When we stop waiting.
        until: Time,
        /// Why it is over if nothing is asked.
        otherwise: EndReason,
    },
    /// Rings or is held in a browser, or was dialled from one; its sound never passes us.
    Elsewhere {
        /// How far it has come there.
        far: Far,
        /// When it is over at the latest.
        until: Time,
    },
    /// Elsewhere, and hung up here. There is no stream to close, so only the carrier can end it, and may fail to: then it
    /// is elsewhere as before.
    EndingElsewhere {
        /// How far it has come there.
        far: Far,
        /// When it is over at the latest, if the carrier fails.
        over_by: Time,
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

/// What is to become of a call that leaves its stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// The browsers, or the spoken end.
    Stage,
    /// Its end.
    End,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
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
    /// What the carrier asked when it began.
    pub asked: Ask,
    /// Where it stands.
    pub state: CallState,
    /// Since when.
    pub since: Time,
    /// Whether it was ever answered at the desk.
    pub answered: bool,
    /// What the carrier was told last: said again when it asks again.
    pub told: Document,
}

impl Call {
    /// Returns the stream that is up.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self.state {
            CallState::Ringing { stream, .. } | CallState::Talking { stream } => Some(stream),
            CallState::Leaving { stream, .. } => stream,
            CallState::Offered { .. }
            | CallState::Deciding { .. }
            | CallState::Elsewhere { .. }
            | CallState::EndingElsewhere { .. }
            | CallState::Ended { .. } => None,
        }
    }

    /// Says whether the desk rings or talks with this call.
    #[must_use]
    pub fn holds_desk(&self) -> bool {
        matches!(
            self.state,
            CallState::Ringing { .. } | CallState::Talking { .. }
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
            CallState::Offered { until, .. }
            | CallState::Leaving { until, .. }
            | CallState::Deciding { until, .. }
            | CallState::Elsewhere { until, .. }
            | CallState::EndingElsewhere { until, .. }
            | CallState::Ended { until, .. } => until,
            CallState::Talking { .. } => Time::from_micros(u64::MAX),
        }
    }

    /// Returns what a person may see of it.
    #[must_use]
    pub fn view(&self) -> CallView {
        let (stage, place, end_reason) = match &self.state {
            CallState::Offered { .. }
            | CallState::Leaving {
                then: Next::Stage, ..
            }
            | CallState::Deciding { .. } => (Stage::Connecting, Place::Nowhere, None),
            CallState::Ringing { .. } => (Stage::Ringing, Place::Desk, None),
            CallState::Talking { .. } => (Stage::Talking, Place::Desk, None),
            // While the carrier is asked to end it, it goes on: whoever hung up must see it if that fails.
            CallState::Elsewhere { far, .. } | CallState::EndingElsewhere { far, .. } => {
                let stage = match (far, self.direction) {
                    (Far::Answered(_) | Far::HungUp, _) => Stage::Talking,
                    (Far::Rings, Direction::Incoming) => Stage::Ringing,
                    (Far::Rings, Direction::Outgoing) => Stage::Dialing,
                };
                (stage, Place::Browser, None)
            }
            CallState::Leaving {
                then: Next::End, ..
            } => (Stage::Ended, Place::Nowhere, Some(EndReason::HungUpHere)),
            CallState::Ended { reason, .. } => (Stage::Ended, Place::Nowhere, Some(*reason)),
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
            stream: self.stream(),
            end_reason,
        }
    }
}

/// A browser that can be rung.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registration {
    /// Who.
    pub identity: Identity,
    /// Until when.
    pub until: Time,
}
