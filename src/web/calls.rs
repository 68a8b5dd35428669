//! The calls: what they are, and what a person does with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Door;
use super::error::ApiError;
use super::tokens::{Body, read};
use crate::pure::call_report::CallReport;
use crate::pure::ids::CallId;
use crate::pure::keys::Keys;
use crate::pure::phone::{CallView, Command, CommandError, Snapshot, Target};

/// All calls.
#[derive(Debug, Serialize)]
pub(super) struct Calls {
    calls: Vec<CallReport>,
}

/// The call that a path names, by our id or the carrier's.
pub(super) struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Named(id)),
            // What is no text names no call.
            Err(_) => Err(ApiError::Command(CommandError::NoSuchCall)),
        }
    }
}

impl Door {
    /// Writes a call.
    pub(super) fn report(&self, call: &CallView) -> CallReport {
        self.phone.report(call)
    }

    /// Writes all calls of a snapshot.
    pub(super) fn reports(&self, snapshot: &Snapshot) -> Vec<CallReport> {
        snapshot
            .calls
            .iter()
            .map(|call| self.report(call))
            .collect()
    }

    /// Returns the calls as they are now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.phone.snapshots().borrow())
    }

    async fn command(&self, id: &str, command: Command) -> Result<Json<CallReport>, ApiError> {
        match self.phone.command(id, command).await {
            Ok(call) => Ok(Json(self.report(&call))),
            Err(why) => Err(ApiError::Command(why)),
        }
    }
}

/// `GET /api/calls`.
pub(super) async fn all(State(door): State<Arc<Door>>) -> Json<Calls> {
    Json(Calls {
        calls: door.reports(&door.snapshot()),
    })
}

/// `GET /api/calls/{id}`.
pub(super) async fn one(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    let snapshot = door.snapshot();
    let call = snapshot
        .call(&id)
        .ok_or(ApiError::Command(CommandError::NoSuchCall))?;
    Ok(Json(door.report(call)))
}

/// `POST /api/calls/{id}/answer`.
pub(super) async fn answer(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    door.command(&id, Command::Answer).await
}

/// `POST /api/calls/{id}/hangup`.
pub(super) async fn hang_up(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    door.command(&id, Command::HangUp).await
}

/// `POST /api/calls/{id}/reject`.
pub(super) async fn reject(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    door.command(&id, Command::Reject).await
}

/// `POST /api/calls/{id}/hold`.
pub(super) async fn hold(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    door.command(&id, Command::Hold).await
}

/// `POST /api/calls/{id}/resume`.
pub(super) async fn resume(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    door.command(&id, Command::Resume).await
}

/// `POST /api/calls/{id}/mute`.
pub(super) async fn mute(
    State(door): State<Arc<Door>>,
    Named(id): Named,
    body: Body,
) -> Result<Json<CallReport>, ApiError> {
    let on = on_or_off(body)?;
    door.command(&id, Command::Mute(on)).await
}

/// `POST /api/calls/{id}/record`.
pub(super) async fn record(
    State(door): State<Arc<Door>>,
    Named(id): Named,
    body: Body,
) -> Result<Json<CallReport>, ApiError> {
    let on = on_or_off(body)?;
    door.command(&id, Command::Record(on)).await
}

/// `POST /api/calls/{id}/record/pause`.
pub(super) async fn pause_recording(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    door.command(&id, Command::PauseRecording(true)).await
}

/// `POST /api/calls/{id}/record/resume`.
pub(super) async fn resume_recording(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    door.command(&id, Command::PauseRecording(false)).await
}

/// `POST /api/calls/{id}/dtmf`.
pub(super) async fn dtmf(
    State(door): State<Arc<Door>>,
    Named(id): Named,
    body: Body,
) -> Result<Json<CallReport>, ApiError> {
    #[derive(Deserialize)]
    struct Digits {
        digits: String,
    }
    let Digits { digits } = object(body, "which keys are sent; hint: {\"digits\":\"123#\"}")?;
    let command = if digits.is_empty() {
        Command::KeysGoOn
    } else {
        Command::Keys(Keys::parse(&digits).map_err(ApiError::InvalidDigits)?)
    };
    door.command(&id, command).await
}

