//! Desired state: composing what should be in an environment, and recording it.

use std::collections::BTreeMap;

use gatehouse_control_plane_api::{admin::DeployRequest, problem::ProblemKind};
use gatehouse_control_plane_store::{
    Deployment, DeploymentTerms, Desired, NewDeployment, Resource, Transaction,
};
use gatehouse_schemas::{
    ability::Action,
    condition::{Condition, ConditionStatus, ConditionType, Phase},
    descriptor::Descriptor,
    desired::{DesiredApi, Mark, attached, compose},
    environment::EnvironmentSpec,
    identity::{
        ApiId, DeploymentId, EnvironmentId, ExternalRef, GatewayType, ResourceName, ResourceVersion,
        RevisionNumber,
    },
    policy::Layer,
    resource::{Kind, Metadata, PolicySpec},
    revision::RevisionContent,
    time::Timestamp,
};
use serde_json::json;

use super::{Writer, abilities, obstacles, overwriting, policy_sets};
use crate::{
    failure::{Answer, Failure},
    status::{Subject, Surroundings, removed, tell},
};

/// What composing needs to know of the rest of the catalog; read once per transaction.
#[derive(Debug)]
pub(crate) struct Composer {
    policies: Vec<(ResourceName, PolicySpec)>,
    secrets: BTreeMap<ResourceName, ResourceVersion>,
    online_since: Timestamp,
    places: BTreeMap<EnvironmentId, Place>,
}

/// An environment to deploy to.
#[derive(Debug, Clone)]
struct Place {
    name: ResourceName,
    gateway_type: GatewayType,
    accept_loss: bool,
    descriptor: Option<Descriptor>,
    surroundings: Surroundings,
}

impl Composer {
    pub(crate) async fn new(transaction: &mut Transaction, online_since: Timestamp) -> Answer<Self> {
        Ok(Self {
            policies: policy_sets(&transaction.all_resources(Kind::Policy).await?)?,
            secrets: transaction.secret_versions().await?,
            online_since,
            places: BTreeMap::new(),
        })
    }

    /// What a revision becomes in an environment of this name and gateway type.
    pub(super) fn compose(
        &self,
        mark: Mark,
        api: &Metadata,
        environment: &ResourceName,
        gateway_type: &GatewayType,
        content: &RevisionContent,
    ) -> DesiredApi {
        let attached = self.attached(api, environment);
        compose(mark, content, &attached, gateway_type, &self.secrets)
    }

    /// The sets of policies that are attached to an API in an environment.
    pub(super) fn attached(&self, api: &Metadata, environment: &ResourceName) -> Vec<Layer<'_>> {
        attached(api, environment, &self.policies)
    }

    /// Composes a deployment again, and records it if that makes a difference.
    pub(crate) async fn recompose(
        &mut self,
        transaction: &mut Transaction,
        deployment: &Deployment,
        api: &Metadata,
    ) -> Answer<()> {
        let content = transaction
            .revision_content(deployment.api_id, deployment.revision)
            .await?;
        let Some(content) = content else {
            return Err(Failure::internal(format!(
                "deployment {} has no revision",
                deployment.id
            )));
        };
        let mark = Mark {
            environment_id: deployment.environment_id,
            api_id: deployment.api_id,
            api_name: deployment.api.clone(),
            revision: deployment.revision,
        };
        let gateway_type = self.place(transaction, mark.environment_id).await?.gateway_type;
        let desired = self.compose(mark, api, &deployment.environment, &gateway_type, &content);
        if is_desired(transaction, deployment.id, &desired).await? {
            return Ok(());
        }
        // A loss is for the agent to refuse: here it would keep people from writing what others need.
        self.expressible(transaction, &desired, true).await?;
        let terms = followed(transaction, deployment).await?;
        let recorded = self.record(transaction, desired, Some(deployment), terms).await?;
        let details = json!({
            "api": recorded.api, "environment": recorded.environment, "revision": recorded.revision,
            "generation": recorded.generation,
        });
        transaction
            .audit("deployment.updated", &object(recorded.id), &details)
            .await?;
        Ok(())
    }

    /// Records what should be in an environment, with the state it begins in.
    pub(super) async fn record(
        &mut self,
        transaction: &mut Transaction,
        desired: DesiredApi,
        existing: Option<&Deployment>,
        terms: DeploymentTerms,
    ) -> Answer<Deployment> {
        let place = self.place(transaction, desired.mark.environment_id).await?;
        let terms = DeploymentTerms {
            accept_loss: terms.accept_loss || place.accept_loss,
            ..terms
        };
        let subject = Subject {
            id: existing.map(|deployment| deployment.id),
            api: desired.mark.api_name.clone(),
            environment: place.name.clone(),
            revision: desired.mark.revision,
            generation: transaction.next_generation().await?,
            created_at: existing.map(|deployment| deployment.created_at),
            desired: Some(desired.fingerprint.clone()),
            previous: existing
                .map(|deployment| deployment.conditions.clone())
                .unwrap_or_default(),
        };
        let told = tell(transaction, &subject, &place.surroundings).await?;
        let new = NewDeployment {
            desired,
            phase: told.phase,
            conditions: told.conditions,
            terms,
        };
        let overwritten = match existing {
            Some(existing) => overwriting::seen(transaction, existing, &new.desired).await?,
            None => Vec::new(),
        };
        let recorded = transaction.put_deployment(&new).await?;
        overwriting::note(transaction, &recorded, &overwritten).await?;
        Ok(recorded)
    }

    /// Refuses what the connector itself says it cannot enforce, and losses that nobody accepted.
    async fn expressible(
        &mut self,
        transaction: &mut Transaction,
        desired: &DesiredApi,
        accept_loss: bool,
    ) -> Answer<()> {
        let place = self.place(transaction, desired.mark.environment_id).await?;
        let accept_loss = accept_loss || place.accept_loss;
        obstacles::expressible(desired, &place.name, place.descriptor.as_ref(), accept_loss)
    }

    async fn place(&mut self, transaction: &mut Transaction, id: EnvironmentId) -> Answer<Place> {
        if let Some(place) = self.places.get(&id) {
            return Ok(place.clone());
        }
        let environment = transaction.resource_by_id(Kind::Environment, id.0).await?;
        let environment = environment.ok_or_else(|| Failure::not_found("environment", id))?;
        let spec = environment_spec(&environment)?;
        let place = Place {
            name: environment.metadata.name.clone(),
            gateway_type: spec.gateway_type.clone(),
            accept_loss: spec.accept_loss,
            descriptor: transaction.descriptor(&spec.gateway_type).await?,
            surroundings: Surroundings::of(transaction, &spec, self.online_since).await?,
        };
        self.places.insert(id, place.clone());
        Ok(place)
    }
}

