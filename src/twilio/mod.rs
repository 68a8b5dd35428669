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

/// Builds the routes of the carrier's door: see the contract for paths and rules.
pub fn door(settings: &Settings, phone: PhoneHandle, clock: Instant) -> axum::Router {
    door::router(settings, phone, clock)
}

/// Builds the REST client.
///
/// # Errors
/// A sentence for the person, where no TLS roots can be loaded.
pub fn carrier(settings: &Settings) -> Result<Arc<dyn Carrier>, String> {
    Ok(Arc::new(rest::Client::new(settings)?))
}
