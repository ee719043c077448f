//! Requests to the control plane with a token that is always fresh.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use gatehouse_control_plane_api::{
    agent::{PROTOCOL_MAX, PROTOCOL_WITH_TASKS, TokenRequest},
    agent_client::{AgentApiError, AgentClient},
};
use gatehouse_schemas::{identity::AgentId, time::Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

/// Even if the clocks disagree, a token is used at least this long, and refused ones are replaced at once.
const SHORTEST_USE: Duration = Duration::from_secs(30);

/// Why a request was not answered with what was asked for.
#[derive(Debug)]
pub(super) enum ConnectionError {
    /// The agent's key is not accepted: it is unknown or revoked.
    Revoked(AgentApiError),
    /// Anything else.
    Api(AgentApiError),
}

impl ConnectionError {
    pub(super) fn api(&self) -> &AgentApiError {
        match self {
            Self::Revoked(error) | Self::Api(error) => error,
        }
    }
}

/// An enrolled agent's way to its control plane.
#[derive(Debug)]
pub(super) struct Connection {
    client: AgentClient,
    agent_id: AgentId,
    key: SecretString,
    token: Mutex<Option<Token>>,
    /// The protocol agreed in the present session.
    protocol: AtomicU32,
    /// Whether the control plane of the present session can be asked for discoveries, as far as known.
    takes_wishes: AtomicBool,
}

#[derive(Debug, Clone)]
struct Token {
    value: Arc<SecretString>,
    replace_at: Instant,
}

impl Connection {
    pub(super) fn new(client: AgentClient, agent_id: AgentId, key: SecretString) -> Self {
        Self {
            client,
            agent_id,
            key,
            token: Mutex::new(None),
            protocol: AtomicU32::new(PROTOCOL_MAX),
            takes_wishes: AtomicBool::new(true),
        }
    }

    /// Notes the protocol that a session agreed on.
    pub(super) fn agree(&self, protocol: u32) {
        self.protocol.store(protocol, Ordering::Relaxed);
        self.takes_wishes.store(true, Ordering::Relaxed);
    }

    /// The protocol agreed in the present session.
    pub(super) fn protocol(&self) -> u32 {
        self.protocol.load(Ordering::Relaxed)
    }

    /// Whether the control plane knows of tasks, and of what came with them: steps, observations, the inventory.
    pub(super) fn has_tasks(&self) -> bool {
        self.protocol() >= PROTOCOL_WITH_TASKS
    }

    /// Whether the control plane of the present session can be asked for discoveries, as far as known.
    pub(super) fn takes_wishes(&self) -> bool {
        self.takes_wishes.load(Ordering::Relaxed)
    }

    /// Notes that it cannot: it is an older one. The next session may be with another.
    pub(super) fn takes_no_wishes(&self) {
        self.takes_wishes.store(false, Ordering::Relaxed);
    }

    pub(super) fn agent_id(&self) -> AgentId {
        self.agent_id
    }

    pub(super) fn base(&self) -> &str {
        self.client.base()
    }

    /// One request; a second one with a fresh token if the first one's was refused.
    pub(super) async fn call<'a, T, F>(
        &'a self,
        request: impl Fn(&'a AgentClient, Arc<SecretString>) -> F,
    ) -> Result<T, ConnectionError>
    where
        F: Future<Output = Result<T, AgentApiError>>,
    {
        let token = self.token().await?;
        match request(&self.client, token.clone()).await {
            Err(error) if error.status() == Some(401) => {
                self.forget(&token).await;
                let token = self.token().await?;
                request(&self.client, token).await.map_err(ConnectionError::Api)
            }
            result => result.map_err(ConnectionError::Api),
        }
    }

    async fn token(&self) -> Result<Arc<SecretString>, ConnectionError> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref().filter(|token| Instant::now() < token.replace_at) {
            return Ok(token.value.clone());
        }
        let request = TokenRequest {
            agent_id: self.agent_id,
            key: self.key.expose_secret().to_owned(),
        };
        let response = self.client.token(&request).await.map_err(refusal)?;
        let token = Token {
            value: Arc::new(response.token.into()),
            replace_at: Instant::now() + use_for(response.expires_at, now()),
        };
        Ok(held.insert(token).value.clone())
    }

    async fn forget(&self, refused: &Arc<SecretString>) {
        let mut held = self.token.lock().await;
        if held
            .as_ref()
            .is_some_and(|token| Arc::ptr_eq(&token.value, refused))
        {
            *held = None;
        }
    }
}

/// Only a clear no to the key itself means that the agent is not accepted.
fn refusal(error: AgentApiError) -> ConnectionError {
    match &error {
        AgentApiError::Refused { problem } if matches!(problem.status, 401 | 403 | 404) => {
            ConnectionError::Revoked(error)
        }
        _ => ConnectionError::Api(error),
    }
}

/// How long to use a token: until four fifths of its time have passed.
fn use_for(expires_at: Timestamp, now: Timestamp) -> Duration {
    let left = u64::try_from(expires_at.0.saturating_sub(now.0)).unwrap_or_default();
    Duration::from_millis(left / 5 * 4).max(SHORTEST_USE)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_replaced_before_they_end_whatever_the_clocks_say() {
        for (expires_at, now, expected) in [(300_000, 0, 240), (300_000, 299_000, 30), (0, 300_000, 30)] {
            assert_eq!(
                use_for(Timestamp(expires_at), Timestamp(now)),
                Duration::from_secs(expected)
            );
        }
    }
}
