//! Errors as programs and people read them: `{"error":{"code","message"}}`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::config::live::NotChanged;
use crate::phone::{NoAnswer, OnceError};
use crate::pure::keys::NoKeys;
use crate::pure::phone::{CommandError, DialError, Phrase};

/// Why a request at the person's door is not served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ApiError {
    /// It asked for a host that is not ours; its name where it can be read.
    WrongHost(Option<String>),
    /// A page of another site opened the websocket.
    WrongOrigin,
    /// It brought no key, or a wrong one.
    Unauthorized,
    /// Too many wrong keys; how long to wait.
    TooManyWrongKeys(Duration),
    /// Nothing is there.
    NotFound,
    /// Something is there, but not for this method.
    WrongMethod,
    /// The body is larger than the limit.
    TooLarge,
    /// The body broke off.
    Unreadable,
    /// The body is no JSON object.
    InvalidJson,
    /// The identity is missing, or is none.
    InvalidIdentity,
    /// `after` is no number.
    InvalidAfter,
    /// It should have been a websocket's handshake.
    NoWebsocket,
    /// The body lacks what is needed; what that is.
    Missing(&'static str),
    /// What is to be sent are no keys.
    InvalidDigits(NoKeys),
    /// A command was not carried out.
    Command(CommandError),
    /// Nothing was dialled.
    Dial(DialError),
    /// The key of a wish is empty, too long, or no plain text.
    InvalidKey,
    /// The same key came with another wish.
    OtherWish,
    /// Settings are not changed; all that is wrong.
    Settings(Vec<NotChanged>),
    /// Somebody talks at the desk.
    InACall,
    /// The speaker does not work.
    NoSpeaker,
    /// Our fault.
    Internal,
}

impl From<OnceError> for ApiError {
    fn from(why: OnceError) -> ApiError {
        match why {
            OnceError::InvalidKey => ApiError::InvalidKey,
            OnceError::OtherWish => ApiError::OtherWish,
            OnceError::Dial(why) => ApiError::Dial(why),
            OnceError::Broken => ApiError::Internal,
        }
    }
}

