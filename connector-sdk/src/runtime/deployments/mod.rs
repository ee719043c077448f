//! Which deployments need work, and the work itself: one attempt at a time for each deployment, several
//! deployments side by side, the newest desired state only.

mod held;
mod slots;

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gatehouse_control_plane_api::agent::{
    DeploymentObservation, DeploymentOutcome, DeploymentReport, DeploymentWork, DesiredState,
    ObservationsReport,
};
use gatehouse_schemas::{
    environment::DriftPolicy,
    identity::{DeploymentId, EnvironmentId},
    observed::Observation,
};
use held::Held;
pub(super) use held::HeldDeployment;
use slots::{Settled, Slots};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, info, info_span, warn};

use super::{
    Tuning,
    connection::Connection,
    environments::{Environments, Lease},
    reconcile::{Attempt, Ending},
    report::{Delivery, deliver},
    shares::Shares,
    steps::{ControlPlaneJournal, StepRecord},
    tally::Tally,
};
use crate::{
    connector::Connector,
    error::{Error, ErrorKind, Result, Retry},
    layers::PureFunctions,
};

/// All deployments this agent has heard of. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Deployments {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slots: Mutex<Slots>,
    held: Mutex<Held>,
    /// What is recorded of deployments that are not finished.
    records: Mutex<HashMap<DeploymentId, Arc<StepRecord>>>,
    connector: Arc<dyn Connector>,
    pure: PureFunctions,
    connection: Arc<Connection>,
    environments: Arc<Environments>,
    tuning: Tuning,
    places: Shares,
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
        pure: PureFunctions,
        connection: Arc<Connection>,
        environments: Arc<Environments>,
        tuning: Tuning,
    ) -> Self {
        let shared = Shared {
            slots: Mutex::default(),
            held: Mutex::default(),
            records: Mutex::default(),
            connector,
            pure,
            connection,
            environments,
            tuning,
            places: Shares::new(tuning.concurrency, tuning.common_concurrency),
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
        self.shared.held().note(&work);
        let lease = self.shared.environments.lease(work.environment_id);
        let span = span(&work, lease.as_deref());
        let must_start = self.shared.lock().accept(work, lease.map(|lease| lease.fencing));
        if !must_start || self.shared.stopping.is_cancelled() {
            return;
        }
        let shared = self.shared.clone();
        let worker = async move { shared.work_off(id).await };
        self.shared.tasks.spawn(worker.instrument(span));
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

    /// Forgets what is not among these, which are all there are: nothing is looked at any more that is gone. What
    /// is being worked on goes on.
    pub(super) fn retain(&self, listed: &[DeploymentId]) {
        self.shared.held().retain(listed);
    }

    /// What should be in an environment: all of it, or these.
    pub(super) fn held(
        &self,
        environment: EnvironmentId,
        of: Option<&[DeploymentId]>,
    ) -> Vec<HeldDeployment> {
        self.shared.held().of(environment, of)
    }

    /// How many deployments of an environment are worked on or wait to be tried again, and of how many the last
    /// attempt failed.
    pub(super) fn counts(&self, environment: EnvironmentId) -> (usize, usize) {
        self.shared.lock().counts(environment)
    }

    /// Whether somebody is at a deployment, or waits to try it again.
    pub(super) fn is_active(&self, id: DeploymentId) -> bool {
        self.shared.lock().is_active(id)
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

    fn mark_tried(&self, id: DeploymentId, failed: bool) {
        self.lock().mark_tried(id, failed);
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
            self.mark_tried(work.id, is_failure(&result));
            let (outcome, pause) = match result {
                Ok(Ending::Stopped) => return,
                Ok(Ending::LeftAlone) => return self.settle(work, &lease, false),
                Ok(Ending::Outcome(outcome @ DeploymentOutcome::Failed { .. })) => (outcome, None),
                Ok(Ending::Outcome(outcome)) => return self.finish(work, &lease, outcome).await,
                Err(error) => {
                    failures += 1;
                    let pause = self.pause(&error, failures);
                    (failed(&error, pause.is_some()), pause)
                }
            };
            let changed = told.as_ref() != Some(&outcome);
            if changed && !self.tell_failure(work, &lease, outcome.clone()).await {
                return;
            }
            told = Some(outcome);
            let Some(pause) = pause else { return };
            self.wait(pause, work, news, &lease).await;
        }
    }

    async fn attempt(&self, work: &DeploymentWork, lease: &Lease) -> Result<Ending> {
        let Ok(_place) = self.places.place(work.environment_id).await else {
            return Ok(Ending::Stopped);
        };
        let mut context = lease.context(&self.connection, work.priority).await?;
        let tally = Arc::new(Tally::new(context.quotas.clone()));
        let record = self.record(work, lease);
        let journal = Arc::new(ControlPlaneJournal::new(
            self.connection.clone(),
            (work.id, work.generation),
            record.clone(),
            tally.clone(),
            [lease.ended.clone(), self.stopping.clone()],
        ));
        context.quotas = tally.clone();
        context.journal = journal.clone();
        let attempt = Attempt {
            connector: self.connector.as_ref(),
            pure: &self.pure,
            context: &context,
            work,
            steps: &record,
            tally: &tally,
            puts_right: self.puts_right(lease),
            is_wanted: || self.is_wanted(work, lease),
        };
        let result = self.announced(work, lease, attempt.make()).await;
        match &result {
            Err(_) if journal.was_stopped() => return Ok(Ending::Stopped),
            Err(error) if error.kind() == ErrorKind::Unauthorized => lease.forget_credentials().await,
            _ => {}
        }
        result
    }

    /// What is recorded of a deployment, under the present lease.
    fn record(&self, work: &DeploymentWork, lease: &Lease) -> Arc<StepRecord> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        match records.get(&work.id) {
            Some(record) if record.fencing == lease.fencing => {
                record.merge(&work.steps);
                record.clone()
            }
            _ => {
                let record = Arc::new(StepRecord::new(lease.fencing, &work.steps));
                records.insert(work.id, record.clone());
                record
            }
        }
    }

    /// Whether what differs from what was carried out is put right without a word: a gateway of its own holds
    /// nothing that people could have changed.
    fn puts_right(&self, lease: &Lease) -> bool {
        lease.assignment.drift_policy == DriftPolicy::Revert
            || self.connector.descriptor().capabilities.replicated
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
            DeploymentOutcome::Drifted { .. } => {
                warn!(environment.name = %environment, deployment.id = %work.id, generation = %work.generation, "The gateway of `{environment}` holds something else than what was deployed; it was left as it is");
            }
            _ => {
                info!(environment.name = %environment, deployment.id = %work.id, generation = %work.generation, "The gateway of `{environment}` serves what is desired");
            }
        }
        self.held().finish(work, &outcome);
        let remains = outcome != DeploymentOutcome::Removed;
        let ends_steps = !matches!(outcome, DeploymentOutcome::Drifted { .. });
        if self.tell(work, lease, outcome).await != Delivery::Acknowledged {
            return;
        }
        if ends_steps {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.remove(&work.id);
        }
        if remains {
            self.settle(work, lease, false);
        }
    }

    /// Tells of a failure; says whether to go on with this work.
    async fn tell_failure(&self, work: &DeploymentWork, lease: &Lease, outcome: DeploymentOutcome) -> bool {
        let retrying = matches!(outcome, DeploymentOutcome::Failed { retrying: true, .. });
        let delivery = match outcome {
            // It was deployed and still may be: only a look at it failed.
            DeploymentOutcome::Failed { message, .. }
                if self.connection.has_tasks() && self.only_looks(work, lease) =>
            {
                self.tell_unknown(work, lease, message).await
            }
            outcome => self.tell(work, lease, outcome).await,
        };
        match delivery {
            Delivery::Acknowledged | Delivery::Refused => {
                if !retrying {
                    self.settle(work, lease, true);
                }
                true
            }
            Delivery::Stale | Delivery::Stopped => false,
        }
    }

    fn only_looks(&self, work: &DeploymentWork, lease: &Lease) -> bool {
        let present = matches!(work.desired, DesiredState::Present { .. });
        work.confirmed && present && !self.puts_right(lease)
    }

    async fn tell_unknown(&self, work: &DeploymentWork, lease: &Lease, reason: String) -> Delivery {
        let report = &ObservationsReport {
            fencing: lease.fencing,
            items: vec![DeploymentObservation {
                deployment_id: work.id,
                generation: work.generation,
                differs: Some(Observation::Unknown { reason }),
            }],
        };
        let (what, id) = (format!("deployment `{}`", work.id), work.environment_id);
        let send = || {
            self.connection
                .call(|client, token| async move { client.observations(&token, id, report).await })
        };
        deliver(&self.connection, self.tuning.reconnect, &self.ended, &what, send).await
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

    /// Until the next attempt. What is offered again meanwhile is no reason to come back before the gateway wants it;
    /// something newer is.
    async fn wait(&self, pause: Duration, work: &DeploymentWork, news: &Notify, lease: &Lease) {
        let mut over = pin!(tokio::time::sleep(pause));
        loop {
            tokio::select! {
                () = &mut over => return,
                () = lease.ended.cancelled() => return,
                () = self.stopping.cancelled() => return,
                () = news.notified() => if self.lock().is_superseded(work) { return },
            }
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
        let mut slots = self.lock();
        // Since the environment changed or the lease moved, everything is to be looked at again: this was before.
        if !lease.ended.is_cancelled() {
            slots.settle(work.id, settled);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What everything that is done for a deployment is told under.
fn span(work: &DeploymentWork, lease: Option<&Lease>) -> tracing::Span {
    let environment = lease.map(|lease| tracing::field::display(&lease.assignment.name));
    info_span!("deployment", environment.name = environment, deployment.id = %work.id)
}

fn is_failure(result: &Result<Ending>) -> bool {
    matches!(
        result,
        Err(_) | Ok(Ending::Outcome(DeploymentOutcome::Failed { .. }))
    )
}

/// The message carries no cause: causes are vendors' words and stay in the agent's log.
fn failed(error: &Error, retrying: bool) -> DeploymentOutcome {
    DeploymentOutcome::Failed {
        reason: error.kind().as_str().to_owned(),
        message: error.message().to_owned(),
        retrying,
    }
}
