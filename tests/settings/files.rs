//! Files of settings: the TOML file, `.env`, and a secret's own. What they may hold, and how a slip in one is told.

use std::path::PathBuf;
use std::time::Duration;

use offhook::config::Settings;
use offhook::config::table;
use offhook::pure::audio::device::DeviceChoice;
use offhook::pure::hook::Hook;
use offhook::pure::phone::{AutoAnswer, Ring};

use super::{TOKEN, complete, file, load, refused, set};

#[test]
fn toml_takes_texts_numbers_booleans_and_lists() {
    let mut sources = complete();
    sources.toml = file(
        "offhook.toml",
        "auto_answer = true\nport = 4000\nring = \"desk\"\nbind = [\"127.0.0.1\"]\nhosts = [\"a.lan\", \"b.lan\"]\n\
         capture = \"file:a.wav\"\nringer = \"none\"\n",
    );
    let settings = load(&sources);
    assert_eq!(settings.auto_answer, AutoAnswer::After(Duration::ZERO));
    assert_eq!((settings.port, settings.ring), (4000, Ring::Desk));
    assert_eq!(settings.bind.len(), 1);
    assert_eq!(settings.hosts, ["a.lan", "b.lan"]);
    let wav = DeviceChoice::File(PathBuf::from("a.wav"));
    assert_eq!(settings.audio.capture, wav);
    assert_eq!(settings.audio.ringer, Some(DeviceChoice::None));
}

#[test]
fn a_secret_in_the_toml_file_is_refused_and_told_where_it_belongs() {
    for setting in table::ALL.iter().filter(|setting| setting.secret) {
        let mut sources = complete();
        let key = setting.toml_key();
        sources.toml = file("offhook.toml", &format!("{key} = \"hush-hush-hush-hush\""));
        let message = refused(&sources);
        assert!(message.contains("is a secret"), "{message}");
        assert!(message.contains(&format!("a file that {}_FILE names", setting.name)));
        assert!(!message.contains("hush"), "{message}");
        // Nor is it called missing, where it is there, but in the wrong place.
        sources.environment.remove(setting.name);
        let message = refused(&sources);
        assert!(message.starts_with("one setting"), "{message}");
        // Empty counts as missing.
        sources = complete();
        sources.toml = file("offhook.toml", &format!("{key} = \"\""));
        load(&sources);
    }
}

