//! Findings of discoveries, one row each but for those that are unchanged: their pages keep those.
//!
//! What a finding holds is kept deflated, or only in the inventory, from where it is read with it.

use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{ApiId, DiscoveredApiId, DiscoveryId, ExternalRef, ResourceName},
    observed::{Classification, DiscoveredItem},
};
use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};
use uuid::Uuid;

use crate::{
    bulk,
    cursor::{Page, PageRequest, page},
    error::Result,
    packed::unpack_all,
    pages::{JOIN_WHOLE_PAGES, LATER, LATER_ATTEMPT},
    row::{Columns as _, each, limit, placeholders, storable, to_json, to_word},
    transaction::{Transaction, reads},
};

/// One finding.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveredRow {
    /// Which.
    pub id: DiscoveredApiId,
    /// Of which discovery: the first of those that found it, [`Discovery::findings`](crate::Discovery::findings).
    pub discovery_id: DiscoveryId,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// What was found; absent for what is gone. Of a finding that is kept in the inventory alone: what that holds now.
    pub item: Option<DiscoveredItem>,
    /// How it compares with the catalog; absent until the discovery has ended.
    pub status: Option<DiscoveredStatus>,
}

/// One finding without what was found: all that comparing it needs while fingerprints are equal.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingSummary {
    /// Which.
    pub id: DiscoveredApiId,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// The fingerprint it was observed with; absent for what is not an API: unreadable or gone.
    pub fingerprint: Option<Fingerprint>,
    /// The fingerprint of its content.
    pub content_fingerprint: Option<Fingerprint>,
    /// The gateway's tags.
    pub tags: Vec<String>,
    /// How it compares with the catalog; absent until the discovery has ended.
    pub status: Option<DiscoveredStatus>,
}

/// How a finding compares with the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveredStatus {
    /// New, changed, unchanged, gone, ignored, in conflict or unreadable.
    pub classification: Classification,
    /// The catalog's API it is.
    pub api: Option<(ApiId, ResourceName)>,
    /// Whether Gatehouse deployed it.
    pub managed: bool,
}

/// A finding that no page brought: what is gone, and what the gateway did not change but the catalog does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct LaterFinding {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// Whether the gateway holds it, as the inventory says; if not, it is gone.
    pub in_inventory: bool,
    /// How it compares with the catalog.
    pub status: DiscoveredStatus,
}

/// Which findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// Only of this class: `new`, `changed`, `unchanged`, `gone`, `ignored`, `conflict` or `error`.
    pub class: Option<String>,
}

reads! {
    /// One finding.
    discovered_item(id: DiscoveredApiId) -> Option<DiscoveredRow> = by_id;
    /// These findings, in the order of their arrival; those that there are not are left out.
    discovered_items_by_id(ids: &[DiscoveredApiId]) -> Vec<DiscoveredRow> = by_ids;
    /// A page of the findings of a discovery, in the order of their arrival. Pages that have not arrived whole are left out.
    discovered_items(discovery_id: DiscoveryId, filter: &ItemFilter, request: &PageRequest) -> Page<DiscoveredRow> = list;
    /// The same without what was found: light, however large that is.
    finding_summaries(discovery_id: DiscoveryId, filter: &ItemFilter, request: &PageRequest) -> Page<FindingSummary> = summaries;
}

/// What a finding holds is in its row or in the inventory.
const WHOLE: &str = "SELECT discovered_items.id AS id, discovered_items.discovery_id AS discovery_id, \
    discovered_items.external_ref AS external_ref, discovered_items.name AS name, discovered_items.item AS item, \
    class, classification, api_id, api, managed, COALESCE(packed, inventory.item) AS packed FROM discovered_items \
    JOIN discoveries ON discoveries.id = discovered_items.discovery_id \
    LEFT JOIN inventory ON in_inventory = 1 AND inventory.environment_id = discoveries.environment_id \
    AND inventory.external_ref = discovered_items.external_ref";

