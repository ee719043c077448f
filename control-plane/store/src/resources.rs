//! Resources: the five kinds of documents people write, with optimistic versions.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    identity::{ApiId, EnvironmentId, ResourceName, ResourceVersion, SecretId},
    resource::{Kind, Metadata},
};
use serde_json::Value;
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    cursor::{Page, PageRequest, page},
    error::{Result, StoreError},
    row::{Columns as _, each, signed, to_json},
    transaction::{Transaction, reads},
};

/// A stored resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its identity; outlives its name.
    pub id: Uuid,
    /// Its kind.
    pub kind: Kind,
    /// Name, project, labels, and everything the control plane gives: all optional fields are set.
    pub metadata: Metadata,
    /// What people want, as JSON. A secret's is empty.
    pub spec: Value,
    /// Its version.
    pub version: ResourceVersion,
}

impl Resource {
    /// `kind/name` in lower case, as in audit events and messages.
    pub fn object(&self) -> String {
        object(self.kind, &self.metadata.name)
    }

    /// The identity of an API.
    pub fn api_id(&self) -> ApiId {
        ApiId(self.id)
    }

    /// The identity of an environment.
    pub fn environment_id(&self) -> EnvironmentId {
        EnvironmentId(self.id)
    }

    /// The identity of a secret.
    pub fn secret_id(&self) -> SecretId {
        SecretId(self.id)
    }
}

/// Which resources of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    /// Only of this project.
    pub project: Option<ResourceName>,
    /// Only those that carry all of these labels.
    pub labels: BTreeMap<String, String>,
}

reads! {
    /// The resource of this name.
    resource(kind: Kind, name: &ResourceName) -> Option<Resource> = by_name;
    /// The resource of this identity.
    resource_by_id(kind: Kind, id: Uuid) -> Option<Resource> = by_id;
    /// A page of the resources of a kind, by name.
    resources(kind: Kind, filter: &ResourceFilter, request: &PageRequest) -> Page<Resource> = list;
    /// All resources of a kind, by name.
    all_resources(kind: Kind) -> Vec<Resource> = all;
    /// How many resources of this kind each project owns; projects that own none are left out.
    resource_counts(kind: Kind) -> BTreeMap<ResourceName, u64> = counts;
}

pub(crate) fn object(kind: Kind, name: &ResourceName) -> String {
    format!("{}/{name}", kind.as_str().to_ascii_lowercase())
}

async fn by_name(
    connection: &mut AnyConnection,
    kind: Kind,
    name: &ResourceName,
) -> Result<Option<Resource>> {
    let row = sqlx::query("SELECT * FROM resources WHERE kind = $1 AND name = $2")
        .bind(kind.as_str())
        .bind(name.as_str().to_owned())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(resource).transpose()
}

async fn by_id(connection: &mut AnyConnection, kind: Kind, id: Uuid) -> Result<Option<Resource>> {
    let row = sqlx::query("SELECT * FROM resources WHERE kind = $1 AND id = $2")
        .bind(kind.as_str())
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(resource).transpose()
}

async fn all(connection: &mut AnyConnection, kind: Kind) -> Result<Vec<Resource>> {
    let rows = sqlx::query("SELECT * FROM resources WHERE kind = $1 ORDER BY name")
        .bind(kind.as_str())
        .fetch_all(connection)
        .await?;
    each(rows, resource)
}

/// Labels are compared here rather than in SQL: neither engine's way of looking into JSON is the other's.
async fn list(
    connection: &mut AnyConnection,
    kind: Kind,
    filter: &ResourceFilter,
    request: &PageRequest,
) -> Result<Page<Resource>> {
    let list = kind.plural();
    let mut after = request.after(list)?;
    let mut found = Vec::new();
    let chunk = request.size() + 1;
    while found.len() < chunk {
        let rows = chunk_after(connection, kind, filter, after.take(), chunk).await?;
        let complete = rows.len() < chunk;
        after = rows.last().map(|last| last.metadata.name.to_string());
        found.extend(
            rows.into_iter()
                .filter(|row| carries(&row.metadata, &filter.labels)),
        );
        if complete {
            break;
        }
    }
    Ok(page(list, request, found, |row| row.metadata.name.to_string()))
}

async fn chunk_after(
    connection: &mut AnyConnection,
    kind: Kind,
    filter: &ResourceFilter,
    after: Option<String>,
    size: usize,
) -> Result<Vec<Resource>> {
    let rows = sqlx::query(
        "SELECT * FROM resources WHERE kind = $1 AND ($2 IS NULL OR name > $2) AND ($3 IS NULL OR project = $3) \
         ORDER BY name LIMIT $4",
    )
    .bind(kind.as_str())
    .bind(after)
    .bind(filter.project.as_ref().map(ToString::to_string))
    .bind(signed(size as u64))
    .fetch_all(connection)
    .await?;
    each(rows, resource)
}

