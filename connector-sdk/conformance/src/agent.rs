//! The suite for any agent, in any language: the agent runs as a process of its own, speaks the Agent API with a small
//! control plane of the suite, and reaches its gateway through a fault-injecting proxy. What other people do to the gateway,
//! a [driver](crate::driver) does.

mod connector;
mod control_plane;
mod gateway;
mod process;
mod running;
pub(crate) mod stage;
mod test_file;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use gatehouse_schemas::descriptor::Descriptor;

use self::{
    control_plane::{ControlPlane, Mistakes},
    gateway::AgentTestGateway,
    process::Log,
};
pub use self::{
    process::AgentCommand,
    running::{AgentPlace, RunningAgent},
    test_file::{ProgramSpec, TestFile},
};
use crate::{
    Behaviour, Level, Outcome, Report, behaviours,
    driver::{Driver, DriverError},
    report::Tested,
    test,
};

/// How long an agent may take to open its first session.
const FIRST_SESSION: Duration = Duration::from_secs(20);

/// Why an agent could not be tested.
#[derive(Debug, thiserror::Error)]
pub enum AgentTestError {
    /// The test file is missing or wrong.
    #[error("the test file `{path}` cannot be used")]
    TestFile {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody said which agent.
    #[error("no agent is named; give one with `--agent PROGRAM` or as `agent.command` in the test file")]
    NoAgent,
    /// Nobody said which driver.
    #[error(
        "`driver.command` in the test file is empty; it names the program that drives the gateway under test"
    )]
    NoDriver,
    /// The driver failed.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A setting that is to lead through the proxy is not a URL.
    #[error(
        "the test file's `proxied` names the setting `{setting}`, and the driver's gateway has no URL there"
    )]
    NotProxied {
        /// Which.
        setting: String,
    },
    /// The settings lead to different places.
    #[error(
        "the settings named in the test file's `proxied` must lead to one host and port; name at least one"
    )]
    ManyUpstreams,
    /// The proxy did not start.
    #[error("the fault-injecting proxy cannot start")]
    Proxy(#[source] io::Error),
    /// The suite's control plane did not start.
    #[error("the conformance suite cannot start")]
    Suite(#[source] io::Error),
    /// The agent did not start.
    #[error("the agent `{program}` cannot be started")]
    Start {
        /// Which program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The agent opened no session.
    #[error("the agent {what} before it opened a session with {control_plane}; it said last:\n{log}")]
    NoSession {
        /// What it did instead.
        what: String,
        /// Where the suite waited for it.
        control_plane: String,
        /// The last lines it said.
        log: String,
    },
}

/// Tests every behaviour up to a level, each on a gateway of its own, and tells of each as it is done.
///
/// # Errors
///
/// What keeps the agent from being tested at all; what is wrong with its behaviour is in the report.
///
/// ```no_run
/// use std::path::Path;
///
/// use gatehouse_connector_conformance::{
///     Level,
///     agent::{AgentCommand, TestFile, run_agent},
/// };
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let file = TestFile::read(Path::new("test.yaml"))?;
///     let agent: AgentCommand = file.agent_command(None)?;
///     let report = run_agent(Level::Core, &file, &agent, |tested| println!("{}", tested.sentence)).await?;
///     assert!(report.passed(), "{}", report.summary());
///     Ok(())
/// }
/// ```
pub async fn run_agent(
    level: Level,
    file: &TestFile,
    command: &AgentCommand,
    mut told: impl FnMut(&Tested),
) -> Result<Report, AgentTestError> {
    let descriptor = Arc::new(introduce(command).await?);
    let driver = Arc::new(Driver::start(file.driver_command()?)?);
    let mut report = Report::of(&descriptor, level);
    for behaviour in behaviours().into_iter().filter(|it| it.level <= level) {
        let gateway = AgentTestGateway::start(&driver, command, &file.proxied, descriptor.clone()).await?;
        let outcome = outcome(&behaviour, gateway).await;
        if let Some(failure) = driver.failure() {
            return Err(failure.into());
        }
        told(report.add(&behaviour, outcome));
    }
    Ok(report)
}

async fn outcome(behaviour: &Behaviour, gateway: AgentTestGateway) -> Outcome {
    let mistakes = gateway.stand().mistakes();
    let outcome = test(behaviour, Arc::new(gateway)).await;
    match mistakes.first() {
        Some(reason) if outcome == Outcome::Passed => Outcome::Failed { reason },
        _ => outcome,
    }
}

/// Starts an agent once, to hear what it says of its connector.
async fn introduce(command: &AgentCommand) -> Result<Descriptor, AgentTestError> {
    let control_plane = ControlPlane::start(Mistakes::default())
        .await
        .map_err(AgentTestError::Suite)?;
    let state = tempfile::tempdir().map_err(AgentTestError::Suite)?;
    let log = Log::default();
    let url = control_plane.url();
    let place = AgentPlace::of(&control_plane, state.path());
    let mut process = command
        .start(&place, &log)
        .map_err(|source| AgentTestError::Start {
            program: command.program.display().to_string(),
            source,
        })?;
    let what = tokio::select! {
        descriptor = control_plane.descriptor() => match descriptor {
            Some(descriptor) => return Ok(descriptor),
            None => "lost the suite's control plane".to_owned(),
        },
        ended = process.ended() => match ended {
            Ok(status) => format!("ended ({status})"),
            Err(error) => format!("was lost ({error})"),
        },
        () = tokio::time::sleep(FIRST_SESSION) => format!("went on for {FIRST_SESSION:?}"),
    };
    let log = log.tail();
    Err(AgentTestError::NoSession {
        what,
        control_plane: url,
        log,
    })
}
