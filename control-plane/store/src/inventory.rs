//! The inventory: what the discoveries of each environment last saw on its gateway, one row per API there.
//!
//! It is what makes a discovery that finds nothing new cheap: versions that are known need not be read again, and equal
//! fingerprints need not be compared. Rows that are gone for good stay for a while as tombstones.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{ApiId, EnvironmentId, ExternalRef},
    observed::ObservedApi,
    time::Timestamp,
};
use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::{
    bulk,
    cursor::{Page, PageRequest, page},
    error::Result,
    packed::unpack_all,
    row::{Columns as _, each, limit, storable},
    transaction::reads,
};

/// One API as a gateway was last seen to hold it. What it holds, [`Store::inventory_items`], is read apart.
///
/// [`Store::inventory_items`]: crate::Store::inventory_items
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryEntry {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// The gateway's own version of it, if its listing gives one.
    pub version: Option<String>,
    /// The fingerprint it was observed with.
    pub fingerprint: Fingerprint,
    /// The fingerprint of its content, whether it is managed or not.
    pub content_fingerprint: Fingerprint,
    /// The gateway's tags.
    pub tags: Vec<String>,
    /// The catalog's API it came into, or stood for until it was removed.
    pub api_id: Option<ApiId>,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When what it is last changed.
    pub changed_at: Timestamp,
    /// Present if the latest complete run did not see it.
    pub missing: Option<MissingSince>,
    /// When it was counted as removed; this entry is what is left of it.
    pub removed_at: Option<Timestamp>,
    /// How it stands, for people, while it is missing or removed.
    pub message: Option<String>,
}

/// Since when something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingSince {
    /// In how many complete discoveries in a row it was not seen.
    pub complete_runs: u32,
    /// When it was first not seen.
    pub since: Timestamp,
    /// Whether a person must approve that it counts as removed.
    pub needs_approval: bool,
    /// Whether a person did.
    pub approved: bool,
}

/// Which entries of the inventory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InventoryFilter {
    /// What counts as being on the gateway, missing or not.
    #[default]
    Known,
    /// What is missing, and does not count as removed yet.
    Missing,
    /// What is missing or counts as removed.
    MissingOrRemoved,
}

macro_rules! summary {
    ($rest:literal) => {
        concat!(
            "SELECT inventory.external_ref AS external_ref, inventory.name AS name, version, fingerprint, \
             content_fingerprint, tags, COALESCE(api_sources.api_id, removed_api_id) AS api_id, first_seen_at, \
             changed_at, missing_runs, missing_since, needs_approval, approved, removed_at, message FROM inventory \
             LEFT JOIN api_sources ON api_sources.environment_id = inventory.environment_id \
             AND api_sources.external_ref = inventory.external_ref WHERE ",
            $rest
        )
    };
}

reads! {
    /// A page of what is known of an environment's gateway, by reference.
    inventory(environment_id: EnvironmentId, filter: InventoryFilter, request: &PageRequest) -> Page<InventoryEntry> = list;
    /// What is known of these objects of a gateway, tombstones included; what is not known is left out.
    inventory_entries(environment_id: EnvironmentId, references: &[ExternalRef]) -> BTreeMap<ExternalRef, InventoryEntry> = entries;
    /// What these objects of a gateway hold, tombstones included. As large as they are: ask for few at a time.
    inventory_items(environment_id: EnvironmentId, references: &[ExternalRef]) -> BTreeMap<ExternalRef, ObservedApi> = items;
    /// How many APIs an environment's gateway is known to hold.
    inventory_size(environment_id: EnvironmentId) -> u64 = size;
    /// The versions of an environment's APIs that are known, by reference. What counts as removed is read again if it
    /// comes back.
    inventory_versions(environment_id: EnvironmentId) -> BTreeMap<String, String> = versions;
}

