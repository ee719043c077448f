//! Observations: what an agent saw of deployments that were carried out before.

use axum::extract::State;
use gatehouse_control_plane_api::{
    agent::{DeploymentObservation, ObservationsReport},
    problem::{FieldError, Problem},
};
use gatehouse_schemas::{environment::EnvironmentSpec, identity::EnvironmentId, resource::Kind};
use http::StatusCode;

use super::{caller::Caller, leases};
use crate::{
    extract::{Body, Path},
    failure::{Answer, Failure},
    state::AppState,
    status::Surroundings,
    write::{deploy::environment_spec, drift},
};

/// How many deployments one report tells of.
const ITEMS_MAX: usize = 100;

/// Tells what was observed of deployments. The same may be told again.
///
/// What speaks of another generation than the present one, or of what was not carried out yet, is left out. An
/// observation `unknown` changes nothing but the time of the look.
#[utoipa::path(post, path = "/agent/v1/environments/{id}/observations", operation_id = "reportObservations", tag = "agent",
    params(("id" = EnvironmentId, Path, description = "Which environment")),
    request_body(content = ObservationsReport),
    responses(
        (status = 204, description = "Recorded"),
        (status = 404, description = "There is no such environment for this agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The lease is stale", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn report(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<EnvironmentId>,
    Body(report): Body<ObservationsReport>,
) -> Answer<StatusCode> {
    if report.items.len() > ITEMS_MAX {
        return Err(too_many(report.items.len()));
    }
    let mut transaction = caller.begin().await?;
    caller.serves(transaction.environment_state(id).await?, id)?;
    let leases = transaction.leases_in(id).await?;
    leases::check_fencing(&leases, &caller, report.fencing)?;
    let environment = transaction.resource_by_id(Kind::Environment, id.0).await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", id))?;
    let spec: EnvironmentSpec = environment_spec(&environment)?;
    let surroundings = Surroundings::of(&mut transaction, &spec, state.online_since()).await?;
    for DeploymentObservation {
        deployment_id,
        generation,
        differs,
    } in report.items
    {
        let found = transaction.deployment(deployment_id).await?;
        let Some(deployment) = found.filter(|found| found.environment_id == id) else {
            continue;
        };
        if deployment.generation == generation && deployment.confirmed && !deployment.absent {
            let look = drift::Look {
                agent_id: caller.id(),
                differs: differs.as_ref(),
            };
            drift::seen(&mut transaction, deployment, &look, &surroundings).await?;
        }
    }
    transaction.touch_agent(caller.id()).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn too_many(count: usize) -> Failure {
    Failure::invalid(vec![FieldError {
        document: None,
        pointer: "/items".to_owned(),
        detail: format!("there are {count} observations; send at most {ITEMS_MAX} at a time"),
    }])
}
