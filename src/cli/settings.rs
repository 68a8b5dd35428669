//! `offhook settings` and `offhook volume`: what the running daemon's settings are, and changes of those that may change.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answer::refusal;
use super::failure::Failure;
use super::flags::{Control, Flags};
use super::history::another_question;
use super::{Context, output, status};
use crate::control::{Reply, Request, SettingReport};
use crate::lang::Lang;
use crate::lang::book::Told;

/// What `offhook settings` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook settings\n  \
        offhook settings ring_seconds\n  \
        offhook settings ring_seconds 30\n  \
        offhook settings ring_seconds --reset\n\n\
        A change holds from now on and after the next start, until it is reset.")]
pub(crate) struct Args {
    /// Which setting, by its name in the settings file [default: all]
    name: Option<String>,
    /// What it is to be
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
    /// Give a change up: what the settings say holds again
    #[arg(long, requires = "name", conflicts_with = "value")]
    reset: bool,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

/// What `offhook volume` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  offhook volume\n  offhook volume 40\n  offhook volume -5\n  offhook volume +10 --ring"
)]
pub(crate) struct VolumeArgs {
    /// Percent from 0 to 100, or how much more or less
    #[arg(allow_negative_numbers = true)]
    value: Option<String>,
    /// That of ringing, not of the far end
    #[arg(long)]
    ring: bool,
    /// Print both volumes as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

/// Lists settings, or changes one.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let name = args.name.as_deref().map(key);
    let request = match (&name, &args.value) {
        (Some(name), Some(value)) => change(name, json!(value)),
        (Some(name), None) if args.reset => change(name, Value::Null),
        (Some(_) | None, _) => Request::Settings,
    };
    let settings = ask(context, &request)?;
    let Some(name) = name else {
        if args.json {
            return output::print_json(&json!({ "settings": settings }));
        }
        let lines: Vec<String> = settings
            .iter()
            .map(|(name, setting)| line(name, setting, context.local.lang))
            .collect();
        return output::print(&lines.join("\n"));
    };
    let Some(setting) = settings.get(&name) else {
        let why = format!("`{name}` is no setting; hint: `offhook settings` lists them");
        return Err(refusal("unknown_setting", why));
    };
    if args.json {
        return output::print_json(setting);
    }
    output::print(&line(&name, setting, context.local.lang))
}

/// Says how loud it is, or changes that.
pub(crate) fn volume(args: &VolumeArgs, context: &Context) -> Result<(), Failure> {
    let name = if args.ring { "ring_volume" } else { "volume" };
    let request = match &args.value {
        Some(value) => change(name, json!(value)),
        None => Request::Settings,
    };
    let settings = ask(context, &request)?;
    let value = |name: &str| {
        settings
            .get(name)
            .map_or(Value::Null, |one| one.value.clone())
    };
    if args.json {
        let both = json!({"volume": value("volume"), "ring_volume": value("ring_volume")});
        return output::print_json(&both);
    }
    output::print(&value(name).to_string())
}

fn change(name: &str, value: Value) -> Request {
    Request::ChangeSettings {
        change: Map::from_iter([(name.to_owned(), value)]),
    }
}

fn ask(context: &Context, request: &Request) -> Result<BTreeMap<String, SettingReport>, Failure> {
    match status::ask(context, request)? {
        Reply::Settings(settings) => Ok(settings),
        Reply::Error { code, message } => Err(match code.as_str() {
            "no_answer" => refusal(&code, Told::NoAnswer.text(context.local.lang)),
            _ => refusal(&code, message),
        }),
        Reply::Status(_) | Reply::Calls(_) | Reply::Call(_) | Reply::Done | Reply::Recalled(_) => {
            Err(another_question())
        }
    }
}

/// Takes a setting's name as a flag, a variable or the settings file has it.
fn key(typed: &str) -> String {
    let name = typed.to_ascii_lowercase().replace('-', "_");
    let name = name.trim_start_matches('_');
    name.strip_prefix("offhook_").unwrap_or(name).to_owned()
}

fn line(name: &str, setting: &SettingReport, lang: Lang) -> String {
    let value = match &setting.value {
        Value::Null if setting.secret && setting.set => Told::SecretSet.text(lang),
        Value::Null => Told::NotSet.text(lang),
        Value::String(text) => text.clone(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string()
        }
    };
    let from = match (setting.source.as_str(), &setting.place) {
        ("changed", _) => Told::Changed.text(lang),
        (_, Some(place)) => place.clone(),
        (_, None) => Told::ByDefault.text(lang),
    };
    format!("{name}  {value}  ({from})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_known_by_each_of_its_names() {
        for typed in [
            "ring_seconds",
            "ring-seconds",
            "--ring-seconds",
            "OFFHOOK_RING_SECONDS",
        ] {
            assert_eq!(key(typed), "ring_seconds");
        }
        assert_eq!(key("TWILIO_ACCOUNT_SID"), "twilio_account_sid");
    }

    #[test]
    fn a_line_tells_what_holds_and_why_and_no_secret() {
        let mut setting = SettingReport {
            value: json!(20),
            source: "default".to_owned(),
            place: None,
            default: Some("20".to_owned()),
            changeable: true,
            secret: false,
            set: true,
            about: "How many seconds the desk rings".to_owned(),
            like: "a whole number".to_owned(),
        };
        let told = |setting: &SettingReport| line("ring_seconds", setting, Lang::En);
        assert_eq!(told(&setting), "ring_seconds  20  (default)");
        setting.source = "changed".to_owned();
        assert_eq!(told(&setting), "ring_seconds  20  (changed while it ran)");
        setting.source = "environment".to_owned();
        setting.place = Some("the environment".to_owned());
        setting.value = Value::Null;
        setting.secret = true;
        assert_eq!(
            told(&setting),
            "ring_seconds  set, and secret  (the environment)"
        );
    }
}
