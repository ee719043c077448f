//! Drift: how gateways stand to what was deployed to them, and what is done about it.

use std::collections::{BTreeMap, btree_map::Entry};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{Deployment, DriftReport, Page, ResolveDriftRequest, Task},
    agent,
    problem::Problem,
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::{
    ability::Action,
    environment::EnvironmentSpec,
    identity::{DeploymentId, EnvironmentId, ResourceName},
    resource::Kind,
};
use http::StatusCode;
use serde::Deserialize;

use super::{
    deployments::{filter, view},
    paging,
    tasks::{Ask, ask},
};
use crate::{
    extract::{Body, Path, Query},
    failure::Answer,
    state::AppState,
    write::{Writer, deploy::environment_spec, drift},
};

/// Which deployments, and which page of them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DriftQuery {
    /// Only of this API.
    #[param(value_type = Option<String>)]
    api: Option<ResourceName>,
    /// Only in this environment.
    #[param(value_type = Option<String>)]
    environment: Option<ResourceName>,
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

const OBSERVE: Ask = Ask {
    task: || agent::Task::Observe { deployments: None },
    action: Action::Observe,
};

/// Lists how gateways stand to what was deployed to them, as it was last seen: field by field what was last applied,
/// what is desired, what the gateway holds. What is being taken off is left out.
#[utoipa::path(get, path = "/api/v1/drift", operation_id = "listDrift", tag = "deployments", params(DriftQuery),
    responses((status = 200, description = "A page of deployments and how they stand", body = Page<DriftReport>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<DriftQuery>,
) -> Answer<Json<Page<DriftReport>>> {
    let request = paging::request(query.limit, query.cursor)?;
    let filter = filter(&state, query.api.as_ref(), query.environment.as_ref()).await?;
    let Some(filter) = filter else {
        return Ok(Json(paging::page(Vec::new(), None)));
    };
    let found = state.store.deployments(&filter, &request).await?;
    let ids: Vec<DeploymentId> = found.items.iter().map(|deployment| deployment.id).collect();
    let mut looks = state.store.observations(&ids).await?;
    let mut specs = BTreeMap::new();
    let mut items = Vec::with_capacity(found.items.len());
    for deployment in found.items.into_iter().filter(|deployment| !deployment.absent) {
        let look = looks.remove(&deployment.id);
        items.extend(report(&state, &mut specs, deployment, look).await?);
    }
    Ok(Json(paging::page(items, found.next_cursor)))
}

/// How one deployment stands; nothing if it went away meanwhile.
async fn report(
    state: &AppState,
    specs: &mut BTreeMap<EnvironmentId, EnvironmentSpec>,
    deployment: store::Deployment,
    look: Option<store::DeploymentObservation>,
) -> Answer<Option<DriftReport>> {
    let store = &state.store;
    let Some(store::Desired::Present(desired)) = store.desired(deployment.id).await? else {
        return Ok(None);
    };
    let id = deployment.environment_id;
    if let Entry::Vacant(vacant) = specs.entry(id) {
        let Some(environment) = store.resource_by_id(Kind::Environment, id.0).await? else {
            return Ok(None);
        };
        vacant.insert(environment_spec(&environment)?);
    }
    let applied = store.applied(deployment.id).await?.map(|applied| applied.api);
    let drift = drift::standing(
        &deployment,
        &desired,
        applied.as_ref(),
        look.as_ref(),
        &specs[&id],
    );
    Ok(Some(DriftReport {
        deployment_id: deployment.id,
        api: deployment.api,
        environment: deployment.environment,
        revision: deployment.revision,
        drift,
        observed_at: look.map(|look| look.at),
    }))
}

/// Has an agent look at all deployments of an environment.
///
/// The answer does not wait for the agent; `GET /api/v1/drift` tells what was seen once the task is answered.
#[utoipa::path(post, path = "/api/v1/environments/{name}/observations", operation_id = "observe", tag = "environments",
    params(("name" = ResourceName, Path, description = "Its name")),
    responses(
        (status = 202, description = "An agent is asked", body = Task, headers(
            ("location" = String, description = "The task's path"),
        )),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its gateways cannot be observed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn observe(writer: Writer, Path(name): Path<ResourceName>) -> Answer<Response> {
    ask(&writer, &name, OBSERVE).await
}

/// Does something about drift: puts back what was applied, or makes what the gateway holds a new revision of the API
/// and desires that.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/drift-resolution", operation_id = "resolveDrift", tag = "deployments",
    params(("id" = DeploymentId, Path, description = "Which deployment")),
    request_body(content = ResolveDriftRequest, example = json!({"resolution": "revert"})),
    responses(
        (status = 202, description = "Recorded; an agent carries it out", body = Deployment),
        (status = 404, description = "There is no such deployment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no drift to resolve, both sides changed the same field, or the mode forbids it", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resolve(
    writer: Writer,
    Path(id): Path<DeploymentId>,
    Body(request): Body<ResolveDriftRequest>,
) -> Answer<Response> {
    let resolved = drift::resolve(&writer, id, request.resolution).await?;
    Ok((StatusCode::ACCEPTED, Json(view(resolved))).into_response())
}
