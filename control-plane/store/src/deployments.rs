//! Deployments: which revision should be where, and how that goes.
//!
//! One row per API and environment. Undeploying changes what is desired to "nothing"; the row goes when every
//! gateway that may have the API has confirmed that it is gone.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_schemas::{
    condition::{Condition, Phase},
    desired::{DesiredApi, Mark},
    identity::{
        ApiId, DeploymentId, EnvironmentId, ExternalRef, Generation, PlanId, ResourceName, RevisionNumber,
    },
    policy::SecretVersion,
    time::Timestamp,
};
use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};
use uuid::Uuid;

use crate::{
    cursor::{Page, PageRequest, page},
    error::{Result, StoreError},
    row::{Columns as _, each, limit, placeholders, signed, storable, to_json, to_word},
    terms::DeploymentTerms,
    transaction::{Transaction, reads},
};

/// What should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Desired {
    /// This API.
    Present(Box<DesiredApi>),
    /// Nothing that carries this mark.
    Absent(Mark),
}

/// One deployment. What is desired is read apart, for it can be large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Which.
    pub id: DeploymentId,
    /// The API.
    pub api_id: ApiId,
    /// The API's name.
    pub api: ResourceName,
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The environment's name.
    pub environment: ResourceName,
    /// The desired revision; of a removal, the last one that was desired.
    pub revision: RevisionNumber,
    /// Whether it is being removed.
    pub absent: bool,
    /// The generation of the desired state.
    pub generation: Generation,
    /// The generation that was last reported on.
    pub observed_generation: Generation,
    /// Whether the present generation was reported as carried out.
    pub confirmed: bool,
    /// On what terms the desired state may be carried out.
    pub terms: DeploymentTerms,
    /// Who asked for the present generation: the actor of the transaction.
    pub requested_by: String,
    /// The summary of the conditions.
    pub phase: Phase,
    /// How it goes.
    pub conditions: Vec<Condition>,
    /// The gateway's own identity for the API, once reported.
    pub external_ref: Option<ExternalRef>,
    /// Where consumers reach it, best first.
    pub endpoint_urls: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
}

/// A deployment to be made, or to take the place of the one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// What should be there; its mark says which API, revision and environment.
    pub desired: DesiredApi,
    /// The summary to begin with.
    pub phase: Phase,
    /// The conditions to begin with.
    pub conditions: Vec<Condition>,
    /// On what terms it may be carried out.
    pub terms: DeploymentTerms,
}

/// How a deployment goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// The generation that was last reported on.
    pub observed_generation: Generation,
    /// The summary of the conditions.
    pub phase: Phase,
    /// How it goes.
    pub conditions: Vec<Condition>,
    /// The gateway's own identity for the API.
    pub external_ref: Option<ExternalRef>,
    /// Where consumers reach it, best first.
    pub endpoint_urls: Vec<String>,
}

/// Which deployments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Only of this API.
    pub api_id: Option<ApiId>,
    /// Only in this environment.
    pub environment_id: Option<EnvironmentId>,
    /// Only those whose present generation is part of this plan.
    pub plan_id: Option<PlanId>,
}

macro_rules! summary {
    ($rest:literal) => {
        concat!(
            "SELECT deployments.id AS id, api_id, api, deployments.environment_id AS environment_id, \
             environment_states.name AS environment, revision, absent, deployments.generation AS generation, \
             observed_generation, confirmed, expected, adopt, accept_loss, priority, plan_id, requested_by, \
             phase, conditions, external_ref, endpoint_urls, created_at, updated_at \
             FROM deployments JOIN environment_states \
             ON environment_states.environment_id = deployments.environment_id WHERE ",
            $rest
        )
    };
}

