//! What the agents of an environment lack for what is asked of them. The decisions are those of
//! [`gatehouse_schemas::ability`]; this reads what they follow from, and refuses.

use gatehouse_control_plane_api::problem::ProblemKind;
use gatehouse_control_plane_store::{Agent, Deployment, Resource, Transaction};
use gatehouse_schemas::{
    ability::{Acting, Action},
    descriptor::Descriptor,
    desired::DesiredApi,
    environment::DiscoveryFilter,
    identity::ResourceName,
};

use super::deploy::environment_spec;
use crate::{
    agent_api::protocol,
    failure::{Answer, Failure},
};

/// The agent that acts in an environment, as its last session showed it.
#[derive(Debug)]
pub(crate) struct ActingAgent {
    environment: ResourceName,
    agent: Agent,
    descriptor: Descriptor,
    protocol: u32,
}

impl ActingAgent {
    /// None if no agent ever served the environment: whoever comes is held to what it says then.
    pub(crate) async fn of(transaction: &mut Transaction, environment: &Resource) -> Answer<Option<Self>> {
        let gateway_type = environment_spec(environment)?.gateway_type;
        let now = transaction.now();
        let agent = transaction
            .acting_agent(environment.environment_id(), &gateway_type, now)
            .await?;
        Ok(agent.and_then(|agent| {
            Some(Self {
                environment: environment.metadata.name.clone(),
                descriptor: agent.descriptor.clone()?,
                protocol: agent.protocol?,
                agent,
            })
        }))
    }

    fn acting(&self) -> Acting<'_> {
        Acting {
            environment: &self.environment,
            agent: &self.agent.name,
            protocol: self.protocol,
            descriptor: &self.descriptor,
        }
    }

    /// What it lacks for an action, in a sentence that says what to do.
    pub(crate) fn lacks(&self, action: Action) -> Option<String> {
        self.acting().lacks(action).map(|inability| inability.to_string())
    }

    /// Why it cannot take this API: the gateway's limits, or words that its protocol does not have.
    async fn cannot_take(
        &self,
        transaction: &mut Transaction,
        desired: &DesiredApi,
        existing: Option<&Deployment>,
    ) -> Answer<Option<String>> {
        let others = match self.descriptor.capabilities.limits.apis {
            None => 0,
            Some(_) => others(transaction, desired, existing).await?,
        };
        let exceeds = self.acting().exceeds(desired, others);
        Ok(exceeds.or_else(|| self.has_no_words(desired)))
    }

    fn has_no_words(&self, desired: &DesiredApi) -> Option<String> {
        let pointer = protocol::unknown_in_api(self.protocol, desired)?;
        Some(format!(
            "environment `{}` cannot take api `{}`: {}, which has no words for what is at `{pointer}` of it; update the agent",
            self.environment,
            desired.mark.api_name,
            self.speaks()
        ))
    }

    fn cannot_filter(&self, filter: &DiscoveryFilter) -> Option<String> {
        protocol::unknown_in_filter(self.protocol, filter)?;
        Some(format!(
            "environment `{}` cannot be discovered with this filter: {}, which filters by tags alone; update the agent, or \
             leave the rest out of `spec.discovery.filter`",
            self.environment,
            self.speaks()
        ))
    }

    fn speaks(&self) -> String {
        format!(
            "its agent `{}` (gateway type `{}`, connector version {}) speaks protocol {}",
            self.agent.name, self.descriptor.gateway_type, self.descriptor.version, self.protocol
        )
    }
}

/// How many other APIs are deployed beside this one.
async fn others(
    transaction: &mut Transaction,
    desired: &DesiredApi,
    existing: Option<&Deployment>,
) -> Answer<u64> {
    let counts = transaction.deployment_counts().await?;
    let all = counts
        .get(&desired.mark.environment_id)
        .copied()
        .unwrap_or_default();
    let is_counted = existing.is_some_and(|existing| !existing.absent);
    Ok(all.saturating_sub(u64::from(is_counted)))
}

/// Refuses what the environment's agent lacks a capability or a protocol for.
pub(crate) async fn able(
    transaction: &mut Transaction,
    environment: &Resource,
    action: Action,
) -> Answer<()> {
    refuse(inability(transaction, environment, action).await?)
}

/// Refuses a filter that the agent's protocol has no words for.
pub(crate) async fn filters(
    transaction: &mut Transaction,
    environment: &Resource,
    filter: &DiscoveryFilter,
) -> Answer<()> {
    refuse(cannot_filter(transaction, environment, filter).await?)
}

/// Why the environment's agent cannot filter a discovery like this.
pub(crate) async fn cannot_filter(
    transaction: &mut Transaction,
    environment: &Resource,
    filter: &DiscoveryFilter,
) -> Answer<Option<String>> {
    let agent = ActingAgent::of(transaction, environment).await?;
    Ok(agent.and_then(|agent| agent.cannot_filter(filter)))
}

fn refuse(lack: Option<String>) -> Answer<()> {
    match lack {
        None => Ok(()),
        Some(detail) => Err(Failure::new(ProblemKind::CapabilityLacking, detail)),
    }
}

/// What the environment's agent lacks for an action.
pub(crate) async fn inability(
    transaction: &mut Transaction,
    environment: &Resource,
    action: Action,
) -> Answer<Option<String>> {
    let agent = ActingAgent::of(transaction, environment).await?;
    Ok(agent.and_then(|agent| agent.lacks(action)))
}

/// Refuses an API that the environment's agent or gateway cannot take.
pub(super) async fn takes(
    transaction: &mut Transaction,
    environment: &Resource,
    desired: &DesiredApi,
    existing: Option<&Deployment>,
) -> Answer<()> {
    refuse(cannot_take(transaction, environment, desired, existing).await?)
}

/// Why the environment's agent or gateway cannot take an API.
pub(super) async fn cannot_take(
    transaction: &mut Transaction,
    environment: &Resource,
    desired: &DesiredApi,
    existing: Option<&Deployment>,
) -> Answer<Option<String>> {
    match ActingAgent::of(transaction, environment).await? {
        None => Ok(None),
        Some(agent) => agent.cannot_take(transaction, desired, existing).await,
    }
}