/// Of what is kept in the inventory alone, the tags and fingerprints are there, too.
const LIGHT: &str = "SELECT discovered_items.id AS id, discovered_items.external_ref AS external_ref, \
    discovered_items.name AS name, COALESCE(discovered_items.fingerprint, inventory.fingerprint) AS fingerprint, \
    COALESCE(discovered_items.content_fingerprint, inventory.content_fingerprint) AS content_fingerprint, \
    CASE WHEN in_inventory = 1 THEN COALESCE(inventory.tags, '[]') ELSE discovered_items.tags END AS tags, \
    classification, api_id, api, managed FROM discovered_items \
    JOIN discoveries ON discoveries.id = discovered_items.discovery_id \
    LEFT JOIN inventory ON in_inventory = 1 AND inventory.environment_id = discoveries.environment_id \
    AND inventory.external_ref = discovered_items.external_ref";

const PAGE: &str = "WHERE discovered_items.discovery_id = \
    (SELECT COALESCE(findings_of, id) FROM discoveries AS asked WHERE asked.id = $1) AND ($2 IS NULL OR class = $2) \
    AND ($3 IS NULL OR discovered_items.id > $3) ORDER BY discovered_items.id LIMIT $4";

async fn by_id(connection: &mut AnyConnection, id: DiscoveredApiId) -> Result<Option<DiscoveredRow>> {
    let rows = sqlx::query(AssertSqlSafe(format!("{WHOLE} WHERE discovered_items.id = $1")))
        .bind(id.to_string())
        .fetch_all(connection)
        .await?;
    Ok(findings(rows).await?.pop())
}

async fn by_ids(connection: &mut AnyConnection, ids: &[DiscoveredApiId]) -> Result<Vec<DiscoveredRow>> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(bulk::size(1)) {
        let listed = placeholders(1, ids.len());
        let statement =
            format!("{WHOLE} WHERE discovered_items.id IN ({listed}) ORDER BY discovered_items.id");
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for id in ids {
            query = query.bind(id.to_string());
        }
        found.extend(findings(query.fetch_all(&mut *connection).await?).await?);
    }
    Ok(found)
}

async fn list(
    connection: &mut AnyConnection,
    discovery_id: DiscoveryId,
    filter: &ItemFilter,
    request: &PageRequest,
) -> Result<Page<DiscoveredRow>> {
    let rows = select(connection, WHOLE, discovery_id, filter, request).await?;
    let found = findings(rows).await?;
    Ok(page("findings", request, found, |finding| finding.id.to_string()))
}

async fn summaries(
    connection: &mut AnyConnection,
    discovery_id: DiscoveryId,
    filter: &ItemFilter,
    request: &PageRequest,
) -> Result<Page<FindingSummary>> {
    let rows = select(connection, LIGHT, discovery_id, filter, request).await?;
    let found = each(rows, summary)?;
    Ok(page("findings", request, found, |finding| finding.id.to_string()))
}

