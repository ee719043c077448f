//! APIs: catalogue entries.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State, response::Response};
use gatehouse_control_plane_api::{
    admin::{ApiDeployment, ApiDocument, ApiResource, ApiStatus, ImportSource, Page},
    problem::Problem,
};
use gatehouse_control_plane_store::{ApiSource, Deployment, Resource, Revision};
use gatehouse_schemas::{
    identity::{ApiId, EnvironmentId, ExternalRef, ResourceName},
    resource::Kind,
};
use http::StatusCode;
use serde_json::Value;

use super::resources::{self, ResourceQuery, View};
use crate::{
    extract::{Body, Path, Precondition, PreconditionHeaders, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::Writer,
};

impl View for ApiResource {
    const KIND: Kind = Kind::Api;

    async fn of(state: &AppState, resources: Vec<Resource>) -> Answer<Vec<Self>> {
        let ids: Vec<ApiId> = resources.iter().map(Resource::api_id).collect();
        let sources = state.store.api_sources(&ids).await?;
        let around = Around {
            revisions: state.store.latest_revisions(&ids).await?,
            deployments: state.store.deployments_of_apis(&ids).await?,
            missing: missing(state, &sources).await?,
            sources,
            environments: environment_names(state).await?,
        };
        resources
            .into_iter()
            .map(|resource| around.view(resource))
            .collect()
    }
}

async fn environment_names(state: &AppState) -> Answer<BTreeMap<EnvironmentId, ResourceName>> {
    let environments = state.store.all_resources(Kind::Environment).await?;
    let names = environments
        .into_iter()
        .map(|it| (it.environment_id(), it.metadata.name));
    Ok(names.collect())
}

/// The APIs that their gateways did not show in the latest complete discovery.
async fn missing(state: &AppState, sources: &BTreeMap<ApiId, ApiSource>) -> Answer<BTreeSet<ApiId>> {
    let mut by_environment: BTreeMap<EnvironmentId, Vec<ExternalRef>> = BTreeMap::new();
    for source in sources.values() {
        let references = by_environment.entry(source.environment_id).or_default();
        references.push(source.external_ref.clone());
    }
    let mut missing = BTreeSet::new();
    for (environment_id, references) in by_environment {
        let entries = state.store.inventory_entries(environment_id, &references).await?;
        let unseen = entries.into_values().filter(|entry| entry.missing.is_some());
        missing.extend(unseen.filter_map(|entry| entry.api_id));
    }
    Ok(missing)
}

/// What the statuses of a page of APIs follow from.
struct Around {
    revisions: BTreeMap<ApiId, Revision>,
    deployments: Vec<Deployment>,
    sources: BTreeMap<ApiId, ApiSource>,
    missing: BTreeSet<ApiId>,
    environments: BTreeMap<EnvironmentId, ResourceName>,
}

impl Around {
    fn view(&self, resource: Resource) -> Answer<ApiResource> {
        let id = resource.api_id();
        let latest = self.revisions.get(&id);
        let latest =
            latest.ok_or_else(|| Failure::internal(format!("{} has no revision", resource.object())))?;
        Ok(ApiResource {
            api_version: resources::api_version(),
            kind: Kind::Api,
            spec: resources::spec(&resource)?,
            metadata: resource.metadata,
            status: ApiStatus {
                latest_revision: latest.number,
                fingerprint: latest.fingerprint.clone(),
                operations: latest.operations,
                deployments: self.deployments_of(id),
                imported_from: self.source_of(id),
            },
        })
    }

    fn deployments_of(&self, id: ApiId) -> Vec<ApiDeployment> {
        let of_api = self
            .deployments
            .iter()
            .filter(|deployment| deployment.api_id == id);
        let told = of_api.map(|deployment| ApiDeployment {
            id: deployment.id,
            environment: deployment.environment.clone(),
            revision: deployment.revision,
            phase: deployment.phase,
        });
        told.collect()
    }

    /// An environment that was deleted since takes what was known of it along.
    fn source_of(&self, id: ApiId) -> Option<ImportSource> {
        let source = self.sources.get(&id)?;
        Some(ImportSource {
            environment: self.environments.get(&source.environment_id)?.clone(),
            external_ref: source.external_ref.clone(),
            missing: self.missing.contains(&id),
        })
    }
}

/// Lists APIs, by name.
#[utoipa::path(get, path = "/api/v1/apis", operation_id = "listApis", tag = "apis", params(ResourceQuery), responses(
    (status = 200, description = "A page of APIs", body = Page<ApiResource>),
))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ResourceQuery>,
) -> Answer<Json<Page<ApiResource>>> {
    resources::list(&state, query).await
}

/// Creates an API that must not exist yet. Every change of its canonical content makes a new revision.
#[utoipa::path(post, path = "/api/v1/apis", operation_id = "createApi", tag = "apis",
    request_body(content = ApiDocument, example = json!({"metadata": {"name": "orders", "labels": {"tier": "public"}}, "spec": {"version": "v1", "basePath": "/orders/v1", "upstreams": {"main": {"url": "https://orders.internal:8443", "timeoutMs": 5000}}, "policies": [{"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"]}}], "operations": [{"match": {"method": "GET", "path": "/{id}"}}]}})),
    responses(
        (status = 201, description = "Created", body = ApiResource, headers(
            ("location" = String, description = "Its path"),
            ("etag" = String, description = "Its version"),
        )),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(body): Body<Value>) -> Answer<Response> {
    resources::create::<ApiResource>(&writer, body).await
}

/// Reads an API.
#[utoipa::path(get, path = "/api/v1/apis/{name}", operation_id = "readApi", tag = "apis",
    params(("name" = ResourceName, Path, description = "Its name")),
    responses(
        (status = 200, description = "The API", body = ApiResource, headers(("etag" = String, description = "Its version"))),
        (status = 404, description = "There is no such API", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(name): Path<ResourceName>) -> Answer<Response> {
    resources::read::<ApiResource>(&state, &name).await
}

/// Creates or replaces an API. The same content again changes nothing. Every change of its canonical content makes a new revision.
#[utoipa::path(put, path = "/api/v1/apis/{name}", operation_id = "replaceApi", tag = "apis",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    request_body(content = ApiDocument, example = json!({"metadata": {"name": "orders", "labels": {"tier": "public"}}, "spec": {"version": "v1", "basePath": "/orders/v1", "upstreams": {"main": {"url": "https://orders.internal:8443", "timeoutMs": 5000}}, "policies": [{"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"]}}], "operations": [{"match": {"method": "GET", "path": "/{id}"}}]}})),
    responses(
        (status = 200, description = "Replaced, or unchanged", body = ApiResource, headers(("etag" = String, description = "Its version"))),
        (status = 201, description = "Created", body = ApiResource, headers(
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
    resources::replace::<ApiResource>(&writer, &name, precondition, body).await
}

/// Deletes an API that nothing depends on.
#[utoipa::path(delete, path = "/api/v1/apis/{name}", operation_id = "deleteApi", tag = "apis",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such API", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Other objects depend on it, or do not allow it; the problem names them", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` or `If-None-Match` expects", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    writer: Writer,
    Path(name): Path<ResourceName>,
    precondition: Precondition,
) -> Answer<StatusCode> {
    resources::delete(&writer, Kind::Api, &name, precondition).await
}
