//! Secrets: values that go in and never come out.

use axum::{Json, extract::State, response::Response};
use gatehouse_control_plane_api::{
    admin::{Page, SecretDocument, SecretReadSpec, SecretResource, SecretStatus},
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
    write::{SecretUsers, Writer},
};

impl View for SecretResource {
    const KIND: Kind = Kind::Secret;

    async fn of(state: &AppState, resources: Vec<Resource>) -> Answer<Vec<Self>> {
        let users = SecretUsers::read(&state.store).await?;
        let view = |resource: Resource| Self {
            api_version: resources::api_version(),
            kind: Kind::Secret,
            spec: SecretReadSpec {},
            status: SecretStatus {
                used_by: users.of(&resource.metadata.name),
            },
            metadata: resource.metadata,
        };
        Ok(resources.into_iter().map(view).collect())
    }
}

/// Lists secrets, by name.
#[utoipa::path(get, path = "/api/v1/secrets", operation_id = "listSecrets", tag = "secrets", params(ResourceQuery), responses(
    (status = 200, description = "A page of secrets", body = Page<SecretResource>),
))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ResourceQuery>,
) -> Answer<Json<Page<SecretResource>>> {
    resources::list(&state, query).await
}

/// Creates a secret that must not exist yet. The value is encrypted at rest and never read back.
#[utoipa::path(post, path = "/api/v1/secrets", operation_id = "createSecret", tag = "secrets",
    request_body(content = SecretDocument, example = json!({"metadata": {"name": "kong-eu-token"}, "spec": {"value": "correct-horse-battery-staple"}})),
    responses(
        (status = 201, description = "Created", body = SecretResource, headers(
            ("location" = String, description = "Its path"),
            ("etag" = String, description = "Its version"),
        )),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(body): Body<Value>) -> Answer<Response> {
    resources::create::<SecretResource>(&writer, body).await
}

/// Reads a secret.
#[utoipa::path(get, path = "/api/v1/secrets/{name}", operation_id = "readSecret", tag = "secrets",
    params(("name" = ResourceName, Path, description = "Its name")),
    responses(
        (status = 200, description = "The secret", body = SecretResource, headers(("etag" = String, description = "Its version"))),
        (status = 404, description = "There is no such secret", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(name): Path<ResourceName>) -> Answer<Response> {
    resources::read::<SecretResource>(&state, &name).await
}

/// Creates or replaces a secret. The same content again changes nothing. The value is encrypted at rest and never read back.
#[utoipa::path(put, path = "/api/v1/secrets/{name}", operation_id = "replaceSecret", tag = "secrets",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    request_body(content = SecretDocument, example = json!({"metadata": {"name": "kong-eu-token"}, "spec": {"value": "correct-horse-battery-staple"}})),
    responses(
        (status = 200, description = "Replaced, or unchanged", body = SecretResource, headers(("etag" = String, description = "Its version"))),
        (status = 201, description = "Created", body = SecretResource, headers(
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
    resources::replace::<SecretResource>(&writer, &name, precondition, body).await
}

/// Deletes a secret that nothing depends on.
#[utoipa::path(delete, path = "/api/v1/secrets/{name}", operation_id = "deleteSecret", tag = "secrets",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such secret", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Other objects depend on it, or do not allow it; the problem names them", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` or `If-None-Match` expects", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    writer: Writer,
    Path(name): Path<ResourceName>,
    precondition: Precondition,
) -> Answer<StatusCode> {
    resources::delete(&writer, Kind::Secret, &name, precondition).await
}
