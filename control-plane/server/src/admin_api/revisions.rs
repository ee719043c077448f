//! Revisions: immutable snapshots of APIs, and their definitions.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{Page, Revision},
    problem::{Problem, ProblemKind},
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::{
    identity::{ResourceName, RevisionNumber},
    resource::Kind,
};
use http::header;

use super::paging::{self, PageQuery};
use crate::{
    extract::{Path, Query},
    failure::{Answer, Failure},
    state::AppState,
};

/// Lists the revisions of an API, newest first, without their contents.
#[utoipa::path(get, path = "/api/v1/apis/{name}/revisions", operation_id = "listRevisions", tag = "apis",
    params(("name" = ResourceName, Path, description = "The API's name"), PageQuery),
    responses(
        (status = 200, description = "A page of revisions", body = Page<Revision>),
        (status = 404, description = "There is no such API", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Path(name): Path<ResourceName>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<Revision>>> {
    let request = query.request()?;
    let api = api(&state, &name).await?;
    let found = state.store.revisions(api.api_id(), &request).await?;
    Ok(Json(paging::mapped(found, |revision| view(&name, revision))))
}

/// Reads a revision with its content.
#[utoipa::path(get, path = "/api/v1/apis/{name}/revisions/{number}", operation_id = "readRevision", tag = "apis",
    params(
        ("name" = ResourceName, Path, description = "The API's name"),
        ("number" = RevisionNumber, Path, description = "The revision", minimum = 1),
    ),
    responses(
        (status = 200, description = "The revision", body = Revision),
        (status = 404, description = "There is no such API or revision", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    Path((name, number)): Path<(ResourceName, RevisionNumber)>,
) -> Answer<Json<Revision>> {
    let (api, found) = revision(&state, &name, number).await?;
    let mut revision = view(&name, found);
    revision.content = state.store.revision_content(api.api_id(), number).await?;
    Ok(Json(revision))
}

/// Reads the definition of a revision as the control plane holds it.
#[utoipa::path(get, path = "/api/v1/apis/{name}/revisions/{number}/definition", operation_id = "readDefinition", tag = "apis",
    params(
        ("name" = ResourceName, Path, description = "The API's name"),
        ("number" = RevisionNumber, Path, description = "The revision", minimum = 1),
    ),
    responses(
        (status = 200, description = "The OpenAPI document", body = Object),
        (status = 404, description = "There is no such API or revision, or it has no definition", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn definition(
    State(state): State<AppState>,
    Path((name, number)): Path<(ResourceName, RevisionNumber)>,
) -> Answer<Response> {
    let (_, revision) = revision(&state, &name, number).await?;
    let none = || {
        let detail = format!("revision {number} of api `{name}` has no definition");
        Failure::new(ProblemKind::NotFound, detail)
    };
    let fingerprint = revision.definition.ok_or_else(none)?;
    let text = state.store.definition(&fingerprint).await?;
    let text = text.ok_or_else(|| Failure::internal(format!("the definition {fingerprint} is gone")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

async fn api(state: &AppState, name: &ResourceName) -> Answer<store::Resource> {
    let found = state.store.resource(Kind::Api, name).await?;
    found.ok_or_else(|| Failure::not_found("api", name))
}

async fn revision(
    state: &AppState,
    name: &ResourceName,
    number: RevisionNumber,
) -> Answer<(store::Resource, store::Revision)> {
    let api = api(state, name).await?;
    let found = state.store.revision(api.api_id(), number).await?;
    let missing = || {
        Failure::new(
            ProblemKind::NotFound,
            format!(
                "api `{name}` has no revision {number}; `gatehouse get revisions --api {name}` lists those it has"
            ),
        )
    };
    Ok((api, found.ok_or_else(missing)?))
}

fn view(api: &ResourceName, revision: store::Revision) -> Revision {
    Revision {
        api_id: revision.api_id,
        api: api.clone(),
        number: revision.number,
        fingerprint: revision.fingerprint,
        created_at: revision.created_at,
        created_by: by_whom(revision.created_by),
        content: None,
    }
}

/// The token's name of an actor; others, such as `system`, as they are.
pub(crate) fn by_whom(actor: String) -> String {
    actor.strip_prefix("token/").map(str::to_owned).unwrap_or(actor)
}
