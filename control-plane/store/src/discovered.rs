//! Findings of discoveries.
//!
//! An agent sends them in numbered pages, and a page may come twice or break off. Rows are written as they arrive under
//! the number of the attempt; [`Transaction::finish_page`] makes one attempt count and forgets the others.

use gatehouse_schemas::{
    identity::{ApiId, DiscoveredApiId, DiscoveryId, ExternalRef, ResourceName},
    observed::{Classification, DiscoveredItem},
};
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    cursor::{Page, PageRequest, page},
    error::Result,
    row::{Columns as _, each, limit, signed, storable, to_json, to_word},
    transaction::{Transaction, reads},
};

/// One finding.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveredRow {
    /// Which.
    pub id: DiscoveredApiId,
    /// Of which discovery.
    pub discovery_id: DiscoveryId,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// What was found; absent for what is gone.
    pub item: Option<DiscoveredItem>,
    /// How it compares with the catalog; absent until the discovery has ended.
    pub status: Option<DiscoveredStatus>,
}

/// How a finding compares with the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveredStatus {
    /// New, changed, unchanged, gone, in conflict or unreadable.
    pub classification: Classification,
    /// The catalog's API it is.
    pub api: Option<(ApiId, ResourceName)>,
    /// Whether Gatehouse deployed it.
    pub managed: bool,
}

/// Which findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// Only of this class: `new`, `changed`, `unchanged`, `gone`, `conflict` or `error`.
    pub class: Option<String>,
}

reads! {
    /// One finding.
    discovered_item(id: DiscoveredApiId) -> Option<DiscoveredRow> = by_id;
    /// A page of the findings of a discovery, in the order of their arrival. Pages that have not arrived whole are left out.
    discovered_items(discovery_id: DiscoveryId, filter: &ItemFilter, request: &PageRequest) -> Page<DiscoveredRow> = list;
    /// The numbers of the pages of a discovery that have arrived whole, in order.
    discovery_pages(discovery_id: DiscoveryId) -> Vec<u32> = pages;
}

async fn by_id(connection: &mut AnyConnection, id: DiscoveredApiId) -> Result<Option<DiscoveredRow>> {
    let row = sqlx::query("SELECT * FROM discovered_items WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(finding).transpose()
}

async fn list(
    connection: &mut AnyConnection,
    discovery_id: DiscoveryId,
    filter: &ItemFilter,
    request: &PageRequest,
) -> Result<Page<DiscoveredRow>> {
    let after = request.after("findings")?;
    let rows = sqlx::query(
        "SELECT discovered_items.* FROM discovered_items JOIN discovery_pages \
         ON discovery_pages.discovery_id = discovered_items.discovery_id \
         AND discovery_pages.number = discovered_items.page AND discovery_pages.attempt = discovered_items.attempt \
         WHERE discovered_items.discovery_id = $1 AND ($2 IS NULL OR class = $2) AND ($3 IS NULL OR id > $3) \
         ORDER BY id LIMIT $4",
    )
    .bind(discovery_id.to_string())
    .bind(filter.class.as_deref().map(storable))
    .bind(after)
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let found = each(rows, finding)?;
    Ok(page("findings", request, found, |finding| finding.id.to_string()))
}

async fn pages(connection: &mut AnyConnection, discovery_id: DiscoveryId) -> Result<Vec<u32>> {
    let rows = sqlx::query(
        "SELECT number FROM discovery_pages WHERE discovery_id = $1 AND number > 0 ORDER BY number",
    )
    .bind(discovery_id.to_string())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| Ok(u32::try_from(row.count("number")?).unwrap_or(u32::MAX)))
        .collect()
}

fn finding(row: &AnyRow) -> Result<DiscoveredRow> {
    let classification: Option<Classification> = row.optional_json("classification")?;
    let api = row.optional_parsed("api_id")?.zip(row.optional_parsed("api")?);
    let managed = row.flag("managed")?;
    Ok(DiscoveredRow {
        id: row.parsed("id")?,
        discovery_id: row.parsed("discovery_id")?,
        external_ref: ExternalRef(row.text("external_ref")?),
        name: row.text("name")?,
        item: row.json("item")?,
        status: classification.map(|classification| DiscoveredStatus {
            classification,
            api,
            managed,
        }),
    })
}

