//! Checks: whether a gateway can be reached, and whether the credential is good for the environment's mode.

use axum::response::Response;
use gatehouse_control_plane_api::{admin::Task, agent, problem::Problem};
use gatehouse_schemas::{ability::Action, identity::ResourceName};

use super::tasks::{Ask, ask};
use crate::{extract::Path, failure::Answer, write::Writer};

const CHECK: Ask = Ask {
    task: || agent::Task::Check,
    action: Action::Check,
};

/// Has an agent look whether the gateway can be reached, and whether the credential allows what the mode needs.
///
/// The answer does not wait for the agent; the task tells what it found.
#[utoipa::path(post, path = "/api/v1/environments/{name}/checks", operation_id = "checkEnvironment", tag = "environments",
    params(("name" = ResourceName, Path, description = "Its name")),
    responses(
        (status = 202, description = "An agent is asked", body = Task, headers(
            ("location" = String, description = "The task's path"),
        )),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its gateways cannot be checked", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Path(name): Path<ResourceName>) -> Answer<Response> {
    ask(&writer, &name, CHECK).await
}
