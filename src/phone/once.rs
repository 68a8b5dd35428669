//! Wishes that cost money are fulfilled once, however often they are sent: `Idempotency-Key`.
//!
//! Whoever sends a wish again with its key, because the answer was lost, gets the answer of the first time, or waits for it.

use std::collections::VecDeque;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::pure::phone::{CallView, DialError, DialRefusal};

/// Wishes that are remembered; the oldest are forgotten, but for those under way.
const REMEMBERED: usize = 256;

/// The most characters of a key.
pub const LONGEST_KEY: usize = 255;

/// Why a wish is not fulfilled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OnceError {
    /// The key is empty, too long, or no plain text.
    #[error("an idempotency key is 1 to {LONGEST_KEY} plain characters; hint: a UUID will do")]
    InvalidKey,
    /// The same key came with another wish.
    #[error(
        "this idempotency key came before with another wish; hint: draw a new one for each wish"
    )]
    OtherWish,
    /// Nothing is dialled.
    #[error(transparent)]
    Dial(DialError),
    /// It went wrong inside.
    #[error("this went wrong inside; hint: the log of the daemon says more")]
    Broken,
}

impl OnceError {
    /// Returns the stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            OnceError::InvalidKey => "invalid_idempotency_key",
            OnceError::OtherWish => "idempotency_key_reused",
            OnceError::Dial(why) => why.code(),
            OnceError::Broken => "internal",
        }
    }
}

/// What came of a wish; nothing while it is under way.
type Outcome = watch::Receiver<Option<Result<CallView, DialError>>>;

/// The wishes that came with a key.
#[derive(Debug, Default)]
pub(super) struct Once {
    wishes: Mutex<VecDeque<Wish>>,
    // What is wished may hold codes that are typed, so only a trace of it is kept.
    traces: RandomState,
}

#[derive(Debug)]
struct Wish {
    key: String,
    trace: u64,
    outcome: Outcome,
}

impl Wish {
    /// Says whether it may cost money that it was sent: a refusal costs none, so it may be tried again.
    fn counts(&self) -> bool {
        match &*self.outcome.borrow() {
            None | Some(Ok(_)) => true,
            Some(Err(DialError::Carrier(why))) => *why == DialRefusal::silence(),
            Some(Err(_)) => false,
        }
    }
}

impl Once {
    /// Dials, unless the wish with this key was fulfilled before, and goes on with it even where whoever asked has gone.
    ///
    /// # Errors
    /// What dialling fails with, or what is wrong with the key.
    pub(super) async fn dial(
        &self,
        key: Option<String>,
        what: &str,
        dialling: impl Future<Output = Result<CallView, DialError>> + Send + 'static,
    ) -> Result<CallView, OnceError> {
        let is_key = |key: &String| {
            (1..=LONGEST_KEY).contains(&key.len()) && !key.contains(|sign: char| sign.is_control())
        };
        if key.as_ref().is_some_and(|key| !is_key(key)) {
            return Err(OnceError::InvalidKey);
        }
        let mut outcome = self.outcome(key, self.traces.hash_one(what), dialling)?;
        let done = outcome.wait_for(Option::is_some).await;
        match done.as_deref() {
            Ok(Some(done)) => done.clone().map_err(OnceError::Dial),
            // Its task broke off.
            Ok(None) | Err(_) => Err(OnceError::Broken),
        }
    }

    fn outcome(
        &self,
        key: Option<String>,
        trace: u64,
        dialling: impl Future<Output = Result<CallView, DialError>> + Send + 'static,
    ) -> Result<Outcome, OnceError> {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        wishes.retain(Wish::counts);
        if let Some(known) = wishes.iter().find(|wish| Some(&wish.key) == key.as_ref()) {
            return if known.trace == trace {
                Ok(known.outcome.clone())
            } else {
                Err(OnceError::OtherWish)
            };
        }
        let (tell, outcome) = watch::channel(None);
        tokio::spawn(async move {
            let done = dialling.await;
            tell.send_replace(Some(done));
        });
        if let Some(key) = key {
            let under_way = |wish: &Wish| wish.outcome.borrow().is_none();
            if wishes.len() >= REMEMBERED
                && let Some(oldest) = wishes.iter().position(|wish| !under_way(wish))
            {
                wishes.remove(oldest);
            }
            wishes.push_back(Wish {
                key,
                trace,
                outcome: outcome.clone(),
            });
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often it is asked to dial, and says what came of it.
    fn counted(
        count: &Arc<AtomicUsize>,
        outcome: DialError,
    ) -> impl Future<Output = Result<CallView, DialError>> + use<> {
        let count = Arc::clone(count);
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Err(outcome)
        }
    }

    fn unknown() -> DialError {
        DialError::Carrier(DialRefusal::silence())
    }

    fn key() -> Option<String> {
        Some("k1".to_owned())
    }

    #[tokio::test]
    async fn a_wish_with_a_key_is_sent_once_and_one_without_every_time() {
        let once = Once::default();
        let count = Arc::new(AtomicUsize::new(0));
        let (first, second) = tokio::join!(
            once.dial(key(), "a", counted(&count, unknown())),
            once.dial(key(), "a", counted(&count, unknown()))
        );
        let told = Err(OnceError::Dial(unknown()));
        assert_eq!((&first, &second), (&told, &told));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let other = once.dial(key(), "b", counted(&count, unknown())).await;
        assert_eq!(other, Err(OnceError::OtherWish));
        for _ in 0..2 {
            let _ = once.dial(None, "a", counted(&count, unknown())).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_refusal_that_cost_nothing_may_be_tried_again() {
        let once = Once::default();
        let count = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let dialling = counted(&count, DialError::NoLine);
            let refused = once.dial(key(), "a", dialling).await;
            assert_eq!(refused, Err(OnceError::Dial(DialError::NoLine)));
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_key_is_neither_empty_nor_endless() {
        let once = Once::default();
        let count = Arc::new(AtomicUsize::new(0));
        for key in ["", &"k".repeat(LONGEST_KEY + 1), "a\nb"] {
            let sent = once.dial(Some(key.to_owned()), "a", counted(&count, unknown()));
            assert_eq!(sent.await, Err(OnceError::InvalidKey));
        }
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_wish_goes_on_without_whoever_sent_it() {
        let once = Once::default();
        let count = Arc::new(AtomicUsize::new(0));
        let slow = {
            let dialling = counted(&count, unknown());
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                dialling.await
            }
        };
        let sent = once.dial(key(), "a", slow);
        let gone = tokio::time::timeout(std::time::Duration::from_millis(1), sent).await;
        assert!(gone.is_err());
        let again = once.dial(key(), "a", counted(&count, unknown()));
        assert_eq!(again.await, Err(OnceError::Dial(unknown())));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
