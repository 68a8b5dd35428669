//! The settings from outside: which source wins, what is refused and in which words. No process environment is touched.

#[path = "settings/files.rs"]
mod files;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook::config::table::{self, Setting};
use offhook::config::{Local, Settings, Sources, TextFile};
use offhook::lang::Lang;
use offhook::pure::audio::comfort::{HoldMusic, Loudest, Ringtone, Volume};
use offhook::pure::audio::device::DeviceChoice;
use offhook::pure::audio::speakerphone::Stages;
use offhook::pure::audio::tone::Country;
use offhook::pure::handset::HandsetChoice;
use offhook::pure::phone::{AutoAnswer, Ring};

#[test]
fn flags_win_over_environment_over_dotenv_over_toml_over_defaults() {
    let ring = |given: [bool; 4]| {
        let [flag, environment, dotenv, toml] = given;
        let mut sources = complete();
        if flag {
            set(&mut sources.flags, "OFFHOOK_RING_SECONDS", "11");
        }
        if environment {
            set(&mut sources.environment, "OFFHOOK_RING_SECONDS", "12");
        }
        if dotenv {
            sources.dotenv = file(".env", "OFFHOOK_RING_SECONDS=13");
        }
        if toml {
            sources.toml = file("offhook.toml", "ring_seconds = 14");
        }
        load(&sources).ring_for.as_secs()
    };
    for (given, seconds) in [
        ([true, true, true, true], 11),
        ([false, true, true, true], 12),
        ([false, false, true, true], 13),
        ([false, false, false, true], 14),
        ([false, false, false, false], 20),
    ] {
        assert_eq!(ring(given), seconds, "{given:?}");
    }
}

#[test]
fn empty_counts_as_missing_wherever_it_stands() {
    let mut sources = complete();
    set(&mut sources.flags, "PORT", "");
    set(&mut sources.environment, "PORT", "  ");
    sources.dotenv = file(".env", "PORT=\n");
    sources.toml = file("offhook.toml", "port = 4000");
    assert_eq!(load(&sources).port, 4000);
    set(&mut sources.environment, "TWILIO_AUTH_TOKEN", "");
    assert!(refused(&sources).contains("TWILIO_AUTH_TOKEN is missing"));
}

#[test]
fn the_defaults_are_those_of_the_documents() {
    let settings = load(&complete());
    assert_eq!(settings.port, 3000);
    assert_eq!(settings.public_url.as_str(), "http://127.0.0.1:3000");
    assert!(settings.public_url_by_default && settings.bind_by_default);
    let bind: Vec<String> = settings.bind.iter().map(ToString::to_string).collect();
    assert_eq!(bind, ["127.0.0.1", "::1"]);
    assert_eq!(settings.ring, Ring::DeskThenBrowser);
    assert_eq!(settings.ring_for, Duration::from_secs(20));
    assert_eq!(settings.auto_answer, AutoAnswer::Off);
    assert_eq!(settings.token_ttl, Duration::from_secs(3600));
    assert_eq!(settings.lang, Lang::En);
    assert_eq!(settings.audio.capture, DeviceChoice::Default);
    assert_eq!(settings.audio.callback_ms, 10);
    assert_eq!(settings.audio.most_delay.ms(), 1_000.0);
    let comfort = &settings.audio.comfort;
    assert_eq!(comfort.volume.gain(), 1.0);
    assert_eq!(comfort.ring_volume.gain(), 1.0);
    assert_eq!(
        (comfort.limiter, comfort.loudest),
        (None, Loudest::default())
    );
    assert!(
        settings.audio.bound().is_some(),
        "the default speaker is real"
    );
    assert_eq!(comfort.ringtone, Ringtone::Classic);
    assert_eq!(comfort.hold_music, HoldMusic::BuiltIn);
    assert_eq!(comfort.sidetone, None);
    assert!(comfort.ring_rising && comfort.call_ended_tone && !comfort.level_far_end);
    assert_eq!(settings.audio.stages(), Stages::ALL);
    assert_eq!(
        settings.data_dir,
        Path::new("/home/me/.local/state/offhook")
    );
    assert_eq!(settings.socket, settings.data_dir.join("control.sock"));
    assert_eq!(
        settings.twilio.api_base_url.as_str(),
        "https://api.twilio.com/"
    );
    assert!(settings.api_key.is_none() && settings.hosts.is_empty());
    assert_eq!(settings.handset, HandsetChoice::Auto);
}

