//! A discovery whose time has come.

use gatehouse_control_plane_store::{Resource, Transaction};
use gatehouse_schemas::environment::{DiscoveryFilter, EnvironmentSpec};
use serde_json::json;
use tracing::info;

use super::Wanted;
use crate::failure::Answer;

/// Starts a discovery, unless one is open: two would only be in each other's way.
pub(super) async fn start(transaction: &mut Transaction, wanted: &Wanted) -> Answer<()> {
    let (environment, name) = (&wanted.environment, &wanted.environment.metadata.name);
    let open = transaction.open_discoveries(environment.environment_id()).await?;
    if let Some(open) = open.first() {
        info!(environment.name = %name, discovery.id = %open.id, "A discovery of `{name}` is due, and one is open; it is left out");
        return Ok(());
    }
    if can_discover(transaction, &wanted.spec).await? {
        begin(transaction, environment, wanted).await?;
    }
    Ok(())
}

async fn can_discover(transaction: &mut Transaction, spec: &EnvironmentSpec) -> Answer<bool> {
    let descriptor = transaction.descriptor(&spec.gateway_type).await?;
    Ok(descriptor.is_none_or(|descriptor| descriptor.capabilities.discover))
}

async fn begin(transaction: &mut Transaction, environment: &Resource, wanted: &Wanted) -> Answer<()> {
    let name = &environment.metadata.name;
    let filter = wanted
        .spec
        .discovery
        .as_ref()
        .map_or_else(DiscoveryFilter::default, |discovery| discovery.filter.clone());
    let created = transaction.create_discovery(environment, &filter, true).await?;
    let details = json!({"environment": name, "schedule": wanted.expression});
    let object = format!("discovery/{}", created.id);
    transaction
        .audit("discovery.requested", &object, &details)
        .await?;
    info!(environment.name = %name, discovery.id = %created.id, "Started the scheduled discovery of `{name}`");
    Ok(())
}
