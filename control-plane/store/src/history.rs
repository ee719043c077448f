//! The history of deployments: which revision was confirmed where, one after the other.

use gatehouse_schemas::{
    drift::Overwritten,
    identity::{ApiId, DeploymentId, EnvironmentId, Generation, RevisionNumber},
    time::Timestamp,
};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    cursor::{Page, PageRequest, page},
    error::{Result, StoreError},
    row::{Columns as _, each, limit, signed, to_json},
    transaction::{Transaction, reads},
};

/// One state of an API in an environment that the gateway confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The revision; none for a removal.
    pub revision: Option<RevisionNumber>,
    /// The generation.
    pub generation: Generation,
    /// When the gateway confirmed it.
    pub at: Timestamp,
    /// Who asked for it.
    pub requested_by: String,
    /// What somebody had changed on the gateway, and was overwritten by it.
    pub overwritten: Vec<Overwritten>,
}

reads! {
    /// A page of what was confirmed of an API in an environment, newest first.
    deployment_history(api_id: ApiId, environment_id: EnvironmentId, request: &PageRequest) -> Page<HistoryEntry> = list;
    /// The revision that was confirmed last and is not `present`, the one that is desired now.
    last_good_revision(api_id: ApiId, environment_id: EnvironmentId, present: Option<RevisionNumber>) -> Option<RevisionNumber> = last_good;
}

async fn list(
    connection: &mut AnyConnection,
    api_id: ApiId,
    environment_id: EnvironmentId,
    request: &PageRequest,
) -> Result<Page<HistoryEntry>> {
    let before = request.after("history")?;
    let before: Option<i64> = before
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| StoreError::BadCursor)?;
    let rows = sqlx::query(
        "SELECT revision, generation, at, requested_by, overwritten FROM deployment_history \
         WHERE api_id = $1 AND environment_id = $2 AND ($3 IS NULL OR generation < $3) \
         ORDER BY generation DESC LIMIT $4",
    )
    .bind(api_id.to_string())
    .bind(environment_id.to_string())
    .bind(before)
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let entries = each(rows, entry)?;
    Ok(page("history", request, entries, |entry| {
        entry.generation.to_string()
    }))
}

fn entry(row: &AnyRow) -> Result<HistoryEntry> {
    Ok(HistoryEntry {
        revision: row.optional_count("revision")?.map(RevisionNumber),
        generation: Generation(row.count("generation")?),
        at: row.time("at")?,
        requested_by: row.text("requested_by")?,
        overwritten: row.optional_json("overwritten")?.unwrap_or_default(),
    })
}

async fn last_good(
    connection: &mut AnyConnection,
    api_id: ApiId,
    environment_id: EnvironmentId,
    present: Option<RevisionNumber>,
) -> Result<Option<RevisionNumber>> {
    let row = sqlx::query(
        "SELECT revision FROM deployment_history WHERE api_id = $1 AND environment_id = $2 \
         AND revision IS NOT NULL AND ($3 IS NULL OR revision <> $3) ORDER BY generation DESC LIMIT 1",
    )
    .bind(api_id.to_string())
    .bind(environment_id.to_string())
    .bind(present.map(|present| signed(present.0)))
    .fetch_optional(connection)
    .await?;
    row.map(|row| row.count("revision").map(RevisionNumber))
        .transpose()
}

impl Transaction {
    pub(crate) async fn note_confirmation(&mut self, id: DeploymentId) -> Result<()> {
        self.note(
            id,
            "INSERT INTO deployment_history \
             (api_id, environment_id, generation, revision, at, requested_by, overwritten) \
             SELECT api_id, environment_id, generation, revision, $2, requested_by, overwritten FROM deployments \
             WHERE id = $1 AND absent = 0 ON CONFLICT (api_id, environment_id, generation) DO NOTHING",
        )
        .await?;
        sqlx::query("UPDATE deployments SET overwritten = NULL WHERE id = $1 AND overwritten IS NOT NULL")
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Notes what the present generation of a deployment overwrites on the gateway. It stays with the deployment, through
    /// further generations, until one is confirmed; from then on it is in the history.
    pub async fn note_overwritten(&mut self, id: DeploymentId, overwritten: &[Overwritten]) -> Result<()> {
        sqlx::query("UPDATE deployments SET overwritten = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(to_json(&overwritten)?)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    pub(crate) async fn note_removal(&mut self, id: DeploymentId) -> Result<()> {
        self.note(
            id,
            "INSERT INTO deployment_history (api_id, environment_id, generation, revision, at, requested_by) \
             SELECT api_id, environment_id, generation, NULL, $2, requested_by FROM deployments \
             WHERE id = $1 AND absent = 1 ON CONFLICT (api_id, environment_id, generation) DO NOTHING",
        )
        .await
    }

    async fn note(&mut self, id: DeploymentId, statement: &'static str) -> Result<()> {
        let now = self.now.0;
        sqlx::query(statement)
            .bind(id.to_string())
            .bind(now)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
