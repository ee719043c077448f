//! A look for drift whose time has come.

use gatehouse_control_plane_api::agent;
use gatehouse_control_plane_store::Transaction;
use gatehouse_schemas::{ability::Action, time::Timestamp};
use tracing::debug;

use super::Wanted;
use crate::{admin_api::tasks, agent_api::tasks::TASK_MS, failure::Answer, write::abilities};

/// Asks the environment's agents for a look, unless one is asked for already.
pub(super) async fn ask(transaction: &mut Transaction, wanted: &Wanted) -> Answer<()> {
    let (environment, name) = (&wanted.environment, &wanted.environment.metadata.name);
    if let Some(lack) = abilities::inability(transaction, environment, Action::Observe).await? {
        debug!(environment.name = %name, "The scheduled look for drift in `{name}` is left out: {lack}");
        return Ok(());
    }
    let task = agent::Task::Observe { deployments: None };
    let asked = serde_json::to_value(&task).unwrap_or_default();
    let open = transaction.open_tasks(environment.environment_id()).await?;
    if open.iter().all(|open| open.task != asked) {
        // Nobody waits for it, so it may wait for an agent.
        let expires_at = Timestamp(transaction.now().0 + TASK_MS);
        tasks::create(transaction, environment, &task, expires_at).await?;
    }
    Ok(())
}
