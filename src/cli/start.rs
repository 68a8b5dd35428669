//! `offhook what-to-start`: tells `start-auto.sh` whether there are credentials, by the same rules as everything else.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Parser as _;

use super::failure::Failure;
use super::{CommandLine, output};
use crate::config::Sources;

/// The words that `start-auto.sh` was given.
#[derive(Debug, clap::Args)]
// `--help` is for the verb that follows.
#[command(disable_help_flag = true, disable_version_flag = true)]
pub(crate) struct Args {
    /// What will follow the verb
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Prints `demo` where nothing of Twilio's is set anywhere, else `serve`.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    // Settings that cannot be read at all are for `serve` to explain, never a reason for a demonstration.
    let serve =
        Sources::of_process(flags(&args.words)).map_or(true, |sources| sources.mentions_twilio());
    output::print(if serve { "serve" } else { "demo" })
}

/// Returns the settings among the words, which may be those of either verb; none where they are of neither.
fn flags(words: &[OsString]) -> BTreeMap<String, String> {
    ["serve", "demo"]
        .iter()
        .find_map(|verb| {
            let line = ["offhook", verb].map(OsString::from);
            let parsed = CommandLine::try_parse_from(line.iter().chain(words)).ok()?;
            parsed.verb.flags().cloned()
        })
        .unwrap_or_default()
}
