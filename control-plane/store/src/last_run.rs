//! The run that took stock of an environment last: what it found holds still where nothing that it depends on changed.
//!
//! A run that found exactly the same has no findings of its own: it has those of the run before.

use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{DiscoveryId, EnvironmentId, ExternalRef},
};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::{
    discovered::{DiscoveredStatus, status},
    error::Result,
    pages::JOIN_WHOLE_PAGES,
    row::{Columns as _, each},
    transaction::{Transaction, reads},
};

/// The run that took stock of an environment last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Which.
    pub discovery_id: DiscoveryId,
    /// The run whose rows its findings are.
    pub findings: DiscoveryId,
    /// What it compared with, if its findings can be relied on.
    pub catalog: Option<Fingerprint>,
}

/// What a run said of one API.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldFinding {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// How it compares with the catalog.
    pub status: Option<DiscoveredStatus>,
}

reads! {
    /// The run that took stock of an environment last; none if nobody knows what was found by it.
    last_run(environment_id: EnvironmentId) -> Option<LastRun> = last;
    /// All that a run said, without what was found. `id` is [`LastRun::findings`].
    told_findings(id: DiscoveryId) -> Vec<ToldFinding> = told;
}

async fn last(connection: &mut AnyConnection, environment_id: EnvironmentId) -> Result<Option<LastRun>> {
    let row = sqlx::query(
        "SELECT discovery_id, COALESCE(findings_of, id) AS findings, catalog FROM last_runs \
         JOIN discoveries ON discoveries.id = last_runs.discovery_id WHERE last_runs.environment_id = $1",
    )
    .bind(environment_id.to_string())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(LastRun {
            discovery_id: row.parsed("discovery_id")?,
            findings: row.parsed("findings")?,
            catalog: row.optional_text("catalog")?.map(Fingerprint),
        })
    })
    .transpose()
}

async fn told(connection: &mut AnyConnection, id: DiscoveryId) -> Result<Vec<ToldFinding>> {
    let statement = format!(
        "SELECT external_ref, name, classification, api_id, api, managed FROM discovered_items {JOIN_WHOLE_PAGES} \
         WHERE discovered_items.discovery_id = $1"
    );
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(id.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, |row| {
        Ok(ToldFinding {
            external_ref: ExternalRef(row.text("external_ref")?),
            name: row.text("name")?,
            status: status(row)?,
        })
    })
}

impl Transaction {
    /// Notes which run took stock of an environment last; `catalog` is what it compared with, if its findings can be
    /// relied on.
    pub async fn note_run(
        &mut self,
        environment_id: EnvironmentId,
        discovery_id: DiscoveryId,
        catalog: Option<&Fingerprint>,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO last_runs (environment_id, discovery_id, catalog) VALUES ($1, $2, $3) \
             ON CONFLICT (environment_id) DO UPDATE SET discovery_id = $2, catalog = $3",
        )
        .bind(environment_id.to_string())
        .bind(discovery_id.to_string())
        .bind(catalog.map(|catalog| catalog.0.clone()))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// What the last run found is not what the inventory holds any more.
    pub(crate) async fn forget_last_run(&mut self, environment_id: EnvironmentId) -> Result<()> {
        sqlx::query("DELETE FROM last_runs WHERE environment_id = $1")
            .bind(environment_id.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Makes the findings of an earlier run those of this one, which has none of its own.
    pub async fn share_findings(&mut self, discovery_id: DiscoveryId, findings: DiscoveryId) -> Result<()> {
        sqlx::query("UPDATE discoveries SET findings_of = $2 WHERE id = $1")
            .bind(discovery_id.to_string())
            .bind(findings.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
