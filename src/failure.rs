//! Failures as a person reads them, and the exit codes that go with them.

use std::error::Error;
use std::fmt;
use std::io;

use crate::audio::StartError;

/// Whose fault it is: decides the exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The world's, or the person's in what they asked for.
    World,
    /// The person's in how they asked: usage or settings.
    Usage,
    /// Ours.
    Ours,
    /// Nobody's: whoever read our output has had enough.
    ReaderGone,
}

/// What a verb ends with when it does not end well.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    code: Option<String>,
}

impl Failure {
    /// The world does not allow it, or there is nothing to do it to: exit 1.
    pub fn world(message: impl Into<String>) -> Failure {
        Failure::new(Kind::World, message)
    }

    /// It was asked in a way that cannot be understood, or the settings do not allow it: exit 2.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Usage, message)
    }

    /// A promise of ours is broken: exit 70.
    pub fn ours(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Ours, message)
    }

    fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            code: None,
        }
    }

    /// Adds what it was caused by, and what caused that.
    pub fn caused_by(mut self, cause: &dyn Error) -> Failure {
        let mut next = Some(cause);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Names it for programs.
    pub fn code(mut self, code: impl Into<String>) -> Failure {
        self.code = Some(code.into());
        self
    }

    /// Returns what a program reads: `{"error":{"code","message"}}`.
    pub fn to_json(&self) -> serde_json::Value {
        let code = self.code.as_deref().unwrap_or(match self.kind {
            Kind::World | Kind::ReaderGone => "failed",
            Kind::Usage => "usage",
            Kind::Ours => "internal",
        });
        let mut message = self.message.clone();
        for cause in &self.causes {
            message.push_str(": ");
            message.push_str(cause);
        }
        if let Some(hint) = &self.hint {
            message.push_str("; hint: ");
            message.push_str(hint);
        }
        serde_json::json!({"error": {"code": code, "message": message}})
    }

    /// Returns the exit code.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::ReaderGone => 0,
            Kind::World => 1,
            Kind::Usage => 2,
            Kind::Ours => 70,
        }
    }

    /// Says whether there is anybody to tell.
    pub fn is_silent(&self) -> bool {
        self.kind == Kind::ReaderGone
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        match &error {
            StartError::Thread(cause) => Failure::world(error.to_string()).caused_by(cause),
            StartError::HoldMusic(_) => Failure::usage(error.to_string())
                .hint("--hold-music takes file: and the path of a WAV file, default or silence"),
            StartError::Ringtone(_) => Failure::usage(error.to_string()).hint(
                "--ringtone takes file: and the path of a WAV file, or the name of a built-in one",
            ),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for cause in &self.causes {
            write!(f, "\n  caused by: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// What became of writing to standard output: a reader that is gone is no failure of ours.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::new(Kind::ReaderGone, "nobody reads any more");
        }
        Failure::world("the output cannot be written").caused_by(&error)
    }
}

impl From<crate::config::SettingsError> for Failure {
    fn from(error: crate::config::SettingsError) -> Failure {
        let lacks = error
            .problems()
            .iter()
            .any(|problem| problem.missing_name().is_some());
        Failure::usage(error.to_string()).hint(if lacks {
            "set what is missing in the environment or in `.env` of this folder; `offhook.example.toml` explains every one"
        } else {
            "`offhook.example.toml` explains every setting"
        })
    }
}

impl From<crate::control::BindError> for Failure {
    fn from(error: crate::control::BindError) -> Failure {
        use crate::control::BindError;
        let hint = match error {
            BindError::TooLong(_) => "choose a shorter path with OFFHOOK_SOCKET or --socket",
            BindError::Taken(_) => "stop that daemon, or choose another path with --socket",
            BindError::NotASocket(_) => "move it away, or choose another path with --socket",
            BindError::Io(..) => "choose a path in a folder of yours with --socket",
        };
        let failure = Failure::world(error.to_string()).hint(hint);
        match error.source() {
            Some(cause) => failure.caused_by(cause),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let cause = io::Error::other("it is in use");
        let failure = Failure::world("the socket cannot be made")
            .caused_by(&cause)
            .hint("stop the other");
        assert_eq!(
            failure.to_string(),
            "error: the socket cannot be made\n  caused by: it is in use\nhint: stop the other"
        );
    }

    #[test]
    fn a_program_reads_the_same_in_one_sentence() {
        let cause = io::Error::other("it is in use");
        let failure = Failure::world("it cannot be made")
            .caused_by(&cause)
            .hint("stop the other");
        let told = |failure: &Failure| failure.to_json()["error"].clone();
        assert_eq!(told(&failure)["code"], "failed");
        assert_eq!(
            told(&failure)["message"],
            "it cannot be made: it is in use; hint: stop the other"
        );
        assert_eq!(told(&failure.code("no_line"))["code"], "no_line");
    }

    #[test]
    fn a_control_socket_that_cannot_be_made_is_explained() {
        let path = std::path::PathBuf::from("/x/control.sock");
        let error = crate::control::BindError::Io(path, io::Error::other("no such folder"));
        assert_eq!(
            Failure::from(error).to_string(),
            "error: the control socket `/x/control.sock` cannot be made\n  caused by: no such folder\n\
             hint: choose a path in a folder of yours with --socket"
        );
    }

    #[test]
    fn every_kind_has_its_exit_code() {
        for (failure, code) in [
            (Failure::world("x"), 1),
            (Failure::usage("x"), 2),
            (Failure::ours("x"), 70),
            (io::Error::from(io::ErrorKind::BrokenPipe).into(), 0),
            (io::Error::from(io::ErrorKind::StorageFull).into(), 1),
        ] {
            assert_eq!(failure.exit_code(), code, "{failure}");
        }
    }
}
