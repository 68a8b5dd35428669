//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// What other people's code may tell at most, whatever the person asked for: below `info` it writes down whole requests,
/// with the tokens, keys and telephone numbers in them.
const OTHERS: [&str; 8] = [
    "tungstenite=info",
    "tokio_tungstenite=info",
    "hyper=info",
    "hyper_util=info",
    "h2=info",
    "reqwest=info",
    "rustls=info",
    "mio=info",
];

/// Starts the log with a filter that was checked with the settings. A second start changes nothing.
pub(crate) fn start(filter: &str) {
    let started = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(guarded(filter)))
        // A terminal that is gone is no reason to end calls, and a complaint about it would panic there.
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
}

/// Returns the person's filter with a limit for others behind it: of two for one module the later counts.
fn guarded(filter: &str) -> String {
    let own = filter.split(',').filter(|part| {
        let target = part
            .split(['=', '[', ':'])
            .next()
            .unwrap_or_default()
            .trim();
        // Named more closely, a module of theirs would win over the limit.
        !OTHERS
            .iter()
            .any(|limit| limit.split('=').next() == Some(target))
    });
    own.chain(OTHERS).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_code_tells_more_than_its_news() {
        for filter in [
            "trace",
            "info,tungstenite=trace",
            "tungstenite::handshake=trace,offhook=debug",
            "trace,hyper[conn]=trace",
        ] {
            let guarded = guarded(filter);
            for limit in OTHERS {
                assert!(guarded.contains(limit), "{filter}: {guarded}");
            }
            assert!(!guarded.contains("tungstenite=trace"), "{guarded}");
            assert!(!guarded.contains("::handshake"), "{guarded}");
            assert!(EnvFilter::try_new(&guarded).is_ok(), "{guarded}");
        }
        assert!(guarded("info,offhook::twilio=debug").starts_with("info,offhook::twilio=debug,"));
    }
}
