//! Imports: which findings were taken into the catalog, and what became of each.

use gatehouse_schemas::{
    identity::{DiscoveryId, ImportId},
    time::Timestamp,
};
use serde_json::Value;
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    cursor::{Page, PageRequest, page},
    error::{Result, StoreError},
    row::{Columns as _, each, limit, to_json},
    transaction::{Transaction, reads},
};

/// What became of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// Which.
    pub id: ImportId,
    /// Out of which discovery.
    pub discovery_id: DiscoveryId,
    /// When.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Finding by finding, as the caller gave it.
    pub results: Value,
}

reads! {
    /// One import.
    import(id: ImportId) -> Option<Import> = by_id;
    /// A page of imports, newest first.
    imports(request: &PageRequest) -> Page<Import> = list;
}

async fn by_id(connection: &mut AnyConnection, id: ImportId) -> Result<Option<Import>> {
    let row = sqlx::query("SELECT * FROM imports WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(import).transpose()
}

async fn list(connection: &mut AnyConnection, request: &PageRequest) -> Result<Page<Import>> {
    let before = request.after("imports")?;
    let rows = sqlx::query("SELECT * FROM imports WHERE ($1 IS NULL OR id < $1) ORDER BY id DESC LIMIT $2")
        .bind(before)
        .bind(limit(request.size()))
        .fetch_all(connection)
        .await?;
    let imports = each(rows, import)?;
    Ok(page("imports", request, imports, |import| import.id.to_string()))
}

fn import(row: &AnyRow) -> Result<Import> {
    Ok(Import {
        id: row.parsed("id")?,
        discovery_id: row.parsed("discovery_id")?,
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?,
        results: row.json("results")?,
    })
}

impl Transaction {
    /// Records an import.
    pub async fn create_import(&mut self, discovery_id: DiscoveryId, results: &Value) -> Result<Import> {
        let id = ImportId(Uuid::now_v7());
        let (now, actor) = (self.now.0, self.actor.clone());
        sqlx::query(
            "INSERT INTO imports (id, discovery_id, created_at, created_by, results) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id.to_string())
        .bind(discovery_id.to_string())
        .bind(now)
        .bind(actor)
        .bind(to_json(results)?)
        .execute(self.connection())
        .await?;
        let written = by_id(self.connection(), id).await?;
        written.ok_or_else(|| StoreError::not_found(format!("import {id}")))
    }
}
