//! Reads the settings of `serve`, and asks for what is missing where a person sits before a terminal.
//!
//! What is typed is checked at once and written to `.env` of the working directory, which only its owner can read.
//! A standard input that is no terminal is never read.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

use super::failure::Failure;
use super::output;
use super::terminal::person_is_there;
use crate::config::table::{self, Setting};
use crate::config::{self, DOTENV, Settings, Sources, dotenv};
use crate::lang::{Lang, Message};

/// Reads the settings, asks for what is missing where that is all that is wrong, and tells the warnings.
pub(crate) fn settings(mut sources: Sources, lang: Lang) -> Result<Settings, Failure> {
    let loaded = match Settings::load(&sources) {
        // From the background nothing is asked: the terminal is somebody else's, and reading it would stop the process.
        Err(error) if person_is_there() && io::stderr().is_terminal() => {
            let Some(missing) = error.only_missing() else {
                return Err(error.into());
            };
            if ask_for(&missing, lang)? && !knows_its_origin(&sources) {
                offer_origin(lang)?;
            }
            // Where the person gave up, this tells what is missing still.
            sources.reread_dotenv()?;
            Settings::load(&sources)
        }
        other => other,
    };
    let (settings, warnings) = loaded?;
    for warning in &warnings {
        output::warn(warning);
    }
    Ok(settings)
}

