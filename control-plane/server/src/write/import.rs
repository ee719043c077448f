//! Imports: findings of a discovery become catalogue entries, or revisions of them.
//!
//! 1. [`choice`]: which findings.
//! 2. [`decision`]: what is to be done with each, outside of any transaction; reading definitions and merging takes
//!    its time.
//! 3. [`batch`]: a hundred or so are written in one transaction, so that nobody else waits long. What changed since it
//!    was decided is left alone, and said.
//!
//! People keep the fields they edited ([`ownership`]); what was imported is kept beside the API as the common ground of
//! the next merge.

mod batch;
mod choice;
mod decision;
mod ownership;
mod words;

use gatehouse_control_plane_api::{admin::CreateImportRequest, problem::ProblemKind};
use gatehouse_control_plane_store::{Import, Resource};
use gatehouse_schemas::{identity::DiscoveryId, resource::Kind};
use serde_json::json;

use self::{batch::Batch, choice::Choice};
use super::Writer;
use crate::{
    admin_api::discoveries::finished,
    failure::{Answer, Failure},
};

/// How many findings are in memory at once, and in one transaction.
const AT_ONCE: usize = 100;

/// Takes findings into the catalog.
pub(crate) async fn import(
    writer: &Writer,
    discovery_id: DiscoveryId,
    request: &CreateImportRequest,
) -> Answer<Import> {
    let choice = Choice::of(request)?;
    let store = &writer.state.store;
    let discovery = store.discovery(discovery_id).await?;
    let discovery = discovery.ok_or_else(|| Failure::not_found("discovery", discovery_id))?;
    finished(&discovery)?;
    let environment = store
        .resource_by_id(Kind::Environment, discovery.environment_id.0)
        .await?;
    let environment = environment.ok_or_else(|| {
        let detail = format!(
            "environment `{}` was deleted; its findings cannot be imported; make it again, and discover it anew",
            discovery.environment
        );
        Failure::new(ProblemKind::WrongState, detail)
    })?;
    let chosen = choice.findings(store, &discovery).await?;
    let mut results = Vec::with_capacity(chosen.len());
    for ids in chosen.chunks(AT_ONCE) {
        let batch = Batch::decide(writer, &environment, ids).await?;
        results.extend(batch.write(writer, &environment).await?);
    }
    record(writer, discovery_id, &environment, &json!(results), results.len()).await
}

async fn record(
    writer: &Writer,
    discovery_id: DiscoveryId,
    environment: &Resource,
    results: &serde_json::Value,
    count: usize,
) -> Answer<Import> {
    let mut transaction = writer.begin().await?;
    let import = transaction.create_import(discovery_id, results).await?;
    let details =
        json!({"discovery": discovery_id, "environment": environment.metadata.name, "results": count});
    transaction
        .audit("import.created", &format!("import/{}", import.id), &details)
        .await?;
    transaction.commit().await?;
    Ok(import)
}