/// `POST /api/calls/{id}/move`.
pub(super) async fn move_to(
    State(door): State<Arc<Door>>,
    Named(id): Named,
    body: Body,
) -> Result<Json<CallReport>, ApiError> {
    #[derive(Deserialize)]
    struct Where {
        to: String,
    }
    let Where { to } = object(
        body,
        "where to; hint: {\"to\":\"desk\"}, {\"to\":\"browser\"} or a number",
    )?;
    let target = Target::parse(&to).map_err(ApiError::Command)?;
    door.command(&id, Command::Move(target)).await
}

/// `POST /api/calls/{id}/merge`.
pub(super) async fn merge(
    State(door): State<Arc<Door>>,
    Named(id): Named,
    body: Body,
) -> Result<Json<CallReport>, ApiError> {
    #[derive(Deserialize)]
    struct Other {
        with: String,
    }
    let Other { with } = object(body, "with which call; hint: {\"with\":\"ID\"}")?;
    door.command(&id, Command::Merge(CallId::new(with))).await
}

/// `POST /api/calls/{id}/transfer`: at once to a number, or after a word with it.
pub(super) async fn transfer(
    State(door): State<Arc<Door>>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CallReport>, ApiError> {
    #[derive(Deserialize)]
    struct Transfer {
        to: String,
        #[serde(default)]
        attended: bool,
    }
    let Transfer { to, attended } = object(
        body,
        "to whom; hint: {\"to\":\"+15145550100\",\"attended\":true}",
    )?;
    if !attended {
        let target = Target::parse(&to).map_err(ApiError::Command)?;
        return door.command(&id, Command::Move(target)).await;
    }
    let dialled = door.phone.consult_once(key(&headers)?, &id, &to).await?;
    Ok(Json(door.report(&dialled)))
}

/// `POST /api/calls/{id}/transfer/complete`.
pub(super) async fn join(
    State(door): State<Arc<Door>>,
    Named(id): Named,
) -> Result<Json<CallReport>, ApiError> {
    door.command(&id, Command::JoinConsulted).await
}

/// `POST /api/calls`.
pub(super) async fn dial(
    State(door): State<Arc<Door>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<CallReport>), ApiError> {
    #[derive(Deserialize)]
    struct Whom {
        to: String,
    }
    let Whom { to } = object(body, "whom to dial; hint: {\"to\":\"+15145550100\"}")?;
    let dialled = door.phone.dial_once(key(&headers)?, &to).await?;
    Ok((StatusCode::CREATED, Json(door.report(&dialled))))
}

/// Whether the desk is kept from ringing.
#[derive(Debug, Serialize)]
pub(super) struct Disturb {
    on: bool,
}

/// `GET /api/do-not-disturb`.
pub(super) async fn disturb(State(door): State<Arc<Door>>) -> Json<Disturb> {
    let on = door.snapshot().do_not_disturb;
    Json(Disturb { on })
}

/// `POST /api/do-not-disturb`.
pub(super) async fn do_not_disturb(
    State(door): State<Arc<Door>>,
    body: Body,
) -> Result<Json<Disturb>, ApiError> {
    let on = on_or_off(body)?;
    door.phone.do_not_disturb(on).await;
    Ok(Json(Disturb { on }))
}

/// Reads `{"on": true}`.
pub(super) fn on_or_off(body: Body) -> Result<bool, ApiError> {
    #[derive(Deserialize)]
    struct Switch {
        on: bool,
    }
    let Switch { on } = object(body, "whether it is on; hint: {\"on\":true}")?;
    Ok(on)
}

/// Reads a body that must be an object; `needed` says what it must hold.
fn object<T: DeserializeOwned>(body: Body, needed: &'static str) -> Result<T, ApiError> {
    let body = read(body)?;
    let value: serde_json::Value =
        serde_json::from_slice(&body).map_err(|_| ApiError::InvalidJson)?;
    if !value.is_object() {
        return Err(ApiError::InvalidJson);
    }
    serde_json::from_value(value).map_err(|_| ApiError::Missing(needed))
}

/// Returns what names a wish, so that it is fulfilled once however often it is sent.
fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().map_err(|_| ApiError::InvalidKey)?;
    Ok(Some(key.to_owned()))
}
