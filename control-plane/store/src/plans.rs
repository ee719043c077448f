//! Plans: what was asked for, what will change, how that goes. What the items say is the caller's business.

use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{PlanId, ResourceName},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    cursor::{Page, PageRequest, page},
    error::{Result, StoreError},
    row::{Columns as _, each, limit, optional_json, to_json, to_word},
    transaction::{Transaction, reads},
};

/// A plan. What only the control plane needs of it, [`Store::plan_internals`](crate::Store::plan_internals), is read
/// apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which.
    pub id: PlanId,
    /// How it stands.
    pub state: PlanState,
    /// What happens to the other items when one fails.
    pub strategy: PlanStrategy,
    /// Whether losses are accepted.
    pub accept_loss: bool,
    /// The fingerprint of what it says will change, once that is worked out.
    pub fingerprint: Option<Fingerprint>,
    /// Item by item, as the caller gave it.
    pub items: Value,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
    /// When it was applied, if it was.
    pub applied_at: Option<Timestamp>,
    /// Who applied it.
    pub applied_by: Option<String>,
}

/// How a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlanState {
    /// Agents are looking at the gateways.
    Pending,
    /// It can be applied.
    Ready,
    /// It cannot be applied.
    Refused,
    /// The world moved since it was made.
    Void,
    /// It is being carried out.
    Applying,
    /// All of it was carried out.
    Applied,
    /// Some items were carried out, and some failed.
    Incomplete,
    /// An item failed, and the others are being put back.
    Compensating,
    /// An item failed, and all others are as they were.
    Compensated,
}

/// What happens to the other items when one fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlanStrategy {
    /// They go on.
    #[default]
    BestEffort,
    /// They are put back to what was there before.
    AllOrNothing,
}

/// A plan to be kept; it begins as [`PlanState::Pending`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlan {
    /// What happens to the other items when one fails.
    pub strategy: PlanStrategy,
    /// Whether losses are accepted.
    pub accept_loss: bool,
    /// Item by item.
    pub items: Value,
    /// What only the control plane needs: what is desired, what was desired before.
    pub internals: Value,
    /// Which API in which environment it is about; the list can be searched by them.
    pub targets: Vec<(ResourceName, ResourceName)>,
}

/// What changes about a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanUpdate {
    /// How it stands now.
    pub state: PlanState,
    /// Item by item, in place of what was there.
    pub items: Value,
    /// In place of what was there; none leaves it.
    pub internals: Option<Value>,
    /// The fingerprint of what it says will change; none leaves it.
    pub fingerprint: Option<Fingerprint>,
    /// Whether it is applied now, by the actor of the transaction.
    pub applied: bool,
}

/// Which plans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanFilter {
    /// Only in this state.
    pub state: Option<PlanState>,
    /// Only those about this API.
    pub api: Option<ResourceName>,
    /// Only those about this environment.
    pub environment: Option<ResourceName>,
}

macro_rules! summary {
    ($rest:literal) => {
        concat!(
            "SELECT id, state, strategy, accept_loss, fingerprint, items, created_at, created_by, updated_at, \
             applied_at, applied_by FROM plans WHERE ",
            $rest
        )
    };
}

reads! {
    /// One plan.
    plan(id: PlanId) -> Option<Plan> = by_id;
    /// What only the control plane needs of a plan.
    plan_internals(id: PlanId) -> Option<Value> = internals;
    /// A page of plans, newest first.
    plans(filter: &PlanFilter, request: &PageRequest) -> Page<Plan> = list;
    /// The plans that something has to be done about: agents look, it is carried out, or it is put back. Oldest first.
    open_plans() -> Vec<Plan> = open;
}

