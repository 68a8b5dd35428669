//! The settings: what they are and where each came from, and those that change while the telephone runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Door;
use super::error::ApiError;
use super::tokens::{Body, read};
use crate::config::live::{self, SettingReport};
use crate::pure::tuning::Tuned;

/// All settings.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    settings: BTreeMap<String, SettingReport>,
}

impl Door {
    fn settings(&self, tuned: &Tuned) -> Json<Settings> {
        Json(Settings {
            settings: live::reports(&self.told, tuned),
        })
    }
}

/// `GET /api/settings`.
pub(super) async fn all(State(door): State<Arc<Door>>) -> Json<Settings> {
    door.settings(&door.phone.tuned())
}

/// `PATCH /api/settings`: all that is wanted, or nothing.
pub(super) async fn change(
    State(door): State<Arc<Door>>,
    body: Body,
) -> Result<Json<Settings>, ApiError> {
    let wanted: Map<String, Value> =
        serde_json::from_slice(&read(body)?).map_err(|_| ApiError::InvalidJson)?;
    let tuned = door
        .phone
        .tune(|tuned| live::change(tuned, &wanted).map_err(ApiError::Settings))
        .await?;
    Ok(door.settings(&tuned))
}
