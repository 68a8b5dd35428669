//! What is wrong with the settings, all of it, in words that help.

use std::fmt;

use super::source::Raw;
use super::table::Setting;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The setting that is missing and could be asked for.
    missing: Option<&'static str>,
    /// What is wrong.
    sentence: String,
    /// What it should look like.
    like: Option<&'static str>,
    /// Where to find it.
    find: Option<&'static str>,
}

/// Settings whose values may be repeated to the person: nothing that could be a secret, or one in the wrong place.
fn may_be_shown(setting: &Setting) -> bool {
    let private = setting.name.starts_with("TWILIO_") || setting.name.ends_with("_URL");
    !setting.secret && !private
}

impl Problem {
    /// A setting that must be there is not.
    pub(super) fn missing(setting: &Setting, meant: Option<&str>) -> Problem {
        let meant = meant.map_or(String::new(), |name| {
            format!(" (is `{name}`, which is set, a misspelling of it?)")
        });
        Problem {
            missing: Some(setting.name),
            sentence: format!("{} is missing{meant}", setting.name),
            ..Problem::about(setting)
        }
    }

    /// A setting cannot be read.
    pub(super) fn malformed(setting: &Setting, raw: &Raw, what: String) -> Problem {
        let shown = if may_be_shown(setting) {
            let short: String = raw.text.chars().take(60).collect();
            format!(" `{}`", short.escape_debug())
        } else {
            String::new()
        };
        Problem {
            sentence: format!("{}{shown} (from {}) {what}", setting.name, raw.place),
            ..Problem::about(setting)
        }
    }

    /// A setting stands in the TOML file as something else than a text.
    pub(super) fn wrong_type(setting: &Setting, place: &str, what: &str) -> Problem {
        Problem {
            sentence: format!(
                "{} (`{}` in {place}) {what}",
                setting.name,
                setting.toml_key()
            ),
            ..Problem::about(setting)
        }
    }

    /// A secret stands in the TOML file.
    pub(super) fn secret_in_toml(setting: &Setting, place: &str) -> Problem {
        Problem {
            sentence: format!(
                "{name} (`{}` in {place}) is a secret, and secrets do not stand in this file: put it into the environment, \
                 into `.env`, or into a file that {name}_FILE names",
                setting.toml_key(),
                name = setting.name,
            ),
            ..Problem::about(setting)
        }
    }

    /// The file that should hold a secret cannot be read.
    pub(super) fn unreadable_secret(
        setting: &Setting,
        name: &str,
        path: &str,
        cause: &str,
    ) -> Problem {
        // Without a slash it may be the secret itself, put into the wrong variable.
        let sentence = if path.contains('/') {
            format!("{name} names `{path}`, which cannot be used: {cause}")
        } else {
            format!("{name} names a file that cannot be used: {cause}; it wants a path")
        };
        Problem {
            sentence,
            ..Problem::about(setting)
        }
    }

    /// A name that nobody knows.
    pub(super) fn unknown(name: &str, place: &str, meant: Option<&str>) -> Problem {
        let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
        Problem::broken_file(format!("`{name}` in {place} is unknown{meant}"))
    }

    /// A file that cannot be read, or something else that concerns no single setting.
    pub(super) fn broken_file(sentence: String) -> Problem {
        Problem {
            missing: None,
            sentence,
            like: None,
            find: None,
        }
    }

    /// Returns the name of the setting that is missing, where that is all that is wrong.
    #[must_use]
    pub fn missing_name(&self) -> Option<&'static str> {
        self.missing
    }

    /// The help that belongs to a setting.
    fn about(setting: &Setting) -> Problem {
        Problem {
            missing: None,
            sentence: String::new(),
            like: Some(setting.like),
            find: (!setting.find.is_empty()).then_some(setting.find),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sentence)?;
        if let Some(like) = self.like {
            write!(f, "\n      it looks like: {like}")?;
        }
        if let Some(find) = self.find {
            write!(f, "\n      you find it in: {find}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingsError {
    problems: Vec<Problem>,
}

impl SettingsError {
    /// Takes what is wrong: at least one thing.
    pub(super) fn new(problems: Vec<Problem>) -> SettingsError {
        SettingsError { problems }
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the names of the missing settings, where nothing else is wrong: then they can be asked for.
    #[must_use]
    pub fn only_missing(&self) -> Option<Vec<&'static str>> {
        self.problems.iter().map(Problem::missing_name).collect()
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "one setting is missing or wrong")?,
            count => write!(f, "{count} settings are missing or wrong")?,
        }
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}
