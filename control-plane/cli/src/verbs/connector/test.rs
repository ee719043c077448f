//! `gatehouse connector test`: the conformance suite against an agent's process.

use std::{fs, io, path::PathBuf, time::Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use gatehouse_connector_conformance::{
    Level, Outcome, Report, Tested,
    agent::{AgentTestError, TestFile, run_agent},
};

use crate::{
    exit::Exit,
    failure::{Failure, chain},
    progress::Progress,
    screen::{Color, Format, Screen},
};

/// How far, and whom.
#[derive(Debug, Args)]
#[command(
    after_help = "The suite starts the agent and the gateway's driver itself, for each behaviour anew, and puts a \
                  fault-injecting proxy between agent and gateway. Exits with 1 if anything failed.\n\n\
                  Example: gatehouse connector test --level extended --agent ./target/debug/gatehouse-agent-my-gateway --settings test.yaml"
)]
pub(crate) struct TestArguments {
    /// How far to test: what nobody can do without, or crashes, races and large numbers, too
    #[arg(long, value_enum, default_value_t = LevelArgument::Core)]
    level: LevelArgument,
    /// The test file: how the gateway under test is driven, and which settings lead through the proxy
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,
    /// The agent's program, instead of the one in the test file
    #[arg(long, value_name = "PROGRAM")]
    agent: Option<String>,
    /// The agent's arguments; `{controlPlane}`, `{joinToken}` and `{stateDir}` stand for the suite's
    #[arg(last = true, requires = "agent", value_name = "ARGUMENT")]
    arguments: Vec<String>,
    /// Where the report is written, for `gatehouse connector report`
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelArgument {
    Core,
    Extended,
}

impl From<LevelArgument> for Level {
    fn from(level: LevelArgument) -> Self {
        match level {
            LevelArgument::Core => Self::Core,
            LevelArgument::Extended => Self::Extended,
        }
    }
}

impl TestArguments {
    /// The agent that the command line names.
    fn named_agent(&self) -> Option<Vec<String>> {
        let program = self.agent.clone()?;
        Some([program].into_iter().chain(self.arguments.clone()).collect())
    }

    /// The command line that does the same.
    fn reproduction(&self) -> String {
        let level = Level::from(self.level);
        let settings = self.settings.display();
        let mut command = format!("gatehouse connector test --level {level} --settings {settings}");
        if let Some(agent) = &self.agent {
            command.push_str(&format!(" --agent {agent}"));
        }
        if !self.arguments.is_empty() {
            command.push_str(&format!(" -- {}", self.arguments.join(" ")));
        }
        command
    }
}

pub(super) async fn run(options: &TestArguments, screen: Screen) -> anyhow::Result<Exit> {
    let file = TestFile::read(&options.settings).map_err(failure)?;
    let command = file
        .agent_command(options.named_agent().as_deref())
        .map_err(failure)?;
    let began = Instant::now();
    let mut progress = Progress::new();
    progress.say("Starting the agent");
    let is_text = screen.format() == Format::Table;
    let report = run_agent(options.level.into(), &file, &command, |tested| {
        if is_text {
            // Nobody reads on if it cannot be printed; the report says it, too.
            let _ = progress.pause(|| screen.print(&line(screen, tested)));
        }
    })
    .await
    .map_err(failure)?
    .reproduced_by(options.reproduction());
    drop(progress);
    if let Some(path) = &options.report {
        fs::write(path, report.to_yaml()?)
            .with_context(|| format!("the report cannot be written to `{}`", path.display()))?;
    }
    let seconds = began.elapsed().as_secs();
    screen.show(&report, std::slice::from_ref(&report.gateway_type), || {
        ending(screen, &report, seconds)
    })?;
    Ok(if report.passed() { Exit::Ok } else { Exit::Error })
}

/// What is wrong with what was given is told apart from what is wrong with the agent.
fn failure(error: AgentTestError) -> anyhow::Error {
    let exit = match &error {
        AgentTestError::TestFile { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
        AgentTestError::TestFile { .. }
        | AgentTestError::NoAgent
        | AgentTestError::NoDriver
        | AgentTestError::NotProxied { .. }
        | AgentTestError::ManyUpstreams => Exit::Invalid,
        _ => Exit::Error,
    };
    Failure::new(exit, chain(&error)).into()
}

/// One behaviour as it is done.
fn line(screen: Screen, tested: &Tested) -> String {
    let name = format!("{:10}{}", tested.operation.as_str(), tested.id.replace('_', " "));
    match &tested.outcome {
        Outcome::Passed => format!("{} {name}\n", screen.paint(Color::Green, "✓")),
        Outcome::Skipped { reason } => format!("– {name}: {reason}\n"),
        Outcome::Failed { reason } => format!("{} {name}: {reason}\n", screen.paint(Color::Red, "✗")),
    }
}

fn ending(screen: Screen, report: &Report, seconds: u64) -> String {
    let what = format!("{} {} ({})", report.display_name, report.version, report.level);
    let summary = format!("{} in {seconds} s", report.summary());
    let color = if report.passed() { Color::Green } else { Color::Red };
    format!("{what}: {}\n", screen.paint(color, &summary))
}
