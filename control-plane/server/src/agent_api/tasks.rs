//! Answers to tasks: what an agent was asked to look at or to work out.

use gatehouse_control_plane_api::{
    agent::{Task, TaskReport, TaskResult},
    problem::{Problem, ProblemKind},
};
use gatehouse_control_plane_store::{self as store, TaskState, Transaction};
use gatehouse_schemas::{
    identity::{GatewayType, TaskId},
    time::Timestamp,
};
use http::StatusCode;
use serde_json::json;

use super::{
    caller::Caller,
    leases::{self, stale},
};
use crate::{
    extract::{Body, Path},
    failure::{Answer, Failure},
    status::is_online,
    write::plan,
};

/// How long a task waits for an answer, in milliseconds.
pub(crate) const TASK_MS: i64 = 60_000;

/// How long a task waits that nobody is there to answer: somebody waits for it, and had better be told soon.
const UNATTENDED_MS: i64 = 5_000;

/// When a task ends that somebody waits for.
pub(crate) async fn expiry(
    transaction: &mut Transaction,
    gateway_type: &GatewayType,
    online_since: Timestamp,
) -> Answer<Timestamp> {
    let agents = transaction.agents_of_type(gateway_type).await?;
    let is_attended = agents.iter().any(|agent| is_online(agent, online_since));
    let wait = if is_attended { TASK_MS } else { UNATTENDED_MS };
    Ok(Timestamp(transaction.now().0 + wait))
}

/// Answers a task. The same answer may be sent again.
///
/// A task is answered once, by an agent that holds a lease of its environment, before it ends.
#[utoipa::path(post, path = "/agent/v1/tasks/{id}/result", operation_id = "answerTask", tag = "agent",
    params(("id" = TaskId, Path, description = "Which task")),
    request_body(content = TaskReport),
    responses(
        (status = 204, description = "Recorded"),
        (status = 404, description = "There is no such task for this agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The lease is stale, the task ended, or the answer is to another question", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn answer(
    caller: Caller,
    Path(id): Path<TaskId>,
    Body(report): Body<TaskReport>,
) -> Answer<StatusCode> {
    let mut transaction = caller.begin().await?;
    let task = transaction.task(id).await?;
    let task = task.ok_or_else(|| Failure::not_found("task", id))?;
    caller.serves(
        transaction.environment_state(task.environment_id).await?,
        task.environment_id,
    )?;
    let leases = transaction.leases_in(task.environment_id).await?;
    leases::check_fencing(&leases, &caller, report.fencing)?;
    let result = serde_json::to_value(&report.result).map_err(Failure::internal)?;
    if task.state != TaskState::Pending {
        return already_over(&task, &result);
    }
    if task.expires_at <= transaction.now() {
        return Err(ended(&task));
    }
    let asked: Task = serde_json::from_value(task.task.clone()).map_err(Failure::internal)?;
    fits(&task, &asked, &report.result)?;
    finish(&mut transaction, &task, &asked, &report.result).await?;
    transaction.touch_agent(caller.id()).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The answer to an answer may have been lost; another answer comes too late.
fn already_over(task: &store::Task, result: &serde_json::Value) -> Answer<StatusCode> {
    if task.result.as_ref() == Some(result) {
        return Ok(StatusCode::NO_CONTENT);
    }
    match task.state {
        TaskState::Answered => Err(stale(format!(
            "task `{}` was answered already, otherwise; the first answer counts",
            task.id
        ))),
        TaskState::Pending | TaskState::Failed => Err(ended(task)),
    }
}

fn ended(task: &store::Task) -> Failure {
    stale(format!(
        "task `{}` ended at {} without an answer; there is nothing more to answer",
        task.id, task.expires_at
    ))
}

fn fits(task: &store::Task, asked: &Task, result: &TaskResult) -> Answer<()> {
    let fits = matches!(
        (asked, result),
        (Task::Plan { .. }, TaskResult::Planned { .. })
            | (Task::Observe { .. }, TaskResult::Observed { .. })
            | (Task::Inspect { .. }, TaskResult::Inspected { .. })
            | (Task::Check, TaskResult::Checked { .. })
            | (_, TaskResult::Failed { .. })
    );
    if fits {
        return Ok(());
    }
    let kind = task.task["kind"].as_str().unwrap_or_default();
    Err(Failure::new(
        ProblemKind::WrongState,
        format!(
            "task `{}` asks to `{kind}`; the answer is to another question, so answer this one",
            task.id
        ),
    ))
}

/// Records the answer, and works out what waited for it.
pub(crate) async fn finish(
    transaction: &mut Transaction,
    task: &store::Task,
    asked: &Task,
    result: &TaskResult,
) -> Answer<()> {
    let state = match result {
        TaskResult::Failed { .. } => TaskState::Failed,
        _ => TaskState::Answered,
    };
    let value = serde_json::to_value(result).map_err(Failure::internal)?;
    if !transaction.finish_task(task.id, state, &value).await? {
        return Ok(());
    }
    if let Some(part) = task.plan {
        plan::answered(transaction, part, asked, task.environment_id, result).await?;
    }
    let action = match state {
        TaskState::Failed => "task.failed",
        TaskState::Answered | TaskState::Pending => "task.answered",
    };
    let mut details = json!({"environment": task.environment, "kind": task.task["kind"]});
    if let TaskResult::Failed { reason, message } = result {
        details["reason"] = json!(reason);
        details["message"] = json!(message);
    }
    transaction
        .audit(action, &format!("task/{}", task.id), &details)
        .await?;
    Ok(())
}
