//! `offhook what-to-start`: tells `start-auto.sh` whether there are credentials, by the same rules as everything else.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::output;
use crate::config::Sources;

/// Nothing to choose.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Prints `demo` where nothing of Twilio's is set anywhere, else `serve`.
pub(crate) fn run(_: &Args) -> Result<(), Failure> {
    // Settings that cannot be read at all are for `serve` to explain, never a reason for a demonstration.
    let serve =
        Sources::of_process(BTreeMap::new()).map_or(true, |sources| sources.mentions_twilio());
    output::print(if serve { "serve" } else { "demo" })
}
