//! Agents: the processes that carry out work on gateways.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    admin::{Agent, Page},
    problem::Problem,
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::{
    identity::{AgentId, EnvironmentId, GatewayType, ResourceName},
    resource::Kind,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::paging;
use crate::{
    extract::{Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    status::{is_online, refresh_environment},
    write::Writer,
};

/// Which agents, and which page of them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AgentQuery {
    /// Only those for this kind of gateway.
    #[param(value_type = Option<String>)]
    gateway_type: Option<GatewayType>,
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists agents, revoked ones included.
#[utoipa::path(get, path = "/api/v1/agents", operation_id = "listAgents", tag = "agents", params(AgentQuery),
    responses((status = 200, description = "A page of agents", body = Page<Agent>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<AgentQuery>,
) -> Answer<Json<Page<Agent>>> {
    let filter = store::AgentFilter {
        gateway_type: query.gateway_type,
    };
    let request = paging::request(query.limit, query.cursor)?;
    let found = state.store.agents(&filter, &request).await?;
    let served = Served::read(&state).await?;
    Ok(Json(paging::mapped(found, |agent| served.view(&state, agent))))
}

/// Reads an agent.
#[utoipa::path(get, path = "/api/v1/agents/{id}", operation_id = "readAgent", tag = "agents",
    params(("id" = AgentId, Path, description = "Which agent")),
    responses(
        (status = 200, description = "The agent", body = Agent),
        (status = 404, description = "There is no such agent", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(id): Path<AgentId>) -> Answer<Json<Agent>> {
    let found = state
        .store
        .agent(id)
        .await?
        .ok_or_else(|| Failure::not_found("agent", id))?;
    Ok(Json(Served::read(&state).await?.view(&state, found)))
}

/// Revokes an agent: its next request is refused, and another agent may take its place.
#[utoipa::path(delete, path = "/api/v1/agents/{id}", operation_id = "revokeAgent", tag = "agents",
    params(("id" = AgentId, Path, description = "Which agent")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "There is no such agent", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn revoke(writer: Writer, Path(id): Path<AgentId>) -> Answer<StatusCode> {
    let mut transaction = writer.begin().await?;
    let agent = transaction
        .agent(id)
        .await?
        .ok_or_else(|| Failure::not_found("agent", id))?;
    if agent.revoked_at.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    transaction.revoke_agent(id).await?;
    let details = json!({"name": agent.name, "gatewayType": agent.gateway_type});
    transaction
        .audit("agent.revoked", &format!("agent/{id}"), &details)
        .await?;
    for environment in transaction.environment_states(&agent.gateway_type).await? {
        refresh_environment(&mut transaction, environment.id, writer.state.online_since()).await?;
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which agent serves which environments.
struct Served {
    leases: Vec<store::Lease>,
    names: BTreeMap<EnvironmentId, ResourceName>,
}

impl Served {
    async fn read(state: &AppState) -> Answer<Self> {
        let now = state.now();
        let leases = state.store.all_leases().await?;
        let environments = state.store.all_resources(Kind::Environment).await?;
        Ok(Self {
            leases: leases.into_iter().filter(|lease| lease.is_live(now)).collect(),
            names: environments
                .into_iter()
                .map(|it| (it.environment_id(), it.metadata.name))
                .collect(),
        })
    }

    fn view(&self, state: &AppState, agent: store::Agent) -> Agent {
        let leases = self.leases.iter().filter(|lease| lease.agent_id == agent.id);
        let mut environments: Vec<ResourceName> = leases
            .filter_map(|lease| self.names.get(&lease.environment_id).cloned())
            .collect();
        environments.sort();
        Agent {
            id: agent.id,
            online: is_online(&agent, state.online_since()),
            name: agent.name,
            gateway_type: agent.gateway_type,
            revoked: agent.revoked_at.is_some(),
            last_seen_at: agent.last_seen_at,
            created_at: agent.created_at,
            descriptor: agent.descriptor,
            protocol: agent.protocol,
            environments,
        }
    }
}
