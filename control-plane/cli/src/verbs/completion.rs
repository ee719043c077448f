//! `gatehouse completion`: what shells need to complete the command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{arguments::Arguments, exit::Exit, screen::Screen};

/// Which shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: gatehouse completion bash > ~/.local/share/bash-completion/completions/gatehouse"
)]
pub(crate) struct CompletionArguments {
    /// The shell that is to complete
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(options: &CompletionArguments, screen: Screen) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "gatehouse", &mut script);
    screen.print(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}
