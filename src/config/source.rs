//! Where settings come from: flags over environment over `.env` over the TOML file; which one wins, and what is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::dotenv;
use super::live::Told;
use super::problem::{Problem, SettingsError};
use super::suggest::nearest;
use super::table::{self, Setting};
use super::value;
use crate::pure::hook::{Hook, VARIABLE};

/// A file that was read, with its path as a person knows it.
#[derive(Clone, Eq, PartialEq)]
pub struct TextFile {
    /// Its path.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

impl fmt::Debug for TextFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may hold secrets.
        f.debug_struct("TextFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Everything that settings are read from, taken once, so that reading them is a matter of values only.
#[derive(Clone)]
pub struct Sources {
    /// What the flags say, by the name of the setting.
    pub flags: BTreeMap<String, String>,
    /// The process environment.
    pub environment: BTreeMap<String, String>,
    /// The `.env` file of the working directory.
    pub dotenv: Option<TextFile>,
    /// The TOML file.
    pub toml: Option<TextFile>,
    /// Whether unsigned webhooks are to be taken (`--insecure-no-signature`).
    pub insecure_no_signature: bool,
    /// Reads the file that holds a secret.
    pub read_file: fn(&Path) -> io::Result<String>,
}

/// The table of hooks in the TOML file.
const HOOKS: &str = "hooks";

/// Where a file of settings lies unless somebody says otherwise.
pub const DOTENV: &str = ".env";

impl Sources {
    /// Takes the flags as given, and the rest from where the program runs.
    ///
    /// # Errors
    /// Where `.env` or the TOML file is there but cannot be read, or a TOML file was named that is not there.
    pub fn of_process(flags: BTreeMap<String, String>) -> Result<Sources, SettingsError> {
        // Names that are no text are not ours; values that are none are caught when they are read.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((
                    name.into_string().ok()?,
                    value.to_string_lossy().into_owned(),
                ))
            })
            .collect();
        let mut sources = Sources {
            flags,
            environment,
            dotenv: None,
            toml: None,
            insecure_no_signature: false,
            read_file: |path| std::fs::read_to_string(path),
        };
        sources.reread_dotenv()?;
        let (path, named) = match Reader::new(&sources).raw(&table::OFFHOOK_CONFIG) {
            Some(raw) => (Some(PathBuf::from(raw.text)), true),
            None => (
                sources.xdg("XDG_CONFIG_HOME", ".config", "offhook.toml"),
                false,
            ),
        };
        if let Some(path) = path {
            sources.toml = read_if_there(&path, named)?;
        }
        Ok(sources)
    }

    /// Reads `.env` anew.
    ///
    /// # Errors
    /// Where it is there but cannot be read.
    pub fn reread_dotenv(&mut self) -> Result<(), SettingsError> {
        self.dotenv = read_if_there(Path::new(DOTENV), false)?;
        Ok(())
    }

    /// Says whether anybody set anything of Twilio's: then a real telephone is wanted, and no demonstration.
    #[must_use]
    pub fn mentions_twilio(&self) -> bool {
        let reader = Reader::new(self);
        let set = |values: &BTreeMap<String, String>| {
            values
                .iter()
                .any(|(name, value)| name.starts_with("TWILIO_") && !value.trim().is_empty())
        };
        set(&self.flags)
            || set(&self.environment)
            || set(&reader.dotenv)
            || table::ALL
                .iter()
                .any(|s| s.name.starts_with("TWILIO_") && reader.raw(s).is_some())
            // For `serve` to refuse.
            || reader.misplaced.iter().any(|name| name.starts_with("TWILIO_"))
    }

    /// Returns a setting's text as it stands, from wherever it is set first: for verbs that want one or two of them.
    /// A secret's file is read.
    #[must_use]
    pub fn text(&self, setting: &Setting) -> Option<String> {
        Reader::new(self).raw(setting).map(|raw| raw.text)
    }

    /// Returns `$variable/offhook/file`, or the same under the home folder; nothing without either.
    pub(super) fn xdg(&self, variable: &str, below_home: &str, file: &str) -> Option<PathBuf> {
        let absolute = |name: &str| {
            let path = PathBuf::from(self.environment.get(name)?);
            path.is_absolute().then_some(path)
        };
        let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))?;
        Some(base.join("offhook").join(file))
    }
}

/// A value as it was written, and where.
pub(super) struct Raw {
    /// The text, without spaces around it; never empty.
    pub(super) text: String,
    /// Where it stands.
    pub(super) place: Place,
}

/// Where a setting stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A flag, by its name without hyphens.
    Flag(String),
    /// The process environment.
    Environment,
    /// The file `.env`, as a person knows it.
    Dotenv(String),
    /// A file that holds a secret, by the variable that names it.
    SecretFile(String),
    /// The TOML file, as a person knows it.
    Toml(String),
}

