//! Hooks: which programs are to run when something happens, with which arguments and variables.
//!
//! No shell has a part in it. A program and its arguments are a list; what an event tells is put into single items of it,
//! and can neither add items nor be taken for an option.

use std::collections::HashSet;

use super::event_report::{EVENTS, EventReport};

/// What a hook may be called after besides the words of [`EVENTS`]: every event, and the first ringing of a call.
const MORE: [&str; 2] = ["event", "ring"];

/// The fields of an event that a hook may name, in the order of its JSON; `party` is the far end's number.
const FIELDS: [&str; 15] = [
    "seq",
    "call",
    "event",
    "reason",
    "at",
    "sid",
    "direction",
    "from",
    "to",
    "name",
    "place",
    "number",
    "digit",
    "on",
    "party",
];

/// Whatever stands before the name of a field in a variable.
pub const VARIABLE: &str = "OFFHOOK_EVENT_";

/// Calls of which it is remembered that they rang.
const MOST_RUNG: usize = 1_000;

/// A program that runs when something happens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hook {
    key: String,
    program: String,
    arguments: Vec<String>,
}

/// Why a hook cannot be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HookError {
    /// Nothing of that name happens.
    #[error(
        "is unknown: a hook is called on_ring, on_missed, on_event, or on_ and the word of an event"
    )]
    UnknownEvent,
    /// It names no program.
    #[error(
        "names no program: it is a list of a program and its arguments, such as [\"notify-send\", \"{{party}} calls\"]"
    )]
    NoProgram,
    /// The program comes from the event.
    #[error(
        "takes its program from the event: the first item is the program, and has no placeholder"
    )]
    ProgramFromEvent,
    /// Nobody knows what is to be put there.
    #[error("names `{{{0}}}`, which no event has; there are {fields}", fields = FIELDS.join(", "))]
    UnknownField(String),
}

impl Hook {
    /// Reads a hook: its key in the settings, such as `on_ring`, and the program with its arguments.
    ///
    /// # Errors
    /// [`HookError`].
    pub fn new(key: &str, argv: &[String]) -> Result<Hook, HookError> {
        let event = key.strip_prefix("on_").unwrap_or_default();
        if !EVENTS.iter().chain(&MORE).any(|known| *known == event) {
            return Err(HookError::UnknownEvent);
        }
        let (program, arguments) = argv.split_first().ok_or(HookError::NoProgram)?;
        if program.trim().is_empty() {
            return Err(HookError::NoProgram);
        }
        if pieces(program).any(|piece| matches!(piece, Piece::Field(_))) {
            return Err(HookError::ProgramFromEvent);
        }
        for piece in arguments.iter().flat_map(|argument| pieces(argument)) {
            if let Piece::Field(name) = piece
                && !FIELDS.contains(&name)
            {
                return Err(HookError::UnknownField(name.to_owned()));
            }
        }
        Ok(Hook {
            key: key.to_owned(),
            program: program.clone(),
            arguments: arguments.to_vec(),
        })
    }

    /// Returns its key in the settings.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the program.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Returns the program's arguments for an event.
    ///
    /// Control characters become spaces, since no argument can hold a zero and few programs expect the others. An argument
    /// that begins with a hyphen only for what the event tells gets a space before it, so that no caller's name is an
    /// option.
    #[must_use]
    pub fn arguments(&self, event: &EventReport) -> Vec<String> {
        let fields = fields(event);
        let filled = |argument: &String| {
            let mut text = String::new();
            for piece in pieces(argument) {
                match piece {
                    Piece::Text(part) => text.push_str(part),
                    Piece::Field(name) => {
                        let known = fields.iter().find(|(field, _)| *field == name);
                        let value = known.map_or("", |(_, value)| value.as_str());
                        text.extend(value.chars().map(printable));
                    }
                }
            }
            if text.starts_with('-') && !argument.starts_with('-') {
                text.insert(0, ' ');
            }
            text
        };
        self.arguments.iter().map(filled).collect()
    }
}

