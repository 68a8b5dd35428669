//! Words for the person: data on standard output, everything else on standard error.

use std::io::{self, Write};

use super::failure::Failure;

/// Prints data, with a line end.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints data as JSON, on one line.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::ours("the answer is no JSON").caused_by(&error))?;
    print(&text)
}

/// Tells the person something that is not data.
pub(crate) fn tell(text: &str) {
    // Nobody is left to be told that standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Tells of something that goes, but is strange.
pub(crate) fn warn(text: &str) {
    tell(&format!("warning: {text}"));
}

/// Prints what clap has to say, help included, and returns the exit code. `json`: a program reads what is wrong.
pub(crate) fn print_clap_error(error: &clap::Error, json: bool) -> u8 {
    if json && error.use_stderr() {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let sentence = text.split("\n\n").next().unwrap_or(text);
        let failure = Failure::usage(sentence.split_whitespace().collect::<Vec<_>>().join(" "));
        tell(&failure.to_json().to_string());
        return failure.exit_code();
    }
    match error.print() {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => 0,
        Ok(()) | Err(_) => u8::try_from(error.exit_code()).unwrap_or(2),
    }
}

/// From now on a panic reads like a failure of ours, with the trace behind it where `RUST_BACKTRACE` asks for one.
pub(crate) fn tell_of_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info
            .location()
            .map_or("an unknown place".to_owned(), ToString::to_string);
        let what = info.payload_as_str().unwrap_or("no reason given");
        let failure = Failure::ours(format!("a promise of our own is broken at {place}: {what}"))
            .hint("this is a fault in Offhook; please report it with the line above");
        tell(&failure.to_string());
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            default(info);
        }
    }));
}
