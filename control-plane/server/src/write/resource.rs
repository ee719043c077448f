//! Writes one prepared document: the resource, its revision or value, its audit event.

use gatehouse_control_plane_api::{
    admin::{ApplyAction, ApplyResult},
    problem::ProblemKind,
};
use gatehouse_control_plane_store::{DeploymentFilter, Resource, Transaction};
use gatehouse_schemas::{
    diff::Change,
    identity::RevisionNumber,
    resource::{Kind, PolicySpec, SecretSpec, Spec},
};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Affected, Prepared, Written, changes, prepare::PreparedApi, verb};
use crate::failure::{Answer, Failure};

/// Writes a document if it differs from what is there.
pub(crate) async fn write(
    transaction: &mut Transaction,
    prepared: &Prepared,
    affected: &mut Affected,
) -> Answer<Written> {
    let (kind, metadata) = (prepared.kind(), prepared.metadata());
    let current = transaction.resource(kind, prepared.name()).await?;
    let mut changes = changes::between(current.as_ref(), kind, metadata, &prepared.spec);
    if let Spec::Secret(secret) = &prepared.document.spec {
        changes.extend(secret_change(transaction, prepared, secret, current.is_some()).await?);
    }
    let (action, resource) = match current {
        Some(current) if changes.is_empty() => (ApplyAction::Unchanged, current),
        Some(current) => {
            allow_change(transaction, prepared, &current).await?;
            if reaches_others(kind, &changes) {
                affected.note(&current)?;
            }
            let updated = transaction
                .update_resource(kind, current.id, None, metadata, &prepared.spec)
                .await?;
            (ApplyAction::Updated, updated)
        }
        None => (
            ApplyAction::Created,
            transaction
                .create_resource(kind, metadata, &prepared.spec)
                .await?,
        ),
    };
    let mut revision = None;
    if action != ApplyAction::Unchanged {
        if reaches_others(kind, &changes) {
            affected.note(&resource)?;
        }
        revision = write_content(transaction, prepared, &resource, &changes).await?;
        audit(transaction, action, &resource, &changes, revision).await?;
    }
    let result = ApplyResult {
        kind,
        name: prepared.name().clone(),
        action,
        changes,
        revision,
        warnings: prepared.warnings.clone(),
    };
    Ok(Written { result, resource })
}

/// New labels of a secret concern nobody, a new value whoever refers to it.
fn reaches_others(kind: Kind, changes: &[Change]) -> bool {
    kind != Kind::Secret || changes.iter().any(|change| change.path == changes::SECRET_VALUE)
}

async fn secret_change(
    transaction: &mut Transaction,
    prepared: &Prepared,
    secret: &SecretSpec,
    exists: bool,
) -> Answer<Option<Change>> {
    let stored = transaction.secret_values(&[prepared.name().clone()]).await?;
    let same = stored
        .values()
        .any(|value| value.expose_secret() == secret.value.expose_secret());
    Ok((!same).then(|| changes::of_secret(exists)))
}

/// An environment cannot become another kind of gateway under the APIs that are deployed there.
async fn allow_change(transaction: &mut Transaction, prepared: &Prepared, current: &Resource) -> Answer<()> {
    let Spec::Environment(environment) = &prepared.document.spec else {
        return Ok(());
    };
    if current.spec["gatewayType"] == environment.gateway_type.as_str() {
        return Ok(());
    }
    let filter = DeploymentFilter {
        environment_id: Some(current.environment_id()),
        ..DeploymentFilter::default()
    };
    let deployments = transaction.all_deployments(&filter).await?;
    if deployments.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        ProblemKind::InUse,
        format!(
            "the gateway type of environment `{}` cannot change while {} APIs are deployed there; undeploy them first",
            prepared.name(),
            deployments.len()
        ),
    ))
}

async fn write_content(
    transaction: &mut Transaction,
    prepared: &Prepared,
    resource: &Resource,
    changes: &[Change],
) -> Answer<Option<RevisionNumber>> {
    match (&prepared.document.spec, &prepared.api) {
        // New labels are no new value: what refers to the secret stays as it is.
        (Spec::Secret(secret), _) if changes.iter().any(|change| change.path == changes::SECRET_VALUE) => {
            transaction
                .set_secret_value(resource.secret_id(), resource.version, &secret.value)
                .await?;
            Ok(None)
        }
        (Spec::Api(_), Some(api)) => add_revision(transaction, api, resource).await,
        _ => Ok(None),
    }
}

/// Every change of an API's canonical content is a revision; the same content is none.
async fn add_revision(
    transaction: &mut Transaction,
    api: &PreparedApi,
    resource: &Resource,
) -> Answer<Option<RevisionNumber>> {
    let latest = transaction.latest_revision(resource.api_id()).await?;
    if latest.is_some_and(|latest| latest.fingerprint == api.fingerprint) {
        return Ok(None);
    }
    if let Some(definition) = &api.definition {
        transaction.put_definition(definition).await?;
    }
    let added = transaction
        .add_revision(resource.api_id(), &api.content, &api.fingerprint)
        .await?;
    Ok(Some(added.number))
}

async fn audit(
    transaction: &mut Transaction,
    action: ApplyAction,
    resource: &Resource,
    changes: &[Change],
    revision: Option<RevisionNumber>,
) -> Answer<()> {
    let kind = resource.kind.as_str().to_lowercase();
    let details = json!({"changes": changes, "revision": revision, "version": resource.version});
    transaction
        .audit(&format!("{kind}.{}", verb(action)), &resource.object(), &details)
        .await?;
    Ok(())
}

/// The spec of a stored policy set.
pub(crate) fn policy_set(resource: &Resource) -> Answer<PolicySpec> {
    serde_json::from_value(resource.spec.clone()).map_err(Failure::internal)
}
