//! What can be known of the settings, and changed, while the telephone runs.
//!
//! [`reports`] says where each stands and where that came from, secrets never; [`change`] reads what a person wants of those
//! that may be changed, and tells everything that is wrong with it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::source::Place;
use super::table::{self, Setting};
use super::{Settings, value};
use crate::pure::audio::comfort::Volume;
use crate::pure::tuning::{Knob, Tuned, Tuning};

/// A setting as it was when the settings were read.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which.
    pub setting: &'static Setting,
    /// What was written; nothing where it is a secret, or was not set.
    pub text: Option<String>,
    /// Where it stands; nothing where it was not set.
    pub place: Option<Place>,
}

/// A setting, for programs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SettingReport {
    /// What holds: a number or a boolean where it reads as one. Nothing for a secret, and where nothing is set and the
    /// default is no value but a sentence.
    pub value: Value,
    /// Where that came from: `flag`, `environment`, `dotenv`, `toml`, `default`, or `changed` while the daemon ran.
    pub source: String,
    /// The same as a person knows it, such as a file; nothing for a default.
    pub place: Option<String>,
    /// What holds where nothing is set, as a value or a sentence; nothing where there is no such.
    pub default: Option<String>,
    /// Whether it may be changed while the daemon runs.
    pub changeable: bool,
    /// Whether its value is never told.
    pub secret: bool,
    /// Whether there is a value: set, changed or by default. Of a secret that is all that is told.
    pub set: bool,
    /// What it is.
    pub about: String,
    /// What it looks like.
    pub like: String,
}

/// Why a setting is not changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotChanged {
    /// There is no such setting.
    #[error("`{0}` is no setting; these can be changed while the telephone runs: {names}", names = names())]
    Unknown(String),
    /// It holds until the next start.
    #[error("`{0}` cannot be changed while the telephone runs; set {1} where the settings stand, and start it anew; these can be: {names}", names = names())]
    Fixed(String, &'static str),
    /// The value is none for it.
    #[error("`{name}` does not take `{value}`, which {why}; it takes {like}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What was wanted, as it came.
        value: String,
        /// What is wrong with it, as a clause.
        why: String,
        /// What it takes.
        like: &'static str,
    },
}

impl NotChanged {
    /// Returns the word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            NotChanged::Unknown(_) => "unknown_setting",
            NotChanged::Fixed(..) => "fixed_setting",
            NotChanged::Value { .. } => "invalid_setting",
        }
    }
}

fn names() -> String {
    Knob::ALL.map(Knob::name).join(", ")
}

/// Returns the setting behind a knob; nothing where it has none.
fn setting(knob: Knob) -> Option<&'static Setting> {
    Some(match knob {
        Knob::Ring => &table::OFFHOOK_RING,
        Knob::RingSeconds => &table::OFFHOOK_RING_SECONDS,
        Knob::AutoAnswer => &table::OFFHOOK_AUTO_ANSWER,
        Knob::CallWaiting => &table::OFFHOOK_CALL_WAITING,
        Knob::LongestCall => &table::OFFHOOK_LONGEST_CALL,
        Knob::ForwardAlways => &table::OFFHOOK_FORWARD_ALWAYS,
        Knob::ForwardBusy => &table::OFFHOOK_FORWARD_BUSY,
        Knob::ForwardNoAnswer => &table::OFFHOOK_FORWARD_NO_ANSWER,
        Knob::Voicemail => &table::OFFHOOK_VOICEMAIL,
        Knob::Screening => &table::OFFHOOK_SCREENING,
        Knob::Volume => &table::OFFHOOK_VOLUME,
        Knob::RingVolume => &table::OFFHOOK_RING_VOLUME,
        Knob::DoNotDisturb => return None,
    })
}

/// Returns what a knob takes.
fn like(knob: Knob) -> &'static str {
    match knob {
        Knob::Volume | Knob::RingVolume => {
            "a whole number of percent from 0 to 100, or how much more or less, such as +5 or -5"
        }
        Knob::Ring
        | Knob::RingSeconds
        | Knob::AutoAnswer
        | Knob::CallWaiting
        | Knob::LongestCall
        | Knob::ForwardAlways
        | Knob::ForwardBusy
        | Knob::ForwardNoAnswer
        | Knob::Voicemail
        | Knob::Screening
        | Knob::DoNotDisturb => setting(knob).map_or("true or false", |setting| setting.like),
    }
}

