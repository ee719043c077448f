//! Making tokens: for people and programs, and for agents to join with.

use std::time::Duration;

use gatehouse_control_plane_api::admin::{CreatedJoinToken, CreatedToken, Role, Token};
use gatehouse_control_plane_store::{self as store, Transaction};
use gatehouse_schemas::{
    identity::{GatewayType, ResourceName},
    time::Timestamp,
};
use serde_json::json;

use crate::{
    authentication::role_name,
    failure::{Answer, Failure},
    token,
};

/// Makes an API token; its text is nowhere but in the result.
pub(crate) async fn create_token(
    transaction: &mut Transaction,
    name: &ResourceName,
    role: Role,
    time_to_live: Option<Duration>,
) -> Answer<CreatedToken> {
    let text = token::generate(token::API_TOKEN_PREFIX).map_err(Failure::internal)?;
    let end = time_to_live.map(|time| after(transaction.now(), time));
    let stored = transaction
        .create_token(name, role_name(role), &token::hash(&text), end)
        .await?;
    let details = json!({"id": stored.id, "role": role, "expiresAt": end});
    transaction
        .audit("token.created", &format!("token/{name}"), &details)
        .await?;
    Ok(CreatedToken {
        description: describe(stored)?,
        token: text,
    })
}

/// Makes a one-time join token; its text is nowhere but in the result.
pub(crate) async fn create_join_token(
    transaction: &mut Transaction,
    gateway_type: &GatewayType,
    time_to_live: Duration,
) -> Answer<CreatedJoinToken> {
    let text = token::generate(token::JOIN_TOKEN_PREFIX).map_err(Failure::internal)?;
    let expires_at = after(transaction.now(), time_to_live);
    let id = transaction
        .create_join_token(&token::hash(&text), gateway_type, expires_at)
        .await?;
    let details = json!({"gatewayType": gateway_type, "expiresAt": expires_at});
    transaction
        .audit("join-token.created", &format!("join-token/{id}"), &details)
        .await?;
    Ok(CreatedJoinToken {
        id,
        token: text,
        gateway_type: gateway_type.clone(),
        expires_at,
    })
}

/// A stored token as it reads back.
pub(crate) fn describe(token: store::Token) -> Answer<Token> {
    Ok(Token {
        id: token.id,
        role: role(&token)?,
        name: token.name,
        created_at: token.created_at,
        expires_at: token.expires_at,
    })
}

/// The role of a stored token.
pub(crate) fn role(token: &store::Token) -> Answer<Role> {
    [Role::Viewer, Role::Publisher, Role::Admin]
        .into_iter()
        .find(|role| role_name(*role) == token.role)
        .ok_or_else(|| {
            Failure::internal(format!(
                "the token `{}` has the unknown role `{}`",
                token.name, token.role
            ))
        })
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(
        now.0
            .saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
    )
}
