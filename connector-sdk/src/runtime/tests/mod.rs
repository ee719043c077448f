//! The agent against a small control plane and an in-memory gateway.

mod control_plane;
mod deploys;
mod discoveries;
mod drift;
mod hints;
mod isolation;
mod joining;
mod leases;
mod older;
mod outages;
mod plans;
mod resuming;
mod several;
mod steps;
mod tasks;

use std::{path::Path, time::Duration};

use control_plane::{ControlPlane, JOIN_TOKEN};
use gatehouse_control_plane_api::agent::{DeploymentOutcome, EnvironmentAssignment};
use gatehouse_schemas::identity::{ExternalRef, Generation};
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Agent, AgentOptions, HintPace, RunError, Tuning};
use crate::{
    backoff::Backoff,
    memory::{MemoryConnector, MemoryGateway, StoredApi},
};

const QUICK: Backoff = Backoff {
    first: Duration::from_millis(5),
    longest: Duration::from_millis(20),
};

/// An agent that runs.
struct Running {
    cancellation: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
    /// The threads of its own; without them, everything it does ends.
    threads: Option<Runtime>,
}

impl Running {
    async fn stop(mut self) -> Result<(), RunError> {
        self.cancellation.cancel();
        self.end().await
    }

    /// How it ends by itself.
    async fn end(&mut self) -> Result<(), RunError> {
        (&mut self.task).await.unwrap()
    }

    /// Ends it like `kill -9`: in the middle of whatever it does.
    async fn kill(mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
        let ended = (&mut self.task).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

fn options(control_plane: &ControlPlane, folder: &Path) -> AgentOptions {
    AgentOptions {
        join_token: Some(JOIN_TOKEN.into()),
        tuning: Tuning {
            reconnect: QUICK,
            redeploy: QUICK,
            grace: Duration::from_secs(1),
            hints: HintPace {
                gather: Duration::from_millis(20),
                wide: Duration::from_secs(3_600),
                idle: Duration::from_millis(5),
                again: QUICK,
            },
            ..Tuning::default()
        },
        ..AgentOptions::new(control_plane.url(), folder)
    }
}

fn start(options: AgentOptions, gateway: &MemoryGateway) -> Running {
    start_with(options, MemoryConnector::new(gateway.clone()))
}

fn start_with(options: AgentOptions, connector: MemoryConnector) -> Running {
    start_agent(options, Agent::builder(connector))
}

fn start_agent(options: AgentOptions, agent: Agent) -> Running {
    let cancellation = CancellationToken::new();
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let task = threads.spawn(agent.run(options, cancellation.clone()));
    Running {
        cancellation,
        task,
        threads: Some(threads),
    }
}

/// A control plane with the environment of tests, a gateway, and an agent between them.
struct Stage {
    control_plane: ControlPlane,
    gateway: MemoryGateway,
    folder: tempfile::TempDir,
    agent: Running,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|_| {}, |connector| connector).await
    }

    /// With another environment and another connector.
    async fn with(
        environment: impl FnOnce(&mut EnvironmentAssignment),
        connector: impl FnOnce(MemoryConnector) -> MemoryConnector,
    ) -> Self {
        let control_plane = ControlPlane::start().await;
        control_plane.add_environment();
        control_plane.change_environment(environment);
        let gateway = MemoryGateway::new();
        let folder = tempfile::tempdir().unwrap();
        let connector = connector(MemoryConnector::new(gateway.clone()));
        let agent = start_with(options(&control_plane, folder.path()), connector);
        Self {
            control_plane,
            gateway,
            folder,
            agent,
        }
    }

    /// Ends the agent and starts another one in its place, which remembers nothing.
    async fn restart(&mut self) {
        self.agent.cancellation.cancel();
        self.agent.end().await.unwrap();
        self.agent = start(options(&self.control_plane, self.folder.path()), &self.gateway);
    }

    async fn deployed(&self, generation: Generation) {
        self.reported(generation, |outcome| {
            matches!(outcome, DeploymentOutcome::Deployed { .. })
        })
        .await;
    }

    /// Waits until an outcome like this is reported.
    async fn reported(&self, generation: Generation, like: impl Fn(&DeploymentOutcome) -> bool) {
        until("the outcome is reported", || {
            self.control_plane.has(generation, &like)
        })
        .await;
    }

    /// The only API on the gateway.
    fn only_api(&self) -> (ExternalRef, StoredApi) {
        let mut apis = self.gateway.apis();
        assert_eq!(apis.len(), 1, "{apis:?}");
        apis.pop_first().unwrap()
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(),
        "did not come true: {what}"
    );
}
