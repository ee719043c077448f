//! Reports that come together: when a thousand gateways carry out one deploy, its state is told once for all that
//! reported while the one before was written, not a thousand times.
//!
//! The first report begins at once and alone. Those that come meanwhile wait for the next turn together. Each has an
//! answer of its own, after the commit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatehouse_control_plane_api::{agent::DeploymentReport, problem::ProblemKind};
use gatehouse_schemas::identity::DeploymentId;
use http::StatusCode;
use tokio::sync::{OnceCell, Semaphore};

use super::caller::Caller;
use crate::failure::{Answer, Failure};

/// One report, and whose.
#[derive(Debug, Clone)]
pub(super) struct Reported {
    pub(super) caller: Caller,
    pub(super) report: DeploymentReport,
}

/// Reports on one deployment that are recorded together.
#[derive(Debug, Default)]
struct Batch {
    reports: Mutex<Vec<Reported>>,
    /// One per report, until it is fetched; none at all if recording failed.
    answers: OnceCell<Mutex<Vec<Option<Answer<StatusCode>>>>>,
}

/// The reports that wait for their turn.
#[derive(Debug)]
pub(crate) struct ReportsTogether {
    waiting: Mutex<HashMap<DeploymentId, Arc<Batch>>>,
    /// One at a time: the database has one writer anyway, and whoever waits here waits in company.
    turn: Semaphore,
}

impl Default for ReportsTogether {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }
}

impl ReportsTogether {
    /// Records a report on a deployment, together with others, by `record`, which answers each in their order.
    pub(super) async fn add<F: Future<Output = Answer<Vec<Answer<StatusCode>>>>>(
        &self,
        id: DeploymentId,
        reported: Reported,
        record: impl FnOnce(Vec<Reported>) -> F,
    ) -> Answer<StatusCode> {
        let (batch, place) = self.join(id, reported);
        let mut failure = None;
        let answers = batch.answers.get_or_init(|| async {
            let turn = self.turn.acquire().await;
            let recorded = record(self.close(id, &batch)).await;
            drop(turn);
            let answers = recorded.unwrap_or_else(|error| {
                failure = Some(error);
                Vec::new()
            });
            Mutex::new(answers.into_iter().map(Some).collect())
        });
        let answer = lock(answers.await).get_mut(place).and_then(Option::take);
        // Who recorded knows why it failed; who waited for it is told to try again.
        answer.unwrap_or_else(|| Err(failure.unwrap_or_else(try_again)))
    }

    fn join(&self, id: DeploymentId, reported: Reported) -> (Arc<Batch>, usize) {
        let mut waiting = lock(&self.waiting);
        let batch = waiting.entry(id).or_default();
        let mut reports = lock(&batch.reports);
        reports.push(reported);
        (batch.clone(), reports.len() - 1)
    }

    /// Nobody joins it from now on.
    fn close(&self, id: DeploymentId, batch: &Arc<Batch>) -> Vec<Reported> {
        let mut waiting = lock(&self.waiting);
        if waiting.get(&id).is_some_and(|other| Arc::ptr_eq(other, batch)) {
            waiting.remove(&id);
        }
        lock(&batch.reports).clone()
    }
}

fn try_again() -> Failure {
    Failure::new(
        ProblemKind::Unavailable,
        "the report was not recorded, because others that came with it could not be; send it again in a moment",
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
