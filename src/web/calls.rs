//! The calls: what they are, and what a person does with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use serde::Serialize;

use super::Door;
use super::error::ApiError;
use crate::pure::call_report::CallReport;
use crate::pure::phone::{CallView, Command, CommandError, Snapshot};

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
        CallReport::new(call, self.phone.wall_time(call.since))
            .with_quality(self.phone.quality(&call.id))
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
        .calls
        .iter()
        .find(|call| call.id.as_str() == id || call.leg.as_str() == id)
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
