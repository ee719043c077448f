//! What pages and completions of a discovery have in common: whose it is, and whether it is still open.

use gatehouse_control_plane_api::{admin::mode_remedy, problem::ProblemKind};
use gatehouse_control_plane_store::{Discovery, Lease, Transaction};
use gatehouse_schemas::{environment::EnvironmentSpec, identity::DiscoveryId, resource::Kind};

use super::{caller::Caller, leases};
use crate::failure::{Answer, Failure};

/// A discovery of an environment that the agent serves and may read, with the environment's leases.
pub(super) async fn of_caller(
    transaction: &mut Transaction,
    caller: &Caller,
    id: DiscoveryId,
) -> Answer<(Discovery, Vec<Lease>)> {
    let found = transaction.discovery(id).await?;
    let found = found.ok_or_else(|| Failure::not_found("discovery", id))?;
    caller.serves(
        transaction.environment_state(found.environment_id).await?,
        found.environment_id,
    )?;
    may_read(transaction, &found).await?;
    let held = transaction.leases_in(found.environment_id).await?;
    leases::own(&held, caller)?;
    Ok((found, held))
}

async fn may_read(transaction: &mut Transaction, discovery: &Discovery) -> Answer<()> {
    let environment = transaction
        .resource_by_id(Kind::Environment, discovery.environment_id.0)
        .await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", &discovery.environment))?;
    let spec: EnvironmentSpec = serde_json::from_value(environment.spec).map_err(Failure::internal)?;
    if spec.mode.may_read() {
        return Ok(());
    }
    Err(Failure::new(
        ProblemKind::ModeForbids,
        format!(
            "environment `{}` must not be discovered; {}",
            discovery.environment,
            mode_remedy(spec.mode)
        ),
    ))
}

/// Something that the discovery's state does not allow.
pub(super) fn wrong_state(detail: String) -> Failure {
    Failure::new(ProblemKind::WrongState, detail)
}
