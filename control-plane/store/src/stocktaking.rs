//! Changes of the inventory: what was seen, what is missing, what counts as removed. Nothing is written that is so
//! already.

use gatehouse_schemas::identity::{DiscoveryId, EnvironmentId, ExternalRef};
use sqlx::AssertSqlSafe;

use crate::{
    bulk, error::Result, packed::PackedFindings, row::storable, sources::SOURCE, transaction::Transaction,
};

/// What a person reads of an API that is missing, and whether somebody must approve its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingNote {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// Whether a person must approve that it counts as removed.
    pub needs_approval: bool,
    /// How it stands, in a sentence.
    pub message: String,
}

/// What is seen again is not missing, and not removed; what is the same is not written.
const PUT: &str = "ON CONFLICT (environment_id, external_ref) DO UPDATE SET name = excluded.name, \
    version = excluded.version, fingerprint = excluded.fingerprint, \
    content_fingerprint = excluded.content_fingerprint, tags = excluded.tags, item = excluded.item, \
    changed_at = CASE WHEN inventory.fingerprint <> excluded.fingerprint OR inventory.name <> excluded.name \
        OR inventory.content_fingerprint <> excluded.content_fingerprint OR inventory.removed_at IS NOT NULL \
        THEN excluded.changed_at ELSE inventory.changed_at END, \
    missing_runs = 0, missing_since = NULL, needs_approval = 0, approved = 0, removed_at = NULL, \
    removed_api_id = NULL, message = NULL \
    WHERE inventory.item <> excluded.item OR inventory.missing_runs > 0 OR inventory.removed_at IS NOT NULL \
    OR COALESCE(inventory.version, '') <> COALESCE(excluded.version, '')";

const COLUMNS: &str = "environment_id, external_ref, name, version, fingerprint, content_fingerprint, tags, item, \
    first_seen_at, changed_at";

impl Transaction {
    /// Takes the APIs that arrived in a discovery into the inventory of its environment, in one statement. Gives how
    /// many were new or different.
    pub async fn take_stock(
        &mut self,
        environment_id: EnvironmentId,
        discovery_id: DiscoveryId,
    ) -> Result<u64> {
        let now = self.now.0;
        // A gateway that lists one API twice is believed the last time.
        let statement = format!(
            "INSERT INTO inventory ({COLUMNS}) \
             SELECT $1, external_ref, name, version, fingerprint, content_fingerprint, tags, packed, $3, $3 \
             FROM discovered_items WHERE id IN (SELECT MAX(id) FROM discovered_items JOIN discovery_pages \
             ON discovery_pages.discovery_id = discovered_items.discovery_id \
             AND discovery_pages.number = discovered_items.page \
             AND discovery_pages.attempt = discovered_items.attempt \
             WHERE discovered_items.discovery_id = $2 AND packed IS NOT NULL GROUP BY external_ref) {PUT}"
        );
        let done = sqlx::query(AssertSqlSafe(statement))
            .bind(environment_id.to_string())
            .bind(discovery_id.to_string())
            .bind(now)
            .execute(self.connection())
            .await?;
        self.give_back_sources(environment_id).await?;
        Ok(done.rows_affected())
    }

