//! Tasks: what agents are asked to look at or to work out, and their answers. What they say is the caller's business.

use gatehouse_schemas::{
    identity::{EnvironmentId, GatewayType, Generation, PlanId, ResourceName, TaskId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    error::{Result, StoreError},
    resources::Resource,
    row::{Columns as _, each, signed, to_json, to_word},
    transaction::{Transaction, reads},
};

/// Something an agent was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which.
    pub id: TaskId,
    /// Where.
    pub environment_id: EnvironmentId,
    /// The environment's name when it was asked.
    pub environment: ResourceName,
    /// What: as the caller gave it.
    pub task: Value,
    /// How it goes.
    pub state: TaskState,
    /// The answer, once there is one: as the caller gave it.
    pub result: Option<Value>,
    /// The generation in which it was asked.
    pub generation: Generation,
    /// The item of a plan that it is for.
    pub plan: Option<PlanPart>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it ends without an answer.
    pub expires_at: Timestamp,
    /// When it was answered or failed.
    pub finished_at: Option<Timestamp>,
}

/// How a task goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// No agent has answered.
    Pending,
    /// It was answered.
    Answered,
    /// It could not be answered, or no agent did in time.
    Failed,
}

/// One item of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanPart {
    /// The plan.
    pub plan_id: PlanId,
    /// Which of its items, from 0.
    pub item: u32,
}

/// Something to ask an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// What.
    pub task: Value,
    /// When it ends without an answer.
    pub expires_at: Timestamp,
    /// The item of a plan that it is for.
    pub plan: Option<PlanPart>,
}

reads! {
    /// One task.
    task(id: TaskId) -> Option<Task> = by_id;
    /// The tasks of a plan, in the order in which they were asked.
    plan_tasks(plan_id: PlanId) -> Vec<Task> = of_plan;
    /// Tasks of an environment that no agent has answered, ended ones included, oldest first.
    open_tasks(environment_id: EnvironmentId) -> Vec<Task> = open;
    /// Tasks that should have been answered before `now` and were not; whoever finds them says why.
    overdue_tasks(now: Timestamp) -> Vec<Task> = overdue;
}

async fn by_id(connection: &mut AnyConnection, id: TaskId) -> Result<Option<Task>> {
    let row = sqlx::query("SELECT * FROM tasks WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(task).transpose()
}

async fn of_plan(connection: &mut AnyConnection, plan_id: PlanId) -> Result<Vec<Task>> {
    let rows = sqlx::query("SELECT * FROM tasks WHERE plan_id = $1 ORDER BY id")
        .bind(plan_id.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, task)
}

async fn open(connection: &mut AnyConnection, environment_id: EnvironmentId) -> Result<Vec<Task>> {
    let rows = sqlx::query("SELECT * FROM tasks WHERE state = 'Pending' AND environment_id = $1 ORDER BY id")
        .bind(environment_id.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, task)
}

/// All that wait in environments of a gateway type, oldest first.
pub(crate) async fn open_of_type(
    connection: &mut AnyConnection,
    gateway_type: &GatewayType,
) -> Result<Vec<Task>> {
    let rows = sqlx::query(
        "SELECT * FROM tasks WHERE state = 'Pending' AND environment_id IN \
         (SELECT environment_id FROM environment_states WHERE gateway_type = $1) ORDER BY id",
    )
    .bind(gateway_type.to_string())
    .fetch_all(connection)
    .await?;
    each(rows, task)
}

async fn overdue(connection: &mut AnyConnection, now: Timestamp) -> Result<Vec<Task>> {
    let rows = sqlx::query(
        "SELECT * FROM tasks WHERE state = 'Pending' AND expires_at <= $1 ORDER BY id LIMIT 1000",
    )
    .bind(now.0)
    .fetch_all(connection)
    .await?;
    each(rows, task)
}

fn task(row: &AnyRow) -> Result<Task> {
    let item = row.optional_count("plan_item")?.unwrap_or_default();
    let plan = row.optional_parsed("plan_id")?.map(|plan_id| PlanPart {
        plan_id,
        item: u32::try_from(item).unwrap_or(u32::MAX),
    });
    Ok(Task {
        id: row.parsed("id")?,
        environment_id: row.parsed("environment_id")?,
        environment: row.parsed("environment")?,
        task: row.json("task")?,
        state: row.word("state")?,
        result: row.optional_json("result")?,
        generation: Generation(row.count("generation")?),
        plan,
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?,
        expires_at: row.time("expires_at")?,
        finished_at: row.optional_time("finished_at")?,
    })
}

impl Transaction {
    /// Asks the agents of an environment.
    pub async fn create_task(&mut self, environment: &Resource, new: &NewTask) -> Result<Task> {
        let id = TaskId(Uuid::now_v7());
        let generation = self.next_generation_in(EnvironmentId(environment.id)).await?;
        let (now, actor) = (self.now.0, self.actor.clone());
        sqlx::query(
            "INSERT INTO tasks (id, environment_id, environment, task, state, generation, plan_id, plan_item, created_at, \
             created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(id.to_string())
        .bind(environment.id.to_string())
        .bind(environment.metadata.name.to_string())
        .bind(to_json(&new.task)?)
        .bind(to_word(&TaskState::Pending)?)
        .bind(signed(generation.0))
        .bind(new.plan.map(|part| part.plan_id.to_string()))
        .bind(new.plan.map(|part| i64::from(part.item)))
        .bind(now)
        .bind(actor)
        .bind(new.expires_at.0)
        .execute(self.connection())
        .await?;
        let written = by_id(self.connection(), id).await?;
        written.ok_or_else(|| StoreError::not_found(format!("task {id}")))
    }

    /// Records the answer to a task, or why there is none. Gives whether that was news: a task is answered once.
    pub async fn finish_task(&mut self, id: TaskId, state: TaskState, result: &Value) -> Result<bool> {
        self.wake_on_commit();
        let now = self.now.0;
        let done = sqlx::query(
            "UPDATE tasks SET state = $2, result = $3, finished_at = $4 WHERE id = $1 AND state = 'Pending'",
        )
        .bind(id.to_string())
        .bind(to_word(&state)?)
        .bind(to_json(result)?)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
