//! One attempt to bring one deployment in line: observe, plan, skip if there is nothing to do, act, tell.
//!
//! Every attempt begins by looking, so it does not matter how an earlier one ended: with its answer lost, or
//! with the process killed in its middle. What was carried out before and differs now was changed by somebody
//! else; that is told, and put right only where the environment says so.

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DeploymentWork, DesiredState};
use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    identity::ExternalRef,
    observed::{Observation, ObservedApi},
    plan::{Plan, PlanAction, Unplannable, plan},
};
use tracing::warn;

use super::{refusals, steps::StepRecord, tally::Tally};
use crate::{
    connector::{ApiReference, Connector, DeployRequest, Deployed},
    context::Context,
    error::{Error, ErrorKind, Result, Retry},
    layers::PureFunctions,
};

/// How many fields a message names.
const NAMED_FIELDS: usize = 5;

/// How an attempt ended that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// With this outcome.
    Outcome(DeploymentOutcome),
    /// It was carried out before, and nobody can see how it stands now: there is nothing to do and to tell.
    LeftAlone,
    /// Before its next step, because it must not or need not go on.
    Stopped,
}

/// One attempt at one deployment.
pub(super) struct Attempt<'a, Wanted> {
    pub(super) connector: &'a dyn Connector,
    pub(super) pure: &'a PureFunctions,
    pub(super) context: &'a Context,
    pub(super) work: &'a DeploymentWork,
    /// What earlier attempts recorded.
    pub(super) steps: &'a StepRecord,
    /// Told how much the work was estimated to take.
    pub(super) tally: &'a Tally,
    /// Whether what was carried out before and differs now is put right.
    pub(super) puts_right: bool,
    /// Asked before each step: whether the lease still holds and nothing newer is desired.
    pub(super) is_wanted: Wanted,
}

impl<Wanted: Fn() -> bool + Sync> Attempt<'_, Wanted> {
    /// Makes the attempt.
    pub(super) async fn make(&self) -> Result<Ending> {
        match &self.work.desired {
            DesiredState::Present { api } => self.present(api).await,
            DesiredState::Absent { mark } => self.absent(mark).await,
        }
    }

    async fn present(&self, desired: &DesiredApi) -> Result<Ending> {
        if self.only_looks() && !can_observe(self.connector) {
            return Ok(Ending::LeftAlone);
        }
        let observation = self.look(&desired.mark).await?;
        let plan = plan(desired, &observation, self.work.adopt.as_ref());
        if let (Ok(plan), Observation::Present(observed)) = (&plan, &observation)
            && plan.action == PlanAction::Nothing
        {
            if self.is_finished() {
                return Ok(Ending::Outcome(already(observed)));
            }
            return self.deploy(desired, plan.clone(), observation.clone()).await;
        }
        if let Observation::Unknown { reason } = &observation {
            return Err(unknown(&desired.mark, reason));
        }
        if self.only_looks() {
            return Ok(Ending::Outcome(DeploymentOutcome::Drifted { observation }));
        }
        let plan = plan.map_err(unplannable)?;
        match self.refusal(desired, &observation).await? {
            Some(refusal) => Ok(Ending::Outcome(refusal)),
            None => self.deploy(desired, plan, observation).await,
        }
    }

    /// Whether the gateway is looked at and not touched: this was carried out, and what differs since then is
    /// somebody else's.
    fn only_looks(&self) -> bool {
        self.work.confirmed && !self.puts_right
    }

    /// Whether nothing begun by an earlier attempt may still lie on the gateway: only the connector can remove it, also
    /// where the gateway already serves what is desired.
    fn is_finished(&self) -> bool {
        self.only_looks() || self.steps.is_empty()
    }

    /// Why nothing may be done, if nothing may.
    async fn refusal(
        &self,
        desired: &DesiredApi,
        observation: &Observation,
    ) -> Result<Option<DeploymentOutcome>> {
        if let Some(refusal) = self.moved(&desired.mark, observation) {
            return Ok(Some(refusal));
        }
        let environment = &self.context.environment;
        let report = self.pure.translate(environment, desired).await?.fidelity;
        Ok(refusals::losses(
            desired,
            &report,
            &environment.name,
            self.work.accept_loss,
        ))
    }

    /// Refuses if the plan this comes from saw something else. What was begun is finished all the same.
    fn moved(&self, mark: &Mark, observation: &Observation) -> Option<DeploymentOutcome> {
        let expected = self.work.expected.as_ref()?;
        if self.steps.is_begun(self.work.generation) {
            return None;
        }
        let environment = &self.context.environment.name;
        refusals::moved(&mark.api_name, environment, expected, observation)
    }

    async fn deploy(&self, desired: &DesiredApi, plan: Plan, observation: Observation) -> Result<Ending> {
        if !(self.is_wanted)() {
            return Ok(Ending::Stopped);
        }
        if self.work.confirmed {
            let (api, environment) = (&desired.mark.api_name, &self.context.environment.name);
            warn!(environment.name = %environment, api.name = %api, fields = plan.changes.len(), "`{api}` in `{environment}` is not as it was deployed; putting it right");
        }
        self.expect(Some(desired), Some(&plan)).await?;
        let observed = match observation {
            Observation::Present(observed) => Some(*observed),
            _ => None,
        };
        let request = DeployRequest {
            desired: desired.clone(),
            plan,
            adopt: observed
                .as_ref()
                .is_some_and(|observed| self.is_adopted(observed)),
            external_ref: observed
                .map(|observed| observed.external_ref)
                .or_else(|| self.known().cloned()),
        };
        let deployed = self.connector.deploy(self.context, &request).await?;
        self.steps.mark_taken(self.work.generation);
        self.confirm(desired, deployed).await
    }

    fn is_adopted(&self, observed: &ObservedApi) -> bool {
        observed.mark.is_none() && self.work.adopt.as_ref() == Some(&observed.external_ref)
    }

    /// Looks once more if the connector says that the gateway does not hold what is desired.
    async fn confirm(&self, desired: &DesiredApi, mut deployed: Deployed) -> Result<Ending> {
        if deployed.observed != desired.fingerprint && can_observe(self.connector) {
            deployed.observed = self.seen_after(desired, &deployed.external_ref).await?;
        }
        Ok(Ending::Outcome(DeploymentOutcome::Deployed {
            external_ref: deployed.external_ref,
            endpoint_urls: deployed.endpoint_urls,
            observed: deployed.observed,
        }))
    }

    async fn seen_after(&self, desired: &DesiredApi, external_ref: &ExternalRef) -> Result<Fingerprint> {
        let observation = observe(self.connector, self.context, &desired.mark, Some(external_ref)).await?;
        match &observation {
            Observation::Present(observed) if observed.fingerprint == desired.fingerprint => {
                Ok(observed.fingerprint.clone())
            }
            Observation::Unknown { reason } => Err(unknown(&desired.mark, reason)),
            _ => Err(not_as_desired(desired, &observation)),
        }
    }

    async fn absent(&self, mark: &Mark) -> Result<Ending> {
        let observation = self.look(mark).await?;
        let external_ref = match &observation {
            Observation::Absent if can_observe(self.connector) && self.steps.is_empty() => {
                return Ok(Ending::Outcome(DeploymentOutcome::Removed));
            }
            Observation::Absent => self.known().cloned(),
            Observation::Present(observed) => {
                ours(observed, mark)?;
                Some(observed.external_ref.clone())
            }
            Observation::Unknown { reason } => return Err(unknown(mark, reason)),
        };
        if let Some(refusal) = self.moved(mark, &observation) {
            return Ok(Ending::Outcome(refusal));
        }
        if !(self.is_wanted)() {
            return Ok(Ending::Stopped);
        }
        self.expect(None, None).await?;
        let api = ApiReference {
            external_ref,
            mark: mark.clone(),
        };
        self.connector.undeploy(self.context, &api).await?;
        Ok(Ending::Outcome(DeploymentOutcome::Removed))
    }

    /// Notes how much the work is estimated to take.
    async fn expect(&self, desired: Option<&DesiredApi>, plan: Option<&Plan>) -> Result<()> {
        let environment = &self.context.environment;
        let calls = self.pure.estimate(environment, desired, plan).await?;
        self.tally.expect(calls);
        Ok(())
    }

    async fn look(&self, mark: &Mark) -> Result<Observation> {
        observe(self.connector, self.context, mark, self.known()).await
    }

    /// The gateway's own identity of what this is about, as far as known.
    fn known(&self) -> Option<&ExternalRef> {
        self.work.adopt.as_ref().or(self.work.external_ref.as_ref())
    }
}

