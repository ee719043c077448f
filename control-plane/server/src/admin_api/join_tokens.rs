//! One-time tokens with which agents join.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{CreateJoinTokenRequest, CreatedJoinToken, JoinToken, Page},
    problem::Problem,
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::identity::JoinTokenId;
use http::StatusCode;
use serde_json::json;

use super::{
    paging::{self, PageQuery},
    tokens::time_to_live,
};
use crate::{
    access,
    extract::{Body, Path, Query},
    failure::Answer,
    state::AppState,
    write::Writer,
};

const TIME_TO_LIVE: Duration = Duration::from_secs(3600);
const TIME_TO_LIVE_MAX: u64 = 2_592_000;

/// Makes a one-time token with which an agent joins. The answer is the only place that ever shows it.
#[utoipa::path(post, path = "/api/v1/join-tokens", operation_id = "createJoinToken", tag = "agents",
    request_body(content = CreateJoinTokenRequest, example = json!({"gatewayType": "native", "ttlSeconds": 3600})),
    responses((status = 201, description = "Made", body = CreatedJoinToken))
)]
pub(crate) async fn create(writer: Writer, Body(request): Body<CreateJoinTokenRequest>) -> Answer<Response> {
    let time_to_live = time_to_live(request.ttl_seconds, TIME_TO_LIVE_MAX)?.unwrap_or(TIME_TO_LIVE);
    let mut transaction = writer.begin().await?;
    let created = access::create_join_token(&mut transaction, &request.gateway_type, time_to_live).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Lists join tokens that no agent has used, oldest first, without the tokens themselves.
#[utoipa::path(get, path = "/api/v1/join-tokens", operation_id = "listJoinTokens", tag = "agents", params(PageQuery),
    responses((status = 200, description = "A page of join tokens", body = Page<JoinToken>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<JoinToken>>> {
    let found = state.store.join_tokens(&query.request()?).await?;
    Ok(Json(paging::mapped(found, view)))
}

fn view(token: store::JoinToken) -> JoinToken {
    JoinToken {
        id: token.id,
        gateway_type: token.gateway_type,
        created_at: token.created_at,
        expires_at: token.expires_at,
    }
}

/// Deletes a join token that no agent has used.
#[utoipa::path(delete, path = "/api/v1/join-tokens/{id}", operation_id = "deleteJoinToken", tag = "agents",
    params(("id" = JoinTokenId, Path, description = "Which join token")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such join token", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(writer: Writer, Path(id): Path<JoinTokenId>) -> Answer<StatusCode> {
    let mut transaction = writer.begin().await?;
    transaction.delete_join_token(id).await?;
    transaction
        .audit("join-token.deleted", &format!("join-token/{id}"), &json!({}))
        .await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
