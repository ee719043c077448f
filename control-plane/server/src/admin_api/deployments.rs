//! Deployments: placing one API revision in one gateway environment.
//!
//! This module records what should run. Making it run is the agent's job.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{DeployRequest, Deployment, DeploymentHistoryEntry, Page},
    problem::Problem,
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::{
    identity::{DeploymentId, ResourceName},
    resource::Kind,
};
use http::StatusCode;
use serde::Deserialize;

use super::{
    paging::{self, PageQuery},
    resources::set_location,
};
use crate::{
    extract::{Body, Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::{Writer, deploy},
};

/// Which deployments, and which page of them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeploymentQuery {
    /// Only those of this API.
    #[param(value_type = Option<String>)]
    api: Option<ResourceName>,
    /// Only those in this environment.
    #[param(value_type = Option<String>)]
    environment: Option<ResourceName>,
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Places a revision in an environment, or moves the deployment that is there to it.
///
/// The answer does not wait for the gateway; the deployment's conditions tell how it goes.
#[utoipa::path(post, path = "/api/v1/deployments", operation_id = "deploy", tag = "deployments",
    request_body(content = DeployRequest, example = json!({"api": "orders", "revision": 2, "environment": "local"})),
    responses(
        (status = 200, description = "It is desired there already; nothing changed", body = Deployment),
        (status = 202, description = "Recorded; an agent carries it out", body = Deployment, headers(
            ("location" = String, description = "Its path"),
        )),
        (status = 404, description = "There is no such API, revision or environment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The environment's mode forbids it (`mode-forbids`), another API has the place \
            (`route-conflict`), the gateway cannot enforce a security policy (`policy-unsupported`), or it cannot express another and that \
            was not accepted (`loss-not-accepted`)", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(request): Body<DeployRequest>) -> Answer<Response> {
    let placed = deploy::deploy(&writer, &request).await?;
    let status = if placed.changed {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let location = format!("/api/v1/deployments/{}", placed.deployment.id);
    let mut response = (status, Json(view(placed.deployment))).into_response();
    if placed.changed {
        set_location(response.headers_mut(), &location);
    }
    Ok(response)
}

/// Lists deployments, oldest first.
#[utoipa::path(get, path = "/api/v1/deployments", operation_id = "listDeployments", tag = "deployments", params(DeploymentQuery),
    responses((status = 200, description = "A page of deployments", body = Page<Deployment>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<DeploymentQuery>,
) -> Answer<Json<Page<Deployment>>> {
    let request = paging::request(query.limit, query.cursor)?;
    let Some(filter) = filter(&state, query.api.as_ref(), query.environment.as_ref()).await? else {
        return Ok(Json(paging::page(Vec::new(), None)));
    };
    let found = state.store.deployments(&filter, &request).await?;
    Ok(Json(paging::mapped(found, view)))
}

/// Reads a deployment.
#[utoipa::path(get, path = "/api/v1/deployments/{id}", operation_id = "readDeployment", tag = "deployments",
    params(("id" = DeploymentId, Path, description = "Which deployment")),
    responses(
        (status = 200, description = "The deployment", body = Deployment),
        (status = 404, description = "There is no such deployment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    Path(id): Path<DeploymentId>,
) -> Answer<Json<Deployment>> {
    let found = state.store.deployment(id).await?;
    Ok(Json(view(
        found.ok_or_else(|| Failure::not_found("deployment", id))?,
    )))
}

/// Takes an API off an environment. The deployment goes away when the gateway has confirmed it.
#[utoipa::path(delete, path = "/api/v1/deployments/{id}", operation_id = "undeploy", tag = "deployments",
    params(("id" = DeploymentId, Path, description = "Which deployment")),
    responses(
        (status = 202, description = "Recorded; an agent carries it out", body = Deployment),
        (status = 404, description = "There is no such deployment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The environment's mode forbids it", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(writer: Writer, Path(id): Path<DeploymentId>) -> Answer<Response> {
    let removing = deploy::undeploy(&writer, id).await?;
    Ok((StatusCode::ACCEPTED, Json(view(removing))).into_response())
}

/// Lists the revisions that the gateway confirmed in place of a deployment, newest first.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/history", operation_id = "listDeploymentHistory", tag = "deployments",
    params(("id" = DeploymentId, Path, description = "Which deployment"), PageQuery),
    responses(
        (status = 200, description = "A page of its history", body = Page<DeploymentHistoryEntry>),
        (status = 404, description = "There is no such deployment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn history(
    State(state): State<AppState>,
    Path(id): Path<DeploymentId>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<DeploymentHistoryEntry>>> {
    let request = query.request()?;
    let deployment = state.store.deployment(id).await?;
    let deployment = deployment.ok_or_else(|| Failure::not_found("deployment", id))?;
    let found = state
        .store
        .deployment_history(deployment.api_id, deployment.environment_id, &request)
        .await?;
    Ok(Json(paging::mapped(found, |entry| DeploymentHistoryEntry {
        revision: entry.revision,
        generation: entry.generation,
        at: entry.at,
        requested_by: entry.requested_by,
        overwritten: entry.overwritten,
    })))
}

/// The deployments that names in a query narrow a list to; none if there is nothing of such a name.
pub(super) async fn filter(
    state: &AppState,
    api: Option<&ResourceName>,
    environment: Option<&ResourceName>,
) -> Answer<Option<store::DeploymentFilter>> {
    let api = id_of(state, Kind::Api, api).await?;
    let environment = id_of(state, Kind::Environment, environment).await?;
    let (Narrowed::To(api), Narrowed::To(environment)) = (api, environment) else {
        return Ok(None);
    };
    Ok(Some(store::DeploymentFilter {
        plan_id: None,
        api_id: api.map(|api| api.api_id()),
        environment_id: environment.map(|environment| environment.environment_id()),
    }))
}

/// What a name in a query narrows a list to.
enum Narrowed {
    /// This resource, or all if no name was given.
    To(Option<Box<store::Resource>>),
    /// Nothing: there is no such resource.
    Nothing,
}

async fn id_of(state: &AppState, kind: Kind, name: Option<&ResourceName>) -> Answer<Narrowed> {
    let Some(name) = name else {
        return Ok(Narrowed::To(None));
    };
    let found = state.store.resource(kind, name).await?;
    Ok(found.map_or(Narrowed::Nothing, |found| Narrowed::To(Some(Box::new(found)))))
}

/// A deployment as people read it.
pub(super) fn view(deployment: store::Deployment) -> Deployment {
    Deployment {
        id: deployment.id,
        api: deployment.api,
        api_id: deployment.api_id,
        environment: deployment.environment,
        environment_id: deployment.environment_id,
        revision: deployment.revision,
        generation: deployment.generation,
        observed_generation: deployment.observed_generation,
        phase: deployment.phase,
        conditions: deployment.conditions,
        endpoint_urls: deployment.endpoint_urls,
        external_ref: deployment.external_ref,
        created_at: deployment.created_at,
        updated_at: deployment.updated_at,
    }
}
