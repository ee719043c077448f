use gatehouse_schemas::{
    api::OperationMatch,
    policy::{Policy, RequestSizePolicy},
};

use super::*;
use crate::memory::test_support;

fn message(outcome: Option<DeploymentOutcome>, expected: &str) -> String {
    match outcome {
        Some(DeploymentOutcome::Failed {
            reason,
            message,
            retrying: false,
        }) if reason == expected => message,
        other => panic!("not {expected}: {other:?}"),
    }
}

fn loss(policy: &str, fidelity: Fidelity) -> PolicyFidelity {
    PolicyFidelity {
        pointer: "/operations/0/policies/0".to_owned(),
        policy: policy.to_owned(),
        operation: Some(OperationMatch {
            method: "GET".to_owned(),
            path: "/orders/{id}".to_owned(),
            ..OperationMatch::default()
        }),
        fidelity,
    }
}

/// A desired API whose one operation has the policy that the reports of these tests speak of.
fn desired(policy: &str) -> DesiredApi {
    let mut desired = test_support::desired(1, "/orders");
    let policy: Policy = match policy {
        "request.size" => Policy::RequestSize(RequestSizePolicy { max_bytes: 1 }),
        _ => test_support::api_key("key"),
    };
    desired.content.operations = vec![test_support::operation("GET", "/orders/{id}", vec![policy])];
    desired
}

#[test]
fn security_that_is_not_enforced_is_refused_whatever_was_accepted() {
    let report = [loss(
        "auth.apiKey",
        Fidelity::Unsupported {
            reason: "it knows no keys".to_owned(),
        },
    )];
    for accepted in [false, true] {
        let outcome = losses(
            &desired("auth.apiKey"),
            &report,
            &"kong-eu".parse().unwrap(),
            accepted,
        );
        let message = message(outcome, "PolicyUnsupported");
        assert_eq!(
            message,
            "`api-1` was not deployed to `kong-eu`, whose gateway cannot enforce `auth.apiKey` of `GET /orders/{id}` at \
             `/operations/0/policies/0` (unsupported: it knows no keys); deploy it to another gateway, or protect it with a \
             policy that this one can enforce"
        );
    }
}

#[test]
fn other_losses_need_to_be_accepted() {
    let report = [loss(
        "request.size",
        Fidelity::Approximated {
            difference: "10 MB at most".to_owned(),
        },
    )];
    let of = |accepted| {
        losses(
            &desired("request.size"),
            &report,
            &"kong-eu".parse().unwrap(),
            accepted,
        )
    };
    assert_eq!(of(true), None);
    let message = message(of(false), "LossNotAccepted");
    assert_eq!(
        message,
        "`api-1` was not deployed to `kong-eu`, whose gateway does not express everything: `request.size` of `GET \
         /orders/{id}` at `/operations/0/policies/0` (approximated: 10 MB at most); accept that with --accept-loss or the \
         environment's `acceptLoss`, or change the policies"
    );
}

#[test]
fn a_gateway_that_moved_voids_the_plan() {
    let present = |base_path: &str| {
        let stored = test_support::observed(1, base_path);
        Observation::Present(Box::new(stored))
    };
    let expected = ExpectedState::Present {
        fingerprint: test_support::observed(1, "/orders").fingerprint,
    };
    let cases = [
        (&expected, present("/orders"), None),
        (&expected, present("/other"), Some("was changed there")),
        (&expected, Observation::Absent, Some("was removed there")),
        (&ExpectedState::Absent, Observation::Absent, None),
        (&ExpectedState::Absent, present("/orders"), Some("appeared there")),
        (
            &expected,
            Observation::Unknown {
                reason: "asleep".to_owned(),
            },
            None,
        ),
    ];
    for (expected, observation, words) in cases {
        let outcome = moved(
            &"orders".parse().unwrap(),
            &"kong-eu".parse().unwrap(),
            expected,
            &observation,
        );
        match words {
            None => assert_eq!(outcome, None),
            Some(words) => {
                let message = message(outcome, "PlanVoid");
                assert_eq!(
                    message,
                    format!(
                        "`orders` {words} since the plan for `kong-eu` was made; nothing was touched; make a new plan and look \
                         at it"
                    )
                );
            }
        }
    }
}
