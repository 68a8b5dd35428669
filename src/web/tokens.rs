//! Tokens for browsers, and the registrations that go with them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;
use tracing::error;

use super::Door;
use super::error::ApiError;
use super::gate::Login;
use crate::pure::ids::Identity;
use crate::pure::time::rfc3339;
use crate::pure::twilio::access_token::LONGEST_TTL;

/// What a browser is given.
#[derive(Debug, Serialize)]
pub(super) struct Token {
    token: String,
    identity: String,
    expires_at: String,
}

/// A registration.
#[derive(Debug, Serialize)]
pub(super) struct Registered {
    identity: String,
    expires_at: String,
}

/// A body, or why there is none.
pub(super) type Body = Result<Bytes, BytesRejection>;

/// `GET /api/token`.
pub(super) async fn by_query(
    State(door): State<Arc<Door>>,
    Extension(login): Extension<Login>,
    RawQuery(query): RawQuery,
) -> Result<Json<Token>, ApiError> {
    let identity = in_query(query.as_deref())?.unwrap_or(login.identity);
    token(&door, identity).await
}

/// `POST /api/token`.
pub(super) async fn by_body(
    State(door): State<Arc<Door>>,
    Extension(login): Extension<Login>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Json<Token>, ApiError> {
    let identity = match in_body(&read(body)?)? {
        Some(identity) => identity,
        None => in_query(query.as_deref())?.unwrap_or(login.identity),
    };
    token(&door, identity).await
}

/// `POST /api/register-identity`.
pub(super) async fn register(
    State(door): State<Arc<Door>>,
    body: Body,
) -> Result<Json<Registered>, ApiError> {
    let identity = in_body(&read(body)?)?.ok_or(ApiError::InvalidIdentity)?;
    let ttl = door.token_ttl.min(LONGEST_TTL);
    let until = door.phone.register(identity.clone(), ttl).await;
    Ok(Json(Registered {
        identity: identity.as_str().to_owned(),
        expires_at: rfc3339(until),
    }))
}

/// Makes a token, and registers whoever it is for.
async fn token(door: &Door, identity: Identity) -> Result<Json<Token>, ApiError> {
    let ttl = door.token_ttl.min(LONGEST_TTL);
    // Whole seconds: what is said to be the end is the end that the token claims.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let token = door.tokens.token(&identity, now, ttl).map_err(|why| {
        error!(%why, "no access token");
        ApiError::Internal
    })?;
    door.phone.register(identity.clone(), ttl).await;
    let ends = UNIX_EPOCH + std::time::Duration::from_secs(now) + ttl;
    Ok(Json(Token {
        token,
        identity: identity.as_str().to_owned(),
        expires_at: rfc3339(ends),
    }))
}

/// Takes the body, as far as it goes.
pub(super) fn read(body: Body) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| {
        if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::TooLarge
        } else {
            ApiError::Unreadable
        }
    })
}

/// Reads the identity in a query, if there is one.
fn in_query(query: Option<&str>) -> Result<Option<Identity>, ApiError> {
    let query = query.unwrap_or_default();
    let mut values = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "identity")
        .map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // Of two nobody can say which was meant.
    if values.next().is_some() {
        return Err(ApiError::InvalidIdentity);
    }
    parse(&value).map(Some)
}

/// Reads the identity in a body, if there is one; no body at all is an object without any.
fn in_body(body: &[u8]) -> Result<Option<Identity>, ApiError> {
    if body.is_empty() {
        return Ok(None);
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return Err(ApiError::InvalidJson);
    };
    match fields.remove("identity") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => parse(&text).map(Some),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(ApiError::InvalidIdentity)
        }
    }
}

fn parse(text: &str) -> Result<Identity, ApiError> {
    Identity::parse(text).map_err(|_| ApiError::InvalidIdentity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(read: Result<Option<Identity>, ApiError>) -> Result<Option<String>, ApiError> {
        read.map(|identity| identity.map(|identity| identity.as_str().to_owned()))
    }

    #[test]
    fn an_identity_is_read_from_a_query() {
        let kitchen = Ok(Some("kitchen".to_owned()));
        assert_eq!(name(in_query(None)), Ok(None));
        assert_eq!(name(in_query(Some("x=1"))), Ok(None));
        assert_eq!(name(in_query(Some("identity=kitchen"))), kitchen);
        assert_eq!(name(in_query(Some("x=1&identity=%6bitchen"))), kitchen);
        for wrong in [
            "identity",
            "identity=",
            "identity=a%20b",
            "identity=caf%C3%A9",
            "identity=a&identity=a",
        ] {
            assert_eq!(
                name(in_query(Some(wrong))),
                Err(ApiError::InvalidIdentity),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_identity_is_read_from_a_body() {
        for (body, read) in [
            ("", Ok(None)),
            ("{}", Ok(None)),
            (r#"{"identity":null}"#, Ok(None)),
            (
                r#"{"identity":"kitchen","more":1}"#,
                Ok(Some("kitchen".to_owned())),
            ),
            (r#"{"identity":""}"#, Err(ApiError::InvalidIdentity)),
            (r#"{"identity":"a b"}"#, Err(ApiError::InvalidIdentity)),
            (r#"{"identity":7}"#, Err(ApiError::InvalidIdentity)),
            (r#"{"identity":["a"]}"#, Err(ApiError::InvalidIdentity)),
            (r#"["kitchen"]"#, Err(ApiError::InvalidJson)),
            (r#""kitchen""#, Err(ApiError::InvalidJson)),
            ("identity=kitchen", Err(ApiError::InvalidJson)),
            (r#"{"identity":"kitchen""#, Err(ApiError::InvalidJson)),
        ] {
            assert_eq!(name(in_body(body.as_bytes())), read, "{body}");
        }
        let longest = "a".repeat(121);
        let body = |identity: &str| format!(r#"{{"identity":"{identity}"}}"#);
        assert_eq!(
            name(in_body(body(&longest).as_bytes())),
            Ok(Some(longest.clone()))
        );
        assert_eq!(
            name(in_body(body(&format!("{longest}a")).as_bytes())),
            Err(ApiError::InvalidIdentity)
        );
    }

    proptest! {
        #[test]
        fn whatever_is_sent_yields_an_identity_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            text in "\\PC{0,40}",
        ) {
            let _ = in_body(&bytes);
            if let Ok(Some(identity)) = in_query(Some(&format!("identity={text}"))) {
                prop_assert!(Identity::parse(identity.as_str()).is_ok());
            }
        }
    }
}