#[test]
fn hooks_are_lists_in_a_table_of_the_toml_file() {
    let mut sources = complete();
    let good = "port = 4000\n[hooks]\non_ring = [\"notify-send\", \"{party} calls\"]\non_missed = [\"x\"]\n";
    sources.toml = file("offhook.toml", good);
    let settings = load(&sources);
    let keys: Vec<&str> = settings.hooks.iter().map(Hook::key).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys.contains(&"on_ring") && keys.contains(&"on_missed"));
    for (toml, why) in [
        ("hooks = 1", "is not a table"),
        (
            "[hooks]\non_ring = \"notify-send\"",
            "`on_ring` under [hooks] in `offhook.toml` is no list of texts",
        ),
        ("[hooks]\non_ring = [\"x\", 1]", "is no list of texts"),
        (
            "[hooks]\non_rong = [\"x\"]",
            "`on_rong` under [hooks] in `offhook.toml` is unknown",
        ),
        (
            "[hooks]\non_ring = [\"x\", \"{caller}\"]",
            "names `{caller}`",
        ),
    ] {
        sources.toml = file("offhook.toml", toml);
        let message = refused(&sources);
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn an_mqtt_broker_is_told_by_its_address_and_a_password_apart() {
    let mut sources = complete();
    assert!(load(&sources).mqtt.is_none());
    set(
        &mut sources.environment,
        "OFFHOOK_MQTT_URL",
        "mqtts://a%40b@[::1]",
    );
    set(&mut sources.environment, "OFFHOOK_MQTT_PASSWORD", "hush");
    let mqtt = load(&sources).mqtt.expect("a broker");
    let broker = &mqtt.broker;
    assert_eq!(
        (broker.host.as_str(), broker.port, broker.tls),
        ("::1", 8883, true)
    );
    assert_eq!(broker.user.as_deref(), Some("a@b"));
    assert_eq!(
        (mqtt.prefix.as_str(), mqtt.node.as_str()),
        ("homeassistant", "desk")
    );
    for (url, warning) in [
        ("mqtt://me@broker.lan", Some("shows the password")),
        ("mqtt://broker.lan", Some("names no user")),
        ("mqtt://me@localhost", None),
        ("mqtts://me@broker.lan", None),
    ] {
        set(&mut sources.environment, "OFFHOOK_MQTT_URL", url);
        let (_, warnings) = Settings::load(&sources).expect("good");
        let told = warnings.iter().find(|told| told.contains("MQTT"));
        assert_eq!(told.is_some(), warning.is_some(), "{url}: {warnings:?}");
        if let (Some(told), Some(warning)) = (told, warning) {
            assert!(told.contains(warning), "{told}");
        }
    }
}

#[test]
fn whatever_tells_a_hook_its_event_is_no_setting() {
    let mut sources = complete();
    set(&mut sources.environment, "OFFHOOK_EVENT_CALL", "c1");
    load(&sources);
}

#[test]
fn a_setting_that_is_nearly_named_is_warned_of() {
    let mut sources = complete();
    for (name, value) in [
        ("PUBLIC_URI", "https://phone.example.com"),
        ("TWILIO_AUTH_TOKEN_NXT", "hush"),
        ("TWILIO_API_BASE_ULR", ""),
        ("TWILIO_WORKSPACE_SID", "WS1"),
        ("PORTS", "1"),
    ] {
        set(&mut sources.environment, name, value);
    }
    sources.dotenv = file(".env", "NGROCK_URL=https://phone.example.com\n");
    let (_, warnings) = Settings::load(&sources).expect("good");
    assert_eq!(
        warnings,
        [
            "`PUBLIC_URI` in the environment is not known here: was `PUBLIC_URL` meant?",
            "`TWILIO_AUTH_TOKEN_NXT` in the environment is not known here: was `TWILIO_AUTH_TOKEN_NEXT` meant?",
            "`NGROCK_URL` in `.env` is not known here: was `NGROK_URL` meant?",
        ]
    );
}

#[test]
fn a_file_of_settings_is_never_printed_with_its_text() {
    let printed = format!("{:?}", file("/x/.env", "TWILIO_AUTH_TOKEN=hush"));
    assert!(
        printed.contains("/x/.env") && !printed.contains("hush"),
        "{printed}"
    );
}

#[test]
fn toml_that_cannot_be_read_is_told_with_its_line() {
    let mut sources = complete();
    sources.toml = file("offhook.toml", "port = 4000\nring = \n");
    assert!(refused(&sources).contains("line 2 of `offhook.toml` is not TOML"));
    for (text, suggestion) in [
        ("OFFHOOK_PORT = 1", "did you mean `port`?"),
        ("ring-seconds = 20", "did you mean `ring_seconds`?"),
        (
            "[ring]\nwho = \"desk\"",
            "OFFHOOK_RING (`ring` in `offhook.toml`) is neither",
        ),
        ("config = \"x\"", "`config` in `offhook.toml` is unknown"),
    ] {
        sources.toml = file("offhook.toml", text);
        let message = refused(&sources);
        assert!(message.contains(suggestion), "{text}: {message}");
    }
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let mut sources = complete();
    sources.environment.remove("TWILIO_AUTH_TOKEN");
    set(
        &mut sources.environment,
        "TWILIO_AUTH_TOKEN_FILE",
        "/run/token",
    );
    let tokens = load(&sources).auth_tokens;
    assert_eq!(tokens[0].reveal(), "0123456789abcdef0123456789abcdef");

    set(
        &mut sources.environment,
        "TWILIO_AUTH_TOKEN_FILE",
        "/run/none",
    );
    let message = refused(&sources);
    assert!(message.contains("TWILIO_AUTH_TOKEN_FILE names `/run/none`, which cannot be used"));
    set(
        &mut sources.environment,
        "TWILIO_AUTH_TOKEN_FILE",
        "/run/empty",
    );
    assert!(refused(&sources).contains("it is empty"));
    // The secret itself, in the wrong variable.
    set(&mut sources.environment, "TWILIO_AUTH_TOKEN_FILE", TOKEN);
    let message = refused(&sources);
    assert!(message.contains("TWILIO_AUTH_TOKEN_FILE names a file that cannot be used"));
    assert!(!message.contains(TOKEN), "{message}");
    set(&mut sources.environment, "OFFHOOK_PORT_FILE", "/run/port");
    assert!(refused(&sources).contains("`OFFHOOK_PORT_FILE` in the environment is unknown"));
}

#[test]
fn the_value_itself_wins_over_its_file_and_the_environments_file_over_dotenv() {
    let mut sources = complete();
    set(
        &mut sources.environment,
        "TWILIO_AUTH_TOKEN_FILE",
        "/run/none",
    );
    assert_eq!(load(&sources).auth_tokens[0].reveal(), TOKEN);
    sources.environment.remove("TWILIO_AUTH_TOKEN");
    set(
        &mut sources.environment,
        "TWILIO_AUTH_TOKEN_FILE",
        "/run/token",
    );
    sources.dotenv = file(".env", &format!("TWILIO_AUTH_TOKEN={TOKEN}"));
    assert_ne!(load(&sources).auth_tokens[0].reveal(), TOKEN);
}
