//! The sound devices: which there are, how those in use do, and one beep to hear whether the speaker is the right one.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Door;
use super::error::ApiError;
use crate::audio::{Ability, DeviceInfo, DeviceState, devices};
use crate::pure::phone::{Place, Stage};

/// How long a sound system may take to list its devices.
const LISTING: Duration = Duration::from_secs(10);

/// Lists devices, one list at a time: a sound system that hangs keeps a thread for each.
#[derive(Debug)]
pub(super) struct Devices {
    /// The sound system that is wanted; nothing: all.
    host: Option<String>,
    turn: Mutex<()>,
}

impl Devices {
    pub(super) fn new(host: Option<String>) -> Devices {
        Devices {
            host,
            turn: Mutex::default(),
        }
    }

    async fn list(&self) -> Result<Vec<DeviceInfo>, ApiError> {
        let _turn = self.turn.lock().await;
        let host = self.host.clone();
        let listing = tokio::task::spawn_blocking(move || devices(host.as_deref()));
        match timeout(LISTING, listing).await {
            Ok(Ok(Ok(list))) => Ok(list),
            Ok(Ok(Err(why))) => {
                tracing::warn!(why, "the devices cannot be listed");
                Err(ApiError::Internal)
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("the sound system does not list its devices");
                Err(ApiError::Internal)
            }
        }
    }
}

/// How a device does that is in use.
#[derive(Debug, Serialize)]
pub(super) struct InUse {
    works: bool,
    detail: String,
}

impl From<&DeviceState> for InUse {
    fn from(state: &DeviceState) -> InUse {
        let (works, detail) = match state {
            DeviceState::Works(detail) => (true, detail),
            DeviceState::Broken(why) => (false, why),
        };
        InUse {
            works,
            detail: detail.clone(),
        }
    }
}

/// `GET /api/devices`.
pub(super) async fn all(State(door): State<Arc<Door>>) -> Result<Json<Value>, ApiError> {
    let list = door.devices.list().await?;
    let list: Vec<Value> = list.iter().map(device_json).collect();
    let status = door.phone.media().status().borrow().clone();
    Ok(Json(json!({
        "devices": list,
        "in_use": {
            "capture": InUse::from(&status.capture),
            "playout": InUse::from(&status.playout),
            "ringer": InUse::from(&status.ringer),
        },
    })))
}

/// `POST /api/devices/test`.
pub(super) async fn test(State(door): State<Arc<Door>>) -> Result<Json<InUse>, ApiError> {
    let snapshot = door.snapshot();
    let talks = snapshot
        .calls
        .iter()
        .any(|call| call.stage == Stage::Talking && call.place == Place::Desk && !call.held);
    if talks {
        return Err(ApiError::InACall);
    }
    let playout = door.phone.media().status().borrow().playout.clone();
    match playout {
        DeviceState::Works(_) => door.phone.media().beep(),
        DeviceState::Broken(_) => return Err(ApiError::NoSpeaker),
    }
    Ok(Json(InUse::from(&playout)))
}

/// Writes a device for programs.
#[must_use]
pub fn device_json(device: &DeviceInfo) -> Value {
    let ability = |ability: &Option<Ability>| {
        ability.as_ref().map(|can| {
            json!({
                "rate": can.rate,
                "channels": can.channels,
                "rates": { "least": can.rates.0, "most": can.rates.1 },
                "most_channels": can.most_channels,
                "formats": can.formats,
            })
        })
    };
    json!({
        "host": device.host,
        "name": device.name,
        "description": device.description,
        "capture": ability(&device.capture),
        "playout": ability(&device.playout),
        "default_capture": device.default_capture,
        "default_playout": device.default_playout,
    })
}
