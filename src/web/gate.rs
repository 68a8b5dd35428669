//! Who comes in: the host must be ours, and whoever asks must have a way in.
//!
//! There is one way in so far, the API key. A second one is another arm of [`Gate::login`]: what lies behind the gate
//! sees a [`Login`] and not how it came about.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tracing::{debug, warn};

use super::error::ApiError;
use super::hosts::Hosts;
use super::limit::{WRONG_KEYS, WrongKeys};
use super::page;
use crate::config::Secret;
use crate::pure::ids::Identity;
use crate::pure::time::Time;

/// What everybody may ask for, beside the entry page.
pub(super) const HEALTH: &str = "/health";

/// Who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Login {
    /// Who that is when no other identity is asked for.
    pub(super) identity: Identity,
}

/// What is needed to tell who may come in.
pub(super) struct Gate {
    pub(super) hosts: Hosts,
    /// SHA-256 of the key: two of one length can be compared without telling anything by the time it takes.
    key: [u8; 32],
    /// Whoever brings the key.
    holder: Login,
    wrong: Mutex<WrongKeys>,
    /// When the counting of time began.
    began: Instant,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// Takes the host names and the key.
    pub(super) fn new(hosts: Hosts, key: &Secret) -> Gate {
        Gate {
            hosts,
            // A header cannot carry a space at its end.
            key: digest(key.reveal().trim_matches(' ').as_bytes()),
            holder: Login {
                identity: desk_identity(key),
            },
            wrong: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// Finds out who asks.
    fn login(&self, headers: &HeaderMap) -> Result<Login, ApiError> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Err(ApiError::Unauthorized);
        };
        // Of two nobody can say which was meant.
        let only = values.next().is_none();
        let key = bearer(value.as_bytes()).filter(|_| only);
        let right = key.is_some_and(|key| digest(key).ct_eq(&self.key).into());
        if right {
            return Ok(self.holder.clone());
        }
        Err(self.wrong_key(self.began.elapsed()))
    }

    /// Counts a wrong key.
    fn wrong_key(&self, at: Duration) -> ApiError {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        match wrong.note(Time::START + at) {
            Ok(WRONG_KEYS) => {
                warn!(
                    count = WRONG_KEYS,
                    "many wrong keys within a minute; more are put off, a right one is not"
                );
                ApiError::Unauthorized
            }
            Ok(count) => {
                debug!(count, "a wrong key");
                ApiError::Unauthorized
            }
            Err(wait) => ApiError::TooManyWrongKeys(wait),
        }
    }

    /// Decides about one request.
    fn decide(&self, request: &Request) -> Result<Option<Login>, ApiError> {
        self.hosts.check(request.uri(), request.headers())?;
        let path = request.uri().path();
        if path == HEALTH || page::PATHS.contains(&path) {
            return Ok(None);
        }
        self.login(request.headers()).map(Some)
    }
}

/// Lets a request through with its [`Login`], or answers it here; either way nothing of the answer is kept or guessed at.
pub(super) async fn guard(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match gate.decide(&request) {
        Ok(login) => {
            if let Some(login) = login {
                request.extensions_mut().insert(login);
            }
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Returns the identity of whoever holds the key: the same as long as the key is, and no help in guessing it.
fn desk_identity(key: &Secret) -> Identity {
    let hash = Sha256::new()
        .chain_update("identity\0")
        .chain_update(key.reveal())
        .finalize();
    let hex: String = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
    Identity::parse(&format!("desk_{hex}")).expect("letters, an underscore and hexadecimal digits")
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Reads what stands behind `Bearer`, in any case. A key need not be ASCII, so this is not about text.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| key.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_read_in_any_case_and_nothing_else_is() {
        for (value, key) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc", Some("abc")),
            ("BEARER  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(bearer(value.as_bytes()), key.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn the_identity_of_a_key_is_stable_and_tells_keys_apart() {
        let of = |key: &str| desk_identity(&Secret::new(key));
        let first = of("first key");
        assert_eq!(first, of("first key"));
        assert_ne!(first, of("second key"));
        let (desk, hex) = first.as_str().split_once('_').expect("two parts");
        assert_eq!((desk, hex.len()), ("desk", 8));
        assert!(hex.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
