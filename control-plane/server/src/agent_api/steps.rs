//! Steps: what an agent is about to do on a gateway, recorded before it does it.

use gatehouse_control_plane_api::{
    agent::{Step, StepReport, StepState},
    problem::{FieldError, Problem},
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::identity::DeploymentId;
use http::StatusCode;

use super::{
    caller::Caller,
    leases::{self, stale},
};
use crate::{
    extract::{Body, Path},
    failure::{Answer, Failure},
};

/// The largest body, in bytes: a description and an object's name.
const BODY_LIMIT: usize = 64 * 1024;
const DESCRIPTION_MAX: usize = 500;
const OBJECT_MAX: usize = 1000;

/// Records a step before it is taken, or that it was. The same record may be sent again.
///
/// What speaks of an older generation or lease than the present one is refused: then the step must not be taken.
#[utoipa::path(post, path = "/agent/v1/deployments/{id}/steps", operation_id = "recordStep", tag = "agent",
    params(("id" = DeploymentId, Path, description = "Which deployment")),
    request_body(content = StepReport),
    responses(
        (status = 204, description = "Recorded; the step may be taken"),
        (status = 404, description = "There is no such deployment for this agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Generation or lease is stale; the step must not be taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn step(
    caller: Caller,
    Path(id): Path<DeploymentId>,
    Body(report): Body<StepReport, BODY_LIMIT>,
) -> Answer<StatusCode> {
    check(&report.step)?;
    let mut transaction = caller.begin().await?;
    let deployment = transaction.deployment(id).await?;
    let deployment = deployment.ok_or_else(|| Failure::not_found("deployment", id))?;
    let environment_id = deployment.environment_id;
    caller.serves(
        transaction.environment_state(environment_id).await?,
        environment_id,
    )?;
    let leases = transaction.leases_in(environment_id).await?;
    leases::check_fencing(&leases, &caller, report.fencing)?;
    let step = stored(&report.step);
    if !transaction.record_step(id, &step, report.remaining_ms).await? {
        return Err(stale(format!(
            "the step belongs to generation {}, but generation {} is desired; do not take it, and ask for work",
            step.generation, deployment.generation
        )));
    }
    transaction.touch_agent(caller.id()).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(step: &Step) -> Answer<()> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, detail: String| {
        errors.push(FieldError {
            document: None,
            pointer: format!("/step/{field}"),
            detail,
        });
    };
    if step.number == 0 {
        wrong("number", "steps are numbered from 1".to_owned());
    }
    if step.description.chars().count() > DESCRIPTION_MAX {
        wrong(
            "description",
            format!("it has more than {DESCRIPTION_MAX} characters"),
        );
    }
    let object = step.object.as_deref().unwrap_or_default();
    if object.chars().count() > OBJECT_MAX {
        wrong("object", format!("it has more than {OBJECT_MAX} characters"));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(errors))
    }
}

fn stored(step: &Step) -> store::Step {
    store::Step {
        generation: step.generation,
        number: step.number,
        of: step.of,
        description: step.description.clone(),
        object: step.object.clone(),
        state: match step.state {
            StepState::Intended => store::StepState::Intended,
            StepState::Done => store::StepState::Done,
        },
    }
}
