//! What becomes of a number that is dialled: rings for so long and answers, is busy, is never answered, cannot be reached;
//! and what Twilio does instead where it has its own troubles.

mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Misbehaviour;
use super::network::Network;
use super::script::Step;

/// Makes what the far end does once it has answered; anew for every call, since a script is used up.
type Script = Arc<dyn Fn() -> Vec<Step> + Send + Sync>;

/// What becomes of a number, or of `client:` and an identity, whenever it is dialled.
#[derive(Clone)]
pub struct FarEnd {
    pub(super) queued: Duration,
    pub(super) rings: Duration,
    pub(super) outcome: Outcome,
    pub(super) leaves_after: Option<Duration>,
    pub(super) network: Option<Network>,
    pub(super) misbehaviour: Option<Misbehaviour>,
    pub(super) trouble: Option<Trouble>,
}

/// What comes of the ringing.
#[derive(Clone)]
pub(super) enum Outcome {
    Answers(Script),
    Busy,
    NoAnswer,
    Failed,
}

impl fmt::Debug for FarEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match &self.outcome {
            Outcome::Answers(_) => "answers",
            Outcome::Busy => "busy",
            Outcome::NoAnswer => "no answer",
            Outcome::Failed => "failed",
        };
        f.debug_struct("FarEnd")
            .field("outcome", &outcome)
            .field("rings", &self.rings)
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

impl FarEnd {
    /// Answers after ringing for a second, does what the script says while it is connected, and hangs up at its end.
    pub fn answers(script: impl Fn() -> Vec<Step> + Send + Sync + 'static) -> FarEnd {
        FarEnd::with(Outcome::Answers(Arc::new(script)), Duration::from_secs(1))
    }

    /// Is busy at once.
    #[must_use]
    pub fn busy() -> FarEnd {
        FarEnd::with(Outcome::Busy, Duration::ZERO)
    }

    /// Rings until whoever dialled gives up.
    #[must_use]
    pub fn no_answer() -> FarEnd {
        FarEnd::with(Outcome::NoAnswer, Duration::ZERO)
    }

    /// Cannot be reached, and never rings.
    #[must_use]
    pub fn failed() -> FarEnd {
        FarEnd::with(Outcome::Failed, Duration::ZERO)
    }

    /// Makes what it does in one call; nothing where it never answers.
    pub(super) fn script(&self) -> Vec<Step> {
        match &self.outcome {
            Outcome::Answers(script) => script(),
            Outcome::Busy | Outcome::NoAnswer | Outcome::Failed => Vec::new(),
        }
    }

    /// Returns how long a call of it waits before anything happens.
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.queued
    }

    fn with(outcome: Outcome, rings: Duration) -> FarEnd {
        FarEnd {
            queued: Duration::ZERO,
            rings,
            outcome,
            leaves_after: None,
            network: None,
            misbehaviour: None,
            trouble: None,
        }
    }

    /// Rings for so long before it answers, or says that it is busy.
    #[must_use]
    pub fn after(mut self, rings: Duration) -> FarEnd {
        self.rings = rings;
        self
    }

    /// Keeps a call that was asked for over REST queued for so long before anything rings.
    #[must_use]
    pub fn queued_for(mut self, queued: Duration) -> FarEnd {
        self.queued = queued;
        self
    }

    /// Hangs up so long after it answered, whatever its script says.
    #[must_use]
    pub fn leaves_after(mut self, time: Duration) -> FarEnd {
        self.leaves_after = Some(time);
        self
    }

    /// Puts a network between the carrier and the server's streams of such calls.
    #[must_use]
    pub fn over(mut self, network: Network) -> FarEnd {
        self.network = Some(network);
        self
    }

    /// Has the carrier do something wrong on the first stream of every such call.
    #[must_use]
    pub fn with_fault(mut self, misbehaviour: Misbehaviour) -> FarEnd {
        self.misbehaviour = Some(misbehaviour);
        self
    }

    /// Has the carrier answer the request for such a call with trouble, as often as the trouble says; then it works.
    #[must_use]
    pub fn with_trouble(mut self, trouble: Trouble) -> FarEnd {
        self.trouble = Some(trouble);
        self
    }
}

/// What goes wrong with a request for a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TroubleKind {
    /// Twilio refuses with this code, such as 21215; no call is made.
    Refused(u32),
    /// 429 and code 20429; no call is made.
    TooManyRequests,
    /// 503; no call is made.
    Unavailable,
    /// 503, and yet the call is made.
    UnavailableAfterwards,
    /// No answer ever comes; no call is made.
    Silent,
    /// No answer ever comes, and yet the call is made.
    SilentAfterwards,
}

/// Trouble, and how many requests meet it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// What goes wrong.
    pub kind: TroubleKind,
    /// How often, before it works.
    pub times: u32,
}

impl Trouble {
    /// Refuses every time.
    #[must_use]
    pub fn refused(code: u32) -> Trouble {
        Trouble {
            kind: TroubleKind::Refused(code),
            times: u32::MAX,
        }
    }

    /// Goes wrong so often.
    #[must_use]
    pub fn times(kind: TroubleKind, times: u32) -> Trouble {
        Trouble { kind, times }
    }
}
