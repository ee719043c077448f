//! Enrolment: a one-time join token becomes an agent with a key of its own, and the key a short-lived token.

use axum::{Extension, Json, extract::State};
use gatehouse_control_plane_api::{
    agent::{EnrollRequest, EnrollResponse, TokenRequest, TokenResponse},
    problem::{FieldError, Problem},
};
use gatehouse_control_plane_store::{JoinToken, Transaction};
use gatehouse_schemas::{
    identity::{AgentId, GatewayType},
    time::Timestamp,
};
use serde_json::json;
use subtle::ConstantTimeEq as _;
use tracing::info;

use super::{agent_token, caller};
use crate::{
    authentication::unauthenticated,
    extract::{Body, STRANGER_BODY_LIMIT},
    failure::{Answer, Failure},
    request::RequestId,
    state::AppState,
    token,
};

/// How long an agent's token lives, in milliseconds.
const TOKEN_LIFE_MS: i64 = 300_000;
const NAME_MAX_LENGTH: usize = 200;

/// Registers an agent. The join token is spent; the same request again gives the same agent.
#[utoipa::path(post, path = "/agent/v1/enroll", operation_id = "enroll", tag = "agent", security(()),
    request_body(content = EnrollRequest, example = json!({
        "joinToken": "gtj_…", "gatewayType": "kong", "name": "kong-agent-1",
        "keySha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    })),
    responses(
        (status = 200, description = "Enrolled", body = EnrollResponse),
        (status = 401, description = "The join token is unknown, spent, expired, or for another gateway type", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn enroll(
    State(state): State<AppState>,
    request_id: Option<Extension<RequestId>>,
    Body(request): Body<EnrollRequest, STRANGER_BODY_LIMIT>,
) -> Answer<Json<EnrollResponse>> {
    check(&request)?;
    let request_id = request_id.map(|Extension(id)| id.0);
    let Some(found) = state.store.join_token(&token::hash(&request.join_token)).await? else {
        return Err(join_refused("is not known here", &request.gateway_type));
    };
    let actor = format!("join-token/{}", found.id);
    let mut transaction = state
        .store
        .begin(&actor, request_id.as_deref(), state.now())
        .await?;
    let agent_id = join(&mut transaction, &found, &request).await?;
    transaction.commit().await?;
    info!(agent.id = %agent_id, agent.name = %request.name, gateway.r#type = %request.gateway_type, "Enrolled agent `{}`", request.name);
    Ok(Json(EnrollResponse { agent_id }))
}

fn check(request: &EnrollRequest) -> Answer<()> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, detail: &str| {
        errors.push(FieldError {
            document: None,
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
        });
    };
    if request.name.trim().is_empty() || request.name.chars().count() > NAME_MAX_LENGTH {
        wrong("/name", "it must have 1 to 200 characters");
    }
    if request.name.chars().any(char::is_control) {
        wrong("/name", "it must not contain control characters");
    }
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if request.key_sha256.len() != 64 || !request.key_sha256.bytes().all(hexadecimal) {
        wrong(
            "/keySha256",
            "it must be a SHA-256 in hexadecimal: 64 digits and letters from a to f",
        );
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(errors))
    }
}

async fn join(transaction: &mut Transaction, found: &JoinToken, request: &EnrollRequest) -> Answer<AgentId> {
    if found.gateway_type != request.gateway_type {
        let what = format!("is for gateway type `{}`", found.gateway_type);
        return Err(join_refused(&what, &request.gateway_type));
    }
    if let Some(agent_id) = joined_before(transaction, found, request).await? {
        return Ok(agent_id);
    }
    if found.expires_at <= transaction.now() {
        return Err(join_refused(
            &format!("expired at {}", found.expires_at),
            &request.gateway_type,
        ));
    }
    let agent_id = transaction
        .create_agent(&request.name, &request.gateway_type, &request.key_sha256)
        .await?;
    if !transaction.spend_join_token(found.id, agent_id).await? {
        return Err(join_refused("was used already", &request.gateway_type));
    }
    let details = json!({"name": request.name, "gatewayType": request.gateway_type, "joinToken": found.id});
    transaction
        .audit("agent.enrolled", &format!("agent/{agent_id}"), &details)
        .await?;
    Ok(agent_id)
}

/// The answer to an earlier request may have been lost: the same key with the same token is the same agent.
async fn joined_before(
    transaction: &mut Transaction,
    found: &JoinToken,
    request: &EnrollRequest,
) -> Answer<Option<AgentId>> {
    let Some(agent_id) = found.spent_by else {
        return Ok(None);
    };
    let agent = transaction.agent(agent_id).await?;
    let same = agent.filter(|agent| agent.key_sha256 == request.key_sha256 && agent.revoked_at.is_none());
    match same {
        Some(agent) => Ok(Some(agent.id)),
        None => Err(join_refused("was used already", &request.gateway_type)),
    }
}

fn join_refused(what: &str, gateway_type: &GatewayType) -> Failure {
    unauthenticated(format!(
        "the join token {what}; get a new one with `gatehouse agent join-token --type {gateway_type}`"
    ))
}

/// Exchanges the agent's key for a token.
#[utoipa::path(post, path = "/agent/v1/token", operation_id = "token", tag = "agent", security(()),
    request_body(content = TokenRequest, example = json!({"agentId": "01976c3e-0000-7000-8000-000000000000", "key": "…"})),
    responses(
        (status = 200, description = "A token that lives for five minutes", body = TokenResponse),
        (status = 401, description = "The agent is unknown or revoked, or the key is not its key", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn token(
    State(state): State<AppState>,
    Body(request): Body<TokenRequest, STRANGER_BODY_LIMIT>,
) -> Answer<Json<TokenResponse>> {
    let agent = caller::welcome(&state, request.agent_id).await?;
    let given = token::hash(&request.key);
    if !bool::from(given.as_bytes().ct_eq(agent.key_sha256.as_bytes())) {
        return Err(unauthenticated(format!(
            "the key is not the one agent `{}` enrolled with",
            agent.id
        )));
    }
    let expires_at = Timestamp(state.now().0 + TOKEN_LIFE_MS);
    let token = agent_token::sign(&state.agent_token_key, agent.id, expires_at);
    Ok(Json(TokenResponse { token, expires_at }))
}
