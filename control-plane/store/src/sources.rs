//! Sources: which API of the catalog came from, or stands for, which object of a gateway; and what was last imported.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{ApiId, EnvironmentId, ExternalRef},
};
use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::{
    bulk,
    error::Result,
    row::{Columns as _, each, optional_json, placeholders, storable},
    transaction::{Transaction, reads},
};

/// Where an API was imported from. The spec that was last imported is read apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSource {
    /// The API.
    pub api_id: ApiId,
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it when it was last imported; none for what was imported before names were kept.
    pub name: Option<String>,
    /// The fingerprint of the observed content that was last imported: while the gateway holds that, nothing changed
    /// there since.
    pub imported: Option<Fingerprint>,
}

const SUMMARY: &str = "api_id, environment_id, external_ref, name, imported_fingerprint";
/// All that there is of a source.
pub(crate) const SOURCE: &str = "api_id, environment_id, external_ref, name, base, imported_fingerprint";

reads! {
    /// Where these APIs were imported from; those that were not are left out.
    api_sources(api_ids: &[ApiId]) -> BTreeMap<ApiId, ApiSource> = of_apis;
    /// What of an environment's gateway is known in the catalog.
    environment_sources(environment_id: EnvironmentId) -> Vec<ApiSource> = in_environment;
    /// What counts as removed from an environment's gateway, as the catalog knew it.
    removed_sources(environment_id: EnvironmentId) -> Vec<ApiSource> = removed_from_environment;
    /// Which API of the catalog an object of a gateway is.
    api_source(environment_id: EnvironmentId, external_ref: &ExternalRef) -> Option<ApiSource> = by_reference;
    /// The specs that were last imported from these objects of a gateway, as they were imported.
    imported_bases(environment_id: EnvironmentId, references: &[ExternalRef]) -> BTreeMap<ExternalRef, Value> = bases;
}

async fn of_apis(connection: &mut AnyConnection, api_ids: &[ApiId]) -> Result<BTreeMap<ApiId, ApiSource>> {
    let mut found = BTreeMap::new();
    for api_ids in api_ids.chunks(100) {
        let statement = format!(
            "SELECT {SUMMARY} FROM api_sources WHERE api_id IN ({})",
            placeholders(1, api_ids.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for api_id in api_ids {
            query = query.bind(api_id.to_string());
        }
        for row in query.fetch_all(&mut *connection).await? {
            let source = source(&row)?;
            found.insert(source.api_id, source);
        }
    }
    Ok(found)
}

async fn in_environment(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
) -> Result<Vec<ApiSource>> {
    listed(connection, environment_id, "api_sources").await
}

async fn removed_from_environment(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
) -> Result<Vec<ApiSource>> {
    listed(connection, environment_id, "removed_sources").await
}

async fn listed(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    table: &'static str,
) -> Result<Vec<ApiSource>> {
    let statement = format!("SELECT {SUMMARY} FROM {table} WHERE environment_id = $1 ORDER BY external_ref");
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(environment_id.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, source)
}

async fn by_reference(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    external_ref: &ExternalRef,
) -> Result<Option<ApiSource>> {
    let statement =
        format!("SELECT {SUMMARY} FROM api_sources WHERE environment_id = $1 AND external_ref = $2");
    let row = sqlx::query(AssertSqlSafe(statement))
        .bind(environment_id.to_string())
        .bind(storable(&external_ref.0))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(source).transpose()
}

async fn bases(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    references: &[ExternalRef],
) -> Result<BTreeMap<ExternalRef, Value>> {
    let mut found = BTreeMap::new();
    for references in bulk::pieces(references) {
        let statement = format!(
            "SELECT external_ref, base FROM api_sources WHERE base IS NOT NULL \
             AND (environment_id, external_ref) IN {}",
            bulk::keys(1, references.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(environment_id.to_string());
        for reference in references {
            query = query.bind(storable(&reference.0));
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.insert(ExternalRef(row.text("external_ref")?), row.json("base")?);
        }
    }
    Ok(found)
}

fn source(row: &AnyRow) -> Result<ApiSource> {
    Ok(ApiSource {
        api_id: row.parsed("api_id")?,
        environment_id: row.parsed("environment_id")?,
        external_ref: ExternalRef(row.text("external_ref")?),
        name: row.optional_text("name")?,
        imported: row.optional_text("imported_fingerprint")?.map(Fingerprint),
    })
}

impl Transaction {
    /// Notes that an API of the catalog stands for this object of an environment's gateway; `base` is the spec as it
    /// was imported, the common ground of later merges.
    pub async fn set_api_source(&mut self, source: &ApiSource, base: Option<&Value>) -> Result<()> {
        self.set_api_sources(&[(source.clone(), base.cloned())]).await
    }

    /// Gives what counted as removed and is on the gateway again back to the APIs that stood for it.
    pub(crate) async fn give_back_sources(&mut self, environment_id: EnvironmentId) -> Result<()> {
        const BACK: &str = "FROM removed_sources WHERE environment_id = $1 AND EXISTS (SELECT 1 FROM inventory \
            WHERE inventory.environment_id = $1 AND inventory.external_ref = removed_sources.external_ref \
            AND inventory.removed_at IS NULL)";
        let put = format!(
            "INSERT INTO api_sources ({SOURCE}) SELECT {SOURCE} {BACK} \
             ON CONFLICT (environment_id, external_ref) DO NOTHING"
        );
        for statement in [put, format!("DELETE {BACK}")] {
            sqlx::query(AssertSqlSafe(statement))
                .bind(environment_id.to_string())
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// Notes many sources at once, each with the spec as it was imported.
    pub async fn set_api_sources(&mut self, sources: &[(ApiSource, Option<Value>)]) -> Result<()> {
        for sources in sources.chunks(bulk::size(6)) {
            let statement = format!(
                "INSERT INTO api_sources (api_id, environment_id, external_ref, name, base, imported_fingerprint) \
                 VALUES {} ON CONFLICT (environment_id, external_ref) DO UPDATE SET api_id = excluded.api_id, \
                 name = excluded.name, base = excluded.base, imported_fingerprint = excluded.imported_fingerprint",
                bulk::rows(0, 6, sources.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for (source, base) in sources {
                query = query
                    .bind(source.api_id.to_string())
                    .bind(source.environment_id.to_string())
                    .bind(storable(&source.external_ref.0))
                    .bind(source.name.as_deref().map(storable))
                    .bind(optional_json(base.as_ref())?)
                    .bind(source.imported.as_ref().map(|fingerprint| fingerprint.0.clone()));
            }
            query.execute(self.connection()).await?;
        }
        Ok(())
    }
}
