//! Putting back what a plan changed: the former desired state, composed as it would be now, so that no policy that
//! was added meanwhile is lost.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::admin::{PlanItem, PlanItemState};
use gatehouse_control_plane_store::{
    self as store, Deployment, DeploymentTerms, Desired, Priority, Restored, Transaction,
};
use gatehouse_schemas::{
    desired::{DesiredApi, Mark},
    identity::{ApiId, EnvironmentId, Generation, ResourceName},
    resource::Kind,
    time::Timestamp,
};

use super::{
    deploy::{self, Composer, environment_spec, find},
    drift::as_desired,
    obstacles, overwriting,
    plan::{Former, ItemInternals},
};
use crate::{
    failure::{Answer, Failure},
    status::{Surroundings, tell_stored},
};

/// Why something is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The gateway moved before the first step: nothing was changed there.
    NothingWasDone,
    /// Another item of the plan failed.
    AnotherFailed,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Back {
    /// The former state is desired again, in this generation.
    In(Generation),
    /// It was left as it is, for this reason: putting it back would do more harm.
    Left(String),
}

/// What is put back: one item of a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Undone<'a> {
    /// The item.
    pub(super) item: &'a PlanItem,
    /// What the control plane knows of it.
    pub(super) internals: &'a ItemInternals,
    /// The APIs that the plan is about: they are put back as well, and are not in each other's way.
    pub(super) apis: &'a BTreeSet<ResourceName>,
    /// Agents heard of since then are online.
    pub(super) online_since: Timestamp,
}

impl Undone<'_> {
    /// Nobody is at it any more, and unless a step was recorded, nothing was done.
    fn is_refused_adoption(&self) -> bool {
        self.item.adopt.is_some() && self.item.state == PlanItemState::Failed
    }
}

/// Puts the former desired state of a deployment back. A deployment that is new is forgotten or, once work may have
/// begun, taken off; what was there before Gatehouse took it over is never taken off.
pub(super) async fn put_back(
    transaction: &mut Transaction,
    deployment: &Deployment,
    undone: Undone<'_>,
    why: Why,
) -> Answer<Back> {
    let former = undone.internals.former.as_ref();
    match former.filter(|former| !former.absent) {
        Some(former) => {
            let around = (undone.apis, undone.online_since);
            restore(transaction, deployment, former, why, around).await
        }
        None if former.is_none()
            && (why == Why::NothingWasDone || undone.is_refused_adoption())
            && transaction.forget_deployment(deployment.id).await? =>
        {
            deploy::audit(transaction, "deployment.forgotten", deployment).await?;
            Ok(Back::In(transaction.next_generation().await?))
        }
        None if deployment.absent => Ok(Back::In(deployment.generation)),
        None if undone.item.adopt.is_some() => Ok(Back::Left(adopted(undone.item))),
        None => {
            let terms = rollback_terms();
            let removing = deploy::remove(transaction, deployment, terms, undone.online_since).await?;
            Ok(Back::In(removing.generation))
        }
    }
}

/// Taking it off would delete what somebody else made, and what it was before is not known.
fn adopted(item: &PlanItem) -> String {
    let (api, environment) = (&item.api, &item.environment);
    let object = item.adopt.as_ref().map(ToString::to_string).unwrap_or_default();
    format!(
        "another item failed, but api `{api}` took over `{object}` of environment `{environment}`, which was there before; \
         it stays deployed, since taking it off would delete that; deploy another revision to change it"
    )
}

/// Another API that took the former place meanwhile, in words.
async fn taken(
    transaction: &mut Transaction,
    desired: &DesiredApi,
    environment: &ResourceName,
    apis: &BTreeSet<ResourceName>,
) -> Answer<Option<String>> {
    let around = transaction
        .desired_around(desired.mark.environment_id, &desired.content.base_path)
        .await?;
    let others = around.iter().filter(|other| !apis.contains(&other.mark.api_name));
    let conflict = obstacles::conflict_with(desired, environment, others);
    Ok(conflict.map(|conflict| {
        format!(
            "what was desired before cannot be put back: {}; then deploy it by hand",
            conflict.problem().detail
        )
    }))
}

fn rollback_terms() -> DeploymentTerms {
    DeploymentTerms {
        priority: Priority::Rollback,
        // It was there before, with whatever was accepted then.
        accept_loss: true,
        ..DeploymentTerms::default()
    }
}

