//! What agents are told of environments: the generation of the last change, and their end.

use gatehouse_schemas::{
    environment::EnvironmentSpec,
    identity::{EnvironmentId, GatewayType, Generation, ResourceName},
    time::Timestamp,
};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    error::{Result, StoreError},
    resources::Resource,
    row::{Columns as _, each, signed},
    transaction::{Transaction, reads},
};

/// An environment as agents see it; outlives the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentState {
    /// Which.
    pub id: EnvironmentId,
    /// Its name.
    pub name: ResourceName,
    /// The kind of gateway.
    pub gateway_type: GatewayType,
    /// The generation of its last change.
    pub generation: Generation,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
}

reads! {
    /// What agents are told of an environment.
    environment_state(id: EnvironmentId) -> Option<EnvironmentState> = by_id;
    /// All environments of a gateway type, deleted ones included.
    environment_states(gateway_type: &GatewayType) -> Vec<EnvironmentState> = of_type;
}

pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: EnvironmentId,
) -> Result<Option<EnvironmentState>> {
    let row = sqlx::query("SELECT * FROM environment_states WHERE environment_id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(state).transpose()
}

async fn of_type(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
) -> Result<Vec<EnvironmentState>> {
    let rows = sqlx::query("SELECT * FROM environment_states WHERE gateway_type = $1 ORDER BY name")
        .bind(gateway_type.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, state)
}

pub(crate) fn state(row: &AnyRow) -> Result<EnvironmentState> {
    Ok(EnvironmentState {
        id: row.parsed("environment_id")?,
        name: row.parsed("name")?,
        gateway_type: row.parsed("gateway_type")?,
        generation: Generation(row.count("generation")?),
        deleted_at: row.optional_time("deleted_at")?,
    })
}

impl Transaction {
    /// Gives the environment the transaction's generation, so that its agents read it again.
    pub async fn announce_environment(&mut self, environment: &Resource) -> Result<()> {
        let spec: EnvironmentSpec = serde_json::from_value(environment.spec.clone())
            .map_err(|error| StoreError::corrupt(environment.object(), error))?;
        let generation = self.next_generation_of_all().await?;
        // Agents of a former gateway type would keep it for ever by renewing all their leases.
        sqlx::query(
            "DELETE FROM leases WHERE environment_id = $1 AND EXISTS (SELECT 1 FROM environment_states \
             WHERE environment_states.environment_id = $1 AND gateway_type <> $2)",
        )
        .bind(environment.id.to_string())
        .bind(spec.gateway_type.to_string())
        .execute(self.connection())
        .await?;
        sqlx::query(
            "INSERT INTO environment_states (environment_id, name, gateway_type, generation) \
             VALUES ($1, $2, $3, $4) \
             ON CONFLICT (environment_id) DO UPDATE SET gateway_type = $3, generation = $4",
        )
        .bind(environment.id.to_string())
        .bind(environment.metadata.name.to_string())
        .bind(spec.gateway_type.to_string())
        .bind(signed(generation.0))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Tells agents that an environment is no more; its leases, deployments, tasks, inventory and
    /// open discoveries end with it.
    pub(crate) async fn end_environment(&mut self, id: EnvironmentId) -> Result<()> {
        let generation = self.next_generation_of_all().await?;
        let now = self.now.0;
        for statement in [
            "DELETE FROM leases WHERE environment_id = $1",
            "DELETE FROM deployments WHERE environment_id = $1",
            "DELETE FROM api_sources WHERE environment_id = $1",
            "DELETE FROM removed_sources WHERE environment_id = $1",
            "DELETE FROM deployment_history WHERE environment_id = $1",
            "DELETE FROM tasks WHERE environment_id = $1",
            "DELETE FROM inventory WHERE environment_id = $1",
            "DELETE FROM last_runs WHERE environment_id = $1",
            "DELETE FROM ignored_apis WHERE environment_id = $1",
            "DELETE FROM schedules WHERE environment_id = $1",
        ] {
            sqlx::query(statement)
                .bind(id.to_string())
                .execute(self.connection())
                .await?;
        }
        sqlx::query(
            "UPDATE discoveries SET state = 'Failed', message = $2, finished_at = $3 \
             WHERE environment_id = $1 AND finished_at IS NULL",
        )
        .bind(id.to_string())
        .bind("the environment was deleted before the discovery ended")
        .bind(now)
        .execute(self.connection())
        .await?;
        sqlx::query(
            "UPDATE environment_states SET generation = $2, deleted_at = $3 WHERE environment_id = $1",
        )
        .bind(id.to_string())
        .bind(signed(generation.0))
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
