//! The carrier's door and the way out to it: webhooks, media socket, REST client.
//!
//! Carries only: what is signed, said and decided stands in [`crate::pure::twilio`] and in the phone.

mod door;
mod media;
mod rest;
mod transcript;

use std::sync::Arc;
use std::time::Instant;

use crate::config::Settings;
use crate::phone::{Carrier, PhoneHandle};
use crate::pure::twilio::twiml::Links;

/// Builds the routes of the carrier's door: see the contract for paths and rules.
pub fn door(settings: &Settings, phone: PhoneHandle, clock: Instant) -> axum::Router {
    door::router(settings, phone, clock)
}

/// Returns where documents send the carrier.
fn links(settings: &Settings) -> Links {
    Links {
        origin: settings.public_url.as_str().to_owned(),
        websocket: settings.public_url.websocket(),
        ring_seconds: u32::try_from(settings.browsers_ring_for.as_secs()).unwrap_or(u32::MAX),
        lang: settings.lang,
    }
}

/// Builds the REST client.
///
/// # Errors
/// A sentence for the person, where no TLS roots can be loaded.
pub fn carrier(settings: &Settings) -> Result<Arc<dyn Carrier>, String> {
    Ok(Arc::new(rest::Client::new(settings)?))
}