/// A deployment as recorded, and whether anything had to change for it.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) deployment: Deployment,
    pub(crate) changed: bool,
}

/// Places a revision in an environment.
pub(crate) async fn deploy(writer: &Writer, request: &DeployRequest) -> Answer<Placed> {
    let mut transaction = writer.begin().await?;
    let api = find(&mut transaction, Kind::Api, &request.api).await?;
    let environment = find(&mut transaction, Kind::Environment, &request.environment).await?;
    obstacles::may_write(&environment)?;
    abilities::able(&mut transaction, &environment, Action::Deploy).await?;
    let (revision, content) = revision(&mut transaction, &api, request.revision).await?;
    let mut composer = Composer::new(&mut transaction, writer.state.online_since()).await?;
    let mark = Mark {
        environment_id: environment.environment_id(),
        api_id: api.api_id(),
        api_name: api.metadata.name.clone(),
        revision,
    };
    let gateway_type = environment_spec(&environment)?.gateway_type;
    let place = &environment.metadata.name;
    let desired = composer.compose(mark, &api.metadata, place, &gateway_type, &content);
    let existing = transaction
        .deployment_of(api.api_id(), environment.environment_id())
        .await?;
    if let Some(deployment) = &existing
        && is_current(&mut transaction, deployment, &desired).await?
    {
        return Ok(Placed {
            deployment: deployment.clone(),
            changed: false,
        });
    }
    abilities::takes(&mut transaction, &environment, &desired, existing.as_ref()).await?;
    obstacles::no_conflict(&mut transaction, &desired, &environment).await?;
    composer
        .expressible(&mut transaction, &desired, request.accept_loss)
        .await?;
    let terms = DeploymentTerms {
        accept_loss: request.accept_loss,
        adopt: existing.as_ref().and_then(still_adopting),
        ..DeploymentTerms::default()
    };
    let deployment = composer
        .record(&mut transaction, desired, existing.as_ref(), terms)
        .await?;
    audit(&mut transaction, "deployment.requested", &deployment).await?;
    transaction.commit().await?;
    Ok(Placed {
        deployment,
        changed: true,
    })
}

/// Takes an API off an environment. The deployment goes away when the gateway has confirmed it.
pub(crate) async fn undeploy(writer: &Writer, id: DeploymentId) -> Answer<Deployment> {
    let mut transaction = writer.begin().await?;
    let deployment = transaction.deployment(id).await?;
    let deployment = deployment.ok_or_else(|| Failure::not_found("deployment", id))?;
    if deployment.absent {
        return Ok(deployment);
    }
    let environment = find(&mut transaction, Kind::Environment, &deployment.environment).await?;
    obstacles::may_write(&environment)?;
    abilities::able(&mut transaction, &environment, Action::Undeploy).await?;
    let online_since = writer.state.online_since();
    let terms = DeploymentTerms::default();
    let removing = remove(&mut transaction, &deployment, terms, online_since).await?;
    transaction.commit().await?;
    Ok(removing)
}

