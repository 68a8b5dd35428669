//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::prelude::*;

/// Other people's code that writes down whole requests, with the tokens, keys and telephone numbers in them, to whoever
/// asks for more than its news.
const OTHERS: [&str; 8] = [
    "tungstenite",
    "tokio_tungstenite",
    "hyper",
    "hyper_util",
    "h2",
    "reqwest",
    "rustls",
    "mio",
];

/// Other people's code that calls an ordinary close an error. Our own supervisor tells what a person needs to know of it.
const ALARMISTS: [&str; 1] = ["pulseaudio"];

/// Starts the log with a filter that was checked with the settings: `asked` where a person wrote it, who then gets all of
/// it. A second start changes nothing.
pub(crate) fn start(filter: &str, asked: bool) {
    let filter = if asked {
        filter.to_owned()
    } else {
        quiet(filter)
    };
    let lines = tracing_subscriber::fmt::layer()
        // A terminal that is gone is no reason to end calls, and a complaint about it would panic there.
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_filter(EnvFilter::new(&filter).and(filter_fn(may_tell)));
    if tracing_subscriber::registry()
        .with(lines)
        .try_init()
        .is_err()
    {
        tracing::debug!("the log was started before");
    }
}

/// Returns a filter of ours without those who cry out for nothing.
fn quiet(filter: &str) -> String {
    ALARMISTS.iter().fold(filter.to_owned(), |filter, package| {
        format!("{filter},{package}=off")
    })
}

/// Says whether something may be told at all, whatever the person asked for.
fn may_tell(what: &Metadata<'_>) -> bool {
    allows(what.target(), *what.level())
}

fn allows(target: &str, level: Level) -> bool {
    let package = target.split("::").next().unwrap_or_default();
    level <= Level::INFO || !OTHERS.contains(&package)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Returns what a log with this filter tells of a library's complaint and of our own word.
    fn told(filter: &str) -> String {
        #[derive(Clone, Default)]
        struct Page(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Page {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                self.0.lock().expect("unharmed").extend_from_slice(text);
                Ok(text.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let page = Page::default();
        let writer = page.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .with_filter(EnvFilter::new(filter));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::error!(target: "pulseaudio::client", "Reactor error: Client disconnected");
            tracing::warn!(target: "offhook::audio", "a sound device failed");
        });
        let text = page.0.lock().expect("unharmed").clone();
        String::from_utf8(text).expect("plain")
    }

    #[test]
    fn a_library_that_calls_a_close_an_error_is_heard_only_where_that_was_asked_for() {
        for filter in ["info", "warn"] {
            let quiet = told(&quiet(filter));
            assert!(!quiet.contains("Reactor"), "{quiet}");
            assert!(quiet.contains("a sound device failed"), "{quiet}");
            assert!(told(filter).contains("Reactor"), "{filter}");
        }
    }

    #[test]
    fn nobody_elses_code_tells_more_than_its_news() {
        for (target, level, told) in [
            ("tungstenite::protocol", Level::TRACE, false),
            ("hyper", Level::DEBUG, false),
            ("hyper::proto", Level::INFO, true),
            ("rustls", Level::WARN, true),
            ("offhook::twilio", Level::TRACE, true),
            ("hyperion", Level::TRACE, true),
        ] {
            assert_eq!(allows(target, level), told, "{target} at {level}");
        }
    }
}