    /// Takes APIs that were seen otherwise into the inventory; each at most once. Gives how many were new or different.
    pub async fn put_inventory(
        &mut self,
        environment_id: EnvironmentId,
        findings: &PackedFindings,
    ) -> Result<u64> {
        let now = self.now.0;
        let mut written = 0;
        let apis: Vec<_> = findings
            .rows
            .iter()
            .filter_map(|row| row.api.as_ref().map(|api| (row, api)))
            .collect();
        for apis in apis.chunks(bulk::size(10)) {
            let statement = format!(
                "INSERT INTO inventory ({COLUMNS}) VALUES {} {PUT}",
                bulk::rows(0, 10, apis.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for (row, api) in apis {
                query = query
                    .bind(environment_id.to_string())
                    .bind(row.external_ref.clone())
                    .bind(row.name.clone())
                    .bind(api.version.clone())
                    .bind(api.fingerprint.clone())
                    .bind(api.content_fingerprint.clone())
                    .bind(api.tags.clone())
                    .bind(api.packed.clone())
                    .bind(now)
                    .bind(now);
            }
            written += query.execute(self.connection()).await?.rows_affected();
        }
        if written > 0 {
            self.forget_last_run(environment_id).await?;
        }
        self.give_back_sources(environment_id).await?;
        Ok(written)
    }

    /// Notes that a complete run did not see these.
    pub async fn mark_missing(
        &mut self,
        environment_id: EnvironmentId,
        references: &[ExternalRef],
    ) -> Result<()> {
        let now = self.now.0;
        let change =
            format!("missing_runs = missing_runs + 1, missing_since = COALESCE(missing_since, {now})");
        self.change_entries(environment_id, references, &change, "removed_at IS NULL")
            .await?;
        Ok(())
    }

    /// Notes that these were seen again; only where they were missing. What counts as removed stays so: it has to be
    /// read again.
    pub async fn mark_seen(
        &mut self,
        environment_id: EnvironmentId,
        references: &[ExternalRef],
    ) -> Result<u64> {
        self.change_entries(
            environment_id,
            references,
            "missing_runs = 0, missing_since = NULL, needs_approval = 0, approved = 0, message = NULL",
            "missing_runs > 0 AND removed_at IS NULL",
        )
        .await
    }

    /// Notes how these stand that are missing.
    pub async fn note_missing(&mut self, environment_id: EnvironmentId, notes: &[MissingNote]) -> Result<()> {
        for notes in notes.chunks(bulk::size(4)) {
            let statement = format!(
                "UPDATE inventory SET needs_approval = note.column3, message = note.column4 \
                 FROM (VALUES {}) AS note WHERE environment_id = note.column1 AND external_ref = note.column2 \
                 AND removed_at IS NULL",
                bulk::rows(0, 4, notes.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for note in notes {
                query = query
                    .bind(environment_id.to_string())
                    .bind(storable(&note.external_ref.0))
                    .bind(i64::from(note.needs_approval))
                    .bind(storable(&note.message));
            }
            query.execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Approves that these count as removed when they are due. Gives how many that concerns.
    pub async fn approve_removals(
        &mut self,
        environment_id: EnvironmentId,
        references: &[ExternalRef],
    ) -> Result<u64> {
        self.change_entries(
            environment_id,
            references,
            "approved = 1",
            "missing_runs > 0 AND removed_at IS NULL",
        )
        .await
    }

    /// Counts these as removed from the gateway, as [`Transaction::count_each_as_removed`] does, with one message for all.
    pub async fn count_as_removed(
        &mut self,
        environment_id: EnvironmentId,
        references: &[ExternalRef],
        message: &str,
    ) -> Result<u64> {
        let told = |reference: &ExternalRef| (reference.clone(), message.to_owned());
        let removals: Vec<_> = references.iter().map(told).collect();
        self.count_each_as_removed(environment_id, &removals).await
    }

    /// Counts these as removed from the gateway, each with what people are told: a tombstone is left, the catalog's APIs
    /// do not stand for them any more. Only what is missing is removed; the catalog's APIs stay. Gives how many went.
    pub async fn count_each_as_removed(
        &mut self,
        environment_id: EnvironmentId,
        removals: &[(ExternalRef, String)],
    ) -> Result<u64> {
        let mut removed = 0;
        for removals in removals.chunks(bulk::size(3)) {
            removed += self.bury(environment_id, removals).await?;
            let references: Vec<ExternalRef> =
                removals.iter().map(|(reference, _)| reference.clone()).collect();
            self.take_sources(environment_id, &references).await?;
        }
        Ok(removed)
    }

    async fn bury(
        &mut self,
        environment_id: EnvironmentId,
        removals: &[(ExternalRef, String)],
    ) -> Result<u64> {
        let now = self.now.0;
        let statement = format!(
            "UPDATE inventory SET removed_at = {now}, needs_approval = 0, message = told.column3, removed_api_id = \
             (SELECT api_id FROM api_sources WHERE api_sources.environment_id = inventory.environment_id \
             AND api_sources.external_ref = inventory.external_ref) \
             FROM (VALUES {}) AS told WHERE environment_id = told.column1 AND external_ref = told.column2 \
             AND missing_runs > 0 AND removed_at IS NULL",
            bulk::rows(0, 3, removals.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (reference, message) in removals {
            query = query
                .bind(environment_id.to_string())
                .bind(storable(&reference.0))
                .bind(storable(message));
        }
        Ok(query.execute(self.connection()).await?.rows_affected())
    }

    /// Takes the sources of what counts as removed away, and keeps them for when it comes back.
    async fn take_sources(
        &mut self,
        environment_id: EnvironmentId,
        references: &[ExternalRef],
    ) -> Result<()> {
        let gone = format!(
            "FROM api_sources WHERE (environment_id, external_ref) IN {} AND EXISTS \
             (SELECT 1 FROM inventory WHERE inventory.environment_id = $1 \
             AND inventory.external_ref = api_sources.external_ref AND removed_at IS NOT NULL)",
            bulk::keys(1, references.len())
        );
        let kept = format!(
            "INSERT INTO removed_sources ({SOURCE}) SELECT {SOURCE} {gone} \
             ON CONFLICT (environment_id, external_ref) DO UPDATE SET api_id = excluded.api_id, \
             name = excluded.name, base = excluded.base, imported_fingerprint = excluded.imported_fingerprint"
        );
        for statement in [kept, format!("DELETE {gone}")] {
            self.about(environment_id, references, statement).await?;
        }
        Ok(())
    }

    async fn change_entries(
        &mut self,
        environment_id: EnvironmentId,
        references: &[ExternalRef],
        change: &str,
        condition: &str,
    ) -> Result<u64> {
        let mut changed = 0;
        for references in bulk::pieces(references) {
            let statement = format!(
                "UPDATE inventory SET {change} WHERE {condition} AND (environment_id, external_ref) IN {}",
                bulk::keys(1, references.len())
            );
            changed += self.about(environment_id, references, statement).await?;
        }
        Ok(changed)
    }

    async fn about(
        &mut self,
        environment_id: EnvironmentId,
        references: &[ExternalRef],
        statement: String,
    ) -> Result<u64> {
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(environment_id.to_string());
        for reference in references {
            query = query.bind(storable(&reference.0));
        }
        Ok(query.execute(self.connection()).await?.rows_affected())
    }
}
