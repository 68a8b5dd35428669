//! Settings for a daemon in a test: port 0, no sound card, a folder of its own.

use std::path::Path;
use std::time::Duration;

use offhook::config::{Origin, Secret, Settings, TwilioAccount};
use offhook::pure::audio::device::{AudioSettings, DeviceChoice, StageChoice};
use offhook::pure::audio::tone::Country;
use offhook::pure::ids::PhoneNumber;
use offhook::pure::phone::{AutoAnswer, Ring};

/// The auth token of every test.
pub(crate) const AUTH_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The API key of every test.
pub(crate) const API_KEY: &str = "test-key-0123456789abcdef";

/// Returns settings that a test changes where it must.
pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        twilio: TwilioAccount {
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            api_key: "SK00000000000000000000000000000001".to_owned(),
            api_secret: Secret::new("fedcba9876543210fedcba9876543210"),
            twiml_app_sid: "AP00000000000000000000000000000001".to_owned(),
            phone_number: PhoneNumber::parse("+18199754345").expect("valid"),
            api_base_url: "http://127.0.0.1:9".parse().expect("valid"),
        },
        auth_tokens: vec![Secret::new(AUTH_TOKEN)],
        insecure_no_signature: false,
        public_url: Origin::loopback(3000),
        public_url_by_default: true,
        port: 0,
        bind: vec!["127.0.0.1".parse().expect("valid")],
        bind_by_default: false,
        api_key: Some(Secret::new(API_KEY)),
        data_dir: folder.to_owned(),
        socket: folder.join("control.sock"),
        ring: Ring::DeskThenBrowser,
        ring_for: Duration::from_secs(20),
        browsers_ring_for: Duration::from_secs(20),
        forwarding: Default::default(),
        voicemail: Default::default(),
        quiet: Default::default(),
        auto_answer: AutoAnswer::Off,
        call_waiting: true,
        longest_call: std::time::Duration::from_secs(4 * 3_600),
        audio: AudioSettings {
            capture: DeviceChoice::None,
            playout: DeviceChoice::None,
            ringer: None,
            skips_idle: false,
            host: None,
            callback_ms: 10,
            most_delay: Default::default(),
            comfort: Default::default(),
            stage_choice: StageChoice::default(),
        },
        handset: offhook::pure::handset::HandsetChoice::None,
        hosts: Vec::new(),
        lang: offhook::lang::Lang::En,
        country: Country::NorthAmerica,
        token_ttl: Duration::from_secs(3600),
        history: offhook::pure::book::history::HistoryLimits::DEFAULT,
        hooks: Vec::new(),
        mqtt: None,
        record_stream: None,
        record_format: Default::default(),
        record_notice: Default::default(),
        retention: Default::default(),
        log: "warn".to_owned(),
        told: Vec::new(),
    }
}
