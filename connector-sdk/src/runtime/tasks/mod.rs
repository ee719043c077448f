//! Tasks: what an agent is asked to look at or to work out. They change nothing, run beside the deployments, and
//! are answered once.

mod answers;
mod observing;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatehouse_control_plane_api::agent::{Priority, Task, TaskReport, TaskResult, TaskWork};
use gatehouse_schemas::identity::{DeploymentId, TaskId};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, debug, info, info_span, warn};

use super::{
    Tuning,
    connection::Connection,
    deployments::Deployments,
    environments::{Environments, Lease},
    report::{Delivery, deliver},
    shares::Shares,
};
use crate::{
    connector::Connector,
    context::Context,
    error::{Error, ErrorKind, Result, chain},
    layers::PureFunctions,
};

/// How many tasks that somebody waits for run at the same time in one environment.
const CONCURRENCY: usize = 4;
/// How many of all environments together, beside one of each.
const COMMON_CONCURRENCY: usize = 32;

/// The tasks this agent works on. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Tasks {
    shared: Arc<Shared>,
}

/// What tasks are worked out with.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) connector: Arc<dyn Connector>,
    pub(super) pure: PureFunctions,
    pub(super) connection: Arc<Connection>,
    pub(super) environments: Arc<Environments>,
    pub(super) deployments: Deployments,
    pub(super) tuning: Tuning,
}

