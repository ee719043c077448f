//! Drift: how a gateway stands to a deployment, what an observation changes, and putting back what was applied.

use gatehouse_control_plane_api::{
    admin::{DriftResolution, PlanItemAction, PlanItemRequest},
    agent::DeploymentOutcome,
    problem::ProblemKind,
};
use gatehouse_control_plane_store::{
    self as store, Deployment, DeploymentObservation, DeploymentTerms, Desired, Transaction,
};
use gatehouse_schemas::{
    ability::Action,
    desired::DesiredApi,
    drift::{self, Drift, DriftState},
    environment::EnvironmentSpec,
    identity::{AgentId, DeploymentId, ExternalRef},
    observed::Observation,
    resource::Kind,
};
use serde_json::json;

use super::{
    Writer, abilities,
    deploy::{Composer, audit, environment_spec, find, object},
    drift_adopt, obstacles,
    plan_item::Intent,
};
use crate::{
    failure::{Answer, Failure},
    status::{Surroundings, says_drifted, tell_stored},
};

/// What an agent saw of one deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// Who looked.
    pub(crate) agent_id: AgentId,
    /// What is there; none if it is exactly what is desired.
    pub(crate) differs: Option<&'a Observation>,
}

/// Records what was seen of a deployment whose present generation was carried out. What is unknown changes nothing
/// but the time of the look.
pub(crate) async fn seen(
    transaction: &mut Transaction,
    deployment: Deployment,
    look: &Look<'_>,
    surroundings: &Surroundings,
) -> Answer<()> {
    let (id, generation) = (deployment.id, deployment.generation);
    transaction.put_observation(id, generation, look.differs).await?;
    if !change_reports(transaction, &deployment, look).await? {
        return Ok(());
    }
    let told = tell_stored(transaction, &deployment, surroundings).await?;
    let status = store::DeploymentStatus {
        observed_generation: told.observed_generation,
        phase: told.phase,
        conditions: told.conditions,
        external_ref: deployment.external_ref.clone(),
        endpoint_urls: deployment.endpoint_urls.clone(),
    };
    transaction.set_deployment_status(id, &status).await?;
    let action = match look.differs {
        Some(_) => "deployment.drifted",
        None => "deployment.in-sync",
    };
    audit(transaction, action, &deployment).await
}

/// The state of a deployment follows from reports, so a look corrects what they say. Gives whether that was news.
async fn change_reports(
    transaction: &mut Transaction,
    deployment: &Deployment,
    look: &Look<'_>,
) -> Answer<bool> {
    let reports = transaction.reports(deployment.id).await?;
    let present = reports
        .into_iter()
        .filter(|report| report.generation == deployment.generation);
    let drifted: Vec<store::Report> = present.filter(says_drifted).collect();
    let Some(observation) = look.differs else {
        let outcome = as_desired(transaction, deployment).await?;
        for report in &drifted {
            put(transaction, deployment, report.agent_id, &outcome).await?;
        }
        return Ok(!drifted.is_empty());
    };
    if matches!(observation, Observation::Unknown { .. }) {
        return Ok(false);
    }
    let outcome = DeploymentOutcome::Drifted {
        observation: observation.clone(),
    };
    let value = serde_json::to_value(&outcome).map_err(Failure::internal)?;
    if drifted
        .iter()
        .any(|report| report.agent_id == look.agent_id && report.outcome == value)
    {
        return Ok(false);
    }
    put(transaction, deployment, look.agent_id, &outcome).await?;
    Ok(true)
}

async fn put(
    transaction: &mut Transaction,
    deployment: &Deployment,
    agent_id: AgentId,
    outcome: &DeploymentOutcome,
) -> Answer<()> {
    let outcome = serde_json::to_value(outcome).map_err(Failure::internal)?;
    transaction
        .put_report(deployment.id, agent_id, deployment.generation, &outcome)
        .await?;
    Ok(())
}

/// What an agent says of a deployment that is as desired.
pub(super) async fn as_desired(
    transaction: &mut Transaction,
    deployment: &Deployment,
) -> Answer<DeploymentOutcome> {
    let Some(Desired::Present(desired)) = transaction.desired(deployment.id).await? else {
        return Err(Failure::internal(format!(
            "deployment {} desires nothing",
            deployment.id
        )));
    };
    let unnamed = || ExternalRef(deployment.id.to_string());
    Ok(DeploymentOutcome::Deployed {
        external_ref: deployment.external_ref.clone().unwrap_or_else(unnamed),
        endpoint_urls: deployment.endpoint_urls.clone(),
        observed: desired.fingerprint,
    })
}

/// How a gateway stands to a deployment, as it was last seen.
pub(crate) fn standing(
    deployment: &Deployment,
    desired: &DesiredApi,
    applied: Option<&DesiredApi>,
    observation: Option<&DeploymentObservation>,
    spec: &EnvironmentSpec,
) -> Drift {
    let ignore = spec.drift.as_ref().map(|drift| drift.ignore.as_slice());
    let ignore = ignore.unwrap_or_default();
    let current = observation.filter(|look| look.generation == deployment.generation);
    match current {
        Some(DeploymentObservation { differs: None, .. }) => Drift {
            state: DriftState::InSync,
            fields: Vec::new(),
            reason: None,
        },
        Some(DeploymentObservation {
            differs: Some(differs),
            ..
        }) => drift::drift(
            applied.map(|applied| &applied.content),
            desired,
            Some(differs),
            ignore,
        ),
        None => Drift {
            state: DriftState::Unknown,
            fields: Vec::new(),
            reason: Some(not_looked(deployment)),
        },
    }
}

