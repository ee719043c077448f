//! A discovery that no person asked for: its time has come, or a gateway told of a change.

use gatehouse_control_plane_store::{Resource, Transaction};
use gatehouse_schemas::{
    ability::Action,
    environment::{DiscoveryFilter, EnvironmentSpec},
};
use serde_json::{Value, json};
use tracing::{debug, info};

use crate::{failure::Answer, write::abilities};

/// Why it is begun.
#[derive(Debug)]
pub(crate) enum Cause<'a> {
    /// The environment's schedule, which is this expression.
    Schedule(&'a str),
    /// The gateway told the agent of a change.
    Hint,
}

impl Cause<'_> {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Schedule(_) => "scheduled",
            Self::Hint => "hinted",
        }
    }

    fn details(&self, environment: &Resource) -> Value {
        let name = &environment.metadata.name;
        match self {
            Self::Schedule(expression) => json!({"environment": name, "schedule": expression}),
            Self::Hint => json!({"environment": name, "hint": true}),
        }
    }
}

/// Starts a discovery, unless one is open: two would only be in each other's way.
pub(crate) async fn start(
    transaction: &mut Transaction,
    environment: &Resource,
    spec: &EnvironmentSpec,
    cause: &Cause<'_>,
) -> Answer<()> {
    let name = &environment.metadata.name;
    let open = transaction.open_discoveries(environment.environment_id()).await?;
    if let Some(open) = open.first() {
        info!(environment.name = %name, discovery.id = %open.id, "A discovery of `{name}` is due, and one is open; it is left out");
        return Ok(());
    }
    let filter = filter(spec);
    let lack = match abilities::inability(transaction, environment, Action::Discover).await? {
        Some(lack) => Some(lack),
        None => abilities::cannot_filter(transaction, environment, &filter).await?,
    };
    match lack {
        None => begin(transaction, environment, &filter, cause).await,
        Some(lack) => {
            debug!(environment.name = %name, "The {} discovery of `{name}` is left out: {lack}", cause.as_str());
            Ok(())
        }
    }
}

fn filter(spec: &EnvironmentSpec) -> DiscoveryFilter {
    let discovery = spec.discovery.as_ref();
    discovery.map_or_else(DiscoveryFilter::default, |discovery| discovery.filter.clone())
}

async fn begin(
    transaction: &mut Transaction,
    environment: &Resource,
    filter: &DiscoveryFilter,
    cause: &Cause<'_>,
) -> Answer<()> {
    let name = &environment.metadata.name;
    let created = transaction.create_discovery(environment, filter, true).await?;
    let object = format!("discovery/{}", created.id);
    transaction
        .audit("discovery.requested", &object, &cause.details(environment))
        .await?;
    info!(environment.name = %name, discovery.id = %created.id, "Started the {} discovery of `{name}`", cause.as_str());
    Ok(())
}