reads! {
    /// One deployment.
    deployment(id: DeploymentId) -> Option<Deployment> = by_id;
    /// The deployment of an API in an environment.
    deployment_of(api_id: ApiId, environment_id: EnvironmentId) -> Option<Deployment> = by_place;
    /// A page of deployments, oldest first.
    deployments(filter: &DeploymentFilter, request: &PageRequest) -> Page<Deployment> = list;
    /// All deployments that the filter lets through, removals included.
    all_deployments(filter: &DeploymentFilter) -> Vec<Deployment> = all;
    /// All deployments of these APIs, by environment.
    deployments_of_apis(api_ids: &[ApiId]) -> Vec<Deployment> = of_apis;
    /// What a deployment's desired state is.
    desired(id: DeploymentId) -> Option<Desired> = desired_of;
    /// What should be in an environment at, above or below this base path: all that can share a route with it.
    desired_around(environment_id: EnvironmentId, base_path: &str) -> Vec<DesiredApi> = around;
    /// The secrets that the desired states of an environment refer to.
    desired_secrets(environment_id: EnvironmentId) -> BTreeSet<ResourceName> = secrets_in;
    /// The deployments whose desired state refers to a secret.
    deployments_using(secret: &ResourceName) -> Vec<Deployment> = using;
    /// How many APIs should be deployed to each environment; environments without any are left out.
    deployment_counts() -> BTreeMap<EnvironmentId, u64> = counts;
}