fn not_looked(deployment: &Deployment) -> String {
    if deployment.confirmed {
        format!(
            "nobody has looked since it was deployed; look with `gatehouse drift {}`",
            deployment.environment
        )
    } else {
        "it is not deployed yet; the deployment's conditions say how that goes".to_owned()
    }
}

/// A deployment with everything its drift follows from.
#[derive(Debug)]
pub(crate) struct Drifted {
    pub(crate) deployment: Deployment,
    pub(crate) desired: DesiredApi,
    pub(crate) applied: Option<DesiredApi>,
    pub(crate) observation: Option<DeploymentObservation>,
    pub(crate) spec: EnvironmentSpec,
    pub(crate) drift: Drift,
}

impl Drifted {
    /// Reads it; none for a removal.
    pub(crate) async fn read(transaction: &mut Transaction, deployment: Deployment) -> Answer<Option<Self>> {
        let Some(Desired::Present(desired)) = transaction.desired(deployment.id).await? else {
            return Ok(None);
        };
        let environment = find(transaction, Kind::Environment, &deployment.environment).await?;
        let spec = environment_spec(&environment)?;
        let applied = transaction
            .applied(deployment.id)
            .await?
            .map(|applied| applied.api);
        let observation = transaction.observation(deployment.id).await?;
        let drift = standing(
            &deployment,
            &desired,
            applied.as_ref(),
            observation.as_ref(),
            &spec,
        );
        Ok(Some(Self {
            desired: *desired,
            deployment,
            applied,
            observation,
            spec,
            drift,
        }))
    }
}

/// Does what people decided about drift.
pub(crate) async fn resolve(
    writer: &Writer,
    id: DeploymentId,
    resolution: DriftResolution,
) -> Answer<Deployment> {
    let mut transaction = writer.begin().await?;
    let deployment = transaction.deployment(id).await?;
    let deployment = deployment.ok_or_else(|| Failure::not_found("deployment", id))?;
    let environment = find(&mut transaction, Kind::Environment, &deployment.environment).await?;
    obstacles::may_write(&environment)?;
    let action = match resolution {
        DriftResolution::Revert => Action::Revert,
        DriftResolution::Adopt => Action::AdoptDrift,
    };
    abilities::able(&mut transaction, &environment, action).await?;
    let (api, place) = (deployment.api.clone(), deployment.environment.clone());
    let drifted = Drifted::read(&mut transaction, deployment).await?;
    let drifted = drifted.ok_or_else(|| {
        wrong_state(format!(
            "api `{api}` is being taken off environment `{place}`, so there is no drift to resolve; deploy it again to keep \
             it there"
        ))
    })?;
    resolvable(&drifted)?;
    let done = match resolution {
        DriftResolution::Revert => revert(&mut transaction, &writer.state, &drifted).await?,
        DriftResolution::Adopt => drift_adopt::adopt(&mut transaction, &writer.state, &drifted).await?,
    };
    transaction.commit().await?;
    Ok(done)
}

fn resolvable(drifted: &Drifted) -> Answer<()> {
    let (api, place) = (&drifted.deployment.api, &drifted.deployment.environment);
    match drifted.drift.state {
        DriftState::Drifted | DriftState::Missing => Ok(()),
        DriftState::InSync => Err(wrong_state(format!(
            "api `{api}` in environment `{place}` was last seen as desired, so there is no drift to resolve; `gatehouse drift \
             {place}` looks again"
        ))),
        DriftState::Unknown => Err(wrong_state(format!(
            "how api `{api}` in environment `{place}` stands is not known ({}); nothing is changed on that account; look \
             again with `gatehouse drift {place}`, and resolve what it shows",
            drifted.drift.reason.as_deref().unwrap_or("nobody looked")
        ))),
    }
}

pub(super) fn wrong_state(detail: String) -> Failure {
    Failure::new(ProblemKind::WrongState, detail)
}

/// Puts back what was applied: the same desired state under a new generation.
pub(crate) async fn revert(
    transaction: &mut Transaction,
    state: &crate::state::AppState,
    drifted: &Drifted,
) -> Answer<Deployment> {
    let deployment = &drifted.deployment;
    let mut composer = Composer::new(transaction, state.online_since()).await?;
    let request = PlanItemRequest {
        action: PlanItemAction::Revert,
        api: deployment.api.clone(),
        environment: deployment.environment.clone(),
        revision: None,
    };
    let intent = Intent::of(transaction, &composer, &request).await?;
    let Desired::Present(desired) = intent.wanted else {
        return Err(Failure::internal(format!(
            "deployment {} desires nothing",
            deployment.id
        )));
    };
    let terms = DeploymentTerms {
        adopt: intent.adopt,
        accept_loss: deployment.terms.accept_loss,
        ..DeploymentTerms::default()
    };
    let recorded = composer
        .record(transaction, *desired, Some(deployment), terms)
        .await?;
    note(transaction, "drift.reverted", drifted, &recorded).await?;
    Ok(recorded)
}

/// The audit event of a decision about drift; it names the fields, which is how repetition is noticed.
pub(super) async fn note(
    transaction: &mut Transaction,
    action: &str,
    drifted: &Drifted,
    recorded: &Deployment,
) -> Answer<()> {
    let fields: Vec<&str> = drifted
        .drift
        .fields
        .iter()
        .map(|field| field.path.as_str())
        .collect();
    let details = json!({
        "api": recorded.api, "environment": recorded.environment, "revision": recorded.revision,
        "generation": recorded.generation, "state": drifted.drift.state, "fields": fields,
    });
    transaction.audit(action, &object(recorded.id), &details).await?;
    Ok(())
}
