//! Deployments that follow from what was written: composed again, and changed where that makes a difference.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_control_plane_store::{Deployment, DeploymentFilter, Desired, Resource, Transaction};
use gatehouse_schemas::{
    desired::attached,
    environment::CredentialSource,
    identity::{ApiId, EnvironmentId, ResourceName},
    resource::{Kind, Metadata, PolicySpec},
    time::Timestamp,
};

use super::{deploy, resource::policy_set};
use crate::{failure::Answer, status::refresh_environment};

/// What was written that deployments may follow from.
#[derive(Debug, Default)]
pub(crate) struct Affected {
    apis: BTreeSet<ApiId>,
    secrets: BTreeSet<ResourceName>,
    environments: BTreeSet<EnvironmentId>,
    /// Sets as they were and as they are: both say whom the change reaches.
    policies: Vec<(ResourceName, PolicySpec)>,
}

impl Affected {
    /// Notes a resource before and after its change.
    pub(crate) fn note(&mut self, resource: &Resource) -> Answer<()> {
        match resource.kind {
            Kind::Api => drop(self.apis.insert(resource.api_id())),
            Kind::Secret => drop(self.secrets.insert(resource.metadata.name.clone())),
            Kind::Environment => drop(self.environments.insert(resource.environment_id())),
            Kind::Policy => self
                .policies
                .push((resource.metadata.name.clone(), policy_set(resource)?)),
            Kind::Project => {}
        }
        Ok(())
    }

    /// Composes what should be where again; a deployment whose desired state is the same stays as it is.
    pub(crate) async fn refresh(&self, transaction: &mut Transaction, online_since: Timestamp) -> Answer<()> {
        self.recompose(transaction, online_since).await?;
        self.announce(transaction).await?;
        for environment in &self.environments {
            refresh_environment(transaction, *environment, online_since).await?;
        }
        Ok(())
    }

    /// Agents keep credentials; a new value reaches them with their environment.
    async fn announce(&self, transaction: &mut Transaction) -> Answer<()> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        for environment in transaction.all_resources(Kind::Environment).await? {
            let credentials = deploy::environment_spec(&environment)?.credentials;
            let mut sources = credentials.values();
            if sources.any(
                |source| matches!(source, CredentialSource::SecretRef(name) if self.secrets.contains(name)),
            ) {
                transaction.announce_environment(&environment).await?;
            }
        }
        Ok(())
    }

    async fn recompose(&self, transaction: &mut Transaction, online_since: Timestamp) -> Answer<()> {
        if self.apis.is_empty() && self.secrets.is_empty() && self.policies.is_empty() {
            return Ok(());
        }
        let candidates = self.candidates(transaction).await?;
        let present: Vec<Deployment> = candidates
            .into_iter()
            .filter(|deployment| !deployment.absent)
            .collect();
        if present.is_empty() {
            return Ok(());
        }
        let apis = metadata_of_apis(transaction, &present).await?;
        let mut composer = deploy::Composer::new(transaction, online_since).await?;
        for deployment in present {
            if let Some(api) = apis.get(&deployment.api_id)
                && self.reaches(transaction, &deployment, api).await?
            {
                composer.recompose(transaction, &deployment, api).await?;
            }
        }
        Ok(())
    }

    /// All that can follow: others wait for the writer, so it is asked for no more than that.
    async fn candidates(&self, transaction: &mut Transaction) -> Answer<Vec<Deployment>> {
        if !self.policies.is_empty() {
            return Ok(transaction.all_deployments(&DeploymentFilter::default()).await?);
        }
        let apis: Vec<ApiId> = self.apis.iter().copied().collect();
        let mut found = transaction.deployments_of_apis(&apis).await?;
        for secret in &self.secrets {
            found.extend(transaction.deployments_using(secret).await?);
        }
        found.sort_by_key(|deployment| deployment.id);
        found.dedup_by_key(|deployment| deployment.id);
        Ok(found)
    }

    async fn reaches(
        &self,
        transaction: &mut Transaction,
        deployment: &Deployment,
        api: &Metadata,
    ) -> Answer<bool> {
        let covered = !attached(api, &deployment.environment, &self.policies).is_empty();
        if covered || self.apis.contains(&deployment.api_id) {
            return Ok(true);
        }
        if self.secrets.is_empty() {
            return Ok(false);
        }
        Ok(match transaction.desired(deployment.id).await? {
            Some(Desired::Present(desired)) => desired
                .secrets
                .iter()
                .any(|secret| self.secrets.contains(&secret.name)),
            _ => false,
        })
    }
}

/// How many APIs are read one by one before it is better to read them all.
const ONE_BY_ONE_MAX: usize = 100;

async fn metadata_of_apis(
    transaction: &mut Transaction,
    deployments: &[Deployment],
) -> Answer<BTreeMap<ApiId, Metadata>> {
    let wanted: BTreeSet<ApiId> = deployments.iter().map(|deployment| deployment.api_id).collect();
    if wanted.len() > ONE_BY_ONE_MAX {
        let apis = transaction.all_resources(Kind::Api).await?;
        return Ok(apis.into_iter().map(|api| (api.api_id(), api.metadata)).collect());
    }
    let mut found = BTreeMap::new();
    for id in wanted {
        if let Some(api) = transaction.resource_by_id(Kind::Api, id.0).await? {
            found.insert(id, api.metadata);
        }
    }
    Ok(found)
}

/// All policy sets, as attaching needs them.
pub(crate) fn policy_sets(resources: &[Resource]) -> Answer<Vec<(ResourceName, PolicySpec)>> {
    resources
        .iter()
        .map(|resource| Ok((resource.metadata.name.clone(), policy_set(resource)?)))
        .collect()
}
