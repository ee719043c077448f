//! A discovery whose time has come.

use gatehouse_control_plane_store::{Resource, Transaction};
use gatehouse_schemas::{
    ability::Action,
    environment::{DiscoveryFilter, EnvironmentSpec},
};
use serde_json::json;
use tracing::{debug, info};

use super::Wanted;
use crate::{failure::Answer, write::abilities};

/// Starts a discovery, unless one is open: two would only be in each other's way.
pub(super) async fn start(transaction: &mut Transaction, wanted: &Wanted) -> Answer<()> {
    let (environment, name) = (&wanted.environment, &wanted.environment.metadata.name);
    let open = transaction.open_discoveries(environment.environment_id()).await?;
    if let Some(open) = open.first() {
        info!(environment.name = %name, discovery.id = %open.id, "A discovery of `{name}` is due, and one is open; it is left out");
        return Ok(());
    }
    let filter = filter(&wanted.spec);
    let lack = match abilities::inability(transaction, environment, Action::Discover).await? {
        Some(lack) => Some(lack),
        None => abilities::cannot_filter(transaction, environment, &filter).await?,
    };
    match lack {
        None => begin(transaction, environment, wanted, &filter).await,
        Some(lack) => {
            debug!(environment.name = %name, "The scheduled discovery of `{name}` is left out: {lack}");
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
    wanted: &Wanted,
    filter: &DiscoveryFilter,
) -> Answer<()> {
    let name = &environment.metadata.name;
    let created = transaction.create_discovery(environment, filter, true).await?;
    let details = json!({"environment": name, "schedule": wanted.expression});
    let object = format!("discovery/{}", created.id);
    transaction
        .audit("discovery.requested", &object, &details)
        .await?;
    info!(environment.name = %name, discovery.id = %created.id, "Started the scheduled discovery of `{name}`");
    Ok(())
}
