//! Waiting for work: one request that lasts until there is something new, or until its time is up.

use std::time::{Duration, Instant};

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    agent::WorkResponse,
    problem::{Problem, ProblemKind},
};
use gatehouse_control_plane_store::Work;
use gatehouse_schemas::identity::Generation;
use serde::Deserialize;
use tokio::sync::watch;

use super::{assignment, caller::Caller, leases::LeaseHolder, protocol};
use crate::{
    extract::Query,
    failure::{Answer, Failure},
    state::AppState,
};

/// The longest a request waits, in seconds.
const WAIT_MAX: u32 = 60;

/// Since when, and how long to wait.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WorkQuery {
    /// The position: `generation` of the answer before, or 0 for everything.
    #[serde(default)]
    #[param(default = 0)]
    after: u64,
    /// How long to wait for something new, in seconds. 0 answers at once.
    #[serde(default)]
    #[param(default = 0, maximum = 60)]
    wait_seconds: u32,
}

impl WorkQuery {
    fn wait(self) -> Answer<Duration> {
        if self.wait_seconds > WAIT_MAX {
            return Err(Failure::new(
                ProblemKind::MalformedRequest,
                format!(
                    "`waitSeconds` is {}; it must be at most {WAIT_MAX}",
                    self.wait_seconds
                ),
            ));
        }
        Ok(Duration::from_secs(self.wait_seconds.into()))
    }
}

/// Waits for work.
///
/// Answers as soon as there is something newer than the position, and with nothing new when the time is up. Asking
/// renews the agent's leases, and takes those that are free.
#[utoipa::path(get, path = "/agent/v1/work", operation_id = "work", tag = "agent", params(WorkQuery),
    responses(
        (status = 200, description = "What is new, perhaps nothing", body = WorkResponse),
        (status = 410, description = "The position is too old: ask again with position 0", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn work(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<WorkQuery>,
) -> Answer<Json<WorkResponse>> {
    let deadline = Instant::now() + query.wait()?;
    let poll = Poll {
        state: &state,
        caller: &caller,
        after: Generation(query.after),
        deadline,
    };
    poll.run().await.map(|work| Json(assignment::response(work)))
}

struct Poll<'a> {
    state: &'a AppState,
    caller: &'a Caller,
    after: Generation,
    deadline: Instant,
}

impl Poll<'_> {
    async fn run(&self) -> Answer<Work> {
        let gateway_type = &self.caller.agent.gateway_type;
        // Subscribed before the first look: nothing that happens in between is missed.
        let mut changes = self.state.store.agent_changes(gateway_type);
        loop {
            changes.mark_unchanged();
            let held = LeaseHolder::new(self.state, self.caller).hold(self.after).await?;
            let work = assignment::permitted(held.view.of(self.caller.id(), self.after, held.at)?);
            let work = protocol::given(work, self.caller.agent.protocol);
            if work.has_news() || self.is_over() {
                return Ok(work);
            }
            // Nothing of it is needed while waiting, and a thousand others wait as well.
            let look_again = held.look_again;
            drop((held, work));
            self.wait(&mut changes, look_again.min(self.deadline)).await;
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || self.state.shutdown.is_cancelled()
    }

    /// Until something may concern agents of this type, or it is time to look at leases again.
    async fn wait(&self, changes: &mut watch::Receiver<u64>, until: Instant) {
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep_until(until.into()) => {}
            () = self.state.shutdown.cancelled() => {}
        }
    }
}
