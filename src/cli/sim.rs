//! `offhook sim`.

use super::Context;
use super::failure::Failure;
use super::flags::{Basics, Flags};

/// What `offhook sim` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) flags: Flags<Basics>,
}

/// Says that this verb is not there.
pub(crate) fn run(_: Args, _: &Context) -> Result<(), Failure> {
    Err(Failure::ours("`sim` is not built into this clone"))
}