impl Place {
    /// Returns the word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Place::Flag(_) => "flag",
            Place::Environment => "environment",
            Place::Dotenv(_) => "dotenv",
            Place::SecretFile(_) => "file",
            Place::Toml(_) => "toml",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Flag(flag) => write!(f, "the flag --{flag}"),
            Place::Environment => f.write_str("the environment"),
            Place::Dotenv(file) | Place::Toml(file) => f.write_str(file),
            Place::SecretFile(variable) => write!(f, "the file that {variable} names"),
        }
    }
}

/// Reads settings out of the sources, and collects everything that is wrong instead of stopping at it.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    dotenv: BTreeMap<String, String>,
    toml: BTreeMap<String, String>,
    // Secrets in the TOML file, where they must not stand.
    misplaced: BTreeSet<&'static str>,
    asked: BTreeSet<&'static str>,
    problems: Vec<Problem>,
    hooks: Vec<Hook>,
    /// What is strange, but goes.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Takes the files apart; what is broken or unknown in them is a problem, whatever is asked for later.
    pub(super) fn new(sources: &'a Sources) -> Reader<'a> {
        let mut reader = Reader {
            sources,
            dotenv: BTreeMap::new(),
            toml: BTreeMap::new(),
            misplaced: BTreeSet::new(),
            asked: BTreeSet::new(),
            problems: Vec::new(),
            hooks: Vec::new(),
            warnings: Vec::new(),
        };
        reader.take_unknown_variables(&sources.environment, "the environment");
        if let Some(file) = &sources.dotenv {
            let parsed = dotenv::parse(&file.text);
            for line in parsed.broken {
                reader.problems.push(Problem::broken_file(format!(
                    "line {line} of `{}` is not `NAME=value` (or a quote is left open)",
                    file.path.display()
                )));
            }
            reader.take_unknown_variables(&parsed.values, &place_of(file));
            reader.dotenv = parsed.values;
        }
        if let Some(file) = &sources.toml {
            reader.take_toml(file);
        }
        reader
    }

    /// Returns what is written for a setting, wherever it is written first; empty counts as missing.
    pub(super) fn raw(&self, setting: &Setting) -> Option<Raw> {
        self.find(setting).and_then(Result::ok)
    }

    /// Reads a setting that may be missing.
    pub(super) fn optional<T>(
        &mut self,
        setting: &'static Setting,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.asked.insert(setting.name);
        match self.find(setting)? {
            Ok(raw) => match read(&raw.text) {
                _ if raw.text.contains('\u{fffd}') => {
                    let what = "is not valid UTF-8".to_owned();
                    self.problems.push(Problem::malformed(setting, &raw, what));
                    None
                }
                Ok(value) => Some(value),
                Err(what) => {
                    self.problems.push(Problem::malformed(setting, &raw, what));
                    None
                }
            },
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Reads a setting that must be there.
    pub(super) fn required<T>(
        &mut self,
        setting: &'static Setting,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let before = self.problems.len();
        let value = self.optional(setting, read);
        let told = self.misplaced.contains(setting.name);
        if value.is_none() && self.problems.len() == before && !told {
            let meant = self.misspelled(setting);
            self.problems.push(Problem::missing(setting, meant));
        }
        value
    }

    /// Returns where every setting stands, and what is written there unless it is a secret.
    pub(super) fn told(&self) -> Vec<Told> {
        let told = |setting: &&'static Setting| {
            let raw = self.raw(setting);
            Told {
                setting,
                text: raw
                    .as_ref()
                    .filter(|_| !setting.secret)
                    .map(|raw| raw.text.clone()),
                place: raw.map(|raw| raw.place),
            }
        };
        table::ALL.iter().map(told).collect()
    }

    /// Adds something that is wrong with the settings as a whole.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Returns everything that is wrong.
    pub(super) fn into_error(self) -> SettingsError {
        SettingsError::new(self.problems)
    }

    /// Says whether nothing is wrong so far.
    pub(super) fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns the names of all settings that were asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &BTreeSet<&'static str> {
        &self.asked
    }

    /// Looks through the sources in their order.
    fn find(&self, setting: &Setting) -> Option<Result<Raw, Problem>> {
        let raw = |text: &str, place: Place| {
            let text = text.trim();
            (!text.is_empty()).then(|| Raw {
                text: text.to_owned(),
                place,
            })
        };
        if let Some(text) = self.sources.flags.get(setting.name) {
            let flag = setting.flag().unwrap_or_else(|| setting.toml_key());
            if let Some(found) = raw(text, Place::Flag(flag)) {
                return Some(Ok(found));
            }
        }
        let dotenv = self.sources.dotenv.as_ref();
        let dotenv = Place::Dotenv(dotenv.map(place_of).unwrap_or_default());
        let sources = [
            (&self.sources.environment, Place::Environment),
            (&self.dotenv, dotenv),
        ];
        for (values, place) in sources {
            if let Some(found) = values.get(setting.name).and_then(|t| raw(t, place.clone())) {
                return Some(Ok(found));
            }
            let file_name = setting.file_name();
            let path = file_name
                .as_ref()
                .and_then(|name| raw(values.get(name)?, place));
            if let (Some(name), Some(path)) = (file_name, path) {
                return Some(self.read_secret_file(setting, &name, &path.text));
            }
        }
        let place = self.sources.toml.as_ref().map(place_of);
        let text = self.toml.get(&setting.toml_key())?;
        raw(text, Place::Toml(place.unwrap_or_default())).map(Ok)
    }

    /// Reads the file that holds a secret.
    fn read_secret_file(&self, setting: &Setting, name: &str, path: &str) -> Result<Raw, Problem> {
        let cause = match (self.sources.read_file)(Path::new(path)) {
            Ok(text) if text.trim().is_empty() => "it is empty".to_owned(),
            Ok(text) => {
                return Ok(Raw {
                    text: text.trim().to_owned(),
                    place: Place::SecretFile(name.to_owned()),
                });
            }
            Err(error) => error.to_string(),
        };
        Err(Problem::unreadable_secret(setting, name, path, &cause))
    }

    /// Refuses variables that look like ours and are not, and warns of others that are nearly the name of a setting.
    fn take_unknown_variables(&mut self, values: &BTreeMap<String, String>, place: &str) {
        let known: Vec<String> = table::ALL
            .iter()
            .flat_map(|s| [Some(s.name.to_owned()), s.file_name()])
            .flatten()
            .collect();
        // A hook that asks us is told its event in variables.
        let strange = |name: &String| !known.contains(name) && !name.starts_with(VARIABLE);
        for (name, value) in values.iter().filter(|(name, _)| strange(name)) {
            // Most of our names begin with OFFHOOK_, and some do not.
            let bare = name.strip_prefix("OFFHOOK_").unwrap_or_default();
            let meant = known
                .iter()
                .map(String::as_str)
                .find(|known| *known == bare)
                .or_else(|| nearest(name, known.iter().map(String::as_str)));
            if name.starts_with("OFFHOOK_") {
                self.problems.push(Problem::unknown(name, place, meant));
            } else if let Some(meant) = meant
                // Many programs have their ports and addresses, and Twilio has other variables: only said, not refused.
                && (name.starts_with("TWILIO_") || meant.ends_with("_URL"))
                && !value.trim().is_empty()
            {
                self.warnings.push(format!(
                    "`{name}` in {place} is not known here: was `{meant}` meant?"
                ));
            }
        }
    }

    /// Takes the TOML file apart.
    fn take_toml(&mut self, file: &TextFile) {
        let place = place_of(file);
        let table = match file.text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(1, |span| {
                    file.text
                        .bytes()
                        .take(span.start)
                        .filter(|b| *b == b'\n')
                        .count()
                        + 1
                });
                self.problems.push(Problem::broken_file(format!(
                    "line {line} of {place} is not TOML: {}",
                    error.message()
                )));
                return;
            }
        };
        for (key, value) in &table {
            if key == HOOKS {
                self.take_hook_table(value, &place);
                continue;
            }
            let known = table::ALL.iter().find(|s| s.toml_key() == *key);
            let Some(setting) = known.filter(|s| **s != &table::OFFHOOK_CONFIG) else {
                self.problems.push(unknown_key(key, &place));
                continue;
            };
            match toml_text(value) {
                Some(text) if setting.secret => {
                    if !text.trim().is_empty() {
                        self.misplaced.insert(setting.name);
                        self.problems.push(Problem::secret_in_toml(setting, &place));
                    }
                }
                Some(text) => {
                    self.toml.insert(key.clone(), text);
                }
                None => {
                    let what = "is neither a text, a number, a boolean nor a list of texts";
                    self.problems
                        .push(Problem::wrong_type(setting, &place, what));
                }
            }
        }
    }

    /// Takes the table of hooks, which no flag and no variable can hold.
    fn take_hook_table(&mut self, value: &toml::Value, place: &str) {
        let Some(table) = value.as_table() else {
            let sentence = format!(
                "`{HOOKS}` in {place} is not a table: write [hooks], and the hooks below it"
            );
            self.problems.push(Problem::broken_file(sentence));
            return;
        };
        for (key, value) in table {
            let items = value.as_array().and_then(|items| {
                let items = items.iter().map(|item| item.as_str().map(str::to_owned));
                items.collect::<Option<Vec<String>>>()
            });
            let read = match items {
                Some(items) => Hook::new(key, &items).map_err(|why| why.to_string()),
                None => Err(
                    "is no list of texts: it is a program and its arguments, and no shell reads it"
                        .to_owned(),
                ),
            };
            match read {
                Ok(hook) => self.hooks.push(hook),
                Err(why) => {
                    let sentence = format!("`{key}` under [{HOOKS}] in {place} {why}");
                    self.problems.push(Problem::broken_file(sentence));
                }
            }
        }
    }

    /// Returns the hooks, once.
    pub(super) fn take_hooks(&mut self) -> Vec<Hook> {
        std::mem::take(&mut self.hooks)
    }

    /// Finds a variable of somebody's whose name is nearly that of a setting which is missing.
    fn misspelled(&self, setting: &Setting) -> Option<&str> {
        let known: Vec<&str> = table::ALL.iter().map(|s| s.name).collect();
        self.sources
            .environment
            .keys()
            .chain(self.dotenv.keys())
            .map(String::as_str)
            .find(|name| {
                !known.contains(name) && nearest(name, known.iter().copied()) == Some(setting.name)
            })
    }
}