#[derive(Debug)]
struct Shared {
    tools: Tools,
    known: Mutex<Known>,
    places: Shares,
    /// Looks at whole environments take long; one at a time in each, beside what somebody waits for.
    looks: Shares,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// Being worked on, or answered and possibly listed once more by a response that was under way.
#[derive(Debug, Default)]
struct Known {
    running: HashSet<TaskId>,
    answered: HashSet<TaskId>,
}

impl Tasks {
    pub(super) fn new(tools: Tools) -> Self {
        let shared = Shared {
            tools,
            known: Mutex::default(),
            places: Shares::new(CONCURRENCY, COMMON_CONCURRENCY),
            looks: Shares::new(1, 0),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes in all tasks that wait; starts those that are not known. Says whether any was new.
    pub(super) fn take(&self, waiting: Vec<TaskWork>) -> bool {
        let fresh = self.shared.fresh(waiting);
        let any = !fresh.is_empty();
        for (work, lease) in fresh {
            let shared = self.shared.clone();
            let environment = &lease.assignment.name;
            let span = info_span!("task", environment.name = %environment, task.id = %work.id);
            let task = async move { shared.carry_out(&work, &lease).await };
            self.shared.tasks.spawn(task.instrument(span));
        }
        any
    }

    /// Looks at deployments without having been asked, and tells what is there. Looks at all of them and looks like this
    /// come one after the other.
    pub(super) async fn look(&self, lease: &Lease, deployments: &[DeploymentId]) -> Result<u64> {
        let shared = &self.shared;
        let _place = shared.looks.place(lease.assignment.id).await;
        let what = format!("a look at `{}`", lease.assignment.name);
        let looked = shared.observe(&what, lease, Some(deployments), Priority::Background);
        looked.await
    }

    /// Ends all of them; whoever serves the environment next works them out.
    pub(super) async fn stop(&self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        let _ = tokio::time::timeout(self.shared.tools.tuning.grace, self.shared.tasks.wait()).await;
    }
}

impl Shared {
    fn fresh(&self, waiting: Vec<TaskWork>) -> Vec<(TaskWork, Arc<Lease>)> {
        let mut known = self.lock();
        known
            .answered
            .retain(|id| waiting.iter().any(|work| work.id == *id));
        let mut fresh = Vec::new();
        for work in waiting {
            if known.answered.contains(&work.id) || known.running.contains(&work.id) {
                continue;
            }
            if let Some(lease) = self.tools.environments.lease(work.environment_id) {
                known.running.insert(work.id);
                fresh.push((work, lease));
            }
        }
        fresh
    }

    async fn carry_out(&self, work: &TaskWork, lease: &Lease) {
        let worked_out = self
            .stopping
            .run_until_cancelled(Box::pin(self.work_out(work, lease)));
        let result = lease.ended.run_until_cancelled(worked_out).await.flatten();
        let delivery = match result {
            None => Delivery::Stopped,
            Some(result) => self.answer(work, lease, result).await,
        };
        let mut known = self.lock();
        known.running.remove(&work.id);
        // An answer under a lease that moved is none; whoever has the lease gives another one.
        if !matches!(delivery, Delivery::Stopped | Delivery::Stale) {
            known.answered.insert(work.id);
        }
    }

    async fn work_out(&self, work: &TaskWork, lease: &Lease) -> TaskResult {
        let places = match work.task {
            Task::Observe { .. } => &self.looks,
            _ => &self.places,
        };
        let _place = places.place(work.environment_id).await;
        let result = self.result(work, lease).await;
        if let Err(error) = &result
            && error.kind() == ErrorKind::Unauthorized
        {
            lease.forget_credentials().await;
        }
        result.unwrap_or_else(|error| {
            let environment = &lease.assignment.name;
            warn!(environment.name = %environment, task.id = %work.id, error = %chain(&error), "A task in `{environment}` failed");
            failed(&error)
        })
    }

    async fn result(&self, work: &TaskWork, lease: &Lease) -> Result<TaskResult> {
        let connector = self.tools.connector.as_ref();
        match &work.task {
            Task::Plan {
                desired,
                external_ref,
                adopt,
            } => {
                let context = self.context(lease, Priority::Normal).await?;
                let known = adopt.as_ref().or(external_ref.as_ref());
                let tools = (connector, &self.tools.pure);
                answers::planned(tools, &context, desired, known, adopt.as_ref()).await
            }
            Task::Observe { deployments } => {
                // Somebody waits for a look at chosen ones; a look at all of them is nobody's hurry.
                let priority = match deployments {
                    Some(_) => Priority::Normal,
                    None => Priority::Background,
                };
                let what = format!("task `{}`", work.id);
                let looked = self.observe(&what, lease, deployments.as_deref(), priority);
                looked.await.map(|count| TaskResult::Observed { count })
            }
            Task::Inspect { external_ref } => {
                let context = self.context(lease, Priority::Normal).await?;
                answers::inspect(connector, &context, external_ref).await
            }
            Task::Check => {
                let context = self.context(lease, Priority::Normal).await?;
                answers::check(connector, &context).await
            }
        }
    }

    async fn context(&self, lease: &Lease, priority: Priority) -> Result<Context> {
        lease.context(&self.tools.connection, priority).await
    }

    async fn answer(&self, work: &TaskWork, lease: &Lease, result: TaskResult) -> Delivery {
        let environment = &lease.assignment.name;
        match &result {
            TaskResult::Observed { count } => {
                info!(environment.name = %environment, task.id = %work.id, count, "Looked at {count} deployments in `{environment}`");
            }
            _ => {
                debug!(environment.name = %environment, task.id = %work.id, "A task in `{environment}` is worked out");
            }
        }
        let report = &TaskReport {
            fencing: lease.fencing,
            result,
        };
        let (id, what) = (work.id, format!("task `{}`", work.id));
        let send = || {
            self.tools
                .connection
                .call(|client, token| async move { client.task_result(&token, id, report).await })
        };
        let (connection, backoff) = (&self.tools.connection, self.tools.tuning.reconnect);
        deliver(connection, backoff, &self.stopping, &what, send).await
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message carries no cause: causes are vendors' words and stay in the agent's log.
fn failed(error: &Error) -> TaskResult {
    TaskResult::Failed {
        reason: error.kind().as_str().to_owned(),
        message: error.message().to_owned(),
    }
}
