//! Crashes, lost answers, control planes that go away.

use std::time::Duration;

use gatehouse_control_plane_api::agent::DeploymentOutcome;

use super::{Stage, control_plane::ControlPlane, options, start, until};
use crate::{
    error::ErrorKind,
    memory::{Fault, MemoryGateway},
    operation::Operation,
};

#[tokio::test]
async fn what_cannot_succeed_waits_for_another_wish_or_a_reconnect() {
    let mut stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Deploy, [Fault::Fail(ErrorKind::Invalid)]);
    let generation = stage.control_plane.deploy(1, "/orders");
    until("the failure is reported", || {
        stage.control_plane.outcomes(generation).iter().any(|report| {
            matches!(&report.outcome, DeploymentOutcome::Failed { reason, retrying: false, .. } if reason == "Invalid")
        })
    })
    .await;
    // Other work goes on meanwhile, and does not bring the failed one back.
    let other = stage.control_plane.deploy(2, "/other");
    stage.deployed(other).await;
    assert_eq!(stage.gateway.calls(Operation::Deploy), 2);
    stage.control_plane.go_away().await;
    stage.control_plane.come_back().await;
    stage.deployed(generation).await;
}

#[tokio::test]
async fn a_report_whose_answer_was_lost_is_sent_again_and_nothing_is_done_twice() {
    let stage = Stage::new().await;
    stage.control_plane.world().lose_replies = 3;
    let generation = stage.control_plane.deploy(1, "/orders");
    until("it arrives a fourth time", || {
        stage.control_plane.outcomes(generation).len() == 4
    })
    .await;
    let outcomes = stage.control_plane.outcomes(generation);
    assert!(outcomes.iter().all(|report| report == &outcomes[0]));
    assert_eq!(stage.gateway.calls(Operation::Deploy), 1);
}

#[tokio::test]
async fn a_position_that_is_too_old_means_taking_everything() {
    let stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/orders");
    stage.deployed(first).await;
    let second = stage.control_plane.change(|world, generation| {
        world.oldest = generation.0 + 1;
        generation
    });
    let third = stage.control_plane.deploy(2, "/other");
    assert!(third > second);
    stage.deployed(third).await;
    assert!(
        stage
            .control_plane
            .world()
            .asked
            .iter()
            .filter(|after| **after == 0)
            .count()
            >= 2
    );
    assert_eq!(stage.gateway.calls(Operation::Deploy), 2);
}

#[tokio::test]
async fn the_control_plane_may_go_away_and_come_back() {
    let mut stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/orders");
    stage.deployed(first).await;
    stage.control_plane.go_away().await;
    let second = stage.control_plane.deploy(1, "/v2");
    stage.control_plane.come_back().await;
    stage.deployed(second).await;
    assert_eq!(stage.control_plane.outcomes(first).len(), 1);
    assert!(stage.control_plane.world().sessions >= 2);
}

#[tokio::test]
async fn an_agent_may_start_before_its_control_plane() {
    let mut control_plane = ControlPlane::start().await;
    control_plane.add_environment();
    control_plane.go_away().await;
    let gateway = MemoryGateway::new();
    let folder = tempfile::tempdir().unwrap();
    let agent = start(options(&control_plane, folder.path()), &gateway);
    let generation = control_plane.deploy(1, "/orders");
    control_plane.come_back().await;
    until("it is deployed", || {
        !control_plane.outcomes(generation).is_empty()
    })
    .await;
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn killed_in_the_middle_of_a_deploy_it_is_finished_after_the_restart_exactly_once() {
    for after_effect in [false, true] {
        let stage = Stage::new().await;
        let fault = if after_effect {
            Fault::LoseReply
        } else {
            Fault::Delay(Duration::from_secs(60))
        };
        stage.gateway.inject(Operation::Deploy, [fault]);
        let generation = stage.control_plane.deploy(1, "/orders");
        until("the deploy has begun", || {
            stage.gateway.calls(Operation::Deploy) == 1
        })
        .await;
        stage.agent.kill().await;
        let again = start(options(&stage.control_plane, stage.folder.path()), &stage.gateway);
        until("it is reported", || {
            stage
                .control_plane
                .outcomes(generation)
                .iter()
                .any(|report| matches!(report.outcome, DeploymentOutcome::Deployed { .. }))
        })
        .await;
        assert_eq!(stage.gateway.changes(), 1, "after the effect: {after_effect}");
        assert_eq!(stage.control_plane.world().agents.len(), 1, "it joined once");
        again.stop().await.unwrap();
    }
}

#[tokio::test]
async fn an_agent_without_environments_waits_for_one() {
    let control_plane = ControlPlane::start().await;
    let gateway = MemoryGateway::new();
    let folder = tempfile::tempdir().unwrap();
    let agent = start(options(&control_plane, folder.path()), &gateway);
    until("it has connected", || control_plane.world().sessions == 1).await;
    control_plane.add_environment();
    let generation = control_plane.deploy(1, "/orders");
    until("it is deployed", || {
        !control_plane.outcomes(generation).is_empty()
    })
    .await;
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn sessions_that_bring_no_work_are_opened_with_growing_pauses() {
    let control_plane = ControlPlane::start().await;
    control_plane.add_environment();
    control_plane.world().no_work = true;
    let gateway = MemoryGateway::new();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&control_plane, folder.path());
    options.tuning.reconnect = crate::backoff::Backoff {
        first: Duration::from_millis(4),
        longest: Duration::from_secs(3600),
    };
    let agent = start(options, &gateway);
    until("it has connected", || control_plane.world().sessions > 0).await;
    // Without growing pauses there would be hundreds.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sessions = control_plane.world().sessions;
    assert!(sessions < 50, "{sessions}");
    agent.stop().await.unwrap();
}
