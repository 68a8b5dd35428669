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

/// Starts the log with a filter that was checked with the settings. A second start changes nothing.
pub(crate) fn start(filter: &str) {
    let lines = tracing_subscriber::fmt::layer()
        // A terminal that is gone is no reason to end calls, and a complaint about it would panic there.
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_filter(EnvFilter::new(filter).and(filter_fn(may_tell)));
    if tracing_subscriber::registry()
        .with(lines)
        .try_init()
        .is_err()
    {
        tracing::debug!("the log was started before");
    }
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
    use super::*;

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