/// Records that an API should not be in an environment any more. What never reached a gateway is gone at once.
pub(super) async fn remove(
    transaction: &mut Transaction,
    deployment: &Deployment,
    terms: DeploymentTerms,
    online_since: Timestamp,
) -> Answer<Deployment> {
    let environment = find(transaction, Kind::Environment, &deployment.environment).await?;
    let spec = environment_spec(&environment)?;
    let surroundings = Surroundings::of(transaction, &spec, online_since).await?;
    let subject = Subject {
        id: Some(deployment.id),
        api: deployment.api.clone(),
        environment: deployment.environment.clone(),
        revision: deployment.revision,
        generation: transaction.next_generation().await?,
        created_at: Some(deployment.created_at),
        desired: None,
        previous: deployment.conditions.clone(),
    };
    let told = tell(transaction, &subject, &surroundings).await?;
    let removing = transaction
        .request_removal(deployment.id, &told.conditions, &terms)
        .await?;
    audit(transaction, "deployment.removal-requested", &removing).await?;
    if told.removed {
        removed(transaction, &removing).await?;
    }
    Ok(removing)
}

/// What stays of a deployment's terms when what is desired follows something else that was written. What a plan saw
/// counts until the work has begun.
pub(super) async fn followed(
    transaction: &mut Transaction,
    deployment: &Deployment,
) -> Answer<DeploymentTerms> {
    let mut terms = deployment.terms.clone();
    let steps = transaction.steps(deployment.id).await?;
    let has_begun = steps.iter().any(|step| step.generation == deployment.generation);
    if deployment.confirmed || has_begun {
        terms.expected = None;
    }
    Ok(terms)
}

/// The object that is being taken over stays the one that may be, until it carries our mark.
pub(super) fn still_adopting(deployment: &Deployment) -> Option<ExternalRef> {
    let adopt = deployment.terms.adopt.clone();
    adopt.filter(|_| !deployment.absent)
}

pub(super) async fn audit(
    transaction: &mut Transaction,
    action: &str,
    deployment: &Deployment,
) -> Answer<()> {
    let details = json!({
        "api": deployment.api, "environment": deployment.environment, "revision": deployment.revision,
        "generation": deployment.generation, "plan": deployment.terms.plan_id,
    });
    transaction
        .audit(action, &object(deployment.id), &details)
        .await?;
    Ok(())
}

pub(super) fn object(id: DeploymentId) -> String {
    format!("deployment/{id}")
}

/// The resource of this name, or 404.
pub(crate) async fn find(transaction: &mut Transaction, kind: Kind, name: &ResourceName) -> Answer<Resource> {
    let found = transaction.resource(kind, name).await?;
    found.ok_or_else(|| Failure::not_found(&kind.as_str().to_lowercase(), name))
}

/// What people say of an environment.
pub(crate) fn environment_spec(environment: &Resource) -> Answer<EnvironmentSpec> {
    serde_json::from_value(environment.spec.clone()).map_err(Failure::internal)
}

/// The revision that is wanted, or the newest; 404 if there is none of this number.
pub(super) async fn revision(
    transaction: &mut Transaction,
    api: &Resource,
    wanted: Option<RevisionNumber>,
) -> Answer<(RevisionNumber, RevisionContent)> {
    let name = &api.metadata.name;
    let latest = transaction
        .latest_revision(api.api_id())
        .await?
        .map(|latest| latest.number);
    let number = wanted.or(latest).ok_or_else(|| no_revision(name, api.api_id()))?;
    let content = transaction.revision_content(api.api_id(), number).await?;
    let missing = || {
        let newest = latest.unwrap_or_default();
        let detail = format!("api `{name}` has no revision {number}; the newest is {newest}");
        Failure::new(ProblemKind::NotFound, detail)
    };
    Ok((number, content.ok_or_else(missing)?))
}

fn no_revision(name: &ResourceName, id: ApiId) -> Failure {
    Failure::internal(format!("api `{name}` ({id}) has no revision"))
}

/// Whether this is what is desired there already, and nobody waits for another attempt.
async fn is_current(
    transaction: &mut Transaction,
    existing: &Deployment,
    desired: &DesiredApi,
) -> Answer<bool> {
    let same = !existing.absent && existing.revision == desired.mark.revision;
    // Deploying again what failed, or what was changed on the gateway, is how people ask for another attempt.
    let stands = existing.phase != Phase::Failed && !has_drifted(&existing.conditions);
    Ok(same && stands && is_desired(transaction, existing.id, desired).await?)
}

fn has_drifted(conditions: &[Condition]) -> bool {
    let mut conditions = conditions.iter();
    conditions.any(|it| it.r#type == ConditionType::InSync && it.status == ConditionStatus::False)
}

async fn is_desired(transaction: &mut Transaction, id: DeploymentId, desired: &DesiredApi) -> Answer<bool> {
    Ok(match transaction.desired(id).await? {
        Some(Desired::Present(present)) => present.fingerprint == desired.fingerprint,
        _ => false,
    })
}
