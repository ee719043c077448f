//! Which deployments need work, and the work itself: one attempt at a time for each deployment, several
//! deployments side by side, the newest desired state only.

mod slots;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DeploymentReport, DeploymentWork};
use gatehouse_schemas::identity::{DeploymentId, EnvironmentId};
use slots::{Settled, Slots};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::{
    Tuning,
    connection::Connection,
    environments::{Environments, Lease},
    reconcile::{Attempt, Ending},
    report::{Delivery, deliver},
};
use crate::{
    connector::Connector,
    error::{Error, ErrorKind, Result, Retry},
};

/// All deployments this agent has heard of. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Deployments {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slots: Mutex<Slots>,
    connector: Arc<dyn Connector>,
    connection: Arc<Connection>,
    environments: Arc<Environments>,
    tuning: Tuning,
    permits: Semaphore,
    /// Counts attempts that have come to an end.
    tried: watch::Sender<u64>,
    tasks: TaskTracker,
    /// No further steps.
    stopping: CancellationToken,
    /// No further reports.
    ended: CancellationToken,
}

impl Deployments {
    pub(super) fn new(
        connector: Arc<dyn Connector>,
        connection: Arc<Connection>,
        environments: Arc<Environments>,
        tuning: Tuning,
    ) -> Self {
        let shared = Shared {
            slots: Mutex::default(),
            connector,
            connection,
            environments,
            tuning,
            permits: Semaphore::new(tuning.concurrency.max(1)),
            tried: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            ended: CancellationToken::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes in desired state; starts a worker unless one is at it. What is settled stays so.
    pub(super) fn offer(&self, work: DeploymentWork) {
        let id = work.id;
        let lease = self.shared.environments.lease(work.environment_id);
        let must_start = self.shared.lock().accept(work, lease.map(|lease| lease.fencing));
        if !must_start || self.shared.stopping.is_cancelled() {
            return;
        }
        let shared = self.shared.clone();
        self.shared.tasks.spawn(async move { shared.work_off(id).await });
    }

    /// Triggers a token once each of these deployments has been tried, or needs no work.
    pub(super) fn when_tried(&self, offered: Vec<DeploymentId>, done: CancellationToken) {
        let shared = self.shared.clone();
        let mut tried = shared.tried.subscribe();
        self.shared.tasks.spawn(async move {
            let all_tried = tried.wait_for(|_| shared.lock().all_tried(&offered));
            if let Some(Ok(_)) = shared.stopping.run_until_cancelled(all_tried).await {
                done.cancel();
            }
        });
    }

    /// Lets everything in an environment be looked at again when it is offered next.
    pub(super) fn forget(&self, environment: EnvironmentId) {
        self.shared.lock().forget(environment);
    }

    /// Lets what failed for good be tried again when it is offered next.
    pub(super) fn forget_refusals(&self) {
        self.shared.lock().forget_refusals();
    }

    /// Stops before the next step of everything, and waits a while for what is in the middle of a step.
    pub(super) async fn stop(&self) {
        let shared = &self.shared;
        shared.stopping.cancel();
        shared.tasks.close();
        let finished = tokio::time::timeout(shared.tuning.grace, shared.tasks.wait()).await;
        shared.ended.cancel();
        if finished.is_err() {
            warn!("Stopped with work unfinished; it goes on from what is there after the next start");
        }
    }
}

impl Shared {
    async fn work_off(&self, id: DeploymentId) {
        while let Some((work, news)) = self.take(id) {
            self.carry_out(&work, &news).await;
        }
        self.tried.send_modify(|count| *count += 1);
    }

    fn take(&self, id: DeploymentId) -> Option<(DeploymentWork, Arc<Notify>)> {
        self.lock().take(id).filter(|_| !self.stopping.is_cancelled())
    }

    fn mark_tried(&self, id: DeploymentId) {
        self.lock().mark_tried(id);
        self.tried.send_modify(|count| *count += 1);
    }

    /// Attempts until one succeeds, none can help, or something newer is desired.
    async fn carry_out(&self, work: &DeploymentWork, news: &Notify) {
        let mut failures = 0;
        let mut told: Option<DeploymentOutcome> = None;
        while let Some(lease) = self.environments.lease(work.environment_id) {
            if !self.is_wanted(work, &lease) || self.lock().is_settled(work, lease.fencing) {
                return;
            }
            let result = self.attempt(work, &lease).await;
            self.mark_tried(work.id);
            match result {
                Ok(Ending::Stopped) => return,
                Ok(Ending::Outcome(outcome)) => return self.finish(work, &lease, outcome).await,
                Err(error) => {
                    failures += 1;
                    let pause = self.pause(&error, failures);
                    let outcome = failed(&error, pause.is_some());
                    let changed = told.as_ref() != Some(&outcome);
                    if changed && !self.tell_failure(work, &lease, outcome.clone()).await {
                        return;
                    }
                    told = Some(outcome);
                    let Some(pause) = pause else { return };
                    self.wait(pause, news, &lease).await;
                }
            }
        }
    }

    async fn attempt(&self, work: &DeploymentWork, lease: &Lease) -> Result<Ending> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Ok(Ending::Stopped);
        };
        let context = lease.context(&self.connection).await?;
        let attempt = Attempt {
            connector: self.connector.as_ref(),
            context: &context,
            is_wanted: || self.is_wanted(work, lease),
        };
        let result = self.announced(work, lease, attempt.make(work)).await;
        if let Err(error) = &result
            && error.kind() == ErrorKind::Unauthorized
        {
            lease.forget_credentials().await;
        }
        result
    }

