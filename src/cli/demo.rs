//! `offhook demo`.

use super::Context;
use super::failure::Failure;
use super::flags::{Flags, Sound};

/// What `offhook demo` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) flags: Flags<Sound>,
}

/// Says that this verb is not there.
pub(crate) fn run(_: Args, _: &Context) -> Result<(), Failure> {
    Err(Failure::ours("`demo` is not built into this clone"))
}