/// Returns the variables that tell a hook of an event.
#[must_use]
pub fn variables(event: &EventReport) -> Vec<(String, String)> {
    fields(event)
        .into_iter()
        .map(|(name, value)| {
            let name = format!("{VARIABLE}{}", name.to_ascii_uppercase());
            (name, value.chars().map(printable).collect())
        })
        .collect()
}

/// Says whether a variable of the daemon's is kept from a hook: all that Twilio and we are told, and a tunnel's token. Where
/// the daemon is found is no secret, and lets a hook use the command line.
#[must_use]
pub fn is_kept_back(variable: &str) -> bool {
    const SHARED: [&str; 4] = [
        "OFFHOOK_CONFIG",
        "OFFHOOK_DATA_DIR",
        "OFFHOOK_LANG",
        "OFFHOOK_SOCKET",
    ];
    let ours = ["TWILIO_", "OFFHOOK_", "NGROK_"];
    ours.iter().any(|prefix| variable.starts_with(prefix)) && !SHARED.contains(&variable)
}

/// Which calls rang already: a call that rings at the desk and then in the browsers rings once.
#[derive(Debug, Default)]
pub struct Rung(HashSet<String>);

impl Rung {
    /// Returns the hooks that an event calls for, in their order.
    pub fn called<'a>(&mut self, hooks: &'a [Hook], event: &EventReport) -> Vec<&'a Hook> {
        let rings = matches!(event.event.as_str(), "rings" | "rings_browsers");
        let mut is_first = false;
        if let Some(call) = &event.call {
            if rings {
                // So many do not ring: these are calls whose end was lost.
                if self.0.len() >= MOST_RUNG {
                    self.0.clear();
                }
                is_first = self.0.insert(call.clone());
            } else if event.event == "ended" {
                self.0.remove(call);
            }
        }
        let fits = |hook: &&Hook| match hook.key.strip_prefix("on_").unwrap_or_default() {
            "event" => true,
            "ring" => is_first,
            word => word == event.event,
        };
        hooks.iter().filter(fits).collect()
    }
}

fn printable(sign: char) -> char {
    if sign.is_control() { ' ' } else { sign }
}

fn fields(event: &EventReport) -> Vec<(&'static str, String)> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let values = [
        event.seq.to_string(),
        text(&event.call),
        event.event.clone(),
        event.reason.clone(),
        event.at.clone(),
        text(&event.sid),
        text(&event.direction),
        text(&event.from),
        text(&event.to),
        text(&event.name),
        text(&event.place),
        text(&event.number),
        event.digit.map(String::from).unwrap_or_default(),
        event.on.map_or_else(String::new, |on| on.to_string()),
        event.party().to_owned(),
    ];
    FIELDS.into_iter().zip(values).collect()
}

/// A part of an argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    /// What stands between braces.
    Field(&'a str),
}

/// Takes an argument apart. Only small letters between braces are a placeholder, so that most JSON is none.
fn pieces(argument: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = argument;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(name) = field_at(rest) {
            rest = &rest[name.len() + 2..];
            return Some(Piece::Field(name));
        }
        let next = rest
            .char_indices()
            .skip(1)
            .find(|(at, _)| field_at(&rest[*at..]).is_some());
        let (text, after) = rest.split_at(next.map_or(rest.len(), |(at, _)| at));
        rest = after;
        Some(Piece::Text(text))
    })
}

