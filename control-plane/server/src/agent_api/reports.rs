//! Reports on deployments: what an agent says became of a desired state.

use std::collections::BTreeMap;

use axum::extract::State;
use gatehouse_control_plane_api::{
    agent::{DeploymentOutcome, DeploymentReport},
    problem::{Problem, ProblemKind},
};
use gatehouse_control_plane_store::{self as store, Deployment, Desired, Transaction};
use gatehouse_schemas::{
    condition::Phase,
    environment::EnvironmentSpec,
    identity::{AgentId, DeploymentId, EnvironmentId},
    observed::Observation,
    resource::Kind,
};
use http::StatusCode;
use serde_json::json;
use tracing::info;

use super::{
    caller::Caller,
    leases::{self, stale},
    reported::Reported,
};
use crate::{
    extract::{Body, Path},
    failure::{Answer, Failure},
    state::AppState,
    status::{self, Surroundings, tell_stored},
};

/// Reports on a deployment. The same report may be sent again.
///
/// What speaks of an older generation or lease than the present one is refused and changes nothing.
#[utoipa::path(post, path = "/agent/v1/deployments/{id}/status", operation_id = "reportDeployment", tag = "agent",
    params(("id" = DeploymentId, Path, description = "Which deployment")),
    request_body(content = DeploymentReport),
    responses(
        (status = 204, description = "Recorded"),
        (status = 404, description = "There is no such deployment for this agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The report is stale, or does not fit what is desired", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn report(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<DeploymentId>,
    Body(report): Body<DeploymentReport>,
) -> Answer<StatusCode> {
    let reported = Reported { caller, report };
    let record = |reports| record(&state, id, reports);
    state.reports.add(id, reported, record).await
}

/// Records reports on one deployment in one transaction, and tells its state once. Each has an answer of its own.
async fn record(
    state: &AppState,
    id: DeploymentId,
    reports: Vec<Reported>,
) -> Answer<Vec<Answer<StatusCode>>> {
    let Some(first) = reports.first() else {
        return Ok(Vec::new());
    };
    let mut transaction = first.caller.begin().await?;
    let Some(deployment) = transaction.deployment(id).await? else {
        let gone = |reported: &Reported| already_gone(id, &reported.report);
        return Ok(reports.iter().map(gone).collect());
    };
    let environment = transaction.environment_state(deployment.environment_id).await?;
    let callers: Vec<AgentId> = reports.iter().map(|reported| reported.caller.id()).collect();
    let leases = transaction.leases_of(deployment.environment_id, &callers).await?;
    let accept = |Reported { caller, report }: &Reported| {
        caller.serves(environment.clone(), deployment.environment_id)?;
        leases::check_fencing(&leases, caller, report.fencing)?;
        check(&deployment, report)
    };
    let answers: Vec<Answer<()>> = reports.iter().map(accept).collect();
    let accepted = reports.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
    let accepted: Vec<&Reported> = accepted.map(|(reported, _)| reported).collect();
    let outcomes = take(&mut transaction, &deployment, &accepted).await?;
    if !outcomes.is_empty() {
        tell(&mut transaction, state, deployment, &outcomes).await?;
    }
    transaction.commit().await?;
    let recorded = |answer: Answer<()>| answer.map(|()| StatusCode::NO_CONTENT);
    Ok(answers.into_iter().map(recorded).collect())
}

/// Writes reports down; gives the outcomes from which the deployment's state may follow.
async fn take<'a>(
    transaction: &mut Transaction,
    deployment: &Deployment,
    reports: &[&'a Reported],
) -> Answer<Vec<&'a DeploymentOutcome>> {
    let mut heard: Vec<AgentId> = reports.iter().map(|reported| reported.caller.id()).collect();
    heard.sort_unstable();
    heard.dedup();
    transaction.touch_agents(&heard).await?;
    let mut outcomes = Vec::with_capacity(reports.len());
    // Who reported twice is recorded with what it said last.
    let mut said = BTreeMap::new();
    for Reported { caller, report } in reports {
        if let DeploymentOutcome::Drifted {
            observation: unknown @ Observation::Unknown { .. },
        } = &report.outcome
        {
            // What is unknown changes nothing but the time of the look.
            transaction
                .put_observation(deployment.id, report.generation, Some(unknown))
                .await?;
            continue;
        }
        let outcome = serde_json::to_value(&report.outcome).map_err(Failure::internal)?;
        said.insert(caller.id(), outcome);
        outcomes.push(&report.outcome);
    }
    let said: Vec<_> = said.into_iter().collect();
    transaction
        .put_reports(deployment.id, deployment.generation, &said)
        .await?;
    Ok(outcomes)
}

/// The answer to a confirmed removal may have been lost; everything else about what is gone is out of date.
fn already_gone(id: DeploymentId, report: &DeploymentReport) -> Answer<StatusCode> {
    match report.outcome {
        DeploymentOutcome::Removed => Ok(StatusCode::NO_CONTENT),
        _ => Err(Failure::not_found("deployment", id)),
    }
}

fn check(deployment: &Deployment, report: &DeploymentReport) -> Answer<()> {
    if report.generation != deployment.generation {
        return Err(stale(format!(
            "the report speaks of generation {}, but generation {} is desired; ask for work to get it",
            report.generation, deployment.generation
        )));
    }
    let fits = match report.outcome {
        DeploymentOutcome::Deploying | DeploymentOutcome::Failed { .. } => true,
        DeploymentOutcome::Deployed { .. } | DeploymentOutcome::Drifted { .. } => !deployment.absent,
        DeploymentOutcome::Removed => deployment.absent,
    };
    if matches!(report.outcome, DeploymentOutcome::Drifted { .. }) && fits && !deployment.confirmed {
        return Err(Failure::new(
            ProblemKind::WrongState,
            format!(
                "generation {} of `{}` was not carried out yet, so it cannot have drifted; carry it out",
                report.generation, deployment.api
            ),
        ));
    }
    if fits {
        return Ok(());
    }
    let wanted = if deployment.absent {
        "to be removed"
    } else {
        "to be there"
    };
    Err(Failure::new(
        ProblemKind::WrongState,
        format!(
            "`{}` is desired {wanted} in generation {}; the report says the opposite",
            deployment.api, report.generation
        ),
    ))
}

/// Tells the deployment's state anew; a removal that everyone confirmed ends it.
async fn tell(
    transaction: &mut Transaction,
    state: &AppState,
    deployment: Deployment,
    outcomes: &[&DeploymentOutcome],
) -> Answer<()> {
    let environment = environment_spec(transaction, deployment.environment_id).await?;
    let surroundings = Surroundings::of(transaction, &environment, state.online_since()).await?;
    let told = tell_stored(transaction, &deployment, &surroundings).await?;
    if told.removed {
        return status::removed(transaction, &deployment).await;
    }
    let deployed = outcomes.iter().rev().find_map(|outcome| match outcome {
        DeploymentOutcome::Deployed {
            external_ref,
            endpoint_urls,
            ..
        } => Some((external_ref.clone(), endpoint_urls.clone())),
        _ => None,
    });
    let (external_ref, endpoint_urls) = match deployed {
        Some((external_ref, endpoint_urls)) => (Some(external_ref), endpoint_urls),
        None => (deployment.external_ref.clone(), deployment.endpoint_urls.clone()),
    };
    let status = store::DeploymentStatus {
        observed_generation: told.observed_generation,
        phase: told.phase,
        conditions: told.conditions,
        external_ref,
        endpoint_urls,
    };
    transaction.set_deployment_status(deployment.id, &status).await?;
    // The same said by many is remembered once.
    let mut said: Vec<&DeploymentOutcome> = outcomes.to_vec();
    said.dedup();
    for outcome in said {
        remember(transaction, &deployment, told.phase, outcome).await?;
        if let DeploymentOutcome::Drifted { .. } = outcome {
            audit(transaction, &deployment, "deployment.drifted", outcome).await?;
        }
    }
    let turned = |phase: Phase| told.phase == phase && deployment.phase != phase;
    let last = |wanted: fn(&DeploymentOutcome) -> bool| {
        let matching = outcomes.iter().rev().find(|outcome| wanted(outcome));
        matching.or(outcomes.last()).copied()
    };
    let (action, outcome) = if turned(Phase::Deployed) {
        let deployed = |outcome: &_| matches!(outcome, DeploymentOutcome::Deployed { .. });
        ("deployment.deployed", last(deployed))
    } else if turned(Phase::Failed) {
        let failed = |outcome: &_| matches!(outcome, DeploymentOutcome::Failed { .. });
        ("deployment.failed", last(failed))
    } else {
        return Ok(());
    };
    match outcome {
        Some(outcome) => audit(transaction, &deployment, action, outcome).await,
        None => Ok(()),
    }
}

/// What a report says of the gateway: that a generation was carried out by all who had to, and what was seen.
async fn remember(
    transaction: &mut Transaction,
    deployment: &Deployment,
    phase: Phase,
    outcome: &DeploymentOutcome,
) -> Answer<()> {
    let (id, generation) = (deployment.id, deployment.generation);
    match outcome {
        DeploymentOutcome::Deployed { observed, .. } => {
            if phase == Phase::Deployed {
                transaction.confirm_deployment(id, generation).await?;
            }
            let as_desired = match transaction.desired(id).await? {
                Some(Desired::Present(desired)) => desired.fingerprint == *observed,
                Some(Desired::Absent(_)) | None => false,
            };
            if as_desired {
                transaction.put_observation(id, generation, None).await?;
            }
        }
        DeploymentOutcome::Drifted { observation } => {
            transaction
                .put_observation(id, generation, Some(observation))
                .await?;
        }
        DeploymentOutcome::Deploying | DeploymentOutcome::Removed | DeploymentOutcome::Failed { .. } => {}
    }
    Ok(())
}

async fn environment_spec(transaction: &mut Transaction, id: EnvironmentId) -> Answer<EnvironmentSpec> {
    let environment = transaction.resource_by_id(Kind::Environment, id.0).await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", id))?;
    serde_json::from_value(environment.spec).map_err(Failure::internal)
}

async fn audit(
    transaction: &mut Transaction,
    deployment: &Deployment,
    action: &str,
    outcome: &DeploymentOutcome,
) -> Answer<()> {
    let details = json!({
        "api": deployment.api, "environment": deployment.environment, "revision": deployment.revision,
        "generation": deployment.generation, "outcome": outcome,
    });
    transaction
        .audit(action, &format!("deployment/{}", deployment.id), &details)
        .await?;
    info!(environment.name = %deployment.environment, deployment.id = %deployment.id, generation = %deployment.generation, "`{}` in `{}`: {action}", deployment.api, deployment.environment);
    Ok(())
}
