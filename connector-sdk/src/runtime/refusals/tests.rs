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
            headers: Default::default(),
            query: Default::default(),
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
        for part in [
            "`api-1`",
            "`kong-eu`",
            "`auth.apiKey`",
            "`GET /orders/{id}`",
            "/operations/0/policies/0",
            "it knows no keys",
            "deploy it to another gateway",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
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
    for part in ["`request.size`", "10 MB at most", "--accept-loss", "`acceptLoss`"] {
        assert!(message.contains(part), "{part}: {message}");
    }
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
                assert!(message.contains(words), "{message}");
                assert!(
                    message.contains("nothing was touched; make a new plan"),
                    "{message}"
                );
            }
        }
    }
}