/// Looks, if the connector can. One that cannot is given everything each time; deploying is idempotent.
async fn observe(
    connector: &dyn Connector,
    context: &Context,
    mark: &Mark,
    known: Option<&ExternalRef>,
) -> Result<Observation> {
    if !can_observe(connector) {
        return Ok(Observation::Absent);
    }
    let api = ApiReference {
        external_ref: known.cloned(),
        mark: mark.clone(),
    };
    connector.observe(context, &api).await
}

fn can_observe(connector: &dyn Connector) -> bool {
    connector.descriptor().capabilities.observe
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
            "what the gateway holds of `{}` is not known ({reason}); nothing was changed; it is looked at again",
            mark.api_name
        ),
    )
}

/// A gateway may take its time to show what it took, so looking again can help.
fn not_as_desired(desired: &DesiredApi, observation: &Observation) -> Error {
    let fields = plan(desired, observation, None).map_or_else(
        |_| "it does not carry our mark".to_owned(),
        |plan| match plan.observed {
            None => "it is not there".to_owned(),
            Some(_) => named_fields(&plan),
        },
    );
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "the gateway took the deploy of `{}` and does not show what is desired ({fields}); it is looked at again",
            desired.mark.api_name
        ),
    )
    .with_retry(Retry::Backoff)
}

fn named_fields(plan: &Plan) -> String {
    let named: Vec<_> = plan
        .changes
        .iter()
        .take(NAMED_FIELDS)
        .map(|change| format!("`{}`", change.path))
        .collect();
    let more = match plan.changes.len().saturating_sub(NAMED_FIELDS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("different there: {}{more}", named.join(", "))
}

fn unplannable(error: Unplannable) -> Error {
    let kind = match &error {
        Unplannable::Unknown { .. } => ErrorKind::Unavailable,
        Unplannable::Foreign { .. } => ErrorKind::Conflict,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, error.to_string()).with_source(error)
}

#[cfg(test)]
mod tests;
