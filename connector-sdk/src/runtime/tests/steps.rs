//! Deploys in several steps: recorded before they are taken, finished or cleaned up after any interruption.

use gatehouse_control_plane_api::agent::{DeploymentOutcome, EnvironmentAssignment, StepState};
use gatehouse_schemas::{identity::FencingNumber, quota::Quota};
use serde_json::json;

use super::{
    Stage,
    control_plane::{ControlPlane, assignment},
    options, start, until,
};
use crate::{
    memory::{Fault, MemoryGateway, test_support},
    operation::Operation,
};

const STEPS: u32 = 4;

fn in_steps(environment: &mut EnvironmentAssignment) {
    environment.settings.insert("steps".to_owned(), json!(STEPS));
}

async fn stage() -> Stage {
    Stage::with(in_steps, |connector| connector).await
}

/// One API, none of the parts it was made of.
fn is_whole(stage: &Stage, base_path: &str) {
    assert_eq!(stage.only_api().1.content.base_path, base_path);
    assert!(stage.gateway.parts().is_empty(), "{:?}", stage.gateway.parts());
}

#[tokio::test]
async fn every_step_is_recorded_before_and_after_it_is_taken() {
    let stage = stage().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    is_whole(&stage, "/orders");
    let world = stage.control_plane.world();
    let recorded: Vec<_> = world.steps.iter().map(|step| (step.number, step.state)).collect();
    let expected: Vec<_> = (1..=STEPS)
        .flat_map(|number| [(number, StepState::Intended), (number, StepState::Done)])
        .collect();
    assert_eq!(recorded, expected);
    assert!(world.steps.iter().all(|step| step.of == Some(STEPS)));
    assert!(world.steps.iter().take(6).all(|step| step.object.is_some()));
}

#[tokio::test]
async fn a_failure_at_any_step_is_overcome_without_making_anything_twice() {
    let faults = (1..=STEPS).flat_map(|step| [Fault::FailBeforeStep(step), Fault::FailAfterStep(step)]);
    for fault in faults {
        let stage = stage().await;
        stage.gateway.inject(Operation::Deploy, [fault.clone()]);
        let generation = stage.control_plane.deploy(1, "/orders");
        stage.deployed(generation).await;
        is_whole(&stage, "/orders");
        assert_eq!(stage.gateway.parts_made(), u64::from(STEPS - 1), "{fault:?}");
        assert_eq!(stage.gateway.changes(), 1, "{fault:?}");
    }
}

/// Has an agent killed in the middle of a deploy of `/orders`: before or after it took a step.
async fn killed(step: u32, after: bool) -> (ControlPlane, MemoryGateway, tempfile::TempDir) {
    let stage = stage().await;
    let fault = match after {
        true => Fault::HangAfterStep(step),
        false => Fault::HangBeforeStep(step),
    };
    stage.gateway.inject(Operation::Deploy, [fault]);
    stage.control_plane.deploy(1, "/orders");
    until("it has come so far", || match (after, step == STEPS) {
        (true, true) => stage.gateway.changes() == 1,
        (true, false) => stage.gateway.parts_made() == u64::from(step),
        (false, _) => {
            let world = stage.control_plane.world();
            world.steps.iter().any(|recorded| recorded.number == step)
        }
    })
    .await;
    stage.agent.kill().await;
    (stage.control_plane, stage.gateway, stage.folder)
}

#[tokio::test]
async fn what_a_killed_agent_left_behind_is_used_or_removed_by_the_next_one() {
    for (step, after) in (1..=STEPS).flat_map(|step| [(step, false), (step, true)]) {
        for wish in ["/orders", "/v2", "nothing"] {
            let (control_plane, gateway, folder) = killed(step, after).await;
            let generation = match wish {
                "/orders" => {
                    control_plane
                        .world()
                        .deployments
                        .values()
                        .next()
                        .unwrap()
                        .generation
                }
                "nothing" => control_plane.undeploy(1),
                other => control_plane.deploy(1, other),
            };
            let agent = start(options(&control_plane, folder.path()), &gateway);
            let is_over = |outcome: &DeploymentOutcome| {
                matches!(
                    outcome,
                    DeploymentOutcome::Deployed { .. } | DeploymentOutcome::Removed
                )
            };
            until("it is over", || control_plane.has(generation, is_over)).await;
            let at = format!("killed at step {step}, after: {after}, then {wish}");
            assert!(gateway.parts().is_empty(), "{at}: {:?}", gateway.parts());
            let paths: Vec<_> = gateway
                .apis()
                .into_values()
                .map(|api| api.content.base_path)
                .collect();
            match wish {
                "nothing" => assert!(paths.is_empty(), "{at}"),
                path => assert_eq!(paths, [path], "{at}"),
            }
            agent.stop().await.unwrap();
        }
    }
}

