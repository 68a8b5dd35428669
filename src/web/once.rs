//! Wishes that cost money are fulfilled once, however often they are sent: `Idempotency-Key`.
//!
//! Whoever sends a wish again with its key, because the answer was lost, gets the answer of the first time, or waits for it.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::error::ApiError;
use crate::pure::phone::{CallView, DialError};

/// Wishes that are remembered; the oldest are forgotten.
const REMEMBERED: usize = 256;

/// What came of a wish; nothing while it is under way.
type Outcome = watch::Receiver<Option<Result<CallView, DialError>>>;

/// The wishes that came with a key.
#[derive(Debug, Default)]
pub(super) struct Once {
    wishes: Mutex<VecDeque<Wish>>,
}

#[derive(Debug)]
struct Wish {
    key: String,
    what: String,
    outcome: Outcome,
}

impl Once {
    /// Dials, unless the wish with this key was fulfilled before, and goes on with it even where whoever asked has gone.
    ///
    /// # Errors
    /// What dialling fails with, or [`ApiError::OtherWish`].
    pub(super) async fn dial(
        self: &Once,
        key: Option<String>,
        what: String,
        dialling: impl Future<Output = Result<CallView, DialError>> + Send + 'static,
    ) -> Result<CallView, ApiError> {
        let mut outcome = self.outcome(key, what, dialling)?;
        let done = outcome.wait_for(Option::is_some).await;
        match done.as_deref() {
            Ok(Some(done)) => done.clone().map_err(ApiError::Dial),
            // Its task broke off.
            Ok(None) | Err(_) => Err(ApiError::Internal),
        }
    }

    fn outcome(
        &self,
        key: Option<String>,
        what: String,
        dialling: impl Future<Output = Result<CallView, DialError>> + Send + 'static,
    ) -> Result<Outcome, ApiError> {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = wishes.iter().find(|wish| Some(&wish.key) == key.as_ref()) {
            return if known.what == what {
                Ok(known.outcome.clone())
            } else {
                Err(ApiError::OtherWish)
            };
        }
        let (tell, outcome) = watch::channel(None);
        tokio::spawn(async move {
            let done = dialling.await;
            tell.send_replace(Some(done));
        });
        if let Some(key) = key {
            if wishes.len() == REMEMBERED {
                wishes.pop_front();
            }
            wishes.push_back(Wish {
                key,
                what,
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

    /// Counts how often it is asked to dial.
    fn counted(
        count: &Arc<AtomicUsize>,
    ) -> impl Future<Output = Result<CallView, DialError>> + use<> {
        let count = Arc::clone(count);
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Err(DialError::NoLine)
        }
    }

    #[tokio::test]
    async fn a_wish_with_a_key_is_fulfilled_once_and_one_without_every_time() {
        let once = Once::default();
        let count = Arc::new(AtomicUsize::new(0));
        let key = || Some("k1".to_owned());
        let (first, second) = tokio::join!(
            once.dial(key(), "a".to_owned(), counted(&count)),
            once.dial(key(), "a".to_owned(), counted(&count))
        );
        let refused = Err(ApiError::Dial(DialError::NoLine));
        assert_eq!((&first, &second), (&refused, &refused));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let other = once.dial(key(), "b".to_owned(), counted(&count)).await;
        assert_eq!(other, Err(ApiError::OtherWish));
        for _ in 0..2 {
            let _ = once.dial(None, "a".to_owned(), counted(&count)).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_wish_goes_on_without_whoever_sent_it() {
        let once = Once::default();
        let count = Arc::new(AtomicUsize::new(0));
        let slow = {
            let dialling = counted(&count);
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                dialling.await
            }
        };
        let sent = once.dial(Some("k".to_owned()), "a".to_owned(), slow);
        let gone = tokio::time::timeout(std::time::Duration::from_millis(1), sent).await;
        assert!(gone.is_err());
        let again = once.dial(Some("k".to_owned()), "a".to_owned(), counted(&count));
        assert_eq!(again.await, Err(ApiError::Dial(DialError::NoLine)));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
