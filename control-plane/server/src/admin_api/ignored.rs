//! The ignore list: APIs of gateways that discoveries leave out.

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    admin::{IgnoreApiRequest, IgnoredApi, Page},
    problem::{FieldError, Problem, ProblemKind},
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::{
    identity::{ExternalRef, ResourceName},
    resource::Kind,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    paging::{self, PageQuery, slice},
    revisions::by_whom,
};
use crate::{
    extract::{Body, Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::{Writer, deploy::find},
};

/// The longest reason, in characters.
const REASON_MAX: usize = 500;

/// Which API of the gateway.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReferenceQuery {
    /// The gateway's own identity for it.
    #[param(value_type = String)]
    external_ref: ExternalRef,
}

/// Lists what discoveries of an environment leave out, by the gateway's own identity.
#[utoipa::path(get, path = "/api/v1/environments/{name}/ignored", operation_id = "listIgnored", tag = "discoveries",
    params(("name" = ResourceName, Path, description = "Which environment"), PageQuery),
    responses(
        (status = 200, description = "A page of the ignore list", body = Page<IgnoredApi>),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Path(name): Path<ResourceName>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<IgnoredApi>>> {
    let request = query.request()?;
    let environment = state.store.resource(Kind::Environment, &name).await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", &name))?;
    let ignored = state.store.ignored_apis(environment.environment_id()).await?;
    let views = ignored.into_iter().map(|ignored| view(&name, ignored));
    let found = slice("ignored", &request, views.collect(), |ignored| {
        &ignored.external_ref.0
    })?;
    Ok(Json(paging::page(found.items, found.next_cursor)))
}

/// Puts an API of a gateway on the ignore list. One that is there gets the new reason. From the next discovery on, it
/// is told as ignored, and imports leave it out.
#[utoipa::path(post, path = "/api/v1/environments/{name}/ignored", operation_id = "ignore", tag = "discoveries",
    params(("name" = ResourceName, Path, description = "Which environment")),
    request_body(content = IgnoreApiRequest, example = json!({"externalRef": "svc-7", "reason": "it belongs to another team"})),
    responses(
        (status = 200, description = "It is on the list", body = IgnoredApi),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    writer: Writer,
    Path(name): Path<ResourceName>,
    Body(request): Body<IgnoreApiRequest>,
) -> Answer<Json<IgnoredApi>> {
    validate(&request)?;
    let mut transaction = writer.begin().await?;
    let environment = find(&mut transaction, Kind::Environment, &name).await?;
    let ignored = transaction
        .ignore_api(
            environment.environment_id(),
            &request.external_ref,
            &request.reason,
        )
        .await?;
    let details = json!({"externalRef": request.external_ref, "reason": request.reason});
    transaction
        .audit("environment.ignored", &environment.object(), &details)
        .await?;
    transaction.commit().await?;
    Ok(Json(view(&name, ignored)))
}

/// Takes an API of a gateway off the ignore list. From the next discovery on, it is told as what it is.
#[utoipa::path(delete, path = "/api/v1/environments/{name}/ignored", operation_id = "unignore", tag = "discoveries",
    params(("name" = ResourceName, Path, description = "Which environment"), ReferenceQuery),
    responses(
        (status = 204, description = "It is not on the list any more"),
        (status = 404, description = "There is no such environment, or it is not on the list", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    writer: Writer,
    Path(name): Path<ResourceName>,
    Query(query): Query<ReferenceQuery>,
) -> Answer<StatusCode> {
    let mut transaction = writer.begin().await?;
    let environment = find(&mut transaction, Kind::Environment, &name).await?;
    let was_there = transaction
        .unignore_api(environment.environment_id(), &query.external_ref)
        .await?;
    if !was_there {
        let detail = format!(
            "`{}` is not on the ignore list of environment `{name}`; `gatehouse ignore {name}` shows what is",
            query.external_ref.0
        );
        return Err(Failure::new(ProblemKind::NotFound, detail));
    }
    let details = json!({"externalRef": query.external_ref});
    transaction
        .audit("environment.unignored", &environment.object(), &details)
        .await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn validate(request: &IgnoreApiRequest) -> Answer<()> {
    let wrong = |pointer: &str, detail: String| {
        let pointer = pointer.to_owned();
        Failure::invalid(vec![FieldError {
            document: None,
            pointer,
            detail,
        }])
    };
    if request.external_ref.0.trim().is_empty() {
        let detail = "it is empty; give the gateway's own identity for the API, as findings show it";
        return Err(wrong("/externalRef", detail.to_owned()));
    }
    let length = request.reason.chars().count();
    if length > REASON_MAX {
        let detail = format!("it has {length} characters; it may have {REASON_MAX}");
        return Err(wrong("/reason", detail));
    }
    Ok(())
}

fn view(environment: &ResourceName, ignored: store::IgnoredApi) -> IgnoredApi {
    IgnoredApi {
        environment: environment.clone(),
        external_ref: ignored.external_ref,
        reason: ignored.reason,
        created_at: ignored.created_at,
        created_by: by_whom(ignored.created_by),
    }
}
