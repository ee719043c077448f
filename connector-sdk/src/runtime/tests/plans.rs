//! Plans that are held to, losses that are not accepted, objects that are taken over.

use std::collections::BTreeMap;

use gatehouse_control_plane_api::agent::{DeploymentOutcome, ExpectedState, Step, StepState};
use gatehouse_schemas::{
    descriptor::Fidelity,
    policy::{Policy, RequestSizePolicy},
    revision::RevisionContent,
};

use super::Stage;
use crate::{memory::test_support, operation::Operation};

fn failed(outcome: &DeploymentOutcome, expected: &str) -> bool {
    matches!(outcome, DeploymentOutcome::Failed { reason, retrying: false, .. } if reason == expected)
}

fn present(base_path: &str) -> ExpectedState {
    ExpectedState::Present {
        fingerprint: test_support::desired(1, base_path).fingerprint,
    }
}

#[tokio::test]
async fn a_plan_is_carried_out_if_the_gateway_is_as_it_was() {
    let stage = Stage::new().await;
    let first = stage
        .control_plane
        .desire_api(test_support::desired(1, "/orders"), |work| {
            work.expected = Some(ExpectedState::Absent);
        });
    stage.deployed(first).await;
    let second = stage
        .control_plane
        .desire_api(test_support::desired(1, "/v2"), |work| {
            work.expected = Some(present("/orders"));
        });
    stage.deployed(second).await;
    assert_eq!(stage.only_api().1.content.base_path, "/v2");
}

#[tokio::test]
async fn a_plan_is_void_if_the_gateway_moved_and_nothing_is_touched() {
    let stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/orders");
    stage.deployed(first).await;
    let before = stage.gateway.apis();
    for expected in [ExpectedState::Absent, present("/elsewhere")] {
        let generation = stage
            .control_plane
            .desire_api(test_support::desired(1, "/v2"), |work| {
                work.expected = Some(expected);
            });
        stage
            .reported(generation, |outcome| failed(outcome, "PlanVoid"))
            .await;
    }
    let removal = gatehouse_control_plane_api::agent::DesiredState::Absent {
        mark: test_support::mark(1),
    };
    let generation = stage.control_plane.desire_with(1, removal, |work| {
        work.expected = Some(present("/elsewhere"));
    });
    stage
        .reported(generation, |outcome| failed(outcome, "PlanVoid"))
        .await;
    assert_eq!(stage.gateway.apis(), before);
    assert_eq!(stage.gateway.calls(Operation::Deploy), 1);
    assert_eq!(stage.gateway.calls(Operation::Undeploy), 0);
}

#[tokio::test]
async fn what_is_as_desired_already_fulfils_any_plan() {
    let stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/orders");
    stage.deployed(first).await;
    let second = stage
        .control_plane
        .desire_api(test_support::desired(1, "/orders"), |work| {
            work.expected = Some(ExpectedState::Absent);
        });
    stage.deployed(second).await;
}

#[tokio::test]
async fn what_was_begun_is_finished_whatever_the_plan_saw() {
    let stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/orders");
    stage.deployed(first).await;
    let second = stage
        .control_plane
        .desire_api(test_support::desired(1, "/v2"), |work| {
            work.expected = Some(ExpectedState::Absent);
            work.steps = vec![Step {
                generation: work.generation,
                number: 1,
                of: None,
                description: "put `api-1` in place".to_owned(),
                object: None,
                state: StepState::Intended,
            }];
        });
    stage.deployed(second).await;
}

/// An API whose policy is not expressed exactly, deployed to a gateway that expresses it so.
async fn lossy(policy: Policy, fidelity: Fidelity) -> (Stage, RevisionContent) {
    let support = BTreeMap::from([(policy.type_name().to_owned(), fidelity)]);
    let stage = Stage::with(|_| {}, |connector| connector.with_policy_support(support)).await;
    let mut content = test_support::content("/orders");
    content.policies = vec![policy];
    (stage, content)
}

#[tokio::test]
async fn security_that_the_gateway_does_not_enforce_stops_a_deploy_whatever_was_accepted() {
    let unsupported = Fidelity::Unsupported {
        reason: "it knows no keys".to_owned(),
    };
    let (stage, content) = lossy(test_support::api_key("key"), unsupported).await;
    let generation = stage
        .control_plane
        .desire_api(test_support::desired_as(1, content), |work| {
            work.accept_loss = true;
        });
    stage
        .reported(generation, |outcome| failed(outcome, "PolicyUnsupported"))
        .await;
    assert!(stage.gateway.apis().is_empty());
}

#[tokio::test]
async fn other_losses_stop_a_deploy_until_they_are_accepted() {
    let approximated = Fidelity::Approximated {
        difference: "10 MB at most".to_owned(),
    };
    let policy = Policy::RequestSize(RequestSizePolicy { max_bytes: 1 << 30 });
    let (stage, content) = lossy(policy, approximated).await;
    let desired = test_support::desired_as(1, content);
    let refused = stage.control_plane.desire_api(desired.clone(), |_| {});
    stage
        .reported(refused, |outcome| match outcome {
            DeploymentOutcome::Failed { message, .. } => {
                failed(outcome, "LossNotAccepted")
                    && message.contains("10 MB at most")
                    && message.contains("`/policies/0`")
            }
            _ => false,
        })
        .await;
    assert!(stage.gateway.apis().is_empty());
    let accepted = stage
        .control_plane
        .desire_api(desired, |work| work.accept_loss = true);
    stage.deployed(accepted).await;
}

#[tokio::test]
async fn only_the_object_that_was_chosen_is_taken_over_and_marked_in_place() {
    let stage = Stage::new().await;
    let content = test_support::content("/orders");
    let chosen = stage.gateway.add_foreign("Orders", content).unwrap();
    let refused = stage.control_plane.deploy(1, "/orders");
    stage
        .reported(refused, |outcome| failed(outcome, "Conflict"))
        .await;
    assert_eq!(stage.only_api().1.mark, None);
    let adopted = stage
        .control_plane
        .desire_api(test_support::desired(1, "/orders"), |work| {
            work.adopt = Some(chosen.clone());
        });
    stage.deployed(adopted).await;
    let (id, api) = stage.only_api();
    assert_eq!(id, chosen);
    assert_eq!(api.mark, Some(test_support::mark(1)));
}
