//! The agent against a small control plane and an in-memory gateway.

mod control_plane;
mod deploys;
mod discoveries;
mod joining;
mod leases;
mod outages;

use std::{path::Path, time::Duration};

use control_plane::{ControlPlane, JOIN_TOKEN};
use gatehouse_control_plane_api::agent::DeploymentOutcome;
use gatehouse_schemas::identity::Generation;
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Agent, AgentOptions, RunError, Tuning};
use crate::{
    backoff::Backoff,
    memory::{MemoryConnector, MemoryGateway},
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
            ..Tuning::default()
        },
        ..AgentOptions::new(control_plane.url(), folder)
    }
}

fn start(options: AgentOptions, gateway: &MemoryGateway) -> Running {
    let cancellation = CancellationToken::new();
    let agent = Agent::builder(MemoryConnector::new(gateway.clone()));
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
        let control_plane = ControlPlane::start().await;
        control_plane.add_environment();
        let gateway = MemoryGateway::new();
        let folder = tempfile::tempdir().unwrap();
        let agent = start(options(&control_plane, folder.path()), &gateway);
        Self {
            control_plane,
            gateway,
            folder,
            agent,
        }
    }

    async fn deployed(&self, generation: Generation) {
        until("the deploy is reported", || {
            self.control_plane
                .outcomes(generation)
                .iter()
                .any(|report| matches!(report.outcome, DeploymentOutcome::Deployed { .. }))
        })
        .await;
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
