//! The person's door: tokens, identities, calls and events, for whoever brings the API key.
//!
//! `gate` decides who comes in; behind it, each of `tokens`, `calls`, `events`, `memory`, `recordings`, `settings`, `devices` and
//! `metrics` is what one family of paths does, and `description` tells programs of all of them. `page` is what everybody may see. `docs/api.md` is what their callers read.

mod calls;
mod description;
mod devices;
mod error;
mod events;
mod gate;
mod hosts;
mod limit;
mod memory;
mod metrics;
mod page;
mod range;
mod recordings;
mod settings;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::config::live::Told;
use crate::config::{Secret, Settings};
use crate::phone::PhoneHandle;
use crate::pure::twilio::access_token::TokenMaker;
pub use devices::device_json;

use devices::Devices;
use error::ApiError;
use gate::Gate;
use hosts::Hosts;

/// The largest body that is read; an identity has 121 characters.
const MAX_BODY: usize = 16 * 1024;

/// What every request behind the gate needs.
#[derive(Debug)]
struct Door {
    phone: PhoneHandle,
    tokens: TokenMaker,
    token_ttl: Duration,
    hosts: Hosts,
    told: Vec<Told>,
    devices: Devices,
}

/// Builds the routes of the person's door; `api_key` is the one in force.
///
/// Whatever is not found here is answered by it too: another router may be merged with it, if that has no fallback.
pub fn door(settings: &Settings, api_key: Secret, phone: PhoneHandle) -> Router {
    let hosts = Hosts::new(settings);
    let gate = Arc::new(Gate::new(hosts.clone(), &api_key));
    let account = &settings.twilio;
    let lang = settings.lang;
    let door = Arc::new(Door {
        phone,
        tokens: TokenMaker::new(
            &account.account_sid,
            &account.api_key,
            account.api_secret.reveal(),
            &account.twiml_app_sid,
        ),
        token_ttl: settings.token_ttl,
        hosts,
        told: settings.told.clone(),
        devices: Devices::new(settings.audio.host.clone()),
    });
    Router::new()
        .route(page::PATHS[0], get(move || async move { page::page(lang) }))
        .route(page::PATHS[1], get(|| async { page::style() }))
        .route(gate::HEALTH, get(|| async { "ok" }))
        .route("/metrics", get(metrics::metrics))
        .route("/api/token", get(tokens::by_query).post(tokens::by_body))
        .route("/api/register-identity", post(tokens::register))
        .route("/api/calls", get(calls::all).post(calls::dial))
        .route("/api/calls/{id}", get(calls::one))
        .route("/api/calls/{id}/answer", post(calls::answer))
        .route("/api/calls/{id}/hangup", post(calls::hang_up))
        .route("/api/calls/{id}/reject", post(calls::reject))
        .route("/api/calls/{id}/hold", post(calls::hold))
        .route("/api/calls/{id}/resume", post(calls::resume))
        .route("/api/calls/{id}/mute", post(calls::mute))
        .route("/api/calls/{id}/record", post(calls::record))
        .route("/api/calls/{id}/record/pause", post(calls::pause_recording))
        .route(
            "/api/calls/{id}/record/resume",
            post(calls::resume_recording),
        )
        .route("/api/calls/{id}/dtmf", post(calls::dtmf))
        .route("/api/calls/{id}/merge", post(calls::merge))
        .route("/api/calls/{id}/move", post(calls::move_to))
        .route("/api/calls/{id}/transfer", post(calls::transfer))
        .route("/api/calls/{id}/transfer/complete", post(calls::join))
        .route(
            "/api/do-not-disturb",
            get(calls::disturb).post(calls::do_not_disturb),
        )
        .route("/api/settings", get(settings::all).patch(settings::change))
        .route("/api/devices", get(devices::all))
        .route("/api/devices/test", post(devices::test))
        .route("/api/openapi.json", get(description::description))
        .route("/api/events", get(events::events))
        .merge(memory::routes())
        .merge(recordings::routes())
        .method_not_allowed_fallback(|| async { ApiError::WrongMethod })
        .fallback(|| async { ApiError::NotFound })
        .with_state(door)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(gate, gate::guard))
}
