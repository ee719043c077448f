//! Deploying over what was changed by hand on the gateway: it is not held up, and what it undoes is kept.

use gatehouse_control_plane_store::{Deployment, Transaction};
use gatehouse_schemas::{
    desired::DesiredApi,
    drift::{Overwritten, overwritten},
};
use serde_json::json;
use tracing::info;

use super::deploy::object;
use crate::failure::Answer;

/// What a new desired state overwrites, as far as the gateway was looked at since its deployment was carried out.
pub(super) async fn seen(
    transaction: &mut Transaction,
    existing: &Deployment,
    desired: &DesiredApi,
) -> Answer<Vec<Overwritten>> {
    let look = transaction.observation(existing.id).await?;
    let current = look.filter(|look| look.generation == existing.generation && existing.confirmed);
    let Some(differs) = current.and_then(|look| look.differs) else {
        return Ok(Vec::new());
    };
    let applied = transaction.applied(existing.id).await?;
    let applied = applied.as_ref().map(|applied| &applied.api.content);
    Ok(overwritten(applied, desired, &differs))
}

/// Keeps what is overwritten: in the audit trail now, in the deployment's history once the gateway has confirmed it.
pub(super) async fn note(
    transaction: &mut Transaction,
    recorded: &Deployment,
    overwritten: &[Overwritten],
) -> Answer<()> {
    if overwritten.is_empty() {
        return Ok(());
    }
    transaction.note_overwritten(recorded.id, overwritten).await?;
    let details = json!({
        "api": recorded.api, "environment": recorded.environment, "revision": recorded.revision,
        "generation": recorded.generation, "overwritten": overwritten,
    });
    let object = object(recorded.id);
    transaction.audit("drift.overwritten", &object, &details).await?;
    info!(
        environment.name = %recorded.environment, deployment.id = %recorded.id,
        "Generation {} of `{}` in `{}` overwrites what was changed on the gateway: {}", recorded.generation, recorded.api,
        recorded.environment, in_words(overwritten)
    );
    Ok(())
}

/// As people read it.
pub(super) fn in_words(overwritten: &[Overwritten]) -> String {
    let told: Vec<String> = overwritten.iter().map(ToString::to_string).collect();
    told.join(", ")
}
