//! Deleting a resource: only when nothing depends on it, and saying what does.

use gatehouse_control_plane_api::problem::ProblemKind;
use gatehouse_control_plane_store::{DeploymentFilter, Resource, Transaction};
use gatehouse_schemas::{
    identity::ResourceName,
    resource::{Kind, PolicyTarget},
};
use serde_json::json;

use super::{Affected, SecretUsers, Writer, deploy::find, resource::policy_set};
use crate::{
    extract::Precondition,
    failure::{Answer, Failure},
};

/// How many dependants a problem names.
const NAMED_MAX: usize = 10;

/// Deletes a resource that nothing depends on.
pub(crate) async fn delete(
    writer: &Writer,
    kind: Kind,
    name: &ResourceName,
    precondition: Precondition,
) -> Answer<()> {
    let mut transaction = writer.begin().await?;
    let resource = find(&mut transaction, kind, name).await?;
    precondition.check(&resource.object(), Some(resource.version))?;
    unused(&resource, &dependants(&mut transaction, &resource).await?)?;
    let mut affected = Affected::default();
    affected.note(&resource)?;
    transaction.delete_resource(kind, resource.id, None).await?;
    let action = format!("{}.deleted", kind.as_str().to_lowercase());
    transaction
        .audit(&action, &resource.object(), &json!({"version": resource.version}))
        .await?;
    affected
        .refresh(&mut transaction, writer.state.online_since())
        .await?;
    Ok(transaction.commit().await?)
}

fn unused(resource: &Resource, dependants: &[String]) -> Answer<()> {
    if dependants.is_empty() {
        return Ok(());
    }
    let named = dependants
        .iter()
        .take(NAMED_MAX)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let more = match dependants.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let remedy = match resource.kind {
        Kind::Api | Kind::Environment => "undeploy, change or delete them first",
        _ => "change or delete them first",
    };
    Err(Failure::new(
        ProblemKind::InUse,
        format!("{} is in use by {named}{more}; {remedy}", resource.object()),
    ))
}

async fn dependants(transaction: &mut Transaction, resource: &Resource) -> Answer<Vec<String>> {
    let name = &resource.metadata.name;
    match resource.kind {
        Kind::Policy => Ok(Vec::new()),
        Kind::Secret => Ok(SecretUsers::read_in(transaction).await?.of(name)),
        Kind::Api => {
            let filter = DeploymentFilter {
                api_id: Some(resource.api_id()),
                ..DeploymentFilter::default()
            };
            deployments(transaction, &filter).await
        }
        Kind::Environment => {
            let environment_id = Some(resource.environment_id());
            let filter = DeploymentFilter {
                environment_id,
                ..DeploymentFilter::default()
            };
            let mut found = deployments(transaction, &filter).await?;
            found.extend(targeting(transaction, &PolicyTarget::Environment(name.clone())).await?);
            Ok(found)
        }
        Kind::Project => {
            let mut found = owned(transaction, name).await?;
            found.extend(targeting(transaction, &PolicyTarget::Project(name.clone())).await?);
            Ok(found)
        }
    }
}

async fn deployments(transaction: &mut Transaction, filter: &DeploymentFilter) -> Answer<Vec<String>> {
    let found = transaction.all_deployments(filter).await?;
    let told = found
        .iter()
        .map(|it| format!("deployment of {} in {}", it.api, it.environment));
    Ok(told.collect())
}

async fn owned(transaction: &mut Transaction, project: &ResourceName) -> Answer<Vec<String>> {
    let mut found = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Project) {
        let all = transaction.all_resources(kind).await?;
        found.extend(
            all.iter()
                .filter(|it| it.metadata.project == *project)
                .map(Resource::object),
        );
    }
    Ok(found)
}

async fn targeting(transaction: &mut Transaction, target: &PolicyTarget) -> Answer<Vec<String>> {
    let mut found = Vec::new();
    for set in transaction.all_resources(Kind::Policy).await? {
        if policy_set(&set)?.targets.contains(target) {
            found.push(set.object());
        }
    }
    Ok(found)
}