fn field_at(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(word: &str, name: &str) -> EventReport {
        EventReport {
            seq: 7,
            call: Some("c1".to_owned()),
            event: word.to_owned(),
            reason: "far_end".to_owned(),
            direction: Some("incoming".to_owned()),
            from: Some("+15145550100".to_owned()),
            name: Some(name.to_owned()),
            ..EventReport::default()
        }
    }

    fn hook(key: &str, argv: &[&str]) -> Result<Hook, HookError> {
        let argv: Vec<String> = argv.iter().map(|item| (*item).to_owned()).collect();
        Hook::new(key, &argv)
    }

    #[test]
    fn what_an_event_tells_is_put_into_single_arguments() {
        let hook = hook(
            "on_ring",
            &[
                "notify",
                "{name}: {from}",
                "{digit}",
                "{\"a\":1}",
                "{}",
                "--x={party}",
            ],
        );
        let arguments = hook
            .expect("good")
            .arguments(&event("rings", "Anna; rm -rf $HOME"));
        assert_eq!(
            arguments,
            [
                "Anna; rm -rf $HOME: +15145550100",
                "",
                "{\"a\":1}",
                "{}",
                "--x=+15145550100"
            ]
        );
    }

    #[test]
    fn no_name_becomes_an_option_or_breaks_an_argument() {
        let hook = hook("on_ring", &["notify", "{name}", "-{name}"]).expect("good");
        assert_eq!(
            hook.arguments(&event("rings", "--help")),
            [" --help", "---help"]
        );
        assert_eq!(
            hook.arguments(&event("rings", "a\0b\nc")),
            ["a b c", "-a b c"]
        );
    }

    #[test]
    fn what_cannot_be_a_hook_is_told() {
        for (key, argv, why) in [
            ("on_rong", &["x"][..], HookError::UnknownEvent),
            ("ring", &["x"], HookError::UnknownEvent),
            ("on_ring", &[], HookError::NoProgram),
            ("on_ring", &[" "], HookError::NoProgram),
            ("on_ring", &["{from}"], HookError::ProgramFromEvent),
            (
                "on_ring",
                &["x", "{caller}"],
                HookError::UnknownField("caller".to_owned()),
            ),
        ] {
            assert_eq!(hook(key, argv), Err(why), "{key} {argv:?}");
        }
        for word in EVENTS.iter().chain(&MORE) {
            assert!(hook(&format!("on_{word}"), &["x"]).is_ok(), "{word}");
        }
    }

    #[test]
    fn a_call_that_rings_here_and_there_rings_once() {
        let hooks = [
            hook("on_ring", &["ring"]).expect("good"),
            hook("on_ended", &["ended"]).expect("good"),
            hook("on_event", &["all"]).expect("good"),
        ];
        let mut rung = Rung::default();
        let mut called = |word| -> Vec<&str> {
            let called = rung.called(&hooks, &event(word, ""));
            called.into_iter().map(Hook::program).collect()
        };
        assert_eq!(called("began"), ["all"]);
        assert_eq!(called("rings"), ["ring", "all"]);
        assert_eq!(called("rings_browsers"), ["all"]);
        assert_eq!(called("ended"), ["ended", "all"]);
        assert_eq!(called("rings"), ["ring", "all"], "a call of its own");
    }

    #[test]
    fn variables_tell_the_event_and_secrets_are_kept_back() {
        let told = variables(&event("rings", "Anna"));
        let has = |name: &str, value: &str| told.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("OFFHOOK_EVENT_EVENT", "rings") && has("OFFHOOK_EVENT_NAME", "Anna"));
        assert!(has("OFFHOOK_EVENT_PARTY", "+15145550100") && has("OFFHOOK_EVENT_DIGIT", ""));
        for secret in [
            "TWILIO_AUTH_TOKEN",
            "TWILIO_API_SECRET_FILE",
            "OFFHOOK_API_KEY",
            "OFFHOOK_MQTT_PASSWORD",
            "NGROK_AUTHTOKEN",
        ] {
            assert!(is_kept_back(secret), "{secret}");
        }
        for open in ["PATH", "HOME", "OFFHOOK_SOCKET", "DISPLAY"] {
            assert!(!is_kept_back(open), "{open}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_of_an_argument_are_the_whole_of_it(argument in "[a{}_é ]{0,24}") {
            let again: String = pieces(&argument)
                .map(|piece| match piece {
                    Piece::Text(text) => text.to_owned(),
                    Piece::Field(name) => format!("{{{name}}}"),
                })
                .collect();
            prop_assert_eq!(again, argument);
        }
    }
}