/// Names a file as a place.
fn place_of(file: &TextFile) -> String {
    format!("`{}`", file.path.display())
}

/// Returns the problem of a key that the TOML file must not hold.
fn unknown_key(key: &str, place: &str) -> Problem {
    let keys: Vec<String> = table::ALL
        .iter()
        .filter(|s| **s != &table::OFFHOOK_CONFIG)
        .map(|s| s.toml_key())
        .collect();
    let stripped = key.to_ascii_lowercase();
    let stripped = stripped.strip_prefix("offhook_").unwrap_or(&stripped);
    let stripped = stripped.replace('-', "_");
    let meant = nearest(&stripped, keys.iter().map(String::as_str));
    Problem::unknown(key, place, meant)
}

/// Writes a TOML value as the same setting would be written in a variable.
fn toml_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(items?.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// Reads a file; one that is not there is nothing, unless somebody named it.
fn read_if_there(path: &Path, named: bool) -> Result<Option<TextFile>, SettingsError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(TextFile {
            path: path.to_owned(),
            text,
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Ok(None),
        Err(error) => Err(SettingsError::new(vec![Problem::broken_file(format!(
            "`{}` cannot be read: {error}",
            path.display()
        ))])),
    }
}

/// What every verb that works with a daemon needs to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Local {
    /// Where socket, database, lock and key lie.
    pub data_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// How people are spoken to.
    pub lang: crate::lang::Lang,
    /// The filter of the log.
    pub log: String,
}

