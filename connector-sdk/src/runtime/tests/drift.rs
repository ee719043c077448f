//! What somebody changed behind Gatehouse's back: told, never overwritten, unless the environment says so.

use gatehouse_control_plane_api::agent::DeploymentOutcome;
use gatehouse_schemas::{environment::DriftPolicy, identity::Generation, observed::Observation};

use super::Stage;
use crate::{memory::test_support, operation::Operation};

/// A stage on which `/orders` was deployed and then changed by hand.
async fn edited() -> (Stage, Generation) {
    let stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    let (id, _) = stage.only_api();
    stage
        .gateway
        .edit(&id, |content| content.base_path = "/edited".to_owned())
        .unwrap();
    (stage, generation)
}

fn drifted(outcome: &DeploymentOutcome) -> bool {
    matches!(outcome, DeploymentOutcome::Drifted { .. })
}

/// How often drift was told of a generation.
fn times(stage: &Stage, generation: Generation) -> usize {
    let outcomes = stage.control_plane.outcomes(generation);
    outcomes.iter().filter(|report| drifted(&report.outcome)).count()
}

#[tokio::test]
async fn after_a_restart_an_edit_is_told_once_and_not_overwritten() {
    let (mut stage, generation) = edited().await;
    stage.restart().await;
    stage.reported(generation, drifted).await;
    // Other work goes on, and so does the agent's session.
    let other = stage.control_plane.deploy(2, "/other");
    stage.deployed(other).await;
    stage.control_plane.go_away().await;
    stage.control_plane.come_back().await;
    let other = stage.control_plane.deploy(2, "/v2");
    stage.deployed(other).await;
    assert_eq!(times(&stage, generation), 1);
    assert_eq!(stage.gateway.calls(Operation::Deploy), 3);
    let contents = stage.gateway.apis();
    assert!(
        contents.values().any(|api| api.content.base_path == "/edited"),
        "{contents:?}"
    );
    let outcomes = stage.control_plane.outcomes(generation);
    let seen = outcomes.iter().find_map(|report| match &report.outcome {
        DeploymentOutcome::Drifted {
            observation: Observation::Present(observed),
        } => Some(observed.content.base_path.clone()),
        _ => None,
    });
    assert_eq!(seen.as_deref(), Some("/edited"));
}

#[tokio::test]
async fn under_the_policy_to_revert_an_edit_is_put_right() {
    let (stage, _) = edited().await;
    stage
        .control_plane
        .change_environment(|environment| environment.drift_policy = DriftPolicy::Revert);
    super::until("it is as it was", || {
        stage.only_api().1.content.base_path == "/orders"
    })
    .await;
    assert_eq!(stage.gateway.calls(Operation::Deploy), 2);
}

#[tokio::test]
async fn a_new_wish_puts_an_edit_right() {
    let (stage, _) = edited().await;
    let again = stage.control_plane.deploy(1, "/orders");
    stage.deployed(again).await;
    assert_eq!(stage.only_api().1.content.base_path, "/orders");
}

#[tokio::test]
async fn a_gateway_of_its_own_is_always_put_right() {
    let stage = Stage::with(
        |_| {},
        |connector| connector.with_descriptor(|descriptor| descriptor.capabilities.replicated = true),
    )
    .await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    let (id, _) = stage.only_api();
    stage.gateway.delete(&id).unwrap();
    // Something else about the environment changes, so everything in it is looked at.
    stage.control_plane.change_environment(|environment| {
        environment.name = "renamed".parse().unwrap();
    });
    super::until("it is back", || !stage.gateway.apis().is_empty()).await;
    assert_eq!(times(&stage, generation), 0);
}

#[tokio::test]
async fn what_was_deleted_or_lost_its_mark_is_told_and_stays_so() {
    for (what, delete) in [("deleted", true), ("unmarked", false)] {
        let mut stage = Stage::new().await;
        let generation = stage.control_plane.deploy(1, "/orders");
        stage.deployed(generation).await;
        let (id, _) = stage.only_api();
        match delete {
            true => stage.gateway.delete(&id).unwrap(),
            false => stage.gateway.lose_mark(&id).unwrap(),
        }
        stage.restart().await;
        stage
            .reported(generation, |outcome| match outcome {
                DeploymentOutcome::Drifted { observation } => match observation {
                    Observation::Absent => delete,
                    Observation::Present(observed) => !delete && observed.mark.is_none(),
                    Observation::Unknown { .. } => false,
                },
                _ => false,
            })
            .await;
        assert_eq!(stage.gateway.calls(Operation::Deploy), 1, "{what}");
    }
}

#[tokio::test]
async fn a_gateway_that_cannot_be_seen_is_unknown_and_no_failed_deploy() {
    let mut stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    stage.gateway.set_blind(true);
    stage.restart().await;
    super::until("it is told as unknown", || {
        !stage.control_plane.world().observations.is_empty()
    })
    .await;
    let told = stage.control_plane.world().observations[0].clone();
    assert_eq!(told.generation, generation);
    assert!(
        matches!(told.differs, Some(Observation::Unknown { .. })),
        "{told:?}"
    );
    stage.gateway.set_blind(false);
    super::until("it is seen again", || {
        stage.control_plane.outcomes(generation).len() == 2
    })
    .await;
    let failed = |outcome: &DeploymentOutcome| matches!(outcome, DeploymentOutcome::Failed { .. });
    assert!(!stage.control_plane.has(generation, failed));
    assert_eq!(stage.gateway.calls(Operation::Deploy), 1);
    assert_eq!(
        stage.control_plane.world().observations.len(),
        1,
        "the same is told once"
    );
}

#[tokio::test]
async fn what_nobody_can_see_is_left_alone_once_it_is_confirmed() {
    let stage = Stage::with(
        |_| {},
        |connector| connector.with_descriptor(|descriptor| descriptor.capabilities.observe = false),
    )
    .await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    stage.control_plane.change_environment(|environment| {
        environment.name = "renamed".parse().unwrap();
    });
    let other = stage
        .control_plane
        .desire_api(test_support::desired(2, "/other"), |_| {});
    stage.deployed(other).await;
    assert_eq!(stage.gateway.calls(Operation::Deploy), 2);
}
