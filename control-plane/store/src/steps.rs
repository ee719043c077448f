//! Steps: what agents are about to do, or did, on a gateway, recorded before they do it.
//!
//! They stay until a generation of the deployment is confirmed or the deployment is gone, so that whoever comes after a
//! crash finds what was begun, of the present generation and of those before it.

use gatehouse_schemas::identity::{DeploymentId, GatewayType, Generation};
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    error::Result,
    row::{Columns as _, each, signed, storable, to_word},
    transaction::{Transaction, reads},
};

/// One step of a piece of work on a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The generation it belongs to.
    pub generation: Generation,
    /// Its number within the generation, from 1.
    pub number: u32,
    /// How many steps there are in all, as far as known.
    pub of: Option<u32>,
    /// What it does, for people.
    pub description: String,
    /// The deterministic name or mark of what it makes on the gateway; none if it makes nothing.
    pub object: Option<String>,
    /// How far it is.
    pub state: StepState,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepState {
    /// It is about to be taken, or was; nobody knows.
    Intended,
    /// It was taken.
    Done,
}

/// How far an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The step that was recorded last.
    pub step: Step,
    /// How long the rest will take, in milliseconds, as far as known.
    pub remaining_ms: Option<u64>,
}

reads! {
    /// The recorded steps of a deployment, in order: of the present generation and of earlier ones that were not
    /// finished. Two with one number have different objects: another attempt numbered them otherwise.
    steps(id: DeploymentId) -> Vec<Step> = of_deployment;
    /// The step of the present generation that was recorded last.
    progress(id: DeploymentId) -> Option<Progress> = latest;
}

async fn of_deployment(connection: &mut AnyConnection, id: DeploymentId) -> Result<Vec<Step>> {
    let rows = sqlx::query(
        "SELECT * FROM deployment_steps WHERE deployment_id = $1 ORDER BY generation, number, sequence",
    )
    .bind(id.to_string())
    .fetch_all(connection)
    .await?;
    each(rows, step)
}

/// The steps of all deployments of a gateway type whose desired state, or environment, changed after a generation.
pub(crate) async fn of_type(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
    after: Generation,
) -> Result<Vec<(DeploymentId, Step)>> {
    let rows = sqlx::query(
        "SELECT deployment_steps.* FROM deployment_steps \
         JOIN deployments ON deployments.id = deployment_steps.deployment_id \
         JOIN environment_states ON environment_states.environment_id = deployments.environment_id \
         WHERE gateway_type = $1 \
         AND deployments.generation > CASE WHEN environment_states.generation > $2 THEN 0 ELSE $2 END \
         ORDER BY deployment_id, deployment_steps.generation, number, sequence",
    )
    .bind(gateway_type.to_string())
    .bind(signed(after.0))
    .fetch_all(connection)
    .await?;
    each(rows, |row| Ok((row.parsed("deployment_id")?, step(row)?)))
}

async fn latest(connection: &mut AnyConnection, id: DeploymentId) -> Result<Option<Progress>> {
    let row = sqlx::query(
        "SELECT deployment_steps.* FROM deployment_steps \
         JOIN deployments ON deployments.id = deployment_steps.deployment_id \
         AND deployments.generation = deployment_steps.generation \
         WHERE deployment_id = $1 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Progress {
            step: step(&row)?,
            remaining_ms: row.optional_count("remaining_ms")?,
        })
    })
    .transpose()
}

fn step(row: &AnyRow) -> Result<Step> {
    let object = row.text("object")?;
    let of = row.optional_count("total")?;
    Ok(Step {
        generation: Generation(row.count("generation")?),
        number: row.number("number")?,
        of: of.map(|of| u32::try_from(of).unwrap_or(u32::MAX)),
        description: row.text("description")?,
        object: (!object.is_empty()).then_some(object),
        state: row.word("state")?,
    })
}

impl Transaction {
    /// Records a step. Gives whether it counts: only while its generation is the present one. If not, it must not be
    /// taken. The same step may be recorded again. That a step was taken is news only of one that is recorded: when
    /// that word comes after the generation was confirmed, there is nothing to remember.
    pub async fn record_step(
        &mut self,
        id: DeploymentId,
        step: &Step,
        remaining_ms: Option<u64>,
    ) -> Result<bool> {
        if step.state == StepState::Done && self.is_over(id, step).await? {
            return Ok(true);
        }
        let sequence = self.increment("step").await?;
        let now = self.now.0;
        let done = sqlx::query(
            "INSERT INTO deployment_steps (deployment_id, generation, number, object, total, description, state, \
             remaining_ms, sequence, at) \
             SELECT id, generation, $3, $4, $5, $6, $7, $8, $9, $10 FROM deployments WHERE id = $1 AND generation = $2 \
             ON CONFLICT (deployment_id, generation, number, object) DO UPDATE SET total = excluded.total, \
             description = excluded.description, state = excluded.state, remaining_ms = excluded.remaining_ms, \
             sequence = excluded.sequence, at = excluded.at",
        )
        .bind(id.to_string())
        .bind(signed(step.generation.0))
        .bind(i64::from(step.number))
        .bind(storable(step.object.as_deref().unwrap_or_default()))
        .bind(step.of.map(i64::from))
        .bind(storable(&step.description))
        .bind(to_word(&step.state)?)
        .bind(remaining_ms.map(signed))
        .bind(signed(sequence))
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether a step belongs to a generation that was confirmed, which forgot it.
    async fn is_over(&mut self, id: DeploymentId, step: &Step) -> Result<bool> {
        let generation = signed(step.generation.0);
        let found = sqlx::query(
            "SELECT 1 FROM deployments WHERE id = $1 AND generation = $2 AND confirmed = 1 AND NOT EXISTS \
             (SELECT 1 FROM deployment_steps WHERE deployment_id = $1 AND generation = $2 AND number = $3)",
        )
        .bind(id.to_string())
        .bind(generation)
        .bind(i64::from(step.number))
        .fetch_optional(self.connection())
        .await?;
        Ok(found.is_some())
    }

    pub(crate) async fn clear_steps_of_confirmed(
        &mut self,
        id: DeploymentId,
        generation: Generation,
    ) -> Result<()> {
        sqlx::query(
            "DELETE FROM deployment_steps WHERE deployment_id = $1 AND EXISTS (SELECT 1 FROM deployments \
             WHERE id = $1 AND generation = $2 AND confirmed = 1)",
        )
        .bind(id.to_string())
        .bind(signed(generation.0))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets the recorded steps of a deployment: what they may have made is known to be done or gone.
    pub async fn clear_steps(&mut self, id: DeploymentId) -> Result<()> {
        sqlx::query("DELETE FROM deployment_steps WHERE deployment_id = $1")
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
