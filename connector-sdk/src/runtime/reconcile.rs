//! One attempt to bring one deployment in line: observe, plan, skip if there is nothing to do, act, tell.
//!
//! Every attempt begins by looking, so it does not matter how an earlier one ended: with its answer lost, or
//! with the process killed in its middle.

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DeploymentWork, DesiredState};
use gatehouse_schemas::{
    desired::{DesiredApi, Mark},
    identity::ExternalRef,
    observed::{Observation, ObservedApi},
    plan::{PlanAction, Unplannable, plan},
};

use crate::{
    connector::{ApiReference, Connector, DeployRequest},
    context::Context,
    error::{Error, ErrorKind, Result},
};

/// How an attempt ended that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// With this outcome.
    Outcome(DeploymentOutcome),
    /// Before its next step, because it must not or need not go on.
    Stopped,
}

/// One attempt at one deployment.
pub(super) struct Attempt<'a, Wanted> {
    pub(super) connector: &'a dyn Connector,
    pub(super) context: &'a Context,
    /// Asked before each step: whether the lease still holds and nothing newer is desired.
    pub(super) is_wanted: Wanted,
}

impl<Wanted: Fn() -> bool + Sync> Attempt<'_, Wanted> {
    /// Makes the attempt.
    pub(super) async fn make(&self, work: &DeploymentWork) -> Result<Ending> {
        match &work.desired {
            DesiredState::Present { api } => self.present(api, work.external_ref.as_ref()).await,
            DesiredState::Absent { mark } => self.absent(mark, work.external_ref.as_ref()).await,
        }
    }

    async fn present(&self, desired: &DesiredApi, known: Option<&ExternalRef>) -> Result<Ending> {
        let observation = self.observe(&desired.mark, known).await?;
        let plan = plan(desired, &observation, None).map_err(unplannable)?;
        let observed = match observation {
            Observation::Present(observed) => Some(*observed),
            _ => None,
        };
        if let (PlanAction::Nothing, Some(observed)) = (plan.action, &observed) {
            return Ok(Ending::Outcome(already(observed)));
        }
        if !(self.is_wanted)() {
            return Ok(Ending::Stopped);
        }
        let request = DeployRequest {
            desired: desired.clone(),
            plan,
            adopt: false,
            external_ref: observed
                .map(|observed| observed.external_ref)
                .or_else(|| known.cloned()),
        };
        let deployed = self.connector.deploy(self.context, &request).await?;
        Ok(Ending::Outcome(DeploymentOutcome::Deployed {
            external_ref: deployed.external_ref,
            endpoint_urls: deployed.endpoint_urls,
            observed: deployed.observed,
        }))
    }

    async fn absent(&self, mark: &Mark, known: Option<&ExternalRef>) -> Result<Ending> {
        let external_ref = match self.observe(mark, known).await? {
            Observation::Absent if self.can_observe() => {
                return Ok(Ending::Outcome(DeploymentOutcome::Removed));
            }
            Observation::Absent => known.cloned(),
            Observation::Present(observed) => {
                ours(&observed, mark)?;
                Some(observed.external_ref)
            }
            Observation::Unknown { reason } => return Err(unknown(mark, &reason)),
        };
        if !(self.is_wanted)() {
            return Ok(Ending::Stopped);
        }
        let api = ApiReference {
            external_ref,
            mark: mark.clone(),
        };
        self.connector.undeploy(self.context, &api).await?;
        Ok(Ending::Outcome(DeploymentOutcome::Removed))
    }

    /// Looks, if the connector can. One that cannot is given everything each time; deploying is idempotent.
    async fn observe(&self, mark: &Mark, known: Option<&ExternalRef>) -> Result<Observation> {
        if !self.can_observe() {
            return Ok(Observation::Absent);
        }
        let api = ApiReference {
            external_ref: known.cloned(),
            mark: mark.clone(),
        };
        self.connector.observe(self.context, &api).await
    }

    fn can_observe(&self) -> bool {
        self.connector.descriptor().capabilities.observe
    }
}

fn already(observed: &ObservedApi) -> DeploymentOutcome {
    DeploymentOutcome::Deployed {
        external_ref: observed.external_ref.clone(),
        endpoint_urls: observed.endpoint_urls.clone(),
        observed: observed.fingerprint.clone(),
    }
}

/// Refuses to touch what does not carry our mark.
fn ours(observed: &ObservedApi, mark: &Mark) -> Result<()> {
    let carries = observed
        .mark
        .as_ref()
        .is_some_and(|own| own.environment_id == mark.environment_id && own.api_id == mark.api_id);
    if carries {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "`{}` on the gateway does not carry the mark of `{}` and stays as it is; remove it there to finish the undeploy",
            observed.external_ref, mark.api_name
        ),
    ))
}

/// Unknown is not absent: nothing is done, and looking again later can help.
fn unknown(mark: &Mark, reason: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "what the gateway holds of `{}` is not known ({reason}); nothing was changed",
            mark.api_name
        ),
    )
}

fn unplannable(error: Unplannable) -> Error {
    let kind = match &error {
        Unplannable::Unknown { .. } => ErrorKind::Unavailable,
        Unplannable::Foreign { .. } => ErrorKind::Conflict,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, error.to_string()).with_source(error)
}