/// Reads what is wanted of one knob into a tuning, which holds where it stands.
fn read(knob: Knob, text: &str, tuning: &mut Tuning) -> Result<(), String> {
    match knob {
        Knob::Ring => tuning.ring = value::ring(text)?,
        Knob::RingSeconds => {
            tuning.ring_for = Duration::from_secs(value::whole(5, 600)(text)?);
        }
        Knob::AutoAnswer => tuning.auto_answer = value::auto_answer(text)?,
        Knob::CallWaiting => tuning.call_waiting = value::boolean(text)?,
        Knob::LongestCall => {
            tuning.longest_call = Duration::from_secs(60 * value::whole(1, 1_440)(text)?);
        }
        Knob::ForwardAlways => tuning.forwarding.always = value::forwarded(text)?,
        Knob::ForwardBusy => tuning.forwarding.busy = value::forwarded(text)?,
        Knob::ForwardNoAnswer => tuning.forwarding.no_answer = value::forwarded(text)?,
        Knob::Voicemail => tuning.voicemail.from = value::messages_from(text)?,
        Knob::Screening => tuning.voicemail.screening = value::boolean(text)?,
        Knob::Volume => tuning.volume = volume(text, tuning.volume)?,
        Knob::RingVolume => tuning.ring_volume = volume(text, tuning.ring_volume)?,
        Knob::DoNotDisturb => tuning.do_not_disturb = value::boolean(text)?,
    }
    Ok(())
}

/// Reads a volume, or by how much it is to change; there it ends at 0 and at 100.
fn volume(text: &str, now: Volume) -> Result<Volume, String> {
    let (up, more) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(more), _) => (true, more),
        (None, Some(less)) => (false, less),
        (None, None) => return value::volume(text),
    };
    let step = value::whole(0_u8, 100)(more)?;
    let percent = if up {
        now.percent().saturating_add(step).min(100)
    } else {
        now.percent().saturating_sub(step)
    };
    Volume::new(percent).ok_or_else(|| "is not from 0 to 100".to_owned())
}