/// The page that holds what is not there any more: no agent sends page 0.
const GONE: u32 = 0;
const GONE_ATTEMPT: &str = "gone";

impl Transaction {
    /// Writes findings of one attempt at a page. They do not count before [`Transaction::finish_page`].
    pub async fn add_items(
        &mut self,
        discovery_id: DiscoveryId,
        number: u32,
        attempt: Uuid,
        items: &[DiscoveredItem],
    ) -> Result<()> {
        for item in items {
            let (external_ref, name) = match item {
                DiscoveredItem::Api(api) => (&api.external_ref, &api.name),
                DiscoveredItem::Unchanged { external_ref, name }
                | DiscoveredItem::Unreadable {
                    external_ref, name, ..
                } => (external_ref, name),
            };
            let json = to_json(item)?;
            self.add_row(
                discovery_id,
                number,
                &attempt.to_string(),
                (external_ref, name),
                json,
            )
            .await?;
        }
        Ok(())
    }

    async fn add_row(
        &mut self,
        discovery_id: DiscoveryId,
        number: u32,
        attempt: &str,
        (external_ref, name): (&ExternalRef, &str),
        item: String,
    ) -> Result<DiscoveredApiId> {
        let id = DiscoveredApiId(Uuid::now_v7());
        sqlx::query(
            "INSERT INTO discovered_items (id, discovery_id, page, attempt, external_ref, name, item, managed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
        )
        .bind(id.to_string())
        .bind(discovery_id.to_string())
        .bind(i64::from(number))
        .bind(attempt.to_owned())
        .bind(storable(&external_ref.0))
        .bind(storable(name))
        .bind(item)
        .execute(self.connection())
        .await?;
        Ok(id)
    }

    /// Makes this attempt at a page count, in place of the one that counted. Attempts under way are left alone.
    pub async fn finish_page(
        &mut self,
        discovery_id: DiscoveryId,
        number: u32,
        attempt: Uuid,
        items: u64,
    ) -> Result<()> {
        sqlx::query(
            "DELETE FROM discovered_items WHERE discovery_id = $1 AND page = $2 AND attempt IN \
             (SELECT attempt FROM discovery_pages WHERE discovery_id = $1 AND number = $2)",
        )
        .bind(discovery_id.to_string())
        .bind(i64::from(number))
        .execute(self.connection())
        .await?;
        self.count_page(discovery_id, number, &attempt.to_string(), items)
            .await
    }

    async fn count_page(
        &mut self,
        discovery_id: DiscoveryId,
        number: u32,
        attempt: &str,
        items: u64,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO discovery_pages (discovery_id, number, attempt, items) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (discovery_id, number) DO UPDATE SET attempt = $3, items = $4",
        )
        .bind(discovery_id.to_string())
        .bind(i64::from(number))
        .bind(attempt.to_owned())
        .bind(signed(items))
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
        Ok(())
    }

    /// Records how a finding compares with the catalog.
    pub async fn classify_item(&mut self, id: DiscoveredApiId, status: &DiscoveredStatus) -> Result<()> {
        let (api_id, api) = status.api.clone().unzip();
        sqlx::query(
            "UPDATE discovered_items SET class = $2, classification = $3, api_id = $4, api = $5, managed = $6 \
             WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(class(&status.classification)?)
        .bind(to_json(&status.classification)?)
        .bind(api_id.map(|id| id.to_string()))
        .bind(api.map(|name| name.to_string()))
        .bind(i64::from(status.managed))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Records what a complete run did not see any more.
    pub async fn add_gone(
        &mut self,
        discovery_id: DiscoveryId,
        external_ref: &ExternalRef,
        name: &str,
        status: &DiscoveredStatus,
    ) -> Result<()> {
        self.count_page(discovery_id, GONE, GONE_ATTEMPT, 0).await?;
        let id = self
            .add_row(
                discovery_id,
                GONE,
                GONE_ATTEMPT,
                (external_ref, name),
                "null".to_owned(),
            )
            .await?;
        self.classify_item(id, status).await
    }
}

/// The class as written in JSON and in filters.
fn class(classification: &Classification) -> Result<String> {
    let value = serde_json::to_value(classification)
        .map_err(|error| crate::StoreError::corrupt("a classification", error))?;
    to_word(value.get("class").unwrap_or(&serde_json::Value::Null))
}
