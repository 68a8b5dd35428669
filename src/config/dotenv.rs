//! The `.env` file: `NAME=value` lines, read without touching the process environment, and written back with care.
//!
//! Values may stand bare, in single quotes (taken as they are) or in double quotes (with `\n`, `\t`, `\"`, `\\` and
//! `\$`). A bare value ends at ` #`. Nothing is expanded: a `$` is a `$`. Of several lines with one name the last counts.

use std::collections::BTreeMap;
use std::fmt;

/// What a `.env` file says.
#[derive(Default, Eq, PartialEq)]
pub(crate) struct Dotenv {
    /// The values by name.
    pub(crate) values: BTreeMap<String, String>,
    /// The lines, from 1, that cannot be read.
    pub(crate) broken: Vec<usize>,
}

impl fmt::Debug for Dotenv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any value may be a secret.
        f.debug_struct("Dotenv")
            .field("names", &self.values.keys())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// Reads a `.env` file; lines that make no sense are counted and do not spoil the others.
pub(crate) fn parse(text: &str) -> Dotenv {
    let mut dotenv = Dotenv::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match read_line(line) {
            Some((name, value)) => {
                dotenv.values.insert(name.to_owned(), value);
            }
            None => dotenv.broken.push(index + 1),
        }
    }
    dotenv
}

/// Returns the text with `name` set to `value`: in the place of the line that counts, or as a new last line.
pub(crate) fn with_value(text: &str, name: &str, value: &str) -> String {
    let line = format!("{name}={}", quote(value));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let counts = |old: &String| read_line(old.trim()).is_some_and(|(found, _)| found == name);
    match lines.iter().rposition(counts) {
        Some(index) => lines[index] = line,
        None => lines.push(line),
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Reads one line that is neither empty nor a comment.
fn read_line(line: &str) -> Option<(&str, String)> {
    let line = line
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map_or(line, str::trim_start);
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let named = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    named.then_some(())?;
    Some((name, read_value(value.trim_start())?))
}

/// Reads what stands behind the `=`.
fn read_value(text: &str) -> Option<String> {
    let (value, rest) = if let Some(quoted) = text.strip_prefix('\'') {
        let (value, rest) = quoted.split_once('\'')?;
        (value.to_owned(), rest)
    } else if let Some(quoted) = text.strip_prefix('"') {
        read_double_quoted(quoted)?
    } else {
        let end = comment_start(text).unwrap_or(text.len());
        return Some(text[..end].trim_end().to_owned());
    };
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(value)
}

/// Finds the `#` that begins a comment behind a bare value: at its start, or after a space.
fn comment_start(text: &str) -> Option<usize> {
    text.match_indices('#')
        .map(|(at, _)| at)
        .find(|&at| at == 0 || text[..at].ends_with([' ', '\t']))
}

/// Reads up to the closing double quote, and returns what stands behind it too.
fn read_double_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\' | '$') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            plain => value.push(plain),
        }
    }
    None
}

/// Writes a value so that it reads back as itself.
fn quote(value: &str) -> String {
    let bare = !value.is_empty()
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-_./:,@".contains(&b));
    if bare {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value_of(line: &str) -> Option<String> {
        parse(line).values.get("A").cloned()
    }

    #[test]
    fn values_are_read_bare_and_in_quotes() {
        for (line, value) in [
            ("A=b", "b"),
            ("A = b ", "b"),
            ("export A=b", "b"),
            ("export\tA=b", "b"),
            ("A=", ""),
            ("A=b c", "b c"),
            ("A=b # c", "b"),
            ("A=# c", ""),
            ("A=b#c", "b#c"),
            ("A='b # $c \\n'", "b # $c \\n"),
            ("A=\"b # \\$c \\\"d\\\" \\\\ \\n\"", "b # $c \"d\" \\ \n"),
            ("A=\"b\\qc\"", "b\\qc"),
            ("A=\"b\" # c", "b"),
            ("A=b=c", "b=c"),
            ("A=$HOME", "$HOME"),
            ("\u{feff}A=b\r\n", "b"),
            ("A=b\nA=c", "c"),
        ] {
            assert_eq!(value_of(line).as_deref(), Some(value), "{line}");
        }
    }

    #[test]
    fn lines_that_make_no_sense_are_told_by_number_and_spoil_nothing() {
        let dotenv =
            parse("A=b\nnonsense\n# a comment\n\nC='open\n2D=e\nE=\"open\nF=\"g\" h\n=i\nJ=k");
        assert_eq!(dotenv.broken, [2, 5, 6, 7, 8, 9]);
        assert_eq!(dotenv.values.len(), 2);
    }

    #[test]
    fn what_is_printed_of_a_file_holds_no_value() {
        let printed = format!("{:?}", parse("TWILIO_AUTH_TOKEN=hush\nhush hush"));
        assert!(printed.contains("TWILIO_AUTH_TOKEN"), "{printed}");
        assert!(!printed.contains("hush"), "{printed}");
    }

    #[test]
    fn setting_a_value_keeps_every_other_line() {
        let text = "# mine\nA=\nB=\"x\" # note";
        assert_eq!(with_value(text, "A", "b"), "# mine\nA=b\nB=\"x\" # note\n");
        assert_eq!(with_value(text, "C", "d e"), format!("{text}\nC=\"d e\"\n"));
        assert_eq!(with_value("", "A", "b"), "A=b\n");
        assert_eq!(with_value("A=1\nA=2\n", "A", "3"), "A=1\nA=3\n");
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "\\PC{0,80}") {
            let lines = text.lines().count();
            prop_assert!(parse(&text).broken.len() <= lines);
        }

        #[test]
        fn a_written_value_reads_back_as_itself(
            before in "([A-Z]{1,3}=[ -~]{0,9}\n){0,4}", value in "[ -~é\n\t]{1,30}",
        ) {
            let text = with_value(&before, "A", &value);
            prop_assert_eq!(parse(&text).values.remove("A"), Some(value));
        }
    }
}