fn carries(metadata: &Metadata, labels: &BTreeMap<String, String>) -> bool {
    labels
        .iter()
        .all(|(key, value)| metadata.labels.get(key) == Some(value))
}

async fn counts(connection: &mut AnyConnection, kind: Kind) -> Result<BTreeMap<ResourceName, u64>> {
    let rows =
        sqlx::query("SELECT project, COUNT(*) AS number FROM resources WHERE kind = $1 GROUP BY project")
            .bind(kind.as_str())
            .fetch_all(connection)
            .await?;
    rows.iter()
        .map(|row| Ok((row.parsed("project")?, row.count("number")?)))
        .collect()
}

fn resource(row: &AnyRow) -> Result<Resource> {
    let id: Uuid = row.parsed("id")?;
    let version = ResourceVersion(row.count("version")?);
    Ok(Resource {
        id,
        kind: row.word("kind")?,
        metadata: Metadata {
            name: row.parsed("name")?,
            project: row.parsed("project")?,
            labels: row.json("labels")?,
            uid: Some(id),
            resource_version: Some(version),
            created_at: Some(row.time("created_at")?),
            updated_at: Some(row.time("updated_at")?),
        },
        spec: row.json("spec")?,
        version,
    })
}

impl Transaction {
    /// Adds a resource at version 1; only name, project and labels of the metadata count. A new environment is
    /// announced to agents.
    pub async fn create_resource(
        &mut self,
        kind: Kind,
        metadata: &Metadata,
        spec: &Value,
    ) -> Result<Resource> {
        let id = Uuid::now_v7();
        let now = self.now.0;
        sqlx::query(
            "INSERT INTO resources (id, kind, name, project, labels, spec, version, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)",
        )
        .bind(id.to_string())
        .bind(kind.as_str())
        .bind(metadata.name.to_string())
        .bind(metadata.project.to_string())
        .bind(to_json(&metadata.labels)?)
        .bind(to_json(spec)?)
        .bind(now)
        .execute(self.connection())
        .await
        .map_err(|error| StoreError::or_exists(error, object(kind, &metadata.name)))?;
        self.written(kind, id).await
    }

    /// Replaces project, labels and spec and raises the version. With `expected`, only if that is the version there is.
    /// The name stays. A changed environment is announced to agents.
    pub async fn update_resource(
        &mut self,
        kind: Kind,
        id: Uuid,
        expected: Option<ResourceVersion>,
        metadata: &Metadata,
        spec: &Value,
    ) -> Result<Resource> {
        self.expect_version(kind, id, expected).await?;
        let now = self.now.0;
        sqlx::query(
            "UPDATE resources SET project = $3, labels = $4, spec = $5, version = version + 1, updated_at = $6 \
             WHERE kind = $1 AND id = $2",
        )
        .bind(kind.as_str())
        .bind(id.to_string())
        .bind(metadata.project.to_string())
        .bind(to_json(&metadata.labels)?)
        .bind(to_json(spec)?)
        .bind(now)
        .execute(self.connection())
        .await?;
        self.written(kind, id).await
    }

    /// Takes a resource away, with everything that is only about it: a secret's value, an API's revisions and the
    /// definitions nobody else uses. Agents learn of the end of an environment. What refers to it by name is the
    /// caller's business.
    pub async fn delete_resource(
        &mut self,
        kind: Kind,
        id: Uuid,
        expected: Option<ResourceVersion>,
    ) -> Result<()> {
        self.expect_version(kind, id, expected).await?;
        if kind == Kind::Environment {
            self.end_environment(EnvironmentId(id)).await?;
        }
        sqlx::query("DELETE FROM resources WHERE kind = $1 AND id = $2")
            .bind(kind.as_str())
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        if kind == Kind::Api {
            self.forget_unused_definitions().await?;
        }
        Ok(())
    }

    async fn expect_version(
        &mut self,
        kind: Kind,
        id: Uuid,
        expected: Option<ResourceVersion>,
    ) -> Result<()> {
        let current = by_id(self.connection(), kind, id).await?;
        let current = current.ok_or_else(|| StoreError::not_found(format!("{kind} {id}")))?;
        match expected {
            Some(expected) if expected != current.version => Err(StoreError::VersionConflict {
                object: current.object(),
                expected,
                actual: current.version,
            }),
            _ => Ok(()),
        }
    }

    async fn written(&mut self, kind: Kind, id: Uuid) -> Result<Resource> {
        let written = by_id(self.connection(), kind, id).await?;
        let written = written.ok_or_else(|| StoreError::not_found(format!("{kind} {id}")))?;
        if kind == Kind::Environment {
            self.announce_environment(&written).await?;
        }
        Ok(written)
    }
}
