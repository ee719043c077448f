//! Discoveries that agents ask for, since a gateway told of a change to something that is not deployed there.
//!
//! The agent asks, and this decides: whether the environment wants discoveries, and how often there is one.

use axum::Json;
use gatehouse_control_plane_api::{
    agent::{DiscoveryWish, DiscoveryWishAnswer},
    problem::Problem,
};
use gatehouse_control_plane_store::{DiscoveryQuery, DiscoveryState, PageRequest, Resource, Transaction};
use gatehouse_schemas::{
    environment::EnvironmentSpec, identity::EnvironmentId, resource::Kind, time::Timestamp,
};

use super::{caller::Caller, leases};
use crate::{
    extract::{Body, Path},
    failure::{Answer, Failure},
    schedules::discovery::{self, Cause},
    write::deploy::environment_spec,
};

/// The least time between the beginnings of two discoveries of which an agent asked for the second, in milliseconds.
const APART_MS: i64 = 300_000;

/// After which time it is worth asking again while a discovery runs, in milliseconds.
const RUNNING_MS: u64 = 10_000;

/// Asks for a discovery, since the gateway told of a change to something that is not deployed there.
///
/// One is begun only where the environment has `spec.discovery` and a mode that reads, and at most once in five minutes. The
/// answer says when to ask again, if a discovery is open that may have passed by the change or if one began a short time ago.
#[utoipa::path(post, path = "/agent/v1/environments/{id}/discoveries", operation_id = "wishDiscovery", tag = "agent",
    params(("id" = EnvironmentId, Path, description = "Which environment")),
    request_body(content = DiscoveryWish),
    responses(
        (status = 200, description = "Whether and when to ask again", body = DiscoveryWishAnswer),
        (status = 404, description = "There is no such environment for this agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The lease is stale", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn wish(
    caller: Caller,
    Path(id): Path<EnvironmentId>,
    Body(wish): Body<DiscoveryWish>,
) -> Answer<Json<DiscoveryWishAnswer>> {
    let mut transaction = caller.begin().await?;
    caller.serves(transaction.environment_state(id).await?, id)?;
    let leases = transaction.leases_in(id).await?;
    leases::check_fencing(&leases, &caller, wish.fencing)?;
    let environment = transaction.resource_by_id(Kind::Environment, id.0).await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", id))?;
    let spec = environment_spec(&environment)?;
    let ask_again_ms = match spec.discovery.is_some() && spec.mode.may_read() {
        true => begin(&mut transaction, &environment, &spec).await?,
        false => None,
    };
    transaction.commit().await?;
    Ok(Json(DiscoveryWishAnswer { ask_again_ms }))
}

/// Begins one, unless there is one to wait for; says when to ask again.
async fn begin(
    transaction: &mut Transaction,
    environment: &Resource,
    spec: &EnvironmentSpec,
) -> Answer<Option<u64>> {
    let query = DiscoveryQuery {
        environment_id: Some(environment.environment_id()),
    };
    let newest = PageRequest {
        limit: Some(1),
        ..PageRequest::default()
    };
    let newest = transaction.discoveries(&query, &newest).await?;
    let now = transaction.now();
    let standing = newest
        .items
        .first()
        .map(|newest| (newest.state, newest.created_at));
    match standing.map_or(Standing::Free, |(state, began)| Standing::of(state, began, now)) {
        Standing::Wait(ms) => Ok(Some(ms)),
        Standing::Free => {
            discovery::start(transaction, environment, spec, &Cause::Hint).await?;
            Ok(None)
        }
    }
}

/// What the newest discovery means for who asks for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Ask again after so many milliseconds.
    Wait(u64),
    /// Another one may begin.
    Free,
}

impl Standing {
    fn of(state: DiscoveryState, began: Timestamp, now: Timestamp) -> Self {
        let left = began.0.saturating_add(APART_MS).saturating_sub(now.0);
        match (state, u64::try_from(left.min(APART_MS)).unwrap_or_default()) {
            // Its agent may be listing already, with the first page still to come.
            (DiscoveryState::Pending | DiscoveryState::Running, left) => Self::Wait(left.max(RUNNING_MS)),
            (_, 0) => Self::Free,
            (_, left) => Self::Wait(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discoveries_that_are_asked_for_are_five_minutes_apart() {
        let began = Timestamp(1_000_000);
        for (state, after_ms, expected) in [
            (DiscoveryState::Pending, 5, Standing::Wait(299_995)),
            (DiscoveryState::Pending, 500_000, Standing::Wait(RUNNING_MS)),
            (DiscoveryState::Running, 5, Standing::Wait(299_995)),
            (DiscoveryState::Running, 500_000, Standing::Wait(RUNNING_MS)),
            (DiscoveryState::Complete, 5, Standing::Wait(299_995)),
            (DiscoveryState::Failed, 299_999, Standing::Wait(1)),
            (DiscoveryState::Partial, 300_000, Standing::Free),
            // Another replica's clock is ahead.
            (DiscoveryState::Complete, -90_000, Standing::Wait(300_000)),
        ] {
            let now = Timestamp(began.0 + after_ms);
            assert_eq!(Standing::of(state, began, now), expected, "{state:?} {after_ms}");
        }
    }
}
