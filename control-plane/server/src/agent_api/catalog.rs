//! The catalog as a discovery of one environment compares with it.

use std::collections::BTreeMap;

use gatehouse_control_plane_store::{DeploymentFilter, Desired, Transaction};
use gatehouse_schemas::{
    identity::{ApiId, EnvironmentId, ExternalRef},
    observed::{CatalogEntry, CatalogView},
    resource::Kind,
};

use crate::failure::Answer;

/// All APIs: those deployed in the environment as they are desired there, those imported from it, and the others,
/// whose names and places are taken.
pub(super) async fn view(
    transaction: &mut Transaction,
    environment_id: EnvironmentId,
) -> Answer<CatalogView> {
    let deployed = deployed(transaction, environment_id).await?;
    let mut sources: BTreeMap<ApiId, ExternalRef> = BTreeMap::new();
    for source in transaction.environment_sources(environment_id).await? {
        sources.insert(source.api_id, source.external_ref);
    }
    let apis = transaction.all_resources(Kind::Api).await?;
    let ids: Vec<ApiId> = apis.iter().map(|api| api.api_id()).collect();
    let revisions = transaction.latest_revisions(&ids).await?;
    let mut entries = Vec::with_capacity(apis.len());
    let mut deployed = deployed;
    for api in apis {
        if let Some(entry) = deployed.remove(&api.api_id()) {
            entries.push(entry);
            continue;
        }
        let Some(revision) = revisions.get(&api.api_id()) else {
            continue;
        };
        let content = transaction
            .revision_content(revision.api_id, revision.number)
            .await?;
        entries.extend(content.map(|content| CatalogEntry {
            api_id: revision.api_id,
            external_ref: sources.get(&revision.api_id).cloned(),
            gateway_name: None,
            name: api.metadata.name,
            fingerprint: revision.fingerprint.clone(),
            content,
        }));
    }
    Ok(CatalogView::new(entries))
}

async fn deployed(
    transaction: &mut Transaction,
    environment_id: EnvironmentId,
) -> Answer<BTreeMap<ApiId, CatalogEntry>> {
    let filter = DeploymentFilter {
        environment_id: Some(environment_id),
        ..DeploymentFilter::default()
    };
    let mut entries = BTreeMap::new();
    for deployment in transaction.all_deployments(&filter).await? {
        if let Some(Desired::Present(api)) = transaction.desired(deployment.id).await? {
            let entry = CatalogEntry {
                api_id: deployment.api_id,
                name: deployment.api,
                external_ref: deployment.external_ref,
                gateway_name: None,
                fingerprint: api.fingerprint,
                content: api.content,
            };
            entries.insert(deployment.api_id, entry);
        }
    }
    Ok(entries)
}
