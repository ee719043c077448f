//! Pages of findings, as agents send them: numbered, and one may come twice or break off.
//!
//! Rows are written as they arrive under the number of the attempt; [`Transaction::finish_page`] makes one attempt count
//! and forgets the others.

use std::collections::BTreeSet;

use gatehouse_schemas::identity::{DiscoveryId, ExternalRef};
use sqlx::{AnyConnection, AssertSqlSafe};
use uuid::Uuid;

use crate::{
    bulk,
    error::Result,
    packed::{PackedFindings, pack, unpack},
    row::{Columns as _, signed, storable},
    transaction::{Transaction, reads},
};

/// What is said of a page when it has arrived whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageEnd<'a> {
    /// How many findings it has, unchanged ones included.
    pub items: u64,
    /// What of them arrived as unchanged; kept in one row for the page.
    pub seen: &'a [ExternalRef],
    /// The connector's position after it; none if it is the end of the listing.
    pub position: Option<&'a str>,
    /// Whether the agent tells no positions: then nobody goes on after it, and whoever comes next begins anew.
    pub blind: bool,
}

/// The page of what no agent sends.
pub(crate) const LATER: u32 = 0;
pub(crate) const LATER_ATTEMPT: &str = "gone";

/// Lets through what belongs to the attempt that counts.
pub(crate) const JOIN_WHOLE_PAGES: &str = "JOIN discovery_pages \
    ON discovery_pages.discovery_id = discovered_items.discovery_id \
    AND discovery_pages.number = discovered_items.page AND discovery_pages.attempt = discovered_items.attempt";

reads! {
    /// The numbers of the pages of a discovery that have arrived whole, in order.
    discovery_pages(discovery_id: DiscoveryId) -> Vec<u32> = numbers;
    /// What arrived as unchanged in the pages of a discovery that have arrived whole.
    seen_unchanged(discovery_id: DiscoveryId) -> BTreeSet<ExternalRef> = unchanged;
}

async fn numbers(connection: &mut AnyConnection, discovery_id: DiscoveryId) -> Result<Vec<u32>> {
    let rows = sqlx::query(
        "SELECT number FROM discovery_pages WHERE discovery_id = $1 AND number > 0 ORDER BY number",
    )
    .bind(discovery_id.to_string())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.number("number")).collect()
}

async fn unchanged(
    connection: &mut AnyConnection,
    discovery_id: DiscoveryId,
) -> Result<BTreeSet<ExternalRef>> {
    let rows = sqlx::query("SELECT seen FROM discovery_pages WHERE discovery_id = $1 AND seen IS NOT NULL")
        .bind(discovery_id.to_string())
        .fetch_all(connection)
        .await?;
    let mut seen = BTreeSet::new();
    for row in rows {
        seen.extend(unpack::<Vec<ExternalRef>>(&row.bytes("seen")?)?);
    }
    Ok(seen)
}