    /// Runs an attempt, and says that it has begun if it takes long. A quick one costs one report only.
    async fn announced(
        &self,
        work: &DeploymentWork,
        lease: &Lease,
        attempt: impl Future<Output = Result<Ending>>,
    ) -> Result<Ending> {
        let mut attempt = std::pin::pin!(attempt);
        if let Ok(result) = tokio::time::timeout(self.tuning.slow, &mut attempt).await {
            return result;
        }
        // The announcement must have arrived, or be lost, before the outcome is told.
        let report = report(work, lease, DeploymentOutcome::Deploying);
        let announce = tokio::time::timeout(Duration::from_secs(5), self.send(work.id, &report));
        tokio::join!(attempt, announce).0
    }

    async fn finish(&self, work: &DeploymentWork, lease: &Lease, outcome: DeploymentOutcome) {
        let environment = &lease.assignment.name;
        match &outcome {
            DeploymentOutcome::Removed => {
                info!(environment.name = %environment, deployment.id = %work.id, "Nothing is left of the API in `{environment}`");
            }
            _ => {
                info!(environment.name = %environment, deployment.id = %work.id, generation = %work.generation, "The gateway of `{environment}` serves what is desired");
            }
        }
        let remains = outcome != DeploymentOutcome::Removed;
        if self.tell(work, lease, outcome).await == Delivery::Acknowledged && remains {
            self.settle(work, lease, false);
        }
    }

    /// Tells of a failure; says whether to go on with this work.
    async fn tell_failure(&self, work: &DeploymentWork, lease: &Lease, outcome: DeploymentOutcome) -> bool {
        let retrying = matches!(outcome, DeploymentOutcome::Failed { retrying: true, .. });
        match self.tell(work, lease, outcome).await {
            Delivery::Acknowledged | Delivery::Refused => {
                if !retrying {
                    self.settle(work, lease, true);
                }
                true
            }
            Delivery::Stale | Delivery::Stopped => false,
        }
    }

    async fn tell(&self, work: &DeploymentWork, lease: &Lease, outcome: DeploymentOutcome) -> Delivery {
        let report = report(work, lease, outcome);
        let what = format!("deployment `{}`", work.id);
        deliver(
            &self.connection,
            self.tuning.reconnect,
            &self.ended,
            &what,
            || self.send(work.id, &report),
        )
        .await
    }

    async fn send(
        &self,
        id: DeploymentId,
        report: &DeploymentReport,
    ) -> std::result::Result<(), super::connection::ConnectionError> {
        self.connection
            .call(|client, token| async move { client.report(&token, id, report).await })
            .await
    }

    /// How long until the next attempt; none if there is to be none.
    fn pause(&self, error: &Error, failures: u32) -> Option<Duration> {
        match error.retry() {
            Retry::Never => None,
            Retry::Backoff => Some(self.tuning.redeploy.pause(failures)),
            Retry::After(pause) => Some(pause),
        }
    }

    async fn wait(&self, pause: Duration, news: &Notify, lease: &Lease) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = news.notified() => {}
            () = lease.ended.cancelled() => {}
            () = self.stopping.cancelled() => {}
        }
    }

    /// Whether the next step may and need be taken.
    fn is_wanted(&self, work: &DeploymentWork, lease: &Lease) -> bool {
        !self.lock().is_superseded(work) && !lease.ended.is_cancelled() && !self.stopping.is_cancelled()
    }

    fn settle(&self, work: &DeploymentWork, lease: &Lease, refused: bool) {
        let settled = Settled {
            generation: work.generation,
            fencing: lease.fencing,
            refused,
        };
        self.lock().settle(work.id, settled);
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(work: &DeploymentWork, lease: &Lease, outcome: DeploymentOutcome) -> DeploymentReport {
    DeploymentReport {
        generation: work.generation,
        fencing: lease.fencing,
        outcome,
    }
}

/// The message carries no cause: causes are vendors' words and stay in the agent's log.
fn failed(error: &Error, retrying: bool) -> DeploymentOutcome {
    DeploymentOutcome::Failed {
        reason: error.kind().as_str().to_owned(),
        message: error.message().to_owned(),
        retrying,
    }
}
