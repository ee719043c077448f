//! What was last seen of deployments on their gateways.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    identity::{DeploymentId, Generation},
    observed::Observation,
    time::Timestamp,
};
use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::{
    error::Result,
    row::{Columns as _, optional_json, placeholders, signed},
    transaction::{Transaction, reads},
};

/// What was last seen of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentObservation {
    /// The generation whose desired state it was compared with.
    pub generation: Generation,
    /// What was seen; none if it was exactly what is desired.
    pub differs: Option<Observation>,
    /// When it was told.
    pub at: Timestamp,
}

reads! {
    /// What was last seen of a deployment; nothing if nobody ever looked.
    observation(id: DeploymentId) -> Option<DeploymentObservation> = of_deployment;
    /// What was last seen of these deployments; those that nobody looked at are left out.
    observations(ids: &[DeploymentId]) -> BTreeMap<DeploymentId, DeploymentObservation> = of_deployments;
}

async fn of_deployment(
    connection: &mut AnyConnection,
    id: DeploymentId,
) -> Result<Option<DeploymentObservation>> {
    Ok(of_deployments(connection, &[id]).await?.remove(&id))
}

async fn of_deployments(
    connection: &mut AnyConnection,
    ids: &[DeploymentId],
) -> Result<BTreeMap<DeploymentId, DeploymentObservation>> {
    let mut found = BTreeMap::new();
    for ids in ids.chunks(100) {
        let statement = format!(
            "SELECT * FROM deployment_observations WHERE deployment_id IN ({})",
            placeholders(1, ids.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for id in ids {
            query = query.bind(id.to_string());
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.insert(row.parsed("deployment_id")?, observation(&row)?);
        }
    }
    Ok(found)
}

fn observation(row: &AnyRow) -> Result<DeploymentObservation> {
    Ok(DeploymentObservation {
        generation: Generation(row.count("generation")?),
        differs: row.optional_json("observation")?,
        at: row.time("at")?,
    })
}

impl Transaction {
    /// Records what was seen of a deployment; `differs` is absent if it was exactly what is desired. What speaks of
    /// another generation than the present one is left out: the answer says whether it counted.
    pub async fn put_observation(
        &mut self,
        id: DeploymentId,
        generation: Generation,
        differs: Option<&Observation>,
    ) -> Result<bool> {
        let now = self.now.0;
        let done = sqlx::query(
            "INSERT INTO deployment_observations (deployment_id, generation, observation, at) \
             SELECT id, generation, $3, $4 FROM deployments WHERE id = $1 AND generation = $2 \
             ON CONFLICT (deployment_id) DO UPDATE SET generation = excluded.generation, \
             observation = excluded.observation, at = excluded.at",
        )
        .bind(id.to_string())
        .bind(signed(generation.0))
        .bind(optional_json(differs)?)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