async fn list(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    filter: InventoryFilter,
    request: &PageRequest,
) -> Result<Page<InventoryEntry>> {
    let after = request.after("inventory")?;
    let rows = match filter {
        InventoryFilter::Known => sqlx::query(summary!(
            "inventory.environment_id = $1 AND removed_at IS NULL \
             AND ($2 IS NULL OR inventory.external_ref > $2) ORDER BY inventory.external_ref LIMIT $3"
        )),
        InventoryFilter::Missing => sqlx::query(summary!(
            "inventory.environment_id = $1 AND removed_at IS NULL AND missing_runs > 0 \
             AND ($2 IS NULL OR inventory.external_ref > $2) ORDER BY inventory.external_ref LIMIT $3"
        )),
        InventoryFilter::MissingOrRemoved => sqlx::query(summary!(
            "inventory.environment_id = $1 AND missing_runs > 0 \
             AND ($2 IS NULL OR inventory.external_ref > $2) ORDER BY inventory.external_ref LIMIT $3"
        )),
    };
    let rows = rows
        .bind(environment_id.to_string())
        .bind(after)
        .bind(limit(request.size()))
        .fetch_all(connection)
        .await?;
    let found = each(rows, entry)?;
    Ok(page("inventory", request, found, |entry| {
        entry.external_ref.0.clone()
    }))
}

async fn entries(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    references: &[ExternalRef],
) -> Result<BTreeMap<ExternalRef, InventoryEntry>> {
    let mut found = BTreeMap::new();
    for references in bulk::pieces(references) {
        let statement = format!(
            "{} AND (inventory.environment_id, inventory.external_ref) IN {}",
            summary!("TRUE"),
            bulk::keys(1, references.len())
        );
        for row in rows_of(connection, environment_id, references, statement).await? {
            let entry = entry(&row)?;
            found.insert(entry.external_ref.clone(), entry);
        }
    }
    Ok(found)
}

async fn items(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    references: &[ExternalRef],
) -> Result<BTreeMap<ExternalRef, ObservedApi>> {
    let mut found = BTreeMap::new();
    for references in bulk::pieces(references) {
        let statement = format!(
            "SELECT external_ref, item FROM inventory WHERE (environment_id, external_ref) IN {}",
            bulk::keys(1, references.len())
        );
        let rows = rows_of(connection, environment_id, references, statement).await?;
        let packed = each(rows, |row| {
            Ok((ExternalRef(row.text("external_ref")?), row.bytes("item")?))
        })?;
        found.extend(unpack_all(packed).await?);
    }
    Ok(found)
}

async fn rows_of(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    references: &[ExternalRef],
    statement: String,
) -> Result<Vec<AnyRow>> {
    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(environment_id.to_string());
    for reference in references {
        query = query.bind(storable(&reference.0));
    }
    Ok(query.fetch_all(&mut *connection).await?)
}

async fn size(connection: &mut AnyConnection, environment_id: EnvironmentId) -> Result<u64> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS number FROM inventory WHERE environment_id = $1 AND removed_at IS NULL",
    )
    .bind(environment_id.to_string())
    .fetch_one(connection)
    .await?;
    row.count("number")
}

async fn versions(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
) -> Result<BTreeMap<String, String>> {
    let rows = sqlx::query(
        "SELECT external_ref, version FROM inventory WHERE environment_id = $1 AND removed_at IS NULL \
         AND version IS NOT NULL",
    )
    .bind(environment_id.to_string())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| Ok((row.text("external_ref")?, row.text("version")?)))
        .collect()
}

fn entry(row: &AnyRow) -> Result<InventoryEntry> {
    Ok(InventoryEntry {
        external_ref: ExternalRef(row.text("external_ref")?),
        name: row.text("name")?,
        version: row.optional_text("version")?,
        fingerprint: Fingerprint(row.text("fingerprint")?),
        content_fingerprint: Fingerprint(row.text("content_fingerprint")?),
        tags: row.json("tags")?,
        api_id: row.optional_parsed("api_id")?,
        first_seen_at: row.time("first_seen_at")?,
        changed_at: row.time("changed_at")?,
        missing: missing(row)?,
        removed_at: row.optional_time("removed_at")?,
        message: row.optional_text("message")?,
    })
}

fn missing(row: &AnyRow) -> Result<Option<MissingSince>> {
    let complete_runs = row.number("missing_runs")?;
    let Some(since) = row.optional_time("missing_since")? else {
        return Ok(None);
    };
    Ok(Some(MissingSince {
        complete_runs,
        since,
        needs_approval: row.flag("needs_approval")?,
        approved: row.flag("approved")?,
    }))
}