#[test]
fn the_data_folder_follows_xdg() {
    let mut sources = complete();
    set(&mut sources.environment, "XDG_STATE_HOME", "/state");
    assert_eq!(load(&sources).data_dir, Path::new("/state/offhook"));
    set(&mut sources.environment, "XDG_STATE_HOME", "relative");
    assert!(load(&sources).data_dir.starts_with("/home/me"));
    set(&mut sources.environment, "HOME", "");
    set(&mut sources.environment, "XDG_STATE_HOME", "");
    assert!(refused(&sources).contains("OFFHOOK_DATA_DIR is missing"));
    set(&mut sources.environment, "OFFHOOK_DATA_DIR", "/data");
    assert_eq!(load(&sources).socket, Path::new("/data/control.sock"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut sources = nothing();
    set(&mut sources.environment, "OFFHOOK_RING", "desks");
    set(&mut sources.environment, "OFFHOOK_RNIG_SECONDS", "20");
    sources.dotenv = file(".env", "what is this\nPORT=70000\n");
    sources.toml = file("offhook.toml", "auto_anser = true\nhosts = 1.5\n");
    let message = refused(&sources);
    for part in [
        "TWILIO_ACCOUNT_SID is missing",
        "TWILIO_API_KEY is missing",
        "TWILIO_API_SECRET is missing",
        "TWILIO_TWIML_APP_SID is missing",
        "TWILIO_PHONE_NUMBER is missing",
        "TWILIO_AUTH_TOKEN is missing",
        "OFFHOOK_RING `desks` (from the environment) is none of the three",
        "OFFHOOK_DATA_DIR is missing, and there is no home folder",
        "it looks like: desk, browser or desk-then-browser",
        "`OFFHOOK_RNIG_SECONDS` in the environment is unknown; did you mean `OFFHOOK_RING_SECONDS`?",
        "line 1 of `.env` is not `NAME=value`",
        "PORT `70000` (from `.env`) is not from 0 to 65535",
        "`auto_anser` in `offhook.toml` is unknown; did you mean `auto_answer`?",
        "OFFHOOK_HOSTS (`hosts` in `offhook.toml`) is neither a text",
        "you find it in: Twilio console",
        "13 settings are missing or wrong",
    ] {
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
    assert!(
        !message.contains("what is this"),
        "a broken line may be a secret"
    );
}

/// Every setting with values that are wrong, and what is said of them.
const WRONG: &[(&str, &str, &str)] = &[
    ("TWILIO_ACCOUNT_SID", "AC123", "has 5 characters, not 34"),
    (
        "TWILIO_ACCOUNT_SID",
        "SK00112233445566778899aabbccddeeff",
        "is an API key",
    ),
    (
        "TWILIO_API_KEY",
        "AC00112233445566778899aabbccddeeff",
        "is an account",
    ),
    (
        "TWILIO_TWIML_APP_SID",
        "AP00112233445566778899aabbccdd-eff",
        "letters and digits",
    ),
    ("TWILIO_API_SECRET", "two words", "has a space"),
    ("TWILIO_AUTH_TOKEN", "hu\u{7}sh", "unprintable"),
    ("TWILIO_AUTH_TOKEN_NEXT", "hüsh", "unprintable"),
    (
        "TWILIO_PHONE_NUMBER",
        "5145550100",
        "does not begin with a plus sign",
    ),
    ("TWILIO_PHONE_NUMBER", "+1 514 555 0100", "7 to 15 digits"),
    (
        "TWILIO_API_BASE_URL",
        "http://api.example.com",
        "plain http",
    ),
    ("PUBLIC_URL", "http://phone.example.com", "plain http"),
    ("PUBLIC_URL", "http://localhost:3000", "plain http"),
    (
        "PUBLIC_URL",
        "https://phone.example.com/twilio",
        "has a path",
    ),
    ("PUBLIC_URL", "https://phone.example.com?x=1", "has a query"),
    (
        "PUBLIC_URL",
        "https://me:hush@phone.example.com",
        "has a user part",
    ),
    (
        "NGROK_URL",
        "ftp://phone.example.com",
        "other than https://",
    ),
    ("PORT", "65536", "is not from 0 to 65535"),
    ("PORT", "-1", "is not from 0 to 65535"),
    ("PORT", "http", "is not a whole number"),
    ("OFFHOOK_BIND", "localhost", "no IP address"),
    ("OFFHOOK_HOSTS", "https://phone.local", "no host name"),
    ("OFFHOOK_API_KEY", "fifteen-letters", "shorter than 16"),
    ("OFFHOOK_API_KEY", "sixteen\tletters!", "not printable"),
    ("OFFHOOK_TOKEN_TTL", "86401", "is not from 60 to 86400"),
    ("OFFHOOK_TOKEN_TTL", "1h", "is not a whole number"),
    ("OFFHOOK_RING", "Desk", "is none of the three"),
    ("OFFHOOK_HISTORY_DAYS", "0", "is not from 1 to 36500"),
    ("OFFHOOK_HISTORY_CALLS", "all", "is not a whole number"),
    ("OFFHOOK_RECORD_FORMAT", "mp3", "is neither opus nor wav"),
    (
        "OFFHOOK_RECORD_NOTICE",
        "beep",
        "is none of off, tone and spoken",
    ),
    ("OFFHOOK_RECORD_DAYS", "-1", "is not from 0 to 36500"),
    ("OFFHOOK_RECORD_MEGABYTES", "2 GB", "is not a whole number"),
    ("OFFHOOK_MQTT_URL", "http://broker", "neither mqtt:// nor"),
    ("OFFHOOK_MQTT_URL", "mqtt://", "names no host"),
    (
        "OFFHOOK_MQTT_URL",
        "mqtt://a:hush@broker",
        "has a password in it",
    ),
    ("OFFHOOK_MQTT_URL", "mqtt://broker/topic", "behind its host"),
    ("OFFHOOK_MQTT_PREFIX", "home/#", "is no topic"),
    ("OFFHOOK_MQTT_NODE", "my desk", "is not 1 to 64 letters"),
    ("OFFHOOK_RING_SECONDS", "4", "is not from 5 to 600"),
    ("OFFHOOK_RING_SECONDS", "601", "is not from 5 to 600"),
    ("OFFHOOK_BROWSER_SECONDS", "4", "is not from 5 to 600"),
    (
        "OFFHOOK_FORWARD_ALWAYS",
        "5145550199",
        "is no number with a plus sign",
    ),
    ("OFFHOOK_FORWARD_BUSY", "client:kitchen", "is a browser"),
    (
        "OFFHOOK_FORWARD_NO_ANSWER",
        "+19005550199",
        "is a number that is not dialled",
    ),
    ("OFFHOOK_FORWARD_SECONDS", "601", "is not from 5 to 600"),
    ("OFFHOOK_VOICEMAIL", "true", "is none of the three"),
    ("OFFHOOK_VOICEMAIL_SECONDS", "9", "is not from 10 to 1800"),
    ("OFFHOOK_SCREENING", "on", "is neither true nor false"),
    ("OFFHOOK_QUIET", "at night", "is no timetable"),
    ("OFFHOOK_QUIET_EXCEPT", "mother", "names something other"),
    (
        "OFFHOOK_AUTO_ANSWER",
        "yes",
        "neither true, false nor seconds",
    ),
    (
        "OFFHOOK_COUNTRY",
        "atlantis",
        "is no country whose tones are known",
    ),
    ("OFFHOOK_CALL_WAITING", "yes", "is neither true nor false"),
    (
        "OFFHOOK_HANDSET",
        "hidraw0",
        "is neither auto, none nor a path",
    ),
    ("OFFHOOK_LONGEST_CALL", "0", "is not from 1 to 1440"),
    ("OFFHOOK_CAPTURE", "file:", "names no file"),
    ("OFFHOOK_AUDIO_HOST", "jack", "is none of these"),
    ("OFFHOOK_CALLBACK_MS", "0", "is not from 1 to 100"),
    ("OFFHOOK_MOST_DELAY_MS", "199", "is not from 200 to 3000"),
    ("OFFHOOK_MOST_DELAY_MS", "1 s", "is not a whole number"),
    ("OFFHOOK_VOLUME", "101", "is not from 0 to 100"),
    ("OFFHOOK_VOLUME", "300", "is not from 0 to 100"),
    ("OFFHOOK_RING_VOLUME", "loud", "is not a whole number"),
    ("OFFHOOK_LIMITER", "on", "is neither true nor false"),
    ("OFFHOOK_LOUDEST", "3", "is not from -30 to 0"),
    ("OFFHOOK_LOUDEST", "-200", "is not from -30 to 0"),
    ("OFFHOOK_LOUDEST", "-3 dB", "is not a whole number"),
    ("OFFHOOK_RINGTONE", "ring.wav", "a file needs file: before"),
    ("OFFHOOK_RINGTONE", "file:", "names no file"),
    (
        "OFFHOOK_HOLD_MUSIC",
        "wait.wav",
        "a file needs file: before",
    ),
    ("OFFHOOK_HOLD_MUSIC", "file:", "names no file"),
    ("OFFHOOK_RING_RISING", "yes", "is neither true nor false"),
    ("OFFHOOK_SIDETONE", "on", "is not a whole number"),
    ("OFFHOOK_SIDETONE", "0", "is not from -40 to -6"),
    ("OFFHOOK_PROFILE", "handset", "is neither of the two"),
    ("OFFHOOK_ECHO_CANCELLER", "yes", "neither true nor false"),
    ("OFFHOOK_NOISE_SUPPRESSION", "on", "neither true nor false"),
    ("OFFHOOK_GAIN_CONTROL", "2", "neither true nor false"),
    ("OFFHOOK_HIGH_PASS", "110", "neither true nor false"),
    ("OFFHOOK_LANG", "de", "is neither en nor fr"),
    ("OFFHOOK_LOG", "offhook=loudly", "is no filter"),
];

#[test]
fn every_malformed_value_is_explained_and_no_private_one_repeated() {
    for (name, value, explanation) in WRONG {
        let mut sources = complete();
        set(&mut sources.environment, name, value);
        let message = refused(&sources);
        let line = message.lines().nth(1).expect("one problem");
        assert!(
            line.contains(name) && line.contains(explanation),
            "{name}: {message}"
        );
        assert!(message.contains("it looks like: "), "{message}");
        let repeated = line.contains(&format!("`{}`", value.escape_debug()));
        let private = setting(name).secret || name.starts_with("TWILIO_") || name.ends_with("_URL");
        assert_eq!(repeated, !private, "{name}: {message}");
        assert!(!private || !line.contains(value), "{name}: {message}");
        assert!(!message.contains("hush"), "{message}");
        assert_eq!(
            message.lines().next(),
            Some("one setting is missing or wrong")
        );
    }
}

#[test]
fn a_value_that_is_no_text_is_told_as_such() {
    let mut sources = complete();
    set(
        &mut sources.environment,
        "OFFHOOK_CAPTURE",
        "file:\u{fffd}.wav",
    );
    assert!(refused(&sources).contains("is not valid UTF-8"));
}

#[test]
fn a_missing_setting_that_stands_misspelled_elsewhere_is_recognised() {
    let mut sources = complete();
    let sid = sources
        .environment
        .remove("TWILIO_ACCOUNT_SID")
        .expect("set");
    set(&mut sources.environment, "TWILIO_ACOUNT_SID", &sid);
    let message = refused(&sources);
    assert!(
        message.contains("TWILIO_ACCOUNT_SID is missing (is `TWILIO_ACOUNT_SID`, which is set")
    );
    assert!(!message.contains(&sid));
}

#[test]
fn only_missing_settings_can_be_asked_for() {
    let mut sources = complete();
    sources.environment.remove("TWILIO_AUTH_TOKEN");
    sources.environment.remove("TWILIO_PHONE_NUMBER");
    let error = Settings::load(&sources).expect_err("incomplete");
    assert_eq!(
        error.only_missing(),
        Some(vec!["TWILIO_PHONE_NUMBER", "TWILIO_AUTH_TOKEN"])
    );
    set(&mut sources.environment, "PORT", "many");
    let error = Settings::load(&sources).expect_err("worse");
    assert_eq!(error.only_missing(), None);
    assert_eq!(error.problems().len(), 3);
}

#[test]
fn booleans_are_true_false_1_and_0() {
    for (text, auto_answer) in [
        ("true", AutoAnswer::After(Duration::ZERO)),
        ("1", AutoAnswer::After(Duration::ZERO)),
        ("false", AutoAnswer::Off),
        ("0", AutoAnswer::Off),
        ("7", AutoAnswer::After(Duration::from_secs(7))),
    ] {
        let mut sources = complete();
        set(&mut sources.environment, "OFFHOOK_AUTO_ANSWER", text);
        assert_eq!(load(&sources).auto_answer, auto_answer, "{text}");
    }
}

#[test]
fn the_speakerphones_stages_follow_the_profile_and_the_devices_unless_named() {
    let table: [(&[(&str, &str)], Stages); 8] = [
        (&[], Stages::ALL),
        (&[("OFFHOOK_PROFILE", "headset")], Stages::NONE),
        (&[("OFFHOOK_CAPTURE", "loopback")], Stages::NONE),
        (&[("OFFHOOK_PLAYOUT", "file:out.wav")], Stages::NONE),
        (
            &[
                ("OFFHOOK_PLAYOUT", "none"),
                ("OFFHOOK_PROFILE", "speakerphone"),
            ],
            Stages::NONE,
        ),
        (
            &[("OFFHOOK_CAPTURE", "loopback"), ("OFFHOOK_HIGH_PASS", "1")],
            Stages {
                high_pass: true,
                ..Stages::NONE
            },
        ),
        (
            &[
                ("OFFHOOK_GAIN_CONTROL", "false"),
                ("OFFHOOK_RINGER", "none"),
            ],
            Stages {
                gain_control: false,
                ..Stages::ALL
            },
        ),
        (
            &[
                ("OFFHOOK_PROFILE", "headset"),
                ("OFFHOOK_ECHO_CANCELLER", "true"),
                ("OFFHOOK_NOISE_SUPPRESSION", "true"),
            ],
            Stages {
                echo_canceller: true,
                noise_suppression: true,
                ..Stages::NONE
            },
        ),
    ];
    for (settings, stages) in table {
        let mut sources = complete();
        for (name, value) in settings {
            set(&mut sources.environment, name, value);
        }
        assert_eq!(load(&sources).audio.stages(), stages, "{settings:?}");
    }
}

#[test]
fn comfort_is_set_by_any_source() {
    let mut sources = complete();
    sources.toml = file(
        "offhook.toml",
        "loudest = -12\nlimiter = true\nlevel_far_end = true\nring_rising = false\nring_volume = 50\nsidetone = -20\n",
    );
    set(
        &mut sources.environment,
        "OFFHOOK_RINGTONE",
        "file:ring.wav",
    );
    set(&mut sources.environment, "OFFHOOK_CALL_ENDED_TONE", "0");
    set(&mut sources.environment, "OFFHOOK_HOLD_MUSIC", "silence");
    set(&mut sources.flags, "OFFHOOK_VOLUME", "80");
    let comfort = load(&sources).audio.comfort;
    assert_eq!(Some(comfort.loudest), Loudest::new(-12));
    assert_eq!((comfort.limiter, comfort.sidetone), (Some(true), Some(-20)));
    assert!(comfort.level_far_end && !comfort.ring_rising && !comfort.call_ended_tone);
    assert_eq!(Some(comfort.ring_volume), Volume::new(50));
    assert_eq!(Some(comfort.volume), Volume::new(80));
    assert_eq!(comfort.ringtone, Ringtone::File(PathBuf::from("ring.wav")));
    assert_eq!(comfort.hold_music, HoldMusic::Silence);
}

#[test]
fn both_auth_tokens_count_during_a_rotation() {
    let mut sources = complete();
    set(&mut sources.environment, "TWILIO_AUTH_TOKEN_NEXT", "12345");
    let (settings, warnings) = Settings::load(&sources).expect("good");
    assert_eq!(settings.auth_tokens.len(), 2);
    assert!(
        warnings
            .iter()
            .any(|w| w.starts_with("TWILIO_AUTH_TOKEN_NEXT does not look like"))
    );
    assert!(!warnings.concat().contains("12345"));
    assert!(!format!("{settings:?}").contains(TOKEN));
}

#[test]
fn public_url_wins_over_its_alias_with_a_warning_where_they_differ() {
    let mut sources = complete();
    set(&mut sources.environment, "NGROK_URL", "phone.ngrok.app/");
    let (settings, warnings) = Settings::load(&sources).expect("good");
    assert_eq!(settings.public_url.as_str(), "https://phone.ngrok.app");
    assert!(
        !settings.public_url_by_default && warnings.is_empty(),
        "{warnings:?}"
    );

    set(
        &mut sources.environment,
        "PUBLIC_URL",
        "https://phone.ngrok.app",
    );
    assert!(Settings::load(&sources).expect("good").1.is_empty());

    set(
        &mut sources.environment,
        "PUBLIC_URL",
        "https://phone.example.com",
    );
    let (settings, warnings) = Settings::load(&sources).expect("good");
    assert_eq!(settings.public_url.as_str(), "https://phone.example.com");
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("differ: PUBLIC_URL is used"),
        "{warnings:?}"
    );
}

#[test]
fn without_a_public_url_the_signed_origin_is_this_machines_port() {
    let mut sources = complete();
    set(&mut sources.environment, "PORT", "4321");
    let settings = load(&sources);
    assert_eq!(settings.public_url.as_str(), "http://127.0.0.1:4321");
    assert!(settings.public_url_by_default);
}

#[test]
fn going_without_signatures_is_for_this_machine_only() {
    let mut sources = complete();
    sources.environment.remove("TWILIO_AUTH_TOKEN");
    assert!(refused(&sources).contains("TWILIO_AUTH_TOKEN is missing"));
    sources.insecure_no_signature = true;
    let settings = load(&sources);
    assert!(settings.auth_tokens.is_empty() && settings.insecure_no_signature);
    assert!(!load(&complete()).insecure_no_signature);
    for (bind, fine) in [
        ("127.0.0.1,::1", true),
        ("127.0.0.2", true),
        ("0.0.0.0", false),
        ("127.0.0.1,::", false),
        ("192.0.2.1", false),
    ] {
        set(&mut sources.environment, "OFFHOOK_BIND", bind);
        match Settings::load(&sources) {
            Ok(_) => assert!(fine, "{bind}"),
            Err(error) => assert!(
                !fine && error.to_string().contains("OFFHOOK_BIND names an address"),
                "{bind}: {error}"
            ),
        }
    }
    sources.environment.remove("OFFHOOK_BIND");
    set(
        &mut sources.environment,
        "PUBLIC_URL",
        "https://phone.example.com",
    );
    assert!(refused(&sources).contains("--insecure-no-signature is refused"));
}

#[test]
fn an_automatic_answer_that_comes_too_late_is_warned_of() {
    let mut sources = complete();
    set(&mut sources.environment, "OFFHOOK_AUTO_ANSWER", "20");
    let (_, warnings) = Settings::load(&sources).expect("good");
    assert!(
        warnings.concat().contains("never answers by itself"),
        "{warnings:?}"
    );
    set(&mut sources.environment, "OFFHOOK_RING_SECONDS", "21");
    let (_, warnings) = Settings::load(&sources).expect("good");
    assert!(!warnings.concat().contains("never answers"), "{warnings:?}");
}

#[test]
fn the_tones_are_those_of_the_numbers_country_unless_another_is_set() {
    let mut sources = complete();
    set(
        &mut sources.environment,
        "TWILIO_PHONE_NUMBER",
        "+33123456789",
    );
    assert_eq!(load(&sources).country, Country::France);
    set(&mut sources.environment, "OFFHOOK_COUNTRY", "de");
    assert_eq!(load(&sources).country, Country::Germany);
    let like = setting("OFFHOOK_COUNTRY").like;
    for code in Country::codes() {
        assert!(
            like.contains(&code.to_ascii_lowercase()),
            "{code} is not named"
        );
    }
}

#[test]
fn the_language_is_set_or_follows_the_locale() {
    let lang = |pairs: &[(&str, &str)]| {
        let mut sources = complete();
        for (name, value) in pairs {
            set(&mut sources.environment, name, value);
        }
        load(&sources).lang
    };
    assert_eq!(lang(&[("LANG", "fr_CA.UTF-8")]), Lang::Fr);
    assert_eq!(lang(&[("LC_ALL", "en_US"), ("LANG", "fr_CA")]), Lang::En);
    assert_eq!(
        lang(&[("LC_MESSAGES", "fr_FR"), ("LANG", "en_US")]),
        Lang::Fr
    );
    assert_eq!(lang(&[("LC_ALL", ""), ("LANG", "fr_CA")]), Lang::Fr);
    assert_eq!(lang(&[("OFFHOOK_LANG", "en"), ("LANG", "fr_CA")]), Lang::En);
}

#[test]
fn other_verbs_ask_only_for_what_they_need() {
    let mut sources = nothing();
    set(&mut sources.environment, "HOME", "/home/me");
    set(&mut sources.environment, "PORT", "many");
    let local = Local::load(&sources).expect("enough for them");
    assert_eq!(local.log, "info");
    set(&mut sources.environment, "OFFHOOK_SOKET", "/x");
    let error = Local::load(&sources).expect_err("unknown").to_string();
    assert!(error.contains("did you mean `OFFHOOK_SOCKET`?"), "{error}");
}

#[test]
fn anything_of_twilios_means_that_a_real_telephone_is_wanted() {
    assert!(!nothing().mentions_twilio());
    let mut empty = nothing();
    set(&mut empty.environment, "TWILIO_ACCOUNT_SID", "");
    set(&mut empty.environment, "NGROK_URL", "phone.ngrok.app");
    assert!(!empty.mentions_twilio());
    let mut environment = nothing();
    set(&mut environment.environment, "TWILIO_API_KEY", "x");
    assert!(environment.mentions_twilio());
    let mut dotenv = nothing();
    dotenv.dotenv = file(".env", "export TWILIO_AUTH_TOKEN='x'");
    assert!(dotenv.mentions_twilio());
    let mut toml = nothing();
    toml.toml = file("offhook.toml", "twilio_phone_number = \"+15145550100\"");
    assert!(toml.mentions_twilio());
    toml.toml = file("offhook.toml", "twilio_auth_token = \"x\"");
    assert!(toml.mentions_twilio());
    let mut in_file = nothing();
    set(
        &mut in_file.environment,
        "TWILIO_AUTH_TOKEN_FILE",
        "/run/token",
    );
    assert!(in_file.mentions_twilio());
}

#[test]
fn the_example_file_holds_every_setting_and_can_be_used() {
    let text = include_str!("../offhook.example.toml");
    let uncommented: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("#"))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(|line| format!("{line}\n"))
        .collect();
    let keys: Vec<String> = uncommented
        .parse::<toml::Table>()
        .expect("TOML")
        .keys()
        .cloned()
        .collect();
    for setting in table::ALL.iter().filter(|s| s.name != "OFFHOOK_CONFIG") {
        assert_eq!(
            keys.contains(&setting.toml_key()),
            !setting.secret,
            "{}",
            setting.name
        );
        assert!(text.contains(setting.name), "{} is not named", setting.name);
    }
    let mut sources = nothing();
    for setting in table::ALL.iter().filter(|setting| setting.secret) {
        set(&mut sources.environment, setting.name, setting.example);
    }
    sources.toml = file("offhook.example.toml", &uncommented);
    let (settings, warnings) = Settings::load(&sources).expect("usable");
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(settings.public_url.as_str(), "https://phone.example.com");
    // As it stands, everything is a comment.
    assert!(text.parse::<toml::Table>().expect("TOML").is_empty());
}

#[test]
fn whatever_is_asked_for_is_explained_in_french_too() {
    let error = Settings::load(&nothing()).expect_err("everything is missing");
    let mut asked = vec!["PUBLIC_URL"];
    asked.extend(error.problems().iter().filter_map(|p| p.missing_name()));
    assert_eq!(asked.len(), 7);
    for name in asked {
        let setting = setting(name);
        let french = setting.french.expect(name);
        for (french, english) in [
            (french.about, setting.about),
            (french.like, setting.like),
            (french.find, setting.find),
        ] {
            assert!(!french.is_empty() && french != english, "{name}");
        }
    }
}

#[test]
fn the_example_of_every_setting_is_good() {
    let mut sources = nothing();
    for setting in table::ALL {
        set(&mut sources.environment, setting.name, setting.example);
    }
    load(&sources);
}

const TOKEN: &str = "deadbeefdeadbeefdeadbeefdeadbeef";

fn nothing() -> Sources {
    Sources {
        flags: BTreeMap::new(),
        environment: BTreeMap::new(),
        dotenv: None,
        toml: None,
        insecure_no_signature: false,
        read_file,
    }
}

fn complete() -> Sources {
    let mut sources = nothing();
    for (name, value) in [
        ("HOME", "/home/me"),
        ("TWILIO_ACCOUNT_SID", "AC00112233445566778899aabbccddeeff"),
        ("TWILIO_API_KEY", "SK00112233445566778899aabbccddeeff"),
        ("TWILIO_API_SECRET", "abcdefghijklmnopqrstuvwxyzABCDEF"),
        ("TWILIO_TWIML_APP_SID", "AP00112233445566778899aabbccddeeff"),
        ("TWILIO_PHONE_NUMBER", "+15145550100"),
        ("TWILIO_AUTH_TOKEN", TOKEN),
    ] {
        set(&mut sources.environment, name, value);
    }
    sources
}

fn read_file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/token") => Ok("0123456789abcdef0123456789abcdef\n".to_owned()),
        Some("/run/empty") => Ok("\n".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn set(values: &mut BTreeMap<String, String>, name: &str, value: &str) {
    values.insert(name.to_owned(), value.to_owned());
}

fn file(path: &str, text: &str) -> Option<TextFile> {
    Some(TextFile {
        path: PathBuf::from(path),
        text: text.to_owned(),
    })
}

fn setting(name: &str) -> &'static Setting {
    table::ALL.iter().find(|s| s.name == name).expect("known")
}

fn load(sources: &Sources) -> Settings {
    Settings::load(sources).expect("good settings").0
}

fn refused(sources: &Sources) -> String {
    Settings::load(sources).expect_err("refused").to_string()
}
