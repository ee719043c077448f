//! An agent that runs for the suite: a process, or the SDK's runtime on threads of its own.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gatehouse_connector_sdk::{
    backoff::Backoff,
    connector::Connector,
    runtime::{Agent, AgentOptions, RunError, Tuning},
};
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    control_plane::{ControlPlane, JOIN_TOKEN},
    process::AgentProcess,
};

/// Where an agent finds the suite's control plane and keeps its identity.
#[derive(Debug, Clone)]
pub struct AgentPlace {
    /// The control plane's address.
    pub control_plane: String,
    /// The token to join with.
    pub join_token: String,
    /// The folder of its identity.
    pub state_dir: PathBuf,
}

impl AgentPlace {
    pub(super) fn of(control_plane: &ControlPlane, state_dir: &Path) -> Self {
        Self {
            control_plane: control_plane.url(),
            join_token: JOIN_TOKEN.to_owned(),
            state_dir: state_dir.to_owned(),
        }
    }
}

/// An agent that runs; it ends like one that is killed when this is dropped.
pub struct RunningAgent {
    kind: Kind,
}

enum Kind {
    Process(AgentProcess),
    Threads {
        /// The threads of its own; without them, everything it does ends.
        threads: Option<Runtime>,
        task: JoinHandle<Result<(), RunError>>,
    },
}

impl fmt::Debug for RunningAgent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.kind {
            Kind::Process(_) => "an agent in a process",
            Kind::Threads { .. } => "an agent on threads of its own",
        })
    }
}

impl RunningAgent {
    pub(super) fn of_process(process: AgentProcess) -> Self {
        Self {
            kind: Kind::Process(process),
        }
    }

    /// Starts the SDK's runtime around a connector, with pauses as short as a test's.
    pub fn of_connector(connector: Arc<dyn Connector>, place: &AgentPlace) -> io::Result<Self> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let running = Agent::builder(connector).run(options(place), CancellationToken::new());
        let task = threads.spawn(running);
        Ok(Self {
            kind: Kind::Threads {
                threads: Some(threads),
                task,
            },
        })
    }

    /// Ends without a word, as after a loss of power.
    pub(super) async fn kill(mut self) {
        match &mut self.kind {
            Kind::Process(process) => process.kill().await,
            Kind::Threads { threads, task } => {
                end(threads);
                // It ends here, or has ended by itself.
                let _ = task.await;
            }
        }
    }

    /// How it ended by itself, once it has.
    pub(super) async fn ended(&mut self) -> String {
        match &mut self.kind {
            Kind::Process(process) => match process.ended().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            Kind::Threads { task, .. } => match task.await {
                Ok(Ok(())) => "without an error".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            },
        }
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        if let Kind::Threads { threads, .. } = &mut self.kind {
            end(threads);
        }
    }
}

fn end(threads: &mut Option<Runtime>) {
    if let Some(threads) = threads.take() {
        threads.shutdown_background();
    }
}

fn options(place: &AgentPlace) -> AgentOptions {
    let pauses = |longest| Backoff {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(longest),
    };
    AgentOptions {
        join_token: Some(place.join_token.clone().into()),
        tuning: Tuning {
            reconnect: pauses(200),
            redeploy: pauses(400),
            grace: Duration::from_secs(1),
            ..Tuning::default()
        },
        ..AgentOptions::new(&place.control_plane, &place.state_dir)
    }
}
