//! Desired state: composing what should be in an environment, and recording it.

use std::collections::BTreeMap;

use gatehouse_control_plane_api::{admin::DeployRequest, problem::ProblemKind};
use gatehouse_control_plane_store::{Deployment, Desired, NewDeployment, Resource, Transaction};
use gatehouse_schemas::{
    descriptor::Descriptor,
    desired::{DesiredApi, Mark, attached, compose},
    environment::EnvironmentSpec,
    identity::{ApiId, DeploymentId, EnvironmentId, ResourceName, ResourceVersion, RevisionNumber},
    resource::{Kind, Metadata, PolicySpec},
    revision::RevisionContent,
    time::Timestamp,
};
use serde_json::json;

use super::{Writer, obstacles, policy_sets};
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

    fn compose(
        &self,
        mark: Mark,
        api: &Metadata,
        environment: &ResourceName,
        content: &RevisionContent,
    ) -> DesiredApi {
        compose(
            mark,
            content,
            &attached(api, environment, &self.policies),
            &self.secrets,
        )
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
        let desired = self.compose(mark, api, &deployment.environment, &content);
        if is_desired(transaction, deployment.id, &desired).await? {
            return Ok(());
        }
        let recorded = self.record(transaction, desired, Some(deployment)).await?;
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
    async fn record(
        &mut self,
        transaction: &mut Transaction,
        desired: DesiredApi,
        existing: Option<&Deployment>,
    ) -> Answer<Deployment> {
        let place = self.place(transaction, desired.mark.environment_id).await?;
        obstacles::enforceable(&desired, &place.name, place.descriptor.as_ref())?;
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
        };
        Ok(transaction.put_deployment(&new).await?)
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
    let (revision, content) = revision(&mut transaction, &api, request.revision).await?;
    let mut composer = Composer::new(&mut transaction, writer.state.online_since()).await?;
    let mark = Mark {
        environment_id: environment.environment_id(),
        api_id: api.api_id(),
        api_name: api.metadata.name.clone(),
        revision,
    };
    let desired = composer.compose(mark, &api.metadata, &environment.metadata.name, &content);
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
    obstacles::no_conflict(&mut transaction, &desired, &environment).await?;
    let deployment = composer
        .record(&mut transaction, desired, existing.as_ref())
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
    let spec = environment_spec(&environment)?;
    let surroundings = Surroundings::of(&mut transaction, &spec, writer.state.online_since()).await?;
    let subject = Subject {
        id: Some(id),
        api: deployment.api.clone(),
        environment: deployment.environment.clone(),
        revision: deployment.revision,
        generation: transaction.next_generation().await?,
        created_at: Some(deployment.created_at),
        desired: None,
        previous: deployment.conditions,
    };
    let told = tell(&mut transaction, &subject, &surroundings).await?;
    let removing = transaction.request_removal(id, &told.conditions).await?;
    audit(&mut transaction, "deployment.removal-requested", &removing).await?;
    if told.removed {
        removed(&mut transaction, &removing).await?;
    }
    transaction.commit().await?;
    Ok(removing)
}

async fn audit(transaction: &mut Transaction, action: &str, deployment: &Deployment) -> Answer<()> {
    let details = json!({
        "api": deployment.api, "environment": deployment.environment, "revision": deployment.revision,
        "generation": deployment.generation,
    });
    transaction
        .audit(action, &object(deployment.id), &details)
        .await?;
    Ok(())
}

fn object(id: DeploymentId) -> String {
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

async fn revision(
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
    use gatehouse_schemas::condition::Phase;
    let same = !existing.absent && existing.revision == desired.mark.revision;
    // Deploying again what failed is how people ask for another attempt.
    Ok(same && existing.phase != Phase::Failed && is_desired(transaction, existing.id, desired).await?)
}

async fn is_desired(transaction: &mut Transaction, id: DeploymentId, desired: &DesiredApi) -> Answer<bool> {
    Ok(match transaction.desired(id).await? {
        Some(Desired::Present(present)) => present.fingerprint == desired.fingerprint,
        _ => false,
    })
}
