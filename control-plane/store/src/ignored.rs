//! The ignore list: APIs of gateways that discoveries leave out.

use gatehouse_schemas::{
    identity::{EnvironmentId, ExternalRef},
    time::Timestamp,
};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    error::Result,
    row::{Columns as _, each, storable},
    transaction::{Transaction, reads},
};

/// An API of a gateway that discoveries leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredApi {
    /// Where.
    pub environment_id: EnvironmentId,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// Why.
    pub reason: String,
    /// When it was put on the list.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

reads! {
    /// The ignore list of an environment, by reference.
    ignored_apis(environment_id: EnvironmentId) -> Vec<IgnoredApi> = in_environment;
}

async fn in_environment(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
) -> Result<Vec<IgnoredApi>> {
    let rows = sqlx::query("SELECT * FROM ignored_apis WHERE environment_id = $1 ORDER BY external_ref")
        .bind(environment_id.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, ignored)
}

fn ignored(row: &AnyRow) -> Result<IgnoredApi> {
    Ok(IgnoredApi {
        environment_id: row.parsed("environment_id")?,
        external_ref: ExternalRef(row.text("external_ref")?),
        reason: row.text("reason")?,
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?,
    })
}

impl Transaction {
    /// Puts an API of a gateway on the ignore list; one that is there gets the new reason.
    pub async fn ignore_api(
        &mut self,
        environment_id: EnvironmentId,
        external_ref: &ExternalRef,
        reason: &str,
    ) -> Result<IgnoredApi> {
        let (now, actor) = (self.now, self.actor.clone());
        sqlx::query(
            "INSERT INTO ignored_apis (environment_id, external_ref, reason, created_at, created_by) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (environment_id, external_ref) \
             DO UPDATE SET reason = $3, created_at = $4, created_by = $5",
        )
        .bind(environment_id.to_string())
        .bind(storable(&external_ref.0))
        .bind(storable(reason))
        .bind(now.0)
        .bind(actor.clone())
        .execute(self.connection())
        .await?;
        Ok(IgnoredApi {
            environment_id,
            external_ref: external_ref.clone(),
            reason: storable(reason),
            created_at: now,
            created_by: actor,
        })
    }

    /// Takes an API of a gateway off the ignore list. Gives whether it was there.
    pub async fn unignore_api(
        &mut self,
        environment_id: EnvironmentId,
        external_ref: &ExternalRef,
    ) -> Result<bool> {
        let done = sqlx::query("DELETE FROM ignored_apis WHERE environment_id = $1 AND external_ref = $2")
            .bind(environment_id.to_string())
            .bind(storable(&external_ref.0))
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
