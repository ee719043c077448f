//! Who asks: an enrolled agent with a token of its own, looked up at every request so that revoking works at once.

use axum::extract::FromRequestParts;
use gatehouse_control_plane_store::{Agent, AgentSeen, EnvironmentState, Transaction, WorkView};
use gatehouse_schemas::identity::{AgentId, EnvironmentId};
use http::request::Parts;

use super::agent_token::{self, Refusal};
use crate::{
    authentication::{bearer, unauthenticated},
    failure::{Answer, Failure},
    request::RequestId,
    state::AppState,
};

/// An enrolled agent that is not revoked.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The agent.
    pub(crate) agent: Agent,
    state: AppState,
    request_id: Option<String>,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Answer<Self> {
        let token = bearer(&parts.headers)?;
        let id = agent_token::verify(&state.agent_token_key, token, state.now()).map_err(refused)?;
        Ok(Self {
            agent: welcome(state, id).await?,
            state: state.clone(),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
        })
    }
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Unknown => unauthenticated(
            "the token is not an agent's token of this control plane; get one with `POST /agent/v1/token`",
        ),
        Refusal::Expired(end) => unauthenticated(format!(
            "the token expired at {end}; get a new one with `POST /agent/v1/token`"
        )),
    }
}

/// The agent, if it is one and still may be.
pub(super) async fn welcome(state: &AppState, id: AgentId) -> Answer<Agent> {
    match state.store.caller(id).await? {
        Some(agent) if agent.revoked_at.is_none() => Ok(agent),
        Some(agent) => Err(revoked(&agent)),
        None => Err(unauthenticated(format!(
            "agent `{id}` is not enrolled here; enroll it with a token from `gatehouse agent join-token`"
        ))),
    }
}

pub(super) fn revoked(agent: &Agent) -> Failure {
    unauthenticated(format!(
        "agent `{}` ({}) was revoked; to let it join again, give it a token from `gatehouse agent join-token --type {}`",
        agent.name, agent.id, agent.gateway_type
    ))
}

impl Caller {
    /// The agent's identity.
    pub(crate) fn id(&self) -> AgentId {
        self.agent.id
    }

    /// When the agent was heard of, as a later look at the database has it. Refuses if the agent was revoked since the
    /// request began.
    pub(super) async fn seen_in(&self, view: &WorkView) -> Answer<AgentSeen> {
        match view.agent(self.id()) {
            Some(seen) => Ok(seen),
            // Says why.
            None => welcome(&self.state, self.id()).await.map(|agent| AgentSeen {
                last_seen_at: agent.last_seen_at,
            }),
        }
    }

    /// A transaction on behalf of the agent.
    pub(super) async fn begin(&self) -> Answer<Transaction> {
        let actor = format!("agent/{}", self.id());
        Ok(self
            .state
            .store
            .begin(&actor, self.request_id.as_deref(), self.state.now())
            .await?)
    }

    /// An environment the agent serves; others do not exist for it.
    pub(super) fn serves(
        &self,
        environment: Option<EnvironmentState>,
        id: EnvironmentId,
    ) -> Answer<EnvironmentState> {
        environment
            .filter(|state| state.gateway_type == self.agent.gateway_type && state.deleted_at.is_none())
            .ok_or_else(|| Failure::not_found("environment of this agent's gateway type", id))
    }
}
