//! What gateways were confirmed to hold, and the way back: a former desired state is put in place again, or a
//! deployment that never began is forgotten.

use gatehouse_schemas::{
    condition::{Condition, Phase},
    desired::DesiredApi,
    identity::{DeploymentId, Generation},
    time::Timestamp,
};
use sqlx::AnyConnection;

use crate::{
    deployments::{self, Deployment, Desired, trimmed},
    error::{Result, StoreError},
    row::{Columns as _, signed, storable, to_json, to_word},
    terms::DeploymentTerms,
    transaction::{Transaction, reads},
};

/// What was last confirmed to be on the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The generation in which it was confirmed.
    pub generation: Generation,
    /// What it is.
    pub api: DesiredApi,
    /// When it was confirmed.
    pub at: Timestamp,
}

/// A former desired state that is put in place again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was desired.
    pub desired: Desired,
    /// Whether the gateway holds it still: true after a plan that found itself void before its first step, if it was
    /// confirmed before; false when something has to be put back.
    pub confirmed: bool,
    /// The summary to begin with.
    pub phase: Phase,
    /// The conditions to begin with.
    pub conditions: Vec<Condition>,
    /// On what terms it may be carried out.
    pub terms: DeploymentTerms,
}

reads! {
    /// What was last confirmed to be on the gateway; nothing if nothing ever was.
    applied(id: DeploymentId) -> Option<Applied> = by_id;
    /// The deployments that failed, were to begin only if the gateway held what was seen there, and belong to no plan.
    failed_on_a_look() -> Vec<Deployment> = on_a_look;
}

async fn on_a_look(connection: &mut AnyConnection) -> Result<Vec<Deployment>> {
    let filter = "phase = $1 AND expected IS NOT NULL AND absent = 0 AND plan_id IS NULL";
    deployments::matching(connection, filter, to_word(&Phase::Failed)?).await
}

async fn by_id(connection: &mut AnyConnection, id: DeploymentId) -> Result<Option<Applied>> {
    let row = sqlx::query("SELECT generation, applied, at FROM deployment_applied WHERE deployment_id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Applied {
            generation: Generation(row.count("generation")?),
            api: row.json("applied")?,
            at: row.time("at")?,
        })
    })
    .transpose()
}

impl Transaction {
    /// Notes that the present generation was carried out: what is desired is what was applied, the history gets an
    /// entry, recorded steps are done with, what was to be adopted carries our mark and nothing else may be taken over.
    /// Gives whether that was news; a removal, or another generation than the present one, is left alone.
    pub async fn confirm_deployment(&mut self, id: DeploymentId, generation: Generation) -> Result<bool> {
        let confirmed = sqlx::query(
            "UPDATE deployments SET confirmed = 1, adopt = NULL \
             WHERE id = $1 AND generation = $2 AND absent = 0 AND confirmed = 0",
        )
        .bind(id.to_string())
        .bind(signed(generation.0))
        .execute(self.connection())
        .await?;
        self.clear_steps_of_confirmed(id, generation).await?;
        if confirmed.rows_affected() == 0 {
            return Ok(false);
        }
        self.wake_on_commit();
        self.set_applied(id).await?;
        self.note_confirmation(id).await?;
        Ok(true)
    }

    async fn set_applied(&mut self, id: DeploymentId) -> Result<()> {
        let now = self.now.0;
        sqlx::query(
            "INSERT INTO deployment_applied (deployment_id, generation, applied, at) \
             SELECT id, generation, desired, $2 FROM deployments WHERE id = $1 AND absent = 0 \
             ON CONFLICT (deployment_id) DO UPDATE SET generation = excluded.generation, \
             applied = excluded.applied, at = excluded.at",
        )
        .bind(id.to_string())
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Puts a former desired state in place again, under a new generation. What was applied, and the steps that were
    /// recorded, stay as they are. If the gateway holds it still, nothing was overwritten there.
    pub async fn restore_desired(&mut self, id: DeploymentId, former: &Restored) -> Result<Deployment> {
        let mark = match &former.desired {
            Desired::Present(api) => &api.mark,
            Desired::Absent(mark) => mark,
        };
        let generation = self.next_generation_in(mark.environment_id).await?;
        let (now, actor) = (self.now.0, self.actor.clone());
        let (desired, revision, base_path) = match &former.desired {
            Desired::Present(api) => {
                let base_path = Some(trimmed(&api.content.base_path));
                (to_json(api)?, api.mark.revision, base_path)
            }
            Desired::Absent(mark) => (to_json(mark)?, mark.revision, None),
        };
        let terms = &former.terms;
        sqlx::query(
            "UPDATE deployments SET absent = $2, desired = $3, revision = $4, base_path = COALESCE($5, base_path), \
             generation = $6, confirmed = $7, phase = $8, conditions = $9, updated_at = $10, expected = $11, \
             adopt = $12, accept_loss = $13, priority = $14, plan_id = $15, requested_by = $16, \
             overwritten = CASE WHEN $7 = 1 THEN NULL ELSE overwritten END WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(i64::from(matches!(former.desired, Desired::Absent(_))))
        .bind(desired)
        .bind(signed(revision.0))
        .bind(base_path)
        .bind(signed(generation.0))
        .bind(i64::from(former.confirmed))
        .bind(to_word(&former.phase)?)
        .bind(to_json(&former.conditions)?)
        .bind(now)
        .bind(terms.expected_json()?)
        .bind(terms.adopt.as_ref().map(|external| storable(&external.0)))
        .bind(i64::from(terms.accept_loss))
        .bind(to_word(&terms.priority)?)
        .bind(terms.plan_id.map(|id| id.to_string()))
        .bind(actor)
        .execute(self.connection())
        .await?;
        self.restore_secrets(id, &former.desired).await?;
        let written = deployments::by_id(self.connection(), id).await?;
        written.ok_or_else(|| StoreError::not_found(format!("deployment {id}")))
    }

    async fn restore_secrets(&mut self, id: DeploymentId, desired: &Desired) -> Result<()> {
        match desired {
            Desired::Present(api) => self.set_deployment_secrets(id, &api.secrets).await,
            Desired::Absent(_) => self.set_deployment_secrets(id, &[]).await,
        }
    }

    /// Forgets a deployment that was new and never begun. Gives whether it did: one that was ever confirmed, or for
    /// which a step was recorded, may have left something on the gateway; it stays and has to be removed there.
    pub async fn forget_deployment(&mut self, id: DeploymentId) -> Result<bool> {
        self.next_generation_of_all().await?;
        let done = sqlx::query(
            "DELETE FROM deployments WHERE id = $1 AND confirmed = 0 \
             AND NOT EXISTS (SELECT 1 FROM deployment_applied WHERE deployment_id = $1) \
             AND NOT EXISTS (SELECT 1 FROM deployment_steps WHERE deployment_id = $1)",
        )
        .bind(id.to_string())
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
