//! The steps of one deployment: what earlier attempts recorded, and the journal that records further ones with the
//! control plane before they are taken.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gatehouse_control_plane_api::{
    agent::{Step, StepReport, StepState},
    problem::ProblemKind,
};
use gatehouse_schemas::identity::{DeploymentId, FencingNumber, Generation};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    connection::{Connection, ConnectionError},
    tally::Tally,
};
use crate::{
    error::{Error, ErrorKind, Result, Retry, chain},
    journal::{Journal, StepIntent},
};

/// How long to wait for the record of a step that was taken; losing it does no harm.
const DONE_TIMEOUT: Duration = Duration::from_secs(5);

/// What is recorded of one deployment's steps. Kept under one lease only: under another, somebody else may have
/// finished them.
#[derive(Debug)]
pub(super) struct StepRecord {
    pub(super) fencing: FencingNumber,
    steps: Mutex<Vec<Step>>,
    /// The generation that the gateway took, although it does not show it yet.
    taken: Mutex<Option<Generation>>,
}

impl StepRecord {
    pub(super) fn new(fencing: FencingNumber, steps: &[Step]) -> Self {
        let record = Self {
            fencing,
            steps: Mutex::default(),
            taken: Mutex::default(),
        };
        record.merge(steps);
        record
    }

    /// Takes in what the control plane has recorded.
    pub(super) fn merge(&self, steps: &[Step]) {
        for step in steps {
            self.note(step.clone());
        }
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> Vec<Step> {
        self.lock().clone()
    }

    /// Whether nothing is recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether a step of a generation is recorded, or all of it was taken: from then on, it is finished whatever
    /// is seen.
    pub(super) fn is_begun(&self, generation: Generation) -> bool {
        let taken = *self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken == Some(generation) || self.lock().iter().any(|step| step.generation == generation)
    }

    /// Notes that the gateway took a generation.
    pub(super) fn mark_taken(&self, generation: Generation) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(generation);
    }

    fn note(&self, step: Step) {
        let mut steps = self.lock();
        let same = |held: &Step| (held.generation, held.number) == (step.generation, step.number);
        match steps.iter().position(same) {
            Some(position) if steps[position].state == StepState::Done => {}
            Some(position) => steps[position] = step,
            None => steps.push(step),
        }
        steps.sort_by_key(|step| (step.generation, step.number));
    }

    fn find(&self, generation: Generation, number: u32) -> Option<Step> {
        let steps = self.lock();
        let mut of_generation = steps.iter().filter(|step| step.generation == generation);
        of_generation.find(|step| step.number == number).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Step>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records the steps of one attempt with the control plane.
#[derive(Debug)]
pub(super) struct ControlPlaneJournal {
    pub(super) connection: Arc<Connection>,
    pub(super) deployment: DeploymentId,
    pub(super) generation: Generation,
    pub(super) record: Arc<StepRecord>,
    pub(super) tally: Arc<Tally>,
    /// Cancelled when no further step may be taken.
    pub(super) ended: [CancellationToken; 2],
    refused: AtomicBool,
}

impl ControlPlaneJournal {
    pub(super) fn new(
        connection: Arc<Connection>,
        (deployment, generation): (DeploymentId, Generation),
        record: Arc<StepRecord>,
        tally: Arc<Tally>,
        ended: [CancellationToken; 2],
    ) -> Self {
        Self {
            connection,
            deployment,
            generation,
            record,
            tally,
            ended,
            refused: AtomicBool::new(false),
        }
    }

    /// Whether a step was not taken because the lease or the generation moved, or the agent stops.
    pub(super) fn was_stopped(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    async fn send(&self, step: &Step) -> std::result::Result<(), ConnectionError> {
        let report = &StepReport {
            fencing: self.record.fencing,
            step: step.clone(),
            remaining_ms: self.tally.remaining_ms(),
        };
        let id = self.deployment;
        self.connection
            .call(|client, token| async move { client.step(&token, id, report).await })
            .await
    }

    fn stopped(&self, why: &str) -> Error {
        self.refused.store(true, Ordering::Relaxed);
        Error::new(ErrorKind::Conflict, format!("the next step was not taken: {why}"))
    }

    /// A step that nobody would find after a crash is not taken.
    fn cannot_be_recorded(&self, step: &Step) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "step {} (`{}`) was not taken: the control plane at {} speaks protocol {}, which records no steps; update \
                 the control plane",
                step.number,
                step.description,
                self.connection.base(),
                self.connection.protocol()
            ),
        )
    }

    fn not_recorded(&self, step: &Step, error: ConnectionError) -> Error {
        let is = |kind| error.api().is(kind);
        if is(ProblemKind::Stale) || is(ProblemKind::NotFound) {
            return self.stopped("something newer is desired, or another agent has the lease");
        }
        let message = format!(
            "step {} (`{}`) was not taken, since the control plane could not record it ({}); it is tried again",
            step.number,
            step.description,
            error.api()
        );
        let (ConnectionError::Api(source) | ConnectionError::Revoked(source)) = error;
        Error::new(ErrorKind::Unavailable, message)
            .with_retry(Retry::Backoff)
            .with_source(source)
    }
}

#[async_trait]
impl Journal for ControlPlaneJournal {
    fn recorded(&self) -> Vec<Step> {
        self.record.all()
    }

    async fn intend(&self, intent: StepIntent) -> Result<()> {
        if self.ended.iter().any(CancellationToken::is_cancelled) {
            return Err(self.stopped("the lease ended, or the agent stops"));
        }
        let step = Step {
            generation: self.generation,
            number: intent.number,
            of: intent.of,
            description: intent.description,
            object: intent.object,
            state: StepState::Intended,
        };
        if !self.connection.has_tasks() {
            return Err(self.cannot_be_recorded(&step));
        }
        match self.send(&step).await {
            Ok(()) => self.record.note(step),
            Err(error) => return Err(self.not_recorded(&step, error)),
        }
        // The answer may have taken its time.
        match self.ended.iter().any(CancellationToken::is_cancelled) {
            true => Err(self.stopped("the lease ended, or the agent stops")),
            false => Ok(()),
        }
    }

    async fn done(&self, number: u32) -> Result<()> {
        let Some(mut step) = self.record.find(self.generation, number) else {
            return Ok(());
        };
        step.state = StepState::Done;
        self.record.note(step.clone());
        match tokio::time::timeout(DONE_TIMEOUT, self.send(&step)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                debug!(error = %chain(error.api()), "That step {number} was taken did not reach the control plane");
            }
            Err(_) => debug!("That step {number} was taken did not reach the control plane in time"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(generation: u64, number: u32, state: StepState) -> Step {
        Step {
            generation: Generation(generation),
            number,
            of: None,
            description: "create".to_owned(),
            object: Some(format!("object-{generation}-{number}")),
            state,
        }
    }

    #[test]
    fn steps_come_in_order_once_each_and_stay_done() {
        let record = StepRecord::new(
            FencingNumber(1),
            &[step(2, 1, StepState::Done), step(1, 1, StepState::Intended)],
        );
        record.merge(&[step(2, 1, StepState::Intended), step(2, 2, StepState::Intended)]);
        let all = record.all();
        let order: Vec<_> = all.iter().map(|step| (step.generation.0, step.number)).collect();
        assert_eq!(order, [(1, 1), (2, 1), (2, 2)]);
        assert_eq!(all[1].state, StepState::Done);
        assert!(record.is_begun(Generation(2)) && !record.is_begun(Generation(3)));
    }
}