/// Desires again what was desired before. These APIs are put back with it, and are not in its way.
pub(super) async fn restore(
    transaction: &mut Transaction,
    deployment: &Deployment,
    former: &Former,
    why: Why,
    (apis, online_since): (&BTreeSet<ResourceName>, Timestamp),
) -> Answer<Back> {
    let composer = Composer::new(transaction, online_since).await?;
    let place = (deployment.api_id, deployment.environment_id);
    let desired = former_state(transaction, &composer, place, former).await?;
    if let Some(reason) = taken(transaction, &desired, &deployment.environment, apis).await? {
        return Ok(Back::Left(reason));
    }
    let untouched = why == Why::NothingWasDone && former.confirmed;
    let confirmed = untouched && former.fingerprint.as_ref() == Some(&desired.fingerprint);
    let terms = match why {
        Why::AnotherFailed => rollback_terms(),
        Why::NothingWasDone => DeploymentTerms {
            accept_loss: former.accept_loss,
            // What was not begun before rests on what it rested on then.
            expected: former.expected.clone(),
            adopt: former.adopt.clone(),
            ..DeploymentTerms::default()
        },
    };
    let lost = overwriting::seen(transaction, deployment, &desired).await?;
    let restored = Restored {
        desired: Desired::Present(Box::new(desired)),
        confirmed,
        phase: deployment.phase,
        conditions: deployment.conditions.clone(),
        terms,
    };
    let written = transaction.restore_desired(deployment.id, &restored).await?;
    if confirmed {
        still_deployed(transaction, deployment, &written).await?;
    } else {
        overwriting::note(transaction, &written, &lost).await?;
    }
    retell(transaction, &written, online_since).await?;
    deploy::audit(transaction, "deployment.restored", &written).await?;
    Ok(Back::In(written.generation))
}

/// What a former revision is composed to now.
async fn former_state(
    transaction: &mut Transaction,
    composer: &Composer,
    (api_id, environment_id): (ApiId, EnvironmentId),
    former: &Former,
) -> Answer<DesiredApi> {
    let api = transaction.resource_by_id(Kind::Api, api_id.0).await?;
    let api = api.ok_or_else(|| Failure::not_found("api", api_id))?;
    let environment = transaction
        .resource_by_id(Kind::Environment, environment_id.0)
        .await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", environment_id))?;
    let content = transaction.revision_content(api_id, former.revision).await?;
    let content = content.ok_or_else(|| Failure::not_found("revision", former.revision))?;
    let mark = Mark {
        environment_id,
        api_id,
        api_name: api.metadata.name.clone(),
        revision: former.revision,
    };
    let gateway_type = environment_spec(&environment)?.gateway_type;
    let place = &environment.metadata.name;
    Ok(composer.compose(mark, &api.metadata, place, &gateway_type, &content))
}

/// What was carried out before stays carried out: agents' word of it counts for the new generation of the same state.
async fn still_deployed(
    transaction: &mut Transaction,
    before: &Deployment,
    written: &Deployment,
) -> Answer<()> {
    let outcome = as_desired(transaction, written).await?;
    let outcome = serde_json::to_value(&outcome).map_err(Failure::internal)?;
    for report in transaction.reports(written.id).await? {
        if report.generation >= before.generation {
            transaction
                .put_report(written.id, report.agent_id, written.generation, &outcome)
                .await?;
        }
    }
    Ok(())
}

async fn retell(
    transaction: &mut Transaction,
    deployment: &Deployment,
    online_since: Timestamp,
) -> Answer<()> {
    let environment = find(transaction, Kind::Environment, &deployment.environment).await?;
    let spec = environment_spec(&environment)?;
    let surroundings = Surroundings::of(transaction, &spec, online_since).await?;
    let told = tell_stored(transaction, deployment, &surroundings).await?;
    let status = store::DeploymentStatus {
        observed_generation: told.observed_generation,
        phase: told.phase,
        conditions: told.conditions,
        external_ref: deployment.external_ref.clone(),
        endpoint_urls: deployment.endpoint_urls.clone(),
    };
    transaction.set_deployment_status(deployment.id, &status).await?;
    Ok(())
}

/// Deploys again what a plan took off; the deployment is another one from now on.
pub(super) async fn make_again(
    transaction: &mut Transaction,
    item: &mut PlanItem,
    internals: &ItemInternals,
    apis: &BTreeSet<ResourceName>,
    online_since: Timestamp,
) -> Answer<Option<Back>> {
    let Some(former) = internals.former.as_ref().filter(|former| !former.absent) else {
        return Ok(None);
    };
    let api = transaction.resource(Kind::Api, &item.api).await?;
    let environment = transaction.resource(Kind::Environment, &item.environment).await?;
    let (Some(api), Some(environment)) = (api, environment) else {
        return Ok(None);
    };
    let place = (api.api_id(), environment.environment_id());
    if transaction.deployment_of(place.0, place.1).await?.is_some() {
        return Ok(None);
    }
    let mut composer = Composer::new(transaction, online_since).await?;
    let desired = former_state(transaction, &composer, place, former).await?;
    if let Some(reason) = taken(transaction, &desired, &item.environment, apis).await? {
        return Ok(Some(Back::Left(reason)));
    }
    let made = composer
        .record(transaction, desired, None, rollback_terms())
        .await?;
    deploy::audit(transaction, "deployment.restored", &made).await?;
    item.deployment_id = Some(made.id);
    Ok(Some(Back::In(made.generation)))
}
