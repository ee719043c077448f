//! `gatehouse connector`: for people who write connectors and agents. Needs no control plane.

mod new;
mod report;
mod test;

use clap::Subcommand;

use crate::{exit::Exit, screen::Screen};

/// What is to be done for a connector.
#[derive(Debug, Subcommand)]
pub(crate) enum ConnectorCommand {
    /// Makes a crate with a connector, its agent, and a tiny gateway to try them on
    New(new::NewArguments),
    /// Tests any agent, in any language, with the conformance suite
    Test(test::TestArguments),
    /// Shows what the conformance suite found: what passed, what was skipped and why, how to reproduce it
    Report(report::ReportArguments),
}

pub(super) async fn run(command: ConnectorCommand, screen: Screen) -> anyhow::Result<Exit> {
    match command {
        ConnectorCommand::New(options) => new::run(&options, screen),
        ConnectorCommand::Test(options) => test::run(&options, screen).await,
        ConnectorCommand::Report(options) => report::run(&options, screen),
    }
}