/// The gateway still serves what is desired again, so that there is nothing to change on it but what was begun.
#[tokio::test]
async fn what_an_unfinished_update_left_behind_is_removed_when_it_is_put_back() {
    for step in 1..STEPS {
        let stage = stage().await;
        let first = stage.control_plane.deploy(1, "/orders");
        stage.deployed(first).await;
        stage
            .gateway
            .inject(Operation::Deploy, [Fault::HangAfterStep(step)]);
        stage.control_plane.deploy(1, "/v2");
        until("the update has come so far", || {
            stage.gateway.parts().len() == step as usize
        })
        .await;
        stage.agent.kill().await;
        let (control_plane, gateway) = (&stage.control_plane, &stage.gateway);
        let back = control_plane.deploy(1, "/orders");
        let agent = start(options(control_plane, stage.folder.path()), gateway);
        let is_over = |outcome: &DeploymentOutcome| matches!(outcome, DeploymentOutcome::Deployed { .. });
        until("it is put back", || control_plane.has(back, is_over)).await;
        let paths = gateway.apis().into_values().map(|api| api.content.base_path);
        assert_eq!(paths.collect::<Vec<_>>(), ["/orders"]);
        assert!(gateway.parts().is_empty(), "step {step}: {:?}", gateway.parts());
        agent.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_record_does_no_harm() {
    for lost in [1, 3] {
        let stage = stage().await;
        stage.control_plane.world().lose_steps = lost;
        let generation = stage.control_plane.deploy(1, "/orders");
        stage.deployed(generation).await;
        is_whole(&stage, "/orders");
        assert_eq!(stage.gateway.parts_made(), u64::from(STEPS - 1));
    }
}

#[tokio::test]
async fn a_step_that_cannot_be_recorded_is_not_taken() {
    let stage = stage().await;
    stage.control_plane.world().refuse_steps = 1;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage
        .reported(generation, |outcome| match outcome {
            DeploymentOutcome::Failed {
                reason,
                message,
                retrying: true,
            } => {
                let parts = [
                    "step 1 (`",
                    "`) was not taken, since the control plane could not record it (",
                    "); it is tried again",
                ];
                reason == "Unavailable" && parts.iter().all(|part| message.contains(part))
            }
            _ => false,
        })
        .await;
    stage.deployed(generation).await;
    is_whole(&stage, "/orders");
    assert_eq!(stage.gateway.calls(Operation::Deploy), 2);
}

#[tokio::test]
async fn the_lease_moving_between_two_steps_stops_before_the_next_one() {
    let stage = stage().await;
    // With the record of step 3, the lease is gone, and so step 4 cannot be recorded.
    stage.control_plane.world().move_lease_after_steps = Some(3);
    let generation = stage.control_plane.deploy(1, "/orders");
    until("three parts are made", || stage.gateway.parts().len() == 3).await;
    // Whoever waits longest for something that must not happen sees the agent take in a later answer.
    stage.control_plane.change(|_, _| {});
    let asked = stage.control_plane.world().asked.len();
    until("the agent has asked again", || {
        stage.control_plane.world().asked.len() > asked
    })
    .await;
    assert!(stage.gateway.apis().is_empty());
    assert!(stage.control_plane.outcomes(generation).is_empty());
    stage.control_plane.change(|world, generation| {
        let assignment = EnvironmentAssignment {
            fencing: Some(FencingNumber(2)),
            settings: world.environments[&test_support::environment_id()]
                .settings
                .clone(),
            ..assignment(generation)
        };
        world.environments.insert(assignment.id, assignment);
    });
    stage.deployed(generation).await;
    is_whole(&stage, "/orders");
    assert_eq!(stage.gateway.parts_made(), u64::from(STEPS - 1));
}

#[tokio::test]
async fn a_newer_wish_stops_before_the_next_step_and_leaves_nothing_behind() {
    let stage = stage().await;
    stage.gateway.inject(
        Operation::Deploy,
        [Fault::FailAfterStep(2), Fault::FailAfterStep(2)],
    );
    let first = stage.control_plane.deploy(1, "/orders");
    stage
        .reported(first, |outcome| {
            matches!(
                outcome,
                DeploymentOutcome::Failed { .. } | DeploymentOutcome::Deployed { .. }
            )
        })
        .await;
    let second = stage.control_plane.deploy(1, "/v2");
    stage.deployed(second).await;
    is_whole(&stage, "/v2");
}

#[tokio::test]
async fn an_undeploy_removes_what_an_unfinished_deploy_made() {
    let stage = stage().await;
    stage
        .gateway
        .inject(Operation::Deploy, vec![Fault::FailAfterStep(2); 100]);
    stage.control_plane.deploy(1, "/orders");
    until("two parts are made", || stage.gateway.parts().len() == 2).await;
    let generation = stage.control_plane.undeploy(1);
    stage
        .reported(generation, |outcome| *outcome == DeploymentOutcome::Removed)
        .await;
    assert!(stage.gateway.parts().is_empty());
}

#[tokio::test]
async fn how_long_the_rest_takes_is_told_with_every_step() {
    let quota = |operation: &str| Quota {
        operation: operation.to_owned(),
        burst: 1,
        interval_ms: 40,
    };
    let stage = Stage::with(in_steps, |connector| {
        connector.with_descriptor(|descriptor| descriptor.quotas = vec![quota("PutPart")])
    })
    .await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    let remaining = stage.control_plane.world().remaining.clone();
    let remaining: Vec<u64> = remaining.into_iter().map(Option::unwrap).collect();
    assert!(remaining[0] > 0, "{remaining:?}");
    assert_eq!(remaining.last(), Some(&0), "{remaining:?}");
}
