//! Revisions: immutable, numbered snapshots of an API.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{ApiId, RevisionNumber},
    revision::RevisionContent,
    time::Timestamp,
};
use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::{
    cursor::{Page, PageRequest, page},
    error::{Result, StoreError},
    row::{Columns as _, each, limit, placeholders, signed, to_json},
    transaction::{Transaction, reads},
};

/// One revision of an API. The content is read apart, for it can be large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The API.
    pub api_id: ApiId,
    /// The number, from 1.
    pub number: RevisionNumber,
    /// The fingerprint of its content.
    pub fingerprint: Fingerprint,
    /// The definition it was derived from.
    pub definition: Option<Fingerprint>,
    /// How many operations it has.
    pub operations: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom: the actor of the transaction.
    pub created_by: String,
}

const SUMMARY: &str = "api_id, number, fingerprint, definition, operations, created_at, created_by";

reads! {
    /// One revision, without its content.
    revision(api_id: ApiId, number: RevisionNumber) -> Option<Revision> = by_number;
    /// The content of a revision.
    revision_content(api_id: ApiId, number: RevisionNumber) -> Option<RevisionContent> = content;
    /// The newest revision of an API, without its content.
    latest_revision(api_id: ApiId) -> Option<Revision> = latest;
    /// The newest revisions of these APIs, without their contents.
    latest_revisions(api_ids: &[ApiId]) -> BTreeMap<ApiId, Revision> = latest_of;
    /// The contents of the newest revisions of these APIs. As large as they are: ask for a few hundred at a time.
    latest_contents(api_ids: &[ApiId]) -> BTreeMap<ApiId, RevisionContent> = latest_contents_of;
    /// The numbers of the newest revisions of all APIs.
    newest_revisions() -> BTreeMap<ApiId, RevisionNumber> = newest;
    /// A page of an API's revisions, newest first.
    revisions(api_id: ApiId, request: &PageRequest) -> Page<Revision> = list;
}

async fn by_number(
    connection: &mut AnyConnection,
    api_id: ApiId,
    number: RevisionNumber,
) -> Result<Option<Revision>> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT {SUMMARY} FROM revisions WHERE api_id = $1 AND number = $2"
    )))
    .bind(api_id.to_string())
    .bind(signed(number.0))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(revision).transpose()
}

async fn content(
    connection: &mut AnyConnection,
    api_id: ApiId,
    number: RevisionNumber,
) -> Result<Option<RevisionContent>> {
    let row = sqlx::query("SELECT content FROM revisions WHERE api_id = $1 AND number = $2")
        .bind(api_id.to_string())
        .bind(signed(number.0))
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.json("content")).transpose()
}

async fn latest(connection: &mut AnyConnection, api_id: ApiId) -> Result<Option<Revision>> {
    Ok(latest_of(connection, &[api_id]).await?.remove(&api_id))
}

async fn newest(connection: &mut AnyConnection) -> Result<BTreeMap<ApiId, RevisionNumber>> {
    let rows = sqlx::query("SELECT api_id, MAX(number) AS number FROM revisions GROUP BY api_id")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((row.parsed("api_id")?, RevisionNumber(row.count("number")?))))
        .collect()
}

async fn latest_of(connection: &mut AnyConnection, api_ids: &[ApiId]) -> Result<BTreeMap<ApiId, Revision>> {
    let mut found = BTreeMap::new();
    for api_ids in api_ids.chunks(100) {
        let statement = format!(
            "SELECT {SUMMARY} FROM revisions WHERE api_id IN ({}) AND number = \
             (SELECT MAX(newest.number) FROM revisions AS newest WHERE newest.api_id = revisions.api_id)",
            placeholders(1, api_ids.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for api_id in api_ids {
            query = query.bind(api_id.to_string());
        }
        for row in query.fetch_all(&mut *connection).await? {
            let revision = revision(&row)?;
            found.insert(revision.api_id, revision);
        }
    }
    Ok(found)
}

async fn latest_contents_of(
    connection: &mut AnyConnection,
    api_ids: &[ApiId],
) -> Result<BTreeMap<ApiId, RevisionContent>> {
    let mut found = BTreeMap::new();
    for api_ids in api_ids.chunks(100) {
        let statement = format!(
            "SELECT api_id, content FROM revisions WHERE api_id IN ({}) AND number = \
             (SELECT MAX(newest.number) FROM revisions AS newest WHERE newest.api_id = revisions.api_id)",
            placeholders(1, api_ids.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for api_id in api_ids {
            query = query.bind(api_id.to_string());
        }
        for row in query.fetch_all(&mut *connection).await? {
            found.insert(row.parsed("api_id")?, row.json("content")?);
        }
    }
    Ok(found)
}

async fn list(
    connection: &mut AnyConnection,
    api_id: ApiId,
    request: &PageRequest,
) -> Result<Page<Revision>> {
    let before = request.after("revisions")?;
    let before: Option<i64> = before
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| StoreError::BadCursor)?;
    let rows = sqlx::query(AssertSqlSafe(format!(
        "SELECT {SUMMARY} FROM revisions WHERE api_id = $1 AND ($2 IS NULL OR number < $2) \
         ORDER BY number DESC LIMIT $3"
    )))
    .bind(api_id.to_string())
    .bind(before)
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let revisions = each(rows, revision)?;
    Ok(page("revisions", request, revisions, |revision| {
        revision.number.to_string()
    }))
}

fn revision(row: &AnyRow) -> Result<Revision> {
    Ok(Revision {
        api_id: row.parsed("api_id")?,
        number: RevisionNumber(row.count("number")?),
        fingerprint: Fingerprint(row.text("fingerprint")?),
        definition: row.optional_text("definition")?.map(Fingerprint),
        operations: row.count("operations")?,
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?,
    })
}

impl Transaction {
    /// Adds the next revision of an API. Its definition, if it has one, must be stored already.
    pub async fn add_revision(
        &mut self,
        api_id: ApiId,
        content: &RevisionContent,
        fingerprint: &Fingerprint,
    ) -> Result<Revision> {
        let number = latest(self.connection(), api_id)
            .await?
            .map_or(1, |newest| newest.number.0 + 1);
        let (now, actor) = (self.now.0, self.actor.clone());
        let definition = content
            .definition
            .as_ref()
            .map(|definition| definition.fingerprint.0.clone());
        sqlx::query(
            "INSERT INTO revisions (api_id, number, fingerprint, definition, operations, content, created_at, created_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(api_id.to_string())
        .bind(signed(number))
        .bind(fingerprint.0.clone())
        .bind(definition)
        .bind(signed(content.operations.len() as u64))
        .bind(to_json(content)?)
        .bind(now)
        .bind(actor)
        .execute(self.connection())
        .await?;
        let added = by_number(self.connection(), api_id, RevisionNumber(number)).await?;
        added.ok_or_else(|| StoreError::not_found(format!("revision {number} of API {api_id}")))
    }
}
