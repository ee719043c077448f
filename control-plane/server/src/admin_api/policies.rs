//! Policies: reusable sets, attached to projects, environments or labels.

use std::collections::BTreeMap;

use axum::{Json, extract::State, response::Response};
use gatehouse_control_plane_api::{
    admin::{Page, PolicyDocument, PolicyResource, PolicyStatus},
    problem::Problem,
};
use gatehouse_control_plane_store::{Deployment, DeploymentFilter, Resource};
use gatehouse_schemas::{
    desired::attached,
    identity::{ApiId, ResourceName},
    resource::{Kind, Metadata, PolicySpec},
};
use http::StatusCode;
use serde_json::Value;

use super::resources::{self, ResourceQuery, View};
use crate::{
    extract::{Body, Path, Precondition, PreconditionHeaders, Query},
    failure::Answer,
    state::AppState,
    write::Writer,
};

impl View for PolicyResource {
    const KIND: Kind = Kind::Policy;

    async fn of(state: &AppState, resources: Vec<Resource>) -> Answer<Vec<Self>> {
        let deployments = state.store.all_deployments(&DeploymentFilter::default()).await?;
        let apis = state.store.all_resources(Kind::Api).await?;
        let apis: BTreeMap<ApiId, Metadata> =
            apis.into_iter().map(|api| (api.api_id(), api.metadata)).collect();
        let view = |resource: Resource| {
            let spec: PolicySpec = resources::spec(&resource)?;
            let set = [(resource.metadata.name.clone(), spec)];
            let deployments = covered(&set, &deployments, &apis);
            let [(_, spec)] = set;
            Ok(Self {
                api_version: resources::api_version(),
                kind: Kind::Policy,
                metadata: resource.metadata,
                spec,
                status: PolicyStatus { deployments },
            })
        };
        resources.into_iter().map(view).collect()
    }
}

fn covered(
    set: &[(ResourceName, PolicySpec)],
    deployments: &[Deployment],
    apis: &BTreeMap<ApiId, Metadata>,
) -> u64 {
    let in_force = |deployment: &&Deployment| {
        let api = apis.get(&deployment.api_id).filter(|_| !deployment.absent);
        api.is_some_and(|api| !attached(api, &deployment.environment, set).is_empty())
    };
    deployments.iter().filter(in_force).count() as u64
}

/// Lists sets of policies, by name.
#[utoipa::path(get, path = "/api/v1/policies", operation_id = "listPolicies", tag = "policies", params(ResourceQuery), responses(
    (status = 200, description = "A page of sets of policies", body = Page<PolicyResource>),
))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ResourceQuery>,
) -> Answer<Json<Page<PolicyResource>>> {
    resources::list(&state, query).await
}

/// Creates a set of policies that must not exist yet. The deployments it covers follow at once.
#[utoipa::path(post, path = "/api/v1/policies", operation_id = "createPolicy", tag = "policies",
    request_body(content = PolicyDocument, example = json!({"metadata": {"name": "public-limits"}, "spec": {"targets": [{"labels": {"tier": "public"}}], "policies": [{"type": "ratelimit", "with": {"limits": [{"requests": 100, "per": "second"}]}}]}})),
    responses(
        (status = 201, description = "Created", body = PolicyResource, headers(
            ("location" = String, description = "Its path"),
            ("etag" = String, description = "Its version"),
        )),
        (status = 409, description = "The name is taken, or a gateway cannot enforce it", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(body): Body<Value>) -> Answer<Response> {
    resources::create::<PolicyResource>(&writer, body).await
}

/// Reads a set of policies.
#[utoipa::path(get, path = "/api/v1/policies/{name}", operation_id = "readPolicy", tag = "policies",
    params(("name" = ResourceName, Path, description = "Its name")),
    responses(
        (status = 200, description = "The set of policies", body = PolicyResource, headers(("etag" = String, description = "Its version"))),
        (status = 404, description = "There is no such set of policies", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(name): Path<ResourceName>) -> Answer<Response> {
    resources::read::<PolicyResource>(&state, &name).await
}

/// Creates or replaces a set of policies. The same content again changes nothing. The deployments it covers follow at once.
#[utoipa::path(put, path = "/api/v1/policies/{name}", operation_id = "replacePolicy", tag = "policies",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    request_body(content = PolicyDocument, example = json!({"metadata": {"name": "public-limits"}, "spec": {"targets": [{"labels": {"tier": "public"}}], "policies": [{"type": "ratelimit", "with": {"limits": [{"requests": 100, "per": "second"}]}}]}})),
    responses(
        (status = 200, description = "Replaced, or unchanged", body = PolicyResource, headers(("etag" = String, description = "Its version"))),
        (status = 201, description = "Created", body = PolicyResource, headers(
            ("location" = String, description = "Its path"),
            ("etag" = String, description = "Its version"),
        )),
        (status = 409, description = "Other objects do not allow the change", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` or `If-None-Match` expects", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn replace(
    writer: Writer,
    Path(name): Path<ResourceName>,
    precondition: Precondition,
    Body(body): Body<Value>,
) -> Answer<Response> {
    resources::replace::<PolicyResource>(&writer, &name, precondition, body).await
}

/// Deletes a set of policies that nothing depends on. The deployments it covers follow at once.
#[utoipa::path(delete, path = "/api/v1/policies/{name}", operation_id = "deletePolicy", tag = "policies",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such set of policies", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Other objects depend on it, or do not allow it; the problem names them", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` or `If-None-Match` expects", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    writer: Writer,
    Path(name): Path<ResourceName>,
    precondition: Precondition,
) -> Answer<StatusCode> {
    resources::delete(&writer, Kind::Policy, &name, precondition).await
}