impl Transaction {
    /// Writes findings of one attempt at a page; those that are unchanged are left to [`PageEnd::seen`]. They do not
    /// count before [`Transaction::finish_page`].
    pub async fn add_items(
        &mut self,
        discovery_id: DiscoveryId,
        number: u32,
        attempt: Uuid,
        findings: &PackedFindings,
    ) -> Result<()> {
        for rows in findings.rows.chunks(bulk::size(13)) {
            let statement = format!(
                "INSERT INTO discovered_items (id, discovery_id, page, attempt, external_ref, name, item, managed, \
                 packed, version, fingerprint, content_fingerprint, tags) VALUES {}",
                bulk::rows(0, 13, rows.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for row in rows {
                let api = row.api.as_ref();
                query = query
                    .bind(Uuid::now_v7().to_string())
                    .bind(discovery_id.to_string())
                    .bind(i64::from(number))
                    .bind(attempt.to_string())
                    .bind(row.external_ref.clone())
                    .bind(row.name.clone())
                    .bind(row.item.clone())
                    .bind(0_i64)
                    .bind(api.map(|api| api.packed.clone()))
                    .bind(api.and_then(|api| api.version.clone()))
                    .bind(api.map(|api| api.fingerprint.clone()))
                    .bind(api.map(|api| api.content_fingerprint.clone()))
                    .bind(api.map_or_else(|| "[]".to_owned(), |api| api.tags.clone()));
            }
            query.execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Makes this attempt at a page count, in place of the one that counted. Attempts under way are left alone.
    pub async fn finish_page(
        &mut self,
        discovery_id: DiscoveryId,
        number: u32,
        attempt: Uuid,
        end: PageEnd<'_>,
    ) -> Result<()> {
        sqlx::query(
            "DELETE FROM discovered_items WHERE discovery_id = $1 AND page = $2 AND attempt IN \
             (SELECT attempt FROM discovery_pages WHERE discovery_id = $1 AND number = $2)",
        )
        .bind(discovery_id.to_string())
        .bind(i64::from(number))
        .execute(self.connection())
        .await?;
        self.count_page(discovery_id, number, &attempt.to_string(), end)
            .await?;
        self.advance(discovery_id).await
    }

    /// Forgets all but the last finding of what was listed more than once: a listing that moves while it is read, or that
    /// begins anew, tells one thing twice.
    pub async fn keep_last_findings(&mut self, discovery_id: DiscoveryId) -> Result<u64> {
        let done = sqlx::query(
            "DELETE FROM discovered_items WHERE discovery_id = $1 AND page > 0 AND id NOT IN (SELECT MAX(id) \
             FROM discovered_items WHERE discovery_id = $1 AND page > 0 GROUP BY external_ref)",
        )
        .bind(discovery_id.to_string())
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected())
    }

    pub(crate) async fn count_later_page(&mut self, discovery_id: DiscoveryId) -> Result<()> {
        self.count_page(discovery_id, LATER, LATER_ATTEMPT, PageEnd::default())
            .await
    }

    async fn count_page(
        &mut self,
        discovery_id: DiscoveryId,
        number: u32,
        attempt: &str,
        end: PageEnd<'_>,
    ) -> Result<()> {
        let seen = if end.seen.is_empty() {
            None
        } else {
            Some(pack(&end.seen)?)
        };
        sqlx::query(
            "INSERT INTO discovery_pages (discovery_id, number, attempt, items, seen, position, blind) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (discovery_id, number) \
             DO UPDATE SET attempt = $3, items = $4, seen = $5, position = $6, blind = $7",
        )
        .bind(discovery_id.to_string())
        .bind(i64::from(number))
        .bind(attempt.to_owned())
        .bind(signed(end.items))
        .bind(seen)
        .bind(end.position.map(storable))
        .bind(i64::from(end.blind))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Says how many findings have arrived, and how far somebody else could go on: up to the first page that has no
    /// successor, where none came from an agent that tells no positions.
    async fn advance(&mut self, discovery_id: DiscoveryId) -> Result<()> {
        sqlx::query(
            "UPDATE discoveries SET \
             found = (SELECT COALESCE(SUM(items), 0) FROM discovery_pages WHERE discovery_id = $1 AND number > 0), \
             pages = CASE WHEN EXISTS (SELECT 1 FROM discovery_pages \
                 WHERE discovery_id = $1 AND number = 1 AND blind = 0) \
                 THEN (SELECT MIN(number) FROM discovery_pages AS page WHERE discovery_id = $1 AND number > 0 AND blind = 0 \
                 AND NOT EXISTS (SELECT 1 FROM discovery_pages AS next WHERE next.discovery_id = $1 AND next.blind = 0 \
                 AND next.number = page.number + 1)) ELSE 0 END \
             WHERE id = $1 AND EXISTS (SELECT 1 FROM discovery_pages WHERE discovery_id = $1 AND number = 1)",
        )
        .bind(discovery_id.to_string())
        .execute(self.connection())
        .await?;
        sqlx::query(
            "UPDATE discoveries SET position = (SELECT position FROM discovery_pages \
             WHERE discovery_id = $1 AND number = pages) WHERE id = $1",
        )
        .bind(discovery_id.to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets everything of an attempt that broke off.
    pub async fn drop_attempt(&mut self, discovery_id: DiscoveryId, attempt: Uuid) -> Result<()> {
        sqlx::query("DELETE FROM discovered_items WHERE discovery_id = $1 AND attempt = $2")
            .bind(discovery_id.to_string())
            .bind(attempt.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Forgets pages beyond the last that counts, and attempts that were never finished.
    pub async fn keep_pages(&mut self, discovery_id: DiscoveryId, pages: u32) -> Result<()> {
        sqlx::query("DELETE FROM discovery_pages WHERE discovery_id = $1 AND number > $2")
            .bind(discovery_id.to_string())
            .bind(i64::from(pages))
            .execute(self.connection())
            .await?;
        sqlx::query(
            "DELETE FROM discovered_items WHERE discovery_id = $1 AND NOT EXISTS (SELECT 1 FROM discovery_pages \
             WHERE discovery_pages.discovery_id = discovered_items.discovery_id \
             AND discovery_pages.number = discovered_items.page AND discovery_pages.attempt = discovered_items.attempt)",
        )
        .bind(discovery_id.to_string())
        .execute(self.connection())
        .await?;
        self.advance(discovery_id).await
    }
}
