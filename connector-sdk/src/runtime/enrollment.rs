//! Joining a control plane, once.

use gatehouse_control_plane_api::{
    agent::EnrollRequest,
    agent_client::{AgentApiError, AgentClient},
};
use gatehouse_schemas::identity::GatewayType;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    AgentOptions, RunError,
    identity::{Identity, StateFolder},
};
use crate::{
    error::chain,
    monitor::{Session, TypeMonitor},
};

/// How an agent becomes one that its control plane knows.
pub(super) struct Join<'a> {
    pub(super) client: &'a AgentClient,
    pub(super) options: &'a AgentOptions,
    pub(super) gateway_type: &'a GatewayType,
    pub(super) state: &'a StateFolder,
    pub(super) monitor: &'a TypeMonitor,
    pub(super) cancellation: &'a CancellationToken,
}

impl Join<'_> {
    /// The identity from the state folder, or a new one through the join token. None when cancelled.
    pub(super) async fn identity(&self) -> Result<Option<Identity>, RunError> {
        match self.state.identity()? {
            Some(identity) if identity.agent_id.is_some() => Ok(Some(identity)),
            kept => self.join(kept).await,
        }
    }

    /// Joins anew although there was an identity, because the control plane does not accept it any more.
    pub(super) async fn again(&self) -> Result<Option<Identity>, RunError> {
        // The old identity stays in the folder until the new one is there.
        self.enroll(Identity::unknown()?).await
    }

    /// The key is on disk before the control plane hears of it, so that a crash between its answer and our
    /// writing it down does not lose the key that the join token was spent on.
    async fn join(&self, kept: Option<Identity>) -> Result<Option<Identity>, RunError> {
        self.token()?;
        let identity = match kept {
            Some(identity) => identity,
            None => Identity::unknown()?,
        };
        self.state.keep(&identity)?;
        self.enroll(identity).await
    }

    /// Asks until there is an answer.
    async fn enroll(&self, mut identity: Identity) -> Result<Option<Identity>, RunError> {
        let request = EnrollRequest {
            join_token: self.token()?.expose_secret().to_owned(),
            gateway_type: self.gateway_type.clone(),
            name: self.options.display_name(),
            key_sha256: identity.key_sha256(),
        };
        let mut failures = 0;
        loop {
            match self.client.enroll(&request).await {
                Ok(response) => {
                    identity.agent_id = Some(response.agent_id);
                    self.state.keep(&identity)?;
                    info!(agent.id = %response.agent_id, "Joined the control plane at {}", self.client.base());
                    return Ok(Some(identity));
                }
                Err(error) if !error.is_temporary() => return Err(self.refused(error)),
                Err(error) => failures = self.pause(failures, &error).await,
            }
            if self.cancellation.is_cancelled() {
                return Ok(None);
            }
        }
    }

    async fn pause(&self, failures: u32, error: &AgentApiError) -> u32 {
        let pause = self.options.tuning.reconnect.pause(failures + 1);
        self.monitor.session(Session::Down(chain(error)));
        if failures == 0 {
            warn!(error = %chain(error), "Cannot join the control plane yet; it is asked again with growing pauses");
        } else {
            debug!(error = %chain(error), failures, "Cannot join the control plane yet; asking again in {pause:?}");
        }
        let sleep = tokio::time::sleep(pause);
        self.cancellation.run_until_cancelled(sleep).await;
        failures + 1
    }

    fn token(&self) -> Result<&SecretString, RunError> {
        self.options
            .join_token
            .as_ref()
            .ok_or_else(|| RunError::NotEnrolled {
                gateway_type: self.gateway_type.clone(),
            })
    }

    fn refused(&self, source: AgentApiError) -> RunError {
        RunError::EnrollmentRefused {
            gateway_type: self.gateway_type.clone(),
            source,
        }
    }
}
