//! Secrets: values an agent needs in an environment where it acts, and no others.

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    agent::{SecretsRequest, SecretsResponse},
    problem::{Problem, ProblemKind},
};
use gatehouse_schemas::{
    environment::{CredentialSource, EnvironmentSpec},
    identity::{EnvironmentId, ResourceName},
    resource::Kind,
};
use secrecy::ExposeSecret as _;
use tracing::debug;

use super::{caller::Caller, leases};
use crate::{
    extract::{Body, Path},
    failure::{Answer, Failure},
    state::AppState,
};

/// Resolves secrets.
///
/// Gives those that the environment's credentials or its desired state refer to, to an agent that holds a lease there.
#[utoipa::path(post, path = "/agent/v1/environments/{id}/secrets", operation_id = "secrets", tag = "agent",
    params(("id" = EnvironmentId, Path, description = "Which environment")),
    request_body(content = SecretsRequest, example = json!({"names": ["kong-eu-token"]})),
    responses(
        (status = 200, description = "Their values", body = SecretsResponse),
        (status = 403, description = "Nothing in the environment refers to one of them", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such environment for this agent, or no such secret", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The agent does not hold a lease of the environment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn secrets(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<EnvironmentId>,
    Body(request): Body<SecretsRequest>,
) -> Answer<Json<SecretsResponse>> {
    caller.serves(state.store.environment_state(id).await?, id)?;
    leases::own(&state.store.leases_in(id).await?, &caller)?;
    let permitted = referred_to(&state, id).await?;
    let forbidden: Vec<_> = request
        .names
        .iter()
        .filter(|name| !permitted.contains(*name))
        .collect();
    if !forbidden.is_empty() {
        return Err(Failure::new(
            ProblemKind::Forbidden,
            format!(
                "neither the environment's credentials nor its deployments refer to {}",
                listed(&forbidden)
            ),
        ));
    }
    let values = state.store.secret_values(&request.names).await?;
    let missing: Vec<_> = request
        .names
        .iter()
        .filter(|name| !values.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        return Err(Failure::new(
            ProblemKind::NotFound,
            format!(
                "there is no secret {}; create it with `gatehouse apply`",
                listed(&missing)
            ),
        ));
    }
    debug!(environment.id = %id, agent.id = %caller.id(), "Gave {} secrets to agent `{}`", values.len(), caller.agent.name);
    let values = values
        .into_iter()
        .map(|(name, value)| (name.into(), value.expose_secret().to_owned()));
    Ok(Json(SecretsResponse {
        values: values.collect(),
    }))
}

async fn referred_to(state: &AppState, id: EnvironmentId) -> Answer<BTreeSet<ResourceName>> {
    let environment = state.store.resource_by_id(Kind::Environment, id.0).await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", id))?;
    let spec: EnvironmentSpec = serde_json::from_value(environment.spec).map_err(Failure::internal)?;
    let mut names = state.store.desired_secrets(id).await?;
    names.extend(spec.credentials.into_values().filter_map(|source| match source {
        CredentialSource::SecretRef(name) => Some(name),
        CredentialSource::Env(_) | CredentialSource::File(_) => None,
    }));
    Ok(names)
}

fn listed(names: &[&ResourceName]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