impl Local {
    /// Reads only what every verb needs, so that a half-made configuration does not keep `status` from answering.
    ///
    /// # Errors
    /// Everything that is wrong with these few, and everything unknown.
    pub fn load(sources: &Sources) -> Result<Local, SettingsError> {
        let mut reader = Reader::new(sources);
        let local = Local::read(&mut reader);
        local
            .filter(|_| reader.is_fine())
            .ok_or_else(|| reader.into_error())
    }

    /// Reads them, and leaves what is wrong with the reader.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Local> {
        // Read before anything else, when the sources were put together.
        reader.asked.insert(table::OFFHOOK_CONFIG.name);
        let home = reader.sources.xdg("XDG_STATE_HOME", ".local/state", "");
        let data_dir = match reader.optional(&table::OFFHOOK_DATA_DIR, value::path) {
            Some(path) => Some(path),
            None if home.is_none() => {
                reader.refuse(Problem::broken_file(
                    "OFFHOOK_DATA_DIR is missing, and there is no home folder (HOME) to keep data under"
                        .to_owned(),
                ));
                None
            }
            None => home,
        };
        let socket = reader.optional(&table::OFFHOOK_SOCKET, value::path);
        let lang = reader.optional(&table::OFFHOOK_LANG, |text| {
            crate::lang::Lang::parse(text).ok_or_else(|| "is neither en nor fr".to_owned())
        });
        let log = reader.optional(&table::OFFHOOK_LOG, value::log_filter);
        let data_dir = data_dir?;
        Some(Local {
            socket: socket.unwrap_or_else(|| data_dir.join("control.sock")),
            data_dir,
            lang: lang.unwrap_or_else(|| locale_lang(reader.sources)),
            log: log.unwrap_or_else(|| table::OFFHOOK_LOG.default.to_owned()),
        })
    }
}

/// Picks the language by the locale, as POSIX orders its variables.
fn locale_lang(sources: &Sources) -> crate::lang::Lang {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .filter_map(|name| sources.environment.get(*name))
        .find(|value| !value.is_empty())
        .map_or_else(crate::lang::Lang::default, |locale| {
            crate::lang::Lang::from_locale(locale)
        })
}