async fn select(
    connection: &mut AnyConnection,
    columns: &'static str,
    discovery_id: DiscoveryId,
    filter: &ItemFilter,
    request: &PageRequest,
) -> Result<Vec<AnyRow>> {
    let after = request.after("findings")?;
    let statement = format!("{columns} {JOIN_WHOLE_PAGES} {PAGE}");
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(discovery_id.to_string())
        .bind(filter.class.as_deref().map(storable))
        .bind(after)
        .bind(limit(request.size()))
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

/// Rows with what they hold; that is unpacked apart, for it takes its time.
async fn findings(rows: Vec<AnyRow>) -> Result<Vec<DiscoveredRow>> {
    let mut found = Vec::with_capacity(rows.len());
    let mut packed = Vec::new();
    for row in &rows {
        found.push(finding(row)?);
        if let Some(bytes) = row.optional_bytes("packed")? {
            packed.push((found.len() - 1, bytes));
        }
    }
    for (index, api) in unpack_all(packed).await? {
        found[index].item = Some(DiscoveredItem::Api(api));
    }
    Ok(found)
}

fn finding(row: &AnyRow) -> Result<DiscoveredRow> {
    let item = row.text("item")?;
    let item = if item.is_empty() { None } else { row.json("item")? };
    Ok(DiscoveredRow {
        id: row.parsed("id")?,
        discovery_id: row.parsed("discovery_id")?,
        external_ref: ExternalRef(row.text("external_ref")?),
        name: row.text("name")?,
        item,
        status: status(row)?,
    })
}

fn summary(row: &AnyRow) -> Result<FindingSummary> {
    Ok(FindingSummary {
        id: row.parsed("id")?,
        external_ref: ExternalRef(row.text("external_ref")?),
        name: row.text("name")?,
        fingerprint: row.optional_text("fingerprint")?.map(Fingerprint),
        content_fingerprint: row.optional_text("content_fingerprint")?.map(Fingerprint),
        tags: row.json("tags")?,
        status: status(row)?,
    })
}

pub(crate) fn status(row: &AnyRow) -> Result<Option<DiscoveredStatus>> {
    let classification: Option<Classification> = row.optional_json("classification")?;
    let api = row.optional_parsed("api_id")?.zip(row.optional_parsed("api")?);
    let managed = row.flag("managed")?;
    Ok(classification.map(|classification| DiscoveredStatus {
        classification,
        api,
        managed,
    }))
}

impl Transaction {
    /// Records how findings compare with the catalog.
    pub async fn classify_items(&mut self, items: &[(DiscoveredApiId, DiscoveredStatus)]) -> Result<()> {
        for items in items.chunks(bulk::size(6)) {
            let statement = format!(
                "UPDATE discovered_items SET class = told.column2, classification = told.column3, \
                 api_id = told.column4, api = told.column5, managed = told.column6 \
                 FROM (VALUES {}) AS told WHERE id = told.column1",
                bulk::rows(0, 6, items.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for (id, status) in items {
                query = query
                    .bind(id.to_string())
                    .bind(class(&status.classification)?)
                    .bind(to_json(&status.classification)?)
                    .bind(status.api.as_ref().map(|(id, _)| id.to_string()))
                    .bind(status.api.as_ref().map(|(_, name)| name.to_string()))
                    .bind(i64::from(status.managed));
            }
            query.execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Forgets findings that turned out to be nothing new.
    pub async fn drop_items(&mut self, ids: &[DiscoveredApiId]) -> Result<()> {
        for ids in ids.chunks(bulk::size(1)) {
            let statement = format!(
                "DELETE FROM discovered_items WHERE id IN ({})",
                placeholders(1, ids.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for id in ids {
                query = query.bind(id.to_string());
            }
            query.execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Records findings that no page brought.
    pub async fn add_later_findings(
        &mut self,
        discovery_id: DiscoveryId,
        findings: &[LaterFinding],
    ) -> Result<()> {
        if !findings.is_empty() {
            self.count_later_page(discovery_id).await?;
        }
        for findings in findings.chunks(bulk::size(13)) {
            let statement = format!(
                "INSERT INTO discovered_items (id, discovery_id, page, attempt, external_ref, name, item, in_inventory, \
                 class, classification, api_id, api, managed) VALUES {}",
                bulk::rows(0, 13, findings.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for finding in findings {
                let status = &finding.status;
                query = query
                    .bind(Uuid::now_v7().to_string())
                    .bind(discovery_id.to_string())
                    .bind(i64::from(LATER))
                    .bind(LATER_ATTEMPT)
                    .bind(storable(&finding.external_ref.0))
                    .bind(storable(&finding.name))
                    .bind("null")
                    .bind(i64::from(finding.in_inventory))
                    .bind(class(&status.classification)?)
                    .bind(to_json(&status.classification)?)
                    .bind(status.api.as_ref().map(|(id, _)| id.to_string()))
                    .bind(status.api.as_ref().map(|(_, name)| name.to_string()))
                    .bind(i64::from(status.managed));
            }
            query.execute(self.connection()).await?;
        }
        Ok(())
    }
}

/// The class as written in JSON and in filters.
fn class(classification: &Classification) -> Result<String> {
    let value = serde_json::to_value(classification)
        .map_err(|error| crate::StoreError::corrupt("a classification", error))?;
    to_word(value.get("class").unwrap_or(&serde_json::Value::Null))
}
