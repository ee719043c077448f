//! Tasks: what agents are asked, and their answers.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{Task, TaskState},
    agent,
    problem::Problem,
};
use gatehouse_control_plane_store::{self as store, NewTask, Resource, Transaction};
use gatehouse_schemas::{
    ability::Action,
    identity::{ResourceName, TaskId},
    resource::Kind,
    time::Timestamp,
};
use http::StatusCode;
use serde_json::json;

use super::resources::set_location;
use crate::{
    agent_api::tasks,
    extract::Path,
    failure::{Answer, Failure},
    state::AppState,
    write::{
        Writer, abilities,
        deploy::{environment_spec, find},
    },
};

/// Reads a task.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", operation_id = "readTask", tag = "agents",
    params(("id" = TaskId, Path, description = "Which task")),
    responses(
        (status = 200, description = "The task", body = Task),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(id): Path<TaskId>) -> Answer<Json<Task>> {
    let found = state.store.task(id).await?;
    Ok(Json(view(found.ok_or_else(|| Failure::not_found("task", id))?)?))
}

/// Something that the agents of an environment can be asked to do, as its routes name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// The question.
    pub(crate) task: fn() -> agent::Task,
    /// What it takes to answer it.
    pub(crate) action: Action,
}

/// Asks the agents of an environment; the answer does not wait for them.
pub(crate) async fn ask(writer: &Writer, name: &ResourceName, ask: Ask) -> Answer<Response> {
    let mut transaction = writer.begin().await?;
    let environment = find(&mut transaction, Kind::Environment, name).await?;
    let gateway_type = environment_spec(&environment)?.gateway_type;
    abilities::able(&mut transaction, &environment, ask.action).await?;
    let online_since = writer.state.online_since();
    let expires_at = tasks::expiry(&mut transaction, &gateway_type, online_since).await?;
    let created = create(&mut transaction, &environment, &(ask.task)(), expires_at).await?;
    transaction.commit().await?;
    let location = format!("/api/v1/tasks/{}", created.id);
    let mut response = (StatusCode::ACCEPTED, Json(view(created)?)).into_response();
    set_location(response.headers_mut(), &location);
    Ok(response)
}

/// Records what the agents of an environment are asked.
pub(crate) async fn create(
    transaction: &mut Transaction,
    environment: &Resource,
    task: &agent::Task,
    expires_at: Timestamp,
) -> Answer<store::Task> {
    let new = NewTask {
        task: serde_json::to_value(task).map_err(Failure::internal)?,
        expires_at,
        plan: None,
    };
    let created = transaction.create_task(environment, &new).await?;
    let details = json!({"environment": environment.metadata.name, "kind": created.task["kind"]});
    transaction
        .audit("task.requested", &format!("task/{}", created.id), &details)
        .await?;
    Ok(created)
}

fn view(task: store::Task) -> Answer<Task> {
    Ok(Task {
        id: task.id,
        environment: task.environment,
        state: match task.state {
            store::TaskState::Pending => TaskState::Pending,
            store::TaskState::Answered => TaskState::Answered,
            store::TaskState::Failed => TaskState::Failed,
        },
        result: task
            .result
            .map(serde_json::from_value)
            .transpose()
            .map_err(Failure::internal)?,
        created_at: task.created_at,
        expires_at: task.expires_at,
    })
}