pub(crate) async fn by_id(connection: &mut AnyConnection, id: DeploymentId) -> Result<Option<Deployment>> {
    let row = sqlx::query(summary!("deployments.id = $1"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(deployment).transpose()
}

async fn by_place(
    connection: &mut AnyConnection,
    api_id: ApiId,
    environment_id: EnvironmentId,
) -> Result<Option<Deployment>> {
    let row = sqlx::query(summary!("api_id = $1 AND deployments.environment_id = $2"))
        .bind(api_id.to_string())
        .bind(environment_id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(deployment).transpose()
}

async fn list(
    connection: &mut AnyConnection,
    filter: &DeploymentFilter,
    request: &PageRequest,
) -> Result<Page<Deployment>> {
    let after = request.after("deployments")?;
    let found = select(connection, filter, after, limit(request.size())).await?;
    Ok(page("deployments", request, found, |deployment| {
        deployment.id.to_string()
    }))
}

async fn all(connection: &mut AnyConnection, filter: &DeploymentFilter) -> Result<Vec<Deployment>> {
    select(connection, filter, None, i64::MAX).await
}

async fn select(
    connection: &mut AnyConnection,
    filter: &DeploymentFilter,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<Deployment>> {
    let rows = sqlx::query(summary!(
        "($1 IS NULL OR api_id = $1) AND ($2 IS NULL OR deployments.environment_id = $2) \
         AND ($3 IS NULL OR plan_id = $3) AND ($4 IS NULL OR deployments.id > $4) ORDER BY deployments.id LIMIT $5"
    ))
    .bind(filter.api_id.map(|id| id.to_string()))
    .bind(filter.environment_id.map(|id| id.to_string()))
    .bind(filter.plan_id.map(|id| id.to_string()))
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    each(rows, deployment)
}

/// The deployments that a condition of this crate's with one parameter lets through.
pub(crate) async fn matching(
    connection: &mut AnyConnection,
    condition: &'static str,
    parameter: String,
) -> Result<Vec<Deployment>> {
    let statement = format!("{} AND {condition} ORDER BY deployments.id", summary!("TRUE"));
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(parameter)
        .fetch_all(connection)
        .await?;
    each(rows, deployment)
}

async fn of_apis(connection: &mut AnyConnection, api_ids: &[ApiId]) -> Result<Vec<Deployment>> {
    let mut found = Vec::new();
    for api_ids in api_ids.chunks(100) {
        let statement = format!(
            "{} AND api_id IN ({}) ORDER BY environment_states.name",
            summary!("TRUE"),
            placeholders(1, api_ids.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for api_id in api_ids {
            query = query.bind(api_id.to_string());
        }
        found.extend(each(query.fetch_all(&mut *connection).await?, deployment)?);
    }
    Ok(found)
}

async fn desired_of(connection: &mut AnyConnection, id: DeploymentId) -> Result<Option<Desired>> {
    let row = sqlx::query("SELECT absent, desired FROM deployments WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(desired).transpose()
}

/// `LIKE` lets through a little too much where a path contains `%` or `_`; that costs the caller a comparison.
async fn around(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
    base_path: &str,
) -> Result<Vec<DesiredApi>> {
    let rows = sqlx::query(
        "SELECT desired FROM deployments WHERE environment_id = $1 AND absent = 0 AND \
         (base_path = $2 OR base_path LIKE $2 || '/%' OR $2 LIKE base_path || '/%')",
    )
    .bind(environment_id.to_string())
    .bind(trimmed(base_path))
    .fetch_all(connection)
    .await?;
    each(rows, |row| row.json("desired"))
}

pub(crate) fn trimmed(base_path: &str) -> String {
    base_path.trim_end_matches('/').to_owned()
}

async fn counts(connection: &mut AnyConnection) -> Result<BTreeMap<EnvironmentId, u64>> {
    let rows = sqlx::query(
        "SELECT environment_id, COUNT(*) AS number FROM deployments WHERE absent = 0 GROUP BY environment_id",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| Ok((row.parsed("environment_id")?, row.count("number")?)))
        .collect()
}

async fn secrets_in(
    connection: &mut AnyConnection,
    environment_id: EnvironmentId,
) -> Result<BTreeSet<ResourceName>> {
    let rows = sqlx::query(
        "SELECT DISTINCT secret FROM deployment_secrets \
         JOIN deployments ON deployments.id = deployment_secrets.deployment_id WHERE environment_id = $1",
    )
    .bind(environment_id.to_string())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.parsed("secret")).collect()
}

async fn using(connection: &mut AnyConnection, secret: &ResourceName) -> Result<Vec<Deployment>> {
    let rows = sqlx::query(summary!(
        "deployments.id IN \
         (SELECT deployment_id FROM deployment_secrets WHERE secret = $1) ORDER BY deployments.id"
    ))
    .bind(secret.to_string())
    .fetch_all(connection)
    .await?;
    each(rows, deployment)
}

pub(crate) fn desired(row: &AnyRow) -> Result<Desired> {
    if row.flag("absent")? {
        row.json("desired").map(Desired::Absent)
    } else {
        row.json("desired").map(|api| Desired::Present(Box::new(api)))
    }
}

fn deployment(row: &AnyRow) -> Result<Deployment> {
    Ok(Deployment {
        id: row.parsed("id")?,
        api_id: row.parsed("api_id")?,
        api: row.parsed("api")?,
        environment_id: row.parsed("environment_id")?,
        environment: row.parsed("environment")?,
        revision: RevisionNumber(row.count("revision")?),
        absent: row.flag("absent")?,
        generation: Generation(row.count("generation")?),
        observed_generation: Generation(row.count("observed_generation")?),
        confirmed: row.flag("confirmed")?,
        terms: DeploymentTerms::of(row)?,
        requested_by: row.text("requested_by")?,
        phase: row.word("phase")?,
        conditions: row.json("conditions")?,
        external_ref: row.optional_text("external_ref")?.map(ExternalRef),
        endpoint_urls: row.json("endpoint_urls")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

impl Transaction {
    /// Records what should be in an environment, in place of what was desired there of the same API. The row and its
    /// identity stay through redeployments, also after a removal that was not confirmed yet. The new generation is not
    /// confirmed; recording the same state again is how what was applied is put back.
    pub async fn put_deployment(&mut self, new: &NewDeployment) -> Result<Deployment> {
        let generation = self.next_generation_in(new.desired.mark.environment_id).await?;
        let (mark, now, actor) = (&new.desired.mark, self.now.0, self.actor.clone());
        let terms = &new.terms;
        sqlx::query(
            "INSERT INTO deployments (id, api_id, api, environment_id, revision, base_path, absent, desired, generation, \
             observed_generation, phase, conditions, endpoint_urls, created_at, updated_at, confirmed, expected, adopt, \
             accept_loss, priority, plan_id, requested_by) \
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, 0, $9, $10, '[]', $11, $11, 0, $12, $13, $14, $15, $16, $17) \
             ON CONFLICT (api_id, environment_id) DO UPDATE SET api = $3, revision = $5, base_path = $6, absent = 0, \
             desired = $7, generation = $8, phase = $9, conditions = $10, updated_at = $11, confirmed = 0, \
             expected = $12, adopt = $13, accept_loss = $14, priority = $15, plan_id = $16, requested_by = $17",
        )
        .bind(Uuid::now_v7().to_string())
        .bind(mark.api_id.to_string())
        .bind(mark.api_name.to_string())
        .bind(mark.environment_id.to_string())
        .bind(signed(mark.revision.0))
        .bind(trimmed(&new.desired.content.base_path))
        .bind(to_json(&new.desired)?)
        .bind(signed(generation.0))
        .bind(to_word(&new.phase)?)
        .bind(to_json(&new.conditions)?)
        .bind(now)
        .bind(terms.expected_json()?)
        .bind(terms.adopt.as_ref().map(|external| storable(&external.0)))
        .bind(i64::from(terms.accept_loss))
        .bind(to_word(&terms.priority)?)
        .bind(terms.plan_id.map(|id| id.to_string()))
        .bind(actor)
        .execute(self.connection())
        .await?;
        let written = by_place(self.connection(), mark.api_id, mark.environment_id).await?;
        let written =
            written.ok_or_else(|| StoreError::not_found(format!("deployment of {}", mark.api_name)))?;
        self.set_deployment_secrets(written.id, &new.desired.secrets)
            .await?;
        Ok(written)
    }

    pub(crate) async fn set_deployment_secrets(
        &mut self,
        id: DeploymentId,
        secrets: &[SecretVersion],
    ) -> Result<()> {
        sqlx::query("DELETE FROM deployment_secrets WHERE deployment_id = $1")
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        for secret in secrets {
            sqlx::query(
                "INSERT INTO deployment_secrets (deployment_id, secret) VALUES ($1, $2) \
                 ON CONFLICT (deployment_id, secret) DO NOTHING",
            )
            .bind(id.to_string())
            .bind(secret.name.to_string())
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }

    /// Changes what is desired to nothing. The row stays until the removal is confirmed.
    pub async fn request_removal(
        &mut self,
        id: DeploymentId,
        conditions: &[Condition],
        terms: &DeploymentTerms,
    ) -> Result<Deployment> {
        let mark = match desired_of(self.connection(), id).await? {
            Some(Desired::Present(api)) => api.mark,
            Some(Desired::Absent(mark)) => mark,
            None => return Err(StoreError::not_found(format!("deployment {id}"))),
        };
        let generation = self.next_generation_in(mark.environment_id).await?;
        let (now, actor) = (self.now.0, self.actor.clone());
        sqlx::query(
            "UPDATE deployments SET absent = 1, desired = $2, generation = $3, phase = $4, conditions = $5, \
             updated_at = $6, confirmed = 0, expected = $7, adopt = NULL, accept_loss = $8, priority = $9, \
             plan_id = $10, requested_by = $11 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(to_json(&mark)?)
        .bind(signed(generation.0))
        .bind(to_word(&Phase::Removing)?)
        .bind(to_json(&conditions)?)
        .bind(now)
        .bind(terms.expected_json()?)
        .bind(i64::from(terms.accept_loss))
        .bind(to_word(&terms.priority)?)
        .bind(terms.plan_id.map(|id| id.to_string()))
        .bind(actor)
        .execute(self.connection())
        .await?;
        self.set_deployment_secrets(id, &[]).await?;
        let written = by_id(self.connection(), id).await?;
        written.ok_or_else(|| StoreError::not_found(format!("deployment {id}")))
    }

    /// Records how a deployment goes. What is desired does not change.
    pub async fn set_deployment_status(&mut self, id: DeploymentId, status: &DeploymentStatus) -> Result<()> {
        self.wake_on_commit();
        let now = self.now.0;
        let done = sqlx::query(
            "UPDATE deployments SET observed_generation = $2, phase = $3, conditions = $4, external_ref = $5, \
             endpoint_urls = $6, updated_at = $7 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(signed(status.observed_generation.0))
        .bind(to_word(&status.phase)?)
        .bind(to_json(&status.conditions)?)
        .bind(status.external_ref.as_ref().map(|external| storable(&external.0)))
        .bind(to_json(&status.endpoint_urls)?)
        .bind(now)
        .execute(self.connection())
        .await?;
        match done.rows_affected() {
            0 => Err(StoreError::not_found(format!("deployment {id}"))),
            _ => Ok(()),
        }
    }

    /// Ends a removal that everyone who had to has confirmed: the row goes, and the history says so. What is wanted
    /// again stays.
    pub async fn remove_deployment(&mut self, id: DeploymentId) -> Result<()> {
        self.wake_on_commit();
        self.note_removal(id).await?;
        sqlx::query("DELETE FROM deployments WHERE id = $1 AND absent = 1")
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
