//! `offhook completions`: what a shell needs to complete our words.

use clap::CommandFactory;
use clap_complete::Shell;

use super::failure::Failure;
use super::{CommandLine, output};

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  offhook completions bash > ~/.local/share/bash-completion/completions/offhook"
)]
pub(crate) struct Args {
    /// The shell to write them for
    shell: Shell,
}

/// Writes the completions.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut CommandLine::command(),
        "offhook",
        &mut script,
    );
    output::print(String::from_utf8_lossy(&script).trim_end())
}
