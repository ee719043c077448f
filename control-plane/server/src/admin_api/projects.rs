//! Projects: owners of resources.

use axum::{Json, extract::State, response::Response};
use gatehouse_control_plane_api::{
    admin::{Page, ProjectDocument, ProjectResource, ProjectStatus},
    problem::Problem,
};
use gatehouse_control_plane_store::Resource;
use gatehouse_schemas::{identity::ResourceName, resource::Kind};
use http::StatusCode;
use serde_json::Value;

use super::resources::{self, ResourceQuery, View};
use crate::{
    extract::{Body, Path, Precondition, PreconditionHeaders, Query},
    failure::Answer,
    state::AppState,
    write::Writer,
};

impl View for ProjectResource {
    const KIND: Kind = Kind::Project;

    async fn of(state: &AppState, resources: Vec<Resource>) -> Answer<Vec<Self>> {
        let apis = state.store.resource_counts(Kind::Api).await?;
        let environments = state.store.resource_counts(Kind::Environment).await?;
        let view = |resource: Resource| {
            let count = |counts: &std::collections::BTreeMap<ResourceName, u64>| {
                counts.get(&resource.metadata.name).copied().unwrap_or_default()
            };
            let status = ProjectStatus {
                apis: count(&apis),
                environments: count(&environments),
            };
            Ok(Self {
                api_version: resources::api_version(),
                kind: Kind::Project,
                spec: resources::spec(&resource)?,
                metadata: resource.metadata,
                status,
            })
        };
        resources.into_iter().map(view).collect()
    }
}

/// Lists projects, by name.
#[utoipa::path(get, path = "/api/v1/projects", operation_id = "listProjects", tag = "projects", params(ResourceQuery), responses(
    (status = 200, description = "A page of projects", body = Page<ProjectResource>),
))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ResourceQuery>,
) -> Answer<Json<Page<ProjectResource>>> {
    resources::list(&state, query).await
}

/// Creates a project that must not exist yet.
#[utoipa::path(post, path = "/api/v1/projects", operation_id = "createProject", tag = "projects",
    request_body(content = ProjectDocument, example = json!({"metadata": {"name": "payments", "labels": {"team": "payments"}}, "spec": {"displayName": "Payments"}})),
    responses(
        (status = 201, description = "Created", body = ProjectResource, headers(
            ("location" = String, description = "Its path"),
            ("etag" = String, description = "Its version"),
        )),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(body): Body<Value>) -> Answer<Response> {
    resources::create::<ProjectResource>(&writer, body).await
}

/// Reads a project.
#[utoipa::path(get, path = "/api/v1/projects/{name}", operation_id = "readProject", tag = "projects",
    params(("name" = ResourceName, Path, description = "Its name")),
    responses(
        (status = 200, description = "The project", body = ProjectResource, headers(("etag" = String, description = "Its version"))),
        (status = 404, description = "There is no such project", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(name): Path<ResourceName>) -> Answer<Response> {
    resources::read::<ProjectResource>(&state, &name).await
}

/// Creates or replaces a project. The same content again changes nothing.
#[utoipa::path(put, path = "/api/v1/projects/{name}", operation_id = "replaceProject", tag = "projects",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    request_body(content = ProjectDocument, example = json!({"metadata": {"name": "payments", "labels": {"team": "payments"}}, "spec": {"displayName": "Payments"}})),
    responses(
        (status = 200, description = "Replaced, or unchanged", body = ProjectResource, headers(("etag" = String, description = "Its version"))),
        (status = 201, description = "Created", body = ProjectResource, headers(
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
    resources::replace::<ProjectResource>(&writer, &name, precondition, body).await
}

/// Deletes a project that nothing depends on.
#[utoipa::path(delete, path = "/api/v1/projects/{name}", operation_id = "deleteProject", tag = "projects",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such project", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Other objects depend on it, or do not allow it; the problem names them", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` or `If-None-Match` expects", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    writer: Writer,
    Path(name): Path<ResourceName>,
    precondition: Precondition,
) -> Answer<StatusCode> {
    resources::delete(&writer, Kind::Project, &name, precondition).await
}
