//! A phone without a daemon around it, for one door at a time: no sound card, and a carrier that does what it is asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook::audio::MediaHandle;
use offhook::config::Settings;
use offhook::phone::{Carrier, DialWish, PhoneHandle, RecordingSettings};
use offhook::pure::ids::LegId;
use offhook::pure::phone::{CarrierRequest, DialRefusal, PhoneSettings};
use offhook::store::StoreHandle;

/// Whatever is awaited comes within this, or the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A carrier that does whatever it is asked, and tells nobody. Whoever is dialled gets a leg of that name.
struct Obliging;

impl Carrier for Obliging {
    fn perform(
        &self,
        _: CarrierRequest,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
        Box::pin(async { Ok(()) })
    }

    fn dial(
        &self,
        wish: DialWish,
    ) -> Pin<Box<dyn Future<Output = Result<LegId, DialRefusal>> + Send>> {
        let leg = LegId::new(format!("CA{}", wish.to.as_str().trim_start_matches('+')));
        Box::pin(async { Ok(leg) })
    }
}

/// Starts the phone that the settings describe, its database in their data folder.
pub(crate) async fn phone(settings: &Settings, clock: Instant) -> PhoneHandle {
    let media = MediaHandle::start(&settings.audio, clock).expect("threads can be had");
    let store = StoreHandle::open(&settings.data_dir).expect("a database");
    let phone_settings = PhoneSettings {
        ring: settings.ring,
        ring_for: settings.ring_for,
        browsers_ring_for: settings.browsers_ring_for,
        forwarding: settings.forwarding.clone(),
        voicemail: settings.voicemail,
        auto_answer: settings.auto_answer,
        own_number: Some(settings.twilio.phone_number.clone()),
        country: settings.country,
        call_waiting: settings.call_waiting,
        longest_call: settings.longest_call,
        record_notice: settings.record_notice,
    };
    let recordings = RecordingSettings {
        folder: settings.data_dir.join("recordings"),
        format: settings.record_format,
        retention: settings.retention,
        greetings: settings.data_dir.clone(),
        lang: settings.lang,
    };
    let carrier = Arc::new(Obliging);
    let quiet = settings.quiet.clone();
    PhoneHandle::start(
        phone_settings,
        media,
        store,
        carrier,
        clock,
        recordings,
        quiet,
    )
    .await
}

/// Returns a client that asks this machine only.
pub(crate) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(LIMIT)
        .build()
        .expect("a client")
}