/// Asks for each setting in turn until the person gives up, and writes each down as soon as it is good. Says whether all
/// of them are there now.
fn ask_for(missing: &[&'static str], lang: Lang) -> Result<bool, Failure> {
    let count = missing.len();
    output::tell(&Message::SettingsMissing { count }.text(lang));
    let mut answered = false;
    for setting in table::ALL.iter().filter(|s| missing.contains(&s.name)) {
        let hidden = setting.secret.then_some(Message::NotShown);
        let Some(value) = ask_one(setting, hidden, lang)? else {
            if answered {
                output::tell(&Message::KeptSoFar { path: DOTENV }.text(lang));
            }
            return Ok(false);
        };
        keep_answer(setting, &value)?;
        answered = true;
    }
    output::tell(&Message::WrittenTo { path: DOTENV }.text(lang));
    Ok(true)
}

/// Says whether anybody wrote down where Twilio reaches the daemon.
fn knows_its_origin(sources: &Sources) -> bool {
    [&table::PUBLIC_URL, &table::NGROK_URL]
        .iter()
        .any(|setting| sources.text(setting).is_some())
}

/// Asks for the public origin, without which there are calls of this machine only.
fn offer_origin(lang: Lang) -> Result<(), Failure> {
    let setting = &table::PUBLIC_URL;
    match ask_one(setting, Some(Message::EnterForThisMachine), lang)? {
        Some(value) => keep_answer(setting, &value),
        None => Ok(()),
    }
}

fn keep_answer(setting: &Setting, value: &str) -> Result<(), Failure> {
    keep(Path::new(DOTENV), setting.name, value)
        .map_err(|cause| Failure::world(format!("`{DOTENV}` cannot be written")).caused_by(&cause))
}

/// Asks for one setting until it is good; nothing where the answer is left empty.
fn ask_one(
    setting: &'static Setting,
    remark: Option<Message<'_>>,
    lang: Lang,
) -> Result<Option<String>, Failure> {
    let french = setting.french.filter(|_| lang == Lang::Fr);
    let (about, like, find) = match french {
        Some(words) => (words.about, words.like, words.find),
        None => (setting.about, setting.like, setting.find),
    };
    output::tell(&format!("\n{}: {about}", setting.name));
    let looks = Message::LooksLike { what: like };
    let found = Message::FoundIn { place: find };
    output::tell(&format!("  {}\n  {}", looks.text(lang), found.text(lang)));
    let question = match remark {
        Some(remark) => format!("{} ({}): ", setting.name, remark.text(lang)),
        None => format!("{}: ", setting.name),
    };
    loop {
        let typed = if setting.secret {
            read_hidden(&question)?
        } else {
            read_line(&question)?
        };
        let typed = typed.trim();
        if typed.is_empty() {
            return Ok(None);
        }
        let typed = as_meant(setting, typed);
        match config::check_typed(setting, &typed) {
            Ok(()) => {
                if looks_strange(setting, &typed) {
                    output::tell(&Message::TypedStrange { like }.text(lang));
                }
                return Ok(Some(typed));
            }
            Err(why) => {
                let why = french.map_or(why.as_str(), |words| words.like);
                output::tell(&Message::TypedWrong { why }.text(lang));
            }
        }
    }
}

/// Takes the spaces and signs out of a telephone number that people write into one; everything else is left alone.
fn as_meant(setting: &Setting, typed: &str) -> String {
    if setting.name != table::TWILIO_PHONE_NUMBER.name {
        return typed.to_owned();
    }
    let is_sign =
        |c: char| c.is_whitespace() || matches!(c, '-' | '.' | '(' | ')' | '/' | '\u{2011}');
    typed.chars().filter(|c| !is_sign(*c)).collect()
}

/// Says whether a secret looks otherwise than Twilio's do. Twilio promises no form of them, so this is no refusal.
fn looks_strange(setting: &Setting, typed: &str) -> bool {
    if setting.name == table::TWILIO_AUTH_TOKEN.name {
        return typed.len() != 32 || !typed.bytes().all(|b| b.is_ascii_hexdigit());
    }
    setting.name == table::TWILIO_API_SECRET.name
        && (typed.len() != 32 || !typed.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn prompt(text: &str) {
    let mut err = io::stderr().lock();
    // Nobody is left to be told that standard error is gone.
    let _ = write!(err, "{text}").and_then(|()| err.flush());
}

/// The longest line that is taken.
const LINE_LIMIT: u64 = 4096;

fn read_line(question: &str) -> Result<String, Failure> {
    prompt(question);
    let mut line = String::new();
    io::stdin()
        .lock()
        .take(LINE_LIMIT)
        .read_line(&mut line)
        .map_err(|error| unreadable(&error))?;
    Ok(line)
}

/// Reads a line that does not appear on the screen.
///
/// The terminal hands over every key as it is pressed, Ctrl-C too, so that no signal can leave it without its echo.
fn read_hidden(question: &str) -> Result<String, Failure> {
    // Hidden before it is asked for: somebody may be quick.
    let hidden = Hidden::begin().map_err(|error| unreadable(&error))?;
    prompt(question);
    let line = hidden_line(io::stdin().lock());
    drop(hidden);
    output::tell("");
    match line.map_err(|error| unreadable(&error))? {
        Typed::Line(line) => Ok(line),
        Typed::GaveUp => Ok(String::new()),
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::world("the terminal cannot be read").caused_by(error)
}

/// What came of a line typed key by key.
#[derive(Debug, Eq, PartialEq)]
enum Typed {
    Line(String),
    GaveUp,
}

/// Puts keys together to a line, with the keys that take some back: backspace, Ctrl-U, Ctrl-W.
fn hidden_line(keys: impl BufRead) -> io::Result<Typed> {
    let mut line = Vec::new();
    for key in keys.take(LINE_LIMIT).bytes() {
        match key? {
            b'\r' | b'\n' => return Ok(Typed::Line(String::from_utf8_lossy(&line).into_owned())),
            // Ctrl-C and Ctrl-D.
            0x03 | 0x04 => return Ok(Typed::GaveUp),
            0x08 | 0x7f => {
                line.pop();
            }
            // Ctrl-U and Ctrl-W: what is asked for has no words.
            0x15 | 0x17 => line.clear(),
            byte => line.push(byte),
        }
    }
    Ok(Typed::GaveUp)
}

/// A terminal without echo, until this is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Hidden> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Not flushed: what was typed ahead counts.
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &hidden)?;
        Ok(Hidden { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Sets a value in a `.env` file and leaves everything else in it; the file is replaced whole, with mode 0600.
fn keep(path: &Path, name: &str, value: &str) -> io::Result<()> {
    // A link stays a link: what it leads to is replaced.
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let draft = PathBuf::from(format!("{}.{}", path.display(), std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let written = file
        .write_all(dotenv::with_value(&text, name, value).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&draft, &path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_hidden_line_can_be_corrected_and_given_up() {
        for (keys, typed) in [
            (&b"abc\r"[..], Typed::Line("abc".to_owned())),
            (b"abd\x7fc\nrest", Typed::Line("abc".to_owned())),
            (b"wrong\x15abc\n", Typed::Line("abc".to_owned())),
            (b"\x7f\x08\n", Typed::Line(String::new())),
            (b"abc\x03", Typed::GaveUp),
            (b"abc\x04", Typed::GaveUp),
            (b"abc", Typed::GaveUp),
        ] {
            assert_eq!(hidden_line(keys).expect("plain bytes"), typed);
        }
    }

    #[test]
    fn a_number_is_taken_as_people_write_it() {
        for typed in [
            "+1 (514) 555-0100",
            "+1 514.555.0100",
            "+15145550100",
            "+1\u{a0}514\u{2011}555\u{2011}0100",
        ] {
            let meant = as_meant(&table::TWILIO_PHONE_NUMBER, typed);
            assert_eq!(meant, "+15145550100", "{typed}");
        }
        let secret = as_meant(&table::TWILIO_API_SECRET, "a-b.c");
        assert_eq!(secret, "a-b.c", "nothing else is touched");
    }

    #[test]
    fn a_secret_that_looks_strange_is_told_from_one_that_does_not() {
        let (token, secret) = (&table::TWILIO_AUTH_TOKEN, &table::TWILIO_API_SECRET);
        for (setting, typed, strange) in [
            (token, "00112233445566778899aabbccddeeff", false),
            (token, "00112233445566778899aabbccddeef", true),
            (token, "00112233445566778899aabbccddeefg", true),
            (secret, "abcdefghijklmnopqrstuvwxyzABCDEF", false),
            (secret, "hush", true),
            (&table::PUBLIC_URL, "phone.example.com", false),
        ] {
            assert_eq!(looks_strange(setting, typed), strange, "{typed}");
        }
    }

    #[test]
    fn what_was_typed_is_kept_beside_everything_else_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        fs::write(&path, "# mine\nPORT=4000\nTWILIO_API_KEY=\n").expect("written");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        keep(&link, "TWILIO_API_KEY", "SK1").expect("kept");
        keep(&path, "TWILIO_API_SECRET", "a $b").expect("kept");
        assert_eq!(
            fs::read_to_string(&path).expect("there"),
            "# mine\nPORT=4000\nTWILIO_API_KEY=SK1\nTWILIO_API_SECRET=\"a \\$b\"\n"
        );
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        let files = fs::read_dir(folder.path()).expect("readable").count();
        assert_eq!(files, 2, "no draft is left");
    }

    #[test]
    fn a_new_file_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        keep(&path, "A", "b").expect("kept");
        assert_eq!(fs::read_to_string(&path).expect("there"), "A=b\n");
    }
}
