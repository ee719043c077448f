//! API tokens of people and programs.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{CreateTokenRequest, CreatedToken, Page, Role, Token},
    problem::{FieldError, Problem, ProblemKind},
};
use gatehouse_schemas::identity::{ResourceName, TokenId};
use http::StatusCode;
use serde_json::json;

use super::paging::{self, PageQuery};
use crate::{
    access,
    extract::{Body, Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::Writer,
};

const TIME_TO_LIVE_MAX: u64 = 315_360_000;

/// Makes an API token. The answer is the only place that ever shows it.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "createToken", tag = "access",
    request_body(content = CreateTokenRequest, example = json!({"name": "ci", "role": "publisher", "ttlSeconds": 2_592_000})),
    responses(
        (status = 201, description = "Made", body = CreatedToken),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(request): Body<CreateTokenRequest>) -> Answer<Response> {
    let time_to_live = time_to_live(request.ttl_seconds, TIME_TO_LIVE_MAX)?;
    let mut transaction = writer.begin().await?;
    let created = access::create_token(&mut transaction, &request.name, request.role, time_to_live).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Lists API tokens that are not revoked, without the tokens themselves.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "access", params(PageQuery),
    responses((status = 200, description = "A page of tokens", body = Page<Token>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<Token>>> {
    let found = state.store.tokens(&query.request()?).await?;
    let items = found
        .items
        .into_iter()
        .map(access::describe)
        .collect::<Answer<_>>()?;
    Ok(Json(paging::page(items, found.next_cursor)))
}

/// Revokes an API token; its next request is refused.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", operation_id = "revokeToken", tag = "access",
    params(("id" = TokenId, Path, description = "Which token")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "There is no such token", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is the last token of an admin", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn revoke(writer: Writer, Path(id): Path<TokenId>) -> Answer<StatusCode> {
    let mut transaction = writer.begin().await?;
    let token = transaction.revoke_token(id).await?;
    let now = transaction.now();
    if access::role(&token)? == Role::Admin && transaction.usable_tokens(&token.role, now).await? == 0 {
        return Err(last_admin(&token.name));
    }
    transaction
        .audit(
            "token.revoked",
            &format!("token/{}", token.name),
            &json!({"id": id}),
        )
        .await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nobody could make another one.
fn last_admin(name: &ResourceName) -> Failure {
    Failure::new(
        ProblemKind::WrongState,
        format!(
            "token `{name}` is the last one of an admin, and without it nobody could make another; create one first with \
             `gatehouse token create --name NAME --role admin`"
        ),
    )
}

/// The time a token lives, if it is one that a token may live.
pub(crate) fn time_to_live(seconds: Option<u64>, longest: u64) -> Answer<Option<Duration>> {
    match seconds {
        Some(seconds) if seconds == 0 || seconds > longest => Err(Failure::invalid(vec![FieldError {
            document: None,
            pointer: "/ttlSeconds".to_owned(),
            detail: format!("{seconds} is not between 1 and {longest}"),
        }])),
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}
