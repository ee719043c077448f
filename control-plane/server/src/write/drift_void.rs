//! Adoptions of drift that came to nothing, since the gateway was changed again: what was applied is desired again, and
//! the gateway is looked at once more. The adopted revision stays in the catalog.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::agent;
use gatehouse_control_plane_store::{Applied, Deployment, Desired, Transaction};
use gatehouse_schemas::{
    condition::ConditionType,
    drift::overwritten,
    identity::{AgentId, DeploymentId, Generation, RevisionNumber},
    observed::Observation,
    resource::Kind,
    time::Timestamp,
};
use serde_json::json;

use super::{
    deploy::{environment_spec, find, object},
    drift::{self, Look},
    overwriting,
    plan::Former,
    rollout_back::{Back, Why, restore},
    rollout_fate::{PLAN_VOID, failure},
};
use crate::{
    admin_api::tasks,
    agent_api::tasks::TASK_MS,
    failure::{Answer, Failure},
    status::Surroundings,
};

/// Whether a deployment says that it found the gateway changed.
pub(crate) fn says_void(deployment: &Deployment) -> bool {
    let mut conditions = deployment.conditions.iter();
    conditions.any(|it| it.r#type == ConditionType::Deployed && it.reason == PLAN_VOID)
}

/// Desires again what was applied, if an adoption is void. Gives whether anything changed.
pub(crate) async fn go_back(
    transaction: &mut Transaction,
    id: DeploymentId,
    online_since: Timestamp,
) -> Answer<bool> {
    let voided = transaction.failed_on_a_look().await?;
    let voided = voided.into_iter().find(|deployment| deployment.id == id);
    let Some(deployment) = voided.filter(says_void) else {
        return Ok(false);
    };
    let reports = transaction.reports(id).await?;
    let (Some(void), Some(applied)) = (failure(&deployment, &reports), transaction.applied(id).await?) else {
        return Ok(false);
    };
    let seen = transaction.observation(id).await?.and_then(|seen| seen.differs);
    let around = (&BTreeSet::new(), online_since);
    let former = former(&deployment, &applied);
    let back = restore(transaction, &deployment, &former, Why::NothingWasDone, around).await?;
    let Back::In(generation) = back else {
        return Ok(false);
    };
    let speaker = reports
        .iter()
        .find(|report| report.generation >= deployment.generation);
    if let (Some(speaker), Some(seen)) = (speaker, seen) {
        let restored = transaction.deployment(id).await?;
        let restored = restored.ok_or_else(|| Failure::not_found("deployment", id))?;
        if restored.confirmed {
            still_drifted(transaction, restored, (speaker.agent_id, &seen), online_since).await?;
        } else {
            overwrites(transaction, &restored, &applied, &seen).await?;
        }
    }
    look_again(transaction, &deployment).await?;
    let told = (former.revision, generation, void.message.as_str());
    tell(transaction, &deployment, told).await?;
    Ok(true)
}

/// Why nothing came of it, in the audit trail.
async fn tell(
    transaction: &mut Transaction,
    void: &Deployment,
    (revision, generation, reason): (RevisionNumber, Generation, &str),
) -> Answer<()> {
    let details = json!({
        "api": void.api, "environment": void.environment, "revision": revision, "generation": generation,
        "void": void.revision,
        "message": format!(
            "revision {} was not carried out, since the gateway was changed again after it was looked at ({reason}); nothing \
             was changed there, revision {revision} is desired as before, and the gateway is looked at again",
            void.revision
        ),
    });
    transaction
        .audit("drift.adoption-void", &object(void.id), &details)
        .await?;
    Ok(())
}

fn former(deployment: &Deployment, applied: &Applied) -> Former {
    Former {
        revision: applied.api.mark.revision,
        absent: false,
        confirmed: true,
        fingerprint: Some(applied.api.fingerprint.clone()),
        accept_loss: deployment.terms.accept_loss,
        expected: None,
        adopt: None,
    }
}

/// What is desired changed meanwhile, so it is not what was applied any more, and is carried out.
async fn overwrites(
    transaction: &mut Transaction,
    restored: &Deployment,
    applied: &Applied,
    seen: &Observation,
) -> Answer<()> {
    let Some(Desired::Present(desired)) = transaction.desired(restored.id).await? else {
        return Ok(());
    };
    let lost = overwritten(Some(&applied.api.content), &desired, seen);
    overwriting::note(transaction, restored, &lost).await
}

/// The gateway was last seen to hold something else than what was applied, and nobody has put that right.
async fn still_drifted(
    transaction: &mut Transaction,
    restored: Deployment,
    (agent_id, seen): (AgentId, &Observation),
    online_since: Timestamp,
) -> Answer<()> {
    let environment = find(transaction, Kind::Environment, &restored.environment).await?;
    let spec = environment_spec(&environment)?;
    let surroundings = Surroundings::of(transaction, &spec, online_since).await?;
    let look = Look {
        agent_id,
        differs: Some(seen),
    };
    drift::seen(transaction, restored, &look, &surroundings).await
}

/// What is there now, nobody knows yet.
async fn look_again(transaction: &mut Transaction, deployment: &Deployment) -> Answer<()> {
    let environment = find(transaction, Kind::Environment, &deployment.environment).await?;
    let task = agent::Task::Observe {
        deployments: Some(vec![deployment.id]),
    };
    let expires_at = Timestamp(transaction.now().0 + TASK_MS);
    tasks::create(transaction, &environment, &task, expires_at).await?;
    Ok(())
}