/// Writes a JSON value as it would stand in the environment; nothing where it is none that could.
fn text_of(wanted: &Value) -> Option<String> {
    match wanted {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Bool(on) => Some(on.to_string()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Changes what is wanted, by name: null gives a change up. All of it or nothing.
///
/// # Errors
/// Everything that is wrong, at least one.
pub fn change(tuned: &mut Tuned, wanted: &Map<String, Value>) -> Result<(), Vec<NotChanged>> {
    let mut wrong = Vec::new();
    let mut changed = tuned.clone();
    for (name, wanted) in wanted {
        if let Err(why) = change_one(&mut changed, name, wanted) {
            wrong.push(why);
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    *tuned = changed;
    Ok(())
}

fn change_one(tuned: &mut Tuned, name: &str, wanted: &Value) -> Result<(), NotChanged> {
    let Some(knob) = Knob::by_name(name) else {
        let known = table::ALL.iter().find(|known| known.toml_key() == name);
        return Err(match known {
            Some(known) => NotChanged::Fixed(name.to_owned(), known.name),
            None => NotChanged::Unknown(name.chars().take(60).collect()),
        });
    };
    if wanted.is_null() {
        tuned.give_up(knob);
        return Ok(());
    }
    let mut tuning = tuned.now().clone();
    let read = match text_of(wanted) {
        Some(text) => read(knob, &text, &mut tuning),
        None => Err("is no such value".to_owned()),
    };
    read.map_err(|why| NotChanged::Value {
        name: knob.name(),
        value: {
            let text = wanted.as_str();
            let text = text.map_or_else(|| wanted.to_string(), str::to_owned);
            text.chars().take(60).collect()
        },
        why,
        like: like(knob),
    })?;
    tuned.change(knob, &tuning);
    Ok(())
}

/// Puts what was changed while an earlier daemon ran above the settings, and returns where all of it stands. What is
/// understood no more is left out, with a sentence.
pub fn take_up(settings: &mut Settings, kept: &[(String, String)]) -> (Tuned, Vec<String>) {
    let comfort = &settings.audio.comfort;
    let base = Tuning {
        ring: settings.ring,
        ring_for: settings.ring_for,
        auto_answer: settings.auto_answer,
        call_waiting: settings.call_waiting,
        longest_call: settings.longest_call,
        forwarding: settings.forwarding.clone(),
        voicemail: settings.voicemail,
        volume: comfort.volume,
        ring_volume: comfort.ring_volume,
        do_not_disturb: false,
    };
    let mut tuned = Tuned::new(base);
    let mut left_out = Vec::new();
    for (name, text) in kept {
        if let Err(why) = change_one(&mut tuned, name, &json!(text)) {
            left_out.push(why.to_string());
        }
    }
    let now = tuned.now();
    settings.ring = now.ring;
    settings.ring_for = now.ring_for;
    settings.auto_answer = now.auto_answer;
    settings.call_waiting = now.call_waiting;
    settings.forwarding.clone_from(&now.forwarding);
    settings.voicemail = now.voicemail;
    settings.longest_call = now.longest_call;
    settings.audio.comfort.volume = now.volume;
    settings.audio.comfort.ring_volume = now.ring_volume;
    (tuned, left_out)
}

/// Returns all that may be known of the settings, by the key in the TOML file.
#[must_use]
pub fn reports(told: &[Told], tuned: &Tuned) -> BTreeMap<String, SettingReport> {
    let mut reports: BTreeMap<String, SettingReport> = told
        .iter()
        .map(|told| (told.setting.toml_key(), report(told)))
        .collect();
    for knob in Knob::ALL {
        let unset = || match setting(knob) {
            Some(setting) => report(&Told {
                setting,
                text: None,
                place: None,
            }),
            None => SettingReport {
                value: Value::Null,
                source: "default".to_owned(),
                place: None,
                default: Some("false".to_owned()),
                changeable: true,
                secret: false,
                set: true,
                about: "Whether the desk is kept from ringing".to_owned(),
                like: String::new(),
            },
        };
        let report = reports.entry(knob.name().to_owned()).or_insert_with(unset);
        report.value = typed(&tuned.now().text(knob));
        report.changeable = true;
        report.set = true;
        report.like = like(knob).to_owned();
        if tuned.is_changed(knob) {
            report.source = "changed".to_owned();
            report.place = Some("the database".to_owned());
        }
    }
    reports
}

fn report(told: &Told) -> SettingReport {
    let setting = told.setting;
    // A sentence is no value.
    let by_default = Some(setting.default).filter(|text| !text.is_empty() && !text.contains(' '));
    let text = told.text.as_deref().or(by_default);
    SettingReport {
        value: text.map_or(Value::Null, typed),
        source: told
            .place
            .as_ref()
            .map_or("default", |place| place.word())
            .to_owned(),
        place: told.place.as_ref().map(ToString::to_string),
        default: (!setting.default.is_empty()).then(|| setting.default.to_owned()),
        changeable: false,
        secret: setting.secret,
        set: told.place.is_some() || by_default.is_some(),
        about: setting.about.to_owned(),
        like: setting.like.to_owned(),
    }
}

/// Writes a text as the number or the boolean that it reads as.
fn typed(text: &str) -> Value {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.len() < 16 && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text
            .parse()
            .map_or(Value::Null, |number: i64| json!(number));
    }
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::phone::{AutoAnswer, Ring};

    fn tuned() -> Tuned {
        Tuned::new(Tuning {
            ring: Ring::Desk,
            ring_for: Duration::from_secs(20),
            auto_answer: AutoAnswer::Off,
            call_waiting: true,
            longest_call: Duration::from_secs(3_600),
            forwarding: Default::default(),
            voicemail: Default::default(),
            volume: Volume::new(50).expect("a percentage"),
            ring_volume: Volume::default(),
            do_not_disturb: false,
        })
    }

    fn changed(wanted: Value) -> Result<Tuned, Vec<NotChanged>> {
        let mut tuned = tuned();
        let wanted = wanted.as_object().expect("an object");
        change(&mut tuned, wanted).map(|()| tuned)
    }

    #[test]
    fn values_are_taken_as_json_has_them_and_as_the_environment_does() {
        for (name, wanted, text) in [
            ("ring", json!("browser"), "browser"),
            ("ring_seconds", json!(30), "30"),
            ("ring_seconds", json!("30"), "30"),
            ("auto_answer", json!(true), "true"),
            ("auto_answer", json!(1), "true"),
            ("auto_answer", json!(3), "3"),
            ("call_waiting", json!(false), "false"),
            ("call_waiting", json!("0"), "false"),
            ("longest_call", json!(90), "90"),
            ("forward_always", json!("+15145550199"), "+15145550199"),
            ("forward_busy", json!("off"), "off"),
            ("forward_no_answer", json!("+15145550199"), "+15145550199"),
            ("voicemail", json!("always"), "always"),
            ("screening", json!(false), "false"),
            ("volume", json!(0), "0"),
            ("volume", json!("+5"), "55"),
            ("volume", json!("-5"), "45"),
            ("volume", json!("+100"), "100"),
            ("ring_volume", json!("-100"), "0"),
            ("do_not_disturb", json!(true), "true"),
        ] {
            let tuned = changed(json!({ name: wanted })).expect(name);
            let knob = Knob::by_name(name).expect("known");
            assert_eq!(tuned.changes(), [(knob, text.to_owned())], "{wanted}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_nothing_is_changed() {
        let mut tuned = tuned();
        let wanted = json!({
            "ring": "kitchen", "ring_seconds": 3, "volume": -5, "ring_volume": [1], "call_waiting": "perhaps",
            "longest_call": 1.5, "port": 80, "colour": "red", "auto_answer": true,
        });
        let wrong =
            change(&mut tuned, wanted.as_object().expect("an object")).expect_err("much is wrong");
        let told: Vec<(&str, String)> = wrong
            .iter()
            .map(|why| (why.code(), why.to_string()))
            .collect();
        let told_of = |code: &str, words: &[&str]| {
            let fits = |(of, why): &(&str, String)| {
                *of == code && words.iter().all(|word| why.contains(word))
            };
            assert!(told.iter().any(fits), "{code} {words:?}: {told:?}");
        };
        assert_eq!(told.len(), 8, "{told:?}");
        told_of(
            "invalid_setting",
            &["`ring`", "`kitchen`", "desk-then-browser"],
        );
        told_of(
            "invalid_setting",
            &["`ring_seconds`", "`3`", "from 5 to 600"],
        );
        told_of("invalid_setting", &["`volume`", "`-5`", "0 to 100"]);
        told_of("invalid_setting", &["`longest_call`", "`1.5`"]);
        told_of("fixed_setting", &["`port`", "PORT"]);
        told_of("unknown_setting", &["`colour`", "ring_volume"]);
        assert_eq!(tuned.changes(), []);
    }

    #[test]
    fn null_gives_a_change_up() {
        let mut tuned = changed(json!({"volume": 10, "ring": "browser"})).expect("changed");
        let wanted = json!({"volume": null, "ring_seconds": null});
        change(&mut tuned, wanted.as_object().expect("an object")).expect("given up");
        assert_eq!(tuned.changes(), [(Knob::Ring, "browser".to_owned())]);
        assert_eq!(tuned.now().volume.percent(), 50);
    }

    #[test]
    fn a_report_tells_what_holds_where_it_stands_and_no_secret() {
        let told = |setting: &'static Setting, text: Option<&str>, place| Told {
            setting,
            text: text.map(str::to_owned),
            place,
        };
        let toml = || Some(Place::Toml("`offhook.toml`".to_owned()));
        let told = [
            told(&table::PORT, Some("4000"), Some(Place::Environment)),
            told(&table::OFFHOOK_VOLUME, Some("50"), toml()),
            told(&table::OFFHOOK_RING, Some("desk"), toml()),
            told(
                &table::OFFHOOK_API_KEY,
                None,
                Some(Place::SecretFile("OFFHOOK_API_KEY_FILE".to_owned())),
            ),
            told(
                &table::TWILIO_PHONE_NUMBER,
                Some("+15145550100"),
                Some(Place::Environment),
            ),
            told(&table::OFFHOOK_RINGER, None, None),
            told(&table::OFFHOOK_CALLBACK_MS, None, None),
        ];
        let tuned = changed(json!({"volume": 40})).expect("changed");
        let reports = reports(&told, &tuned);
        let of = |name: &str| {
            let report = &reports[name];
            let place = report.place.as_deref().unwrap_or("-");
            format!("{} {} {place}", report.value, report.source)
        };
        assert_eq!(of("port"), "4000 environment the environment");
        assert_eq!(of("volume"), "40 changed the database");
        assert_eq!(of("ring"), "\"desk\" toml `offhook.toml`");
        assert_eq!(
            of("api_key"),
            "null file the file that OFFHOOK_API_KEY_FILE names"
        );
        assert!(reports["api_key"].secret && reports["api_key"].set);
        assert_eq!(
            of("twilio_phone_number"),
            "\"+15145550100\" environment the environment"
        );
        assert_eq!(of("ringer"), "null default -");
        assert!(!reports["ringer"].set);
        assert_eq!(of("callback_ms"), "10 default -");
        assert_eq!(of("do_not_disturb"), "false default -");
        let changeable = reports.iter().filter(|(_, report)| report.changeable);
        assert_eq!(changeable.count(), Knob::ALL.len());
    }
}