async fn by_id(connection: &mut AnyConnection, id: PlanId) -> Result<Option<Plan>> {
    let row = sqlx::query(summary!("id = $1"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(plan).transpose()
}

async fn internals(connection: &mut AnyConnection, id: PlanId) -> Result<Option<Value>> {
    let row = sqlx::query("SELECT internals FROM plans WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.json("internals")).transpose()
}

async fn list(
    connection: &mut AnyConnection,
    filter: &PlanFilter,
    request: &PageRequest,
) -> Result<Page<Plan>> {
    let before = request.after("plans")?;
    let rows = sqlx::query(summary!(
        "($1 IS NULL OR state = $1) AND ($2 IS NULL AND $3 IS NULL OR EXISTS (SELECT 1 FROM plan_targets \
         WHERE plan_id = plans.id AND ($2 IS NULL OR api = $2) AND ($3 IS NULL OR environment = $3))) \
         AND ($4 IS NULL OR id < $4) ORDER BY id DESC LIMIT $5"
    ))
    .bind(filter.state.as_ref().map(to_word).transpose()?)
    .bind(filter.api.as_ref().map(ToString::to_string))
    .bind(filter.environment.as_ref().map(ToString::to_string))
    .bind(before)
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let plans = each(rows, plan)?;
    Ok(page("plans", request, plans, |plan| plan.id.to_string()))
}

async fn open(connection: &mut AnyConnection) -> Result<Vec<Plan>> {
    let rows = sqlx::query(summary!(
        "state IN ('Pending', 'Applying', 'Compensating') ORDER BY id"
    ))
    .fetch_all(connection)
    .await?;
    each(rows, plan)
}

fn plan(row: &AnyRow) -> Result<Plan> {
    Ok(Plan {
        id: row.parsed("id")?,
        state: row.word("state")?,
        strategy: row.word("strategy")?,
        accept_loss: row.flag("accept_loss")?,
        fingerprint: row.optional_text("fingerprint")?.map(Fingerprint),
        items: row.json("items")?,
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?,
        updated_at: row.time("updated_at")?,
        applied_at: row.optional_time("applied_at")?,
        applied_by: row.optional_text("applied_by")?,
    })
}

impl Transaction {
    /// Keeps a plan that agents are to work out.
    pub async fn create_plan(&mut self, new: &NewPlan) -> Result<Plan> {
        self.wake_on_commit();
        let id = PlanId(Uuid::now_v7());
        let (now, actor) = (self.now.0, self.actor.clone());
        sqlx::query(
            "INSERT INTO plans (id, state, strategy, accept_loss, items, internals, created_at, created_by, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7)",
        )
        .bind(id.to_string())
        .bind(to_word(&PlanState::Pending)?)
        .bind(to_word(&new.strategy)?)
        .bind(i64::from(new.accept_loss))
        .bind(to_json(&new.items)?)
        .bind(to_json(&new.internals)?)
        .bind(now)
        .bind(actor)
        .execute(self.connection())
        .await?;
        for (api, environment) in &new.targets {
            self.add_target(id, api, environment).await?;
        }
        let written = by_id(self.connection(), id).await?;
        written.ok_or_else(|| StoreError::not_found(format!("plan {id}")))
    }

    async fn add_target(&mut self, id: PlanId, api: &ResourceName, environment: &ResourceName) -> Result<()> {
        sqlx::query(
            "INSERT INTO plan_targets (plan_id, api, environment) VALUES ($1, $2, $3) \
             ON CONFLICT (plan_id, api, environment) DO NOTHING",
        )
        .bind(id.to_string())
        .bind(api.to_string())
        .bind(environment.to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Changes a plan if it is still in this state. Gives whether it was: if not, somebody else moved it, and nothing
    /// changes.
    pub async fn update_plan(
        &mut self,
        id: PlanId,
        expected: PlanState,
        update: &PlanUpdate,
    ) -> Result<bool> {
        let (now, actor) = (self.now.0, self.actor.clone());
        let done = sqlx::query(
            "UPDATE plans SET state = $3, items = $4, internals = COALESCE($5, internals), \
             fingerprint = COALESCE($6, fingerprint), updated_at = $7, applied_at = COALESCE($8, applied_at), \
             applied_by = COALESCE($9, applied_by) WHERE id = $1 AND state = $2",
        )
        .bind(id.to_string())
        .bind(to_word(&expected)?)
        .bind(to_word(&update.state)?)
        .bind(to_json(&update.items)?)
        .bind(optional_json(update.internals.as_ref())?)
        .bind(update.fingerprint.as_ref().map(|fingerprint| fingerprint.0.clone()))
        .bind(now)
        .bind(update.applied.then_some(now))
        .bind(update.applied.then_some(actor))
        .execute(self.connection())
        .await?;
        let changed = done.rows_affected() > 0;
        if changed {
            self.wake_on_commit();
        }
        Ok(changed)
    }
}
