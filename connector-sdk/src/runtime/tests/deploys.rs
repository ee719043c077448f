//! Deploys and undeploys: what they cost, what they say, what wins.

use std::time::Duration;

use gatehouse_control_plane_api::agent::DeploymentOutcome;
use gatehouse_schemas::environment::CredentialSource;
use tokio_util::sync::CancellationToken;

use super::{Stage, control_plane::ControlPlane, options, until};
use crate::{
    error::ErrorKind,
    memory::{Fault, MemoryConnector, MemoryGateway, test_support},
    operation::Operation,
    runtime::Agent,
};

#[tokio::test]
async fn a_quick_deploy_costs_one_look_one_call_and_one_report() {
    let stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    assert_eq!(stage.control_plane.outcomes(generation).len(), 1);
    assert_eq!(stage.gateway.calls(Operation::Deploy), 1);
    assert_eq!(stage.gateway.apis().len(), 1);
    stage.agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_slow_deploy_is_announced_first() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Deploy, [Fault::Delay(Duration::from_millis(500))]);
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    let outcomes = stage.control_plane.outcomes(generation);
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0].outcome, DeploymentOutcome::Deploying);
}

#[tokio::test]
async fn an_undeploy_removes_and_reports_it() {
    let stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    let generation = stage.control_plane.undeploy(1);
    until("the removal is reported", || {
        let outcomes = stage.control_plane.outcomes(generation);
        outcomes
            .first()
            .is_some_and(|report| report.outcome == DeploymentOutcome::Removed)
    })
    .await;
    assert!(stage.gateway.apis().is_empty());
}

#[tokio::test]
async fn temporary_trouble_is_reported_and_overcome() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Deploy, vec![Fault::Fail(ErrorKind::Unavailable); 2]);
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    let outcomes = stage.control_plane.outcomes(generation);
    assert!(
        matches!(&outcomes[0].outcome, DeploymentOutcome::Failed { reason, retrying: true, .. } if reason == "Unavailable"),
        "{outcomes:?}"
    );
    assert_eq!(outcomes.len(), 2, "the same failure is told once");
}

#[tokio::test]
async fn a_lost_reply_of_the_gateway_is_found_out_by_looking() {
    let stage = Stage::new().await;
    stage.gateway.inject(Operation::Deploy, [Fault::LoseReply]);
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    assert_eq!(stage.gateway.calls(Operation::Deploy), 1);
    assert_eq!(stage.gateway.changes(), 1);
}

#[tokio::test]
async fn not_knowing_changes_nothing_until_it_is_known() {
    let stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    stage.gateway.inject(Operation::Observe, vec![Fault::Unknown; 3]);
    let generation = stage.control_plane.undeploy(1);
    until("the removal is reported", || {
        let outcomes = stage.control_plane.outcomes(generation);
        outcomes
            .last()
            .is_some_and(|report| report.outcome == DeploymentOutcome::Removed)
    })
    .await;
    let first = &stage.control_plane.outcomes(generation)[0].outcome;
    assert!(
        matches!(first, DeploymentOutcome::Failed { retrying: true, .. }),
        "{first:?}"
    );
    assert_eq!(stage.gateway.calls(Operation::Undeploy), 1);
}

#[tokio::test]
async fn the_newest_wish_wins() {
    let stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/v0");
    stage.deployed(first).await;
    stage
        .gateway
        .inject(Operation::Deploy, [Fault::Delay(Duration::from_millis(100))]);
    for number in 1..20 {
        stage.control_plane.deploy(1, &format!("/v{number}"));
    }
    let last = stage.control_plane.deploy(1, "/last");
    stage.deployed(last).await;
    let apis = stage.gateway.apis();
    assert_eq!(apis.len(), 1);
    assert!(apis.values().all(|api| api.content.base_path == "/last"));
    assert!(
        stage.gateway.calls(Operation::Deploy) < 20,
        "wishes in between are skipped"
    );
}

#[tokio::test]
async fn deployments_do_not_wait_for_each_other() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Deploy, [Fault::Delay(Duration::from_secs(60))]);
    let slow = stage.control_plane.deploy(1, "/slow");
    until("the slow one has begun", || {
        stage.gateway.calls(Operation::Deploy) == 1
    })
    .await;
    let quick = stage.control_plane.deploy(2, "/quick");
    stage.deployed(quick).await;
    assert!(
        !stage
            .control_plane
            .outcomes(slow)
            .iter()
            .any(|report| report.outcome != DeploymentOutcome::Deploying)
    );
}

#[tokio::test]
async fn catching_up_is_told_once_everything_was_tried() {
    let control_plane = ControlPlane::start().await;
    control_plane.add_environment();
    control_plane.deploy(1, "/orders");
    control_plane.deploy(2, "/other");
    let gateway = MemoryGateway::new();
    gateway.inject(Operation::Deploy, [Fault::Fail(ErrorKind::Invalid)]);
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::builder(MemoryConnector::new(gateway.clone()));
    let caught_up = agent.caught_up();
    let cancellation = CancellationToken::new();
    let task = tokio::spawn(agent.run(options(&control_plane, folder.path()), cancellation.clone()));
    caught_up.cancelled().await;
    assert_eq!(gateway.calls(Operation::Deploy), 2);
    cancellation.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn secrets_are_asked_for_when_they_are_needed() {
    let stage = Stage::new().await;
    let generation = stage.control_plane.change(|world, generation| {
        let id = test_support::environment_id();
        let environment = world.environments.get_mut(&id).unwrap();
        let source = CredentialSource::SecretRef("admin-token".parse().unwrap());
        environment.credentials.insert("adminToken".to_owned(), source);
        environment.generation = generation;
        generation
    });
    let deployed = stage.control_plane.deploy(1, "/orders");
    assert!(deployed > generation);
    stage.deployed(deployed).await;
    assert_eq!(stage.control_plane.world().secrets_asked_for, ["admin-token"]);
}

#[tokio::test]
async fn what_a_connector_misreports_is_found_out_by_one_more_look() {
    let stage = Stage::new().await;
    stage.gateway.inject(Operation::Deploy, [Fault::Misreport]);
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    let desired = test_support::desired(1, "/orders");
    let outcomes = stage.control_plane.outcomes(generation);
    assert!(
        matches!(&outcomes[..], [report] if matches!(&report.outcome, DeploymentOutcome::Deployed { observed, .. } if *observed == desired.fingerprint)),
        "{outcomes:?}"
    );
    assert_eq!(stage.gateway.calls(Operation::Observe), 2);
}

#[tokio::test]
async fn a_deploy_without_effect_is_not_told_as_done_and_tried_again() {
    let stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/orders");
    stage.deployed(first).await;
    stage.gateway.inject(Operation::Deploy, [Fault::Ignore]);
    let second = stage.control_plane.deploy(1, "/v2");
    stage
        .reported(second, |outcome| match outcome {
            DeploymentOutcome::Failed {
                message,
                retrying: true,
                ..
            } => {
                let parts = [
                    "the gateway took the deploy of `api-1` and does not show what is desired (different there: `/basePath`",
                    "); it is looked at again",
                ];
                parts.iter().all(|part| message.contains(part))
            }
            _ => false,
        })
        .await;
    stage.deployed(second).await;
    assert_eq!(stage.gateway.calls(Operation::Deploy), 3);
}