impl From<NoAnswer> for ApiError {
    fn from(_: NoAnswer) -> ApiError {
        // The log tells more.
        ApiError::Internal
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            ApiError::WrongHost(_) | ApiError::WrongOrigin => StatusCode::FORBIDDEN,
            ApiError::Unauthorized => StatusCode::UNAUTHORIZED,
            ApiError::TooManyWrongKeys(_) => StatusCode::TOO_MANY_REQUESTS,
            ApiError::NotFound | ApiError::Command(CommandError::NoSuchCall) => {
                StatusCode::NOT_FOUND
            }
            ApiError::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::Unreadable
            | ApiError::InvalidJson
            | ApiError::InvalidIdentity
            | ApiError::InvalidAfter
            | ApiError::Settings(_) => StatusCode::BAD_REQUEST,
            ApiError::NoWebsocket => StatusCode::UPGRADE_REQUIRED,
            ApiError::Missing(_) | ApiError::InvalidDigits(_) | ApiError::InvalidKey => {
                StatusCode::BAD_REQUEST
            }
            ApiError::Command(CommandError::Destination(phrase))
            | ApiError::Dial(DialError::Destination(phrase)) => match phrase {
                Phrase::NotANumber => StatusCode::BAD_REQUEST,
                Phrase::DestinationNotAllowed
                | Phrase::EmergencyRefused
                | Phrase::NotAllowedToDial
                | Phrase::NobodyCanAnswer
                | Phrase::CouldNotBeReached => StatusCode::FORBIDDEN,
            },
            ApiError::Command(
                CommandError::WrongState(_)
                | CommandError::Standing(_)
                | CommandError::NoKeysLeft
                | CommandError::NotConsulted
                | CommandError::NoVoicemail
                | CommandError::NotRecorded
                | CommandError::NoBrowser
                | CommandError::NoDesk,
            ) => StatusCode::CONFLICT,
            ApiError::Command(CommandError::SameCall) | ApiError::Dial(DialError::Keys(_)) => {
                StatusCode::BAD_REQUEST
            }
            ApiError::InACall | ApiError::NoSpeaker => StatusCode::CONFLICT,
            ApiError::Dial(DialError::NoSuchCall) => StatusCode::NOT_FOUND,
            ApiError::Dial(
                DialError::WrongState(_)
                | DialError::NoLine
                | DialError::NoDesk
                | DialError::NoOwnNumber
                | DialError::HungUp,
            ) => StatusCode::CONFLICT,
            ApiError::Dial(DialError::Stopping) => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Dial(DialError::Carrier(_)) => StatusCode::BAD_GATEWAY,
            ApiError::OtherWish => StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            ApiError::WrongHost(_) => "wrong_host",
            ApiError::WrongOrigin => "wrong_origin",
            ApiError::Unauthorized => "unauthorized",
            ApiError::TooManyWrongKeys(_) => "too_many_wrong_keys",
            ApiError::NotFound => "not_found",
            ApiError::WrongMethod => "wrong_method",
            ApiError::TooLarge => "too_large",
            ApiError::Unreadable => "unreadable",
            ApiError::InvalidJson => "invalid_json",
            ApiError::InvalidIdentity => "invalid_identity",
            ApiError::InvalidAfter => "invalid_after",
            ApiError::NoWebsocket => "no_websocket",
            ApiError::Missing(_) => "invalid_request",
            ApiError::InvalidDigits(_) => "invalid_digits",
            ApiError::Command(why) => why.code(),
            ApiError::Dial(why) => why.code(),
            ApiError::InvalidKey => "invalid_idempotency_key",
            ApiError::OtherWish => "idempotency_key_reused",
            ApiError::Settings(why) => why.first().map_or("internal", NotChanged::code),
            ApiError::InACall => "in_a_call",
            ApiError::NoSpeaker => "no_speaker",
            ApiError::Internal => "internal",
        }
    }

    fn message(&self) -> String {
        match self {
            ApiError::WrongHost(Some(host)) => format!(
                "nobody is at home under the host name {host}; hint: if it is yours, add it to OFFHOOK_HOSTS"
            ),
            ApiError::WrongHost(None) => {
                "the request names no host, or one that cannot be read; hint: names beside PUBLIC_URL and localhost belong in OFFHOOK_HOSTS"
                    .to_owned()
            }
            ApiError::WrongOrigin => {
                "a page of another site asked for this; hint: if it is yours, add its host name to OFFHOOK_HOSTS"
                    .to_owned()
            }
            ApiError::Unauthorized => {
                "the request brought no key, or a wrong one; hint: send the header `Authorization: Bearer KEY` with OFFHOOK_API_KEY, or the key from the data folder"
                    .to_owned()
            }
            ApiError::TooManyWrongKeys(wait) => format!(
                "there were too many wrong keys in a minute; hint: try again in {} s, or send the right key, which is always taken",
                wait_seconds(*wait)
            ),
            ApiError::NotFound => {
                "there is nothing at this path; hint: docs/api.md lists what there is".to_owned()
            }
            ApiError::WrongMethod => {
                "this path does not take this method; hint: the Allow header lists those that it takes"
                    .to_owned()
            }
            ApiError::TooLarge => "the body is larger than 16 KiB".to_owned(),
            ApiError::Unreadable => "the body could not be read to its end".to_owned(),
            ApiError::InvalidJson => {
                "the body is no JSON object; hint: docs/api.md shows one for each path".to_owned()
            }
            ApiError::InvalidIdentity => {
                "the identity is missing or is none; hint: it is 1 to 121 letters, digits and underscores"
                    .to_owned()
            }
            ApiError::InvalidAfter => {
                "`after` is no number; hint: it is the `seq` of the last event that you have seen"
                    .to_owned()
            }
            ApiError::NoWebsocket => {
                "events come over a websocket; hint: open this path with a websocket client"
                    .to_owned()
            }
            ApiError::Command(CommandError::NoSuchCall) => {
                "there is no such call; hint: GET /api/calls lists them, and those that ended stay for a minute"
                    .to_owned()
            }
            ApiError::Missing(what) => format!("the body does not say {what}"),
            ApiError::InvalidDigits(why) => why.to_string(),
            ApiError::Command(why) => why.to_string(),
            ApiError::Dial(why) => why.to_string(),
            ApiError::InvalidKey => {
                "an Idempotency-Key is 1 to 255 plain characters; hint: a UUID will do".to_owned()
            }
            ApiError::OtherWish => {
                "this Idempotency-Key came before with another wish; hint: draw a new one for each wish"
                    .to_owned()
            }
            ApiError::Settings(why) => {
                let sentences: Vec<String> = why.iter().map(ToString::to_string).collect();
                sentences.join("; ")
            }
            ApiError::InACall => {
                "somebody talks at the desk; hint: try it when nobody does".to_owned()
            }
            ApiError::NoSpeaker => {
                "the speaker does not work; hint: GET /api/devices says why".to_owned()
            }
            ApiError::Internal => {
                "this went wrong inside; hint: the log of the daemon says more".to_owned()
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code(), "message": self.message()}});
        let mut response = (self.status(), axum::Json(body)).into_response();
        let headers = response.headers_mut();
        match self {
            ApiError::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            ApiError::TooManyWrongKeys(wait) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_seconds(wait)));
            }
            ApiError::NoWebsocket => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            ApiError::WrongHost(_)
            | ApiError::WrongOrigin
            | ApiError::NotFound
            | ApiError::WrongMethod
            | ApiError::TooLarge
            | ApiError::Unreadable
            | ApiError::InvalidJson
            | ApiError::InvalidIdentity
            | ApiError::InvalidAfter
            | ApiError::Missing(_)
            | ApiError::InvalidDigits(_)
            | ApiError::Command(_)
            | ApiError::Dial(_)
            | ApiError::InvalidKey
            | ApiError::OtherWish
            | ApiError::Settings(_)
            | ApiError::InACall
            | ApiError::NoSpeaker
            | ApiError::Internal => {}
        }
        response
    }
}

/// Returns a wait in whole seconds, rounded up.
fn wait_seconds(wait: Duration) -> u64 {
    wait.as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}
