//! Tasks: worked out beside everything else, answered once.

use std::{collections::BTreeMap, time::Duration};

use gatehouse_control_plane_api::agent::{
    CheckSeverity, DeploymentObservation, DesiredState, Task, TaskResult,
};
use gatehouse_schemas::{
    descriptor::Fidelity,
    environment::Mode,
    identity::{DeploymentId, ExternalRef},
    observed::Observation,
    quota::Quota,
};
use serde_json::json;
use uuid::Uuid;

use super::{Stage, until};
use crate::{
    error::ErrorKind,
    memory::{Fault, test_support},
    operation::Operation,
};

fn plan(base_path: &str) -> Task {
    Task::Plan {
        desired: DesiredState::Present {
            api: Box::new(test_support::desired(1, base_path)),
        },
        external_ref: None,
        adopt: None,
    }
}

impl Stage {
    /// The answer to a task.
    async fn answer(&self, number: u128, task: Task) -> TaskResult {
        self.control_plane.ask(number, task);
        until("it is answered", || {
            !self.control_plane.answers(number).is_empty()
        })
        .await;
        self.control_plane.answers(number).remove(0)
    }

    /// What was told of a deployment of an API.
    fn told(&self, api: u128) -> DeploymentObservation {
        let world = self.control_plane.world();
        let id = DeploymentId(Uuid::from_u128(api));
        let mut observations = world.observations.iter();
        let found = observations.find(|observation| observation.deployment_id == id);
        found.unwrap().clone()
    }
}

#[tokio::test]
async fn a_plan_says_what_is_there_how_faithful_it_is_and_what_it_costs() {
    let quota = Quota {
        operation: "PutPart".to_owned(),
        burst: 1,
        interval_ms: 30_000,
    };
    let approximated = Fidelity::Approximated {
        difference: "nearly".to_owned(),
    };
    let support = BTreeMap::from([("auth.apiKey".to_owned(), approximated.clone())]);
    let stage = Stage::with(
        |environment| {
            environment.settings.insert("steps".to_owned(), json!(4));
        },
        |connector| {
            connector
                .with_policy_support(support)
                .with_descriptor(|descriptor| descriptor.quotas = vec![quota])
        },
    )
    .await;
    let mut content = test_support::content("/orders");
    content.policies = vec![test_support::api_key("key")];
    let task = Task::Plan {
        desired: DesiredState::Present {
            api: Box::new(test_support::desired_as(1, content)),
        },
        external_ref: None,
        adopt: None,
    };
    let TaskResult::Planned {
        observation,
        fidelity,
        calls,
        eta_ms,
        notes,
        warnings,
    } = stage.answer(1, task).await
    else {
        panic!("not planned");
    };
    assert_eq!(observation, Observation::Absent);
    assert_eq!(fidelity[0].fidelity, approximated);
    assert_eq!(calls["PutPart"], 3);
    assert!(eta_ms >= 60_000, "{eta_ms}");
    assert_eq!((notes, warnings), (Vec::new(), Vec::new()));
    assert_eq!(stage.gateway.calls(Operation::Deploy), 0);
}

#[tokio::test]
async fn a_plan_of_what_is_there_already_costs_nothing() {
    let stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    match stage.answer(1, plan("/orders")).await {
        TaskResult::Planned {
            observation: Observation::Present(_),
            calls,
            eta_ms: 0,
            ..
        } => assert!(calls.is_empty()),
        other => panic!("{other:?}"),
    }
    let removal = Task::Plan {
        desired: DesiredState::Absent {
            mark: test_support::mark(1),
        },
        external_ref: None,
        adopt: None,
    };
    match stage.answer(2, removal).await {
        TaskResult::Planned { fidelity, calls, .. } => {
            assert!(fidelity.is_empty());
            assert_eq!(calls["DeleteApi"], 1);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn not_knowing_is_planned_as_not_knowing_and_an_error_is_told() {
    let stage = Stage::new().await;
    stage.gateway.set_blind(true);
    let unknown = stage.answer(1, plan("/orders")).await;
    assert!(
        matches!(&unknown, TaskResult::Planned { observation: Observation::Unknown { .. }, calls, .. } if calls.is_empty()),
        "{unknown:?}"
    );
    stage
        .gateway
        .inject(Operation::Observe, [Fault::Fail(ErrorKind::Forbidden)]);
    match stage.answer(2, plan("/orders")).await {
        TaskResult::Failed { reason, message } => {
            assert_eq!(reason, "Forbidden");
            assert!(message.contains("observe"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn looking_tells_of_every_deployment_how_it_stands() {
    let stage = Stage::new().await;
    let mut last = None;
    for api in 1..=4 {
        last = Some(stage.control_plane.deploy(api, &format!("/api/{api}")));
        stage.deployed(last.unwrap()).await;
    }
    let by_api = |api: u128| {
        let apis = stage.gateway.apis();
        let mut apis = apis.into_iter();
        let is_it = |mark: &gatehouse_schemas::desired::Mark| mark.api_id.0.as_u128() == api;
        apis.find(|(_, stored)| stored.mark.as_ref().is_some_and(is_it))
            .unwrap()
            .0
    };
    stage
        .gateway
        .edit(&by_api(2), |content| content.version = "v9".to_owned())
        .unwrap();
    stage.gateway.delete(&by_api(3)).unwrap();
    let result = stage.answer(1, Task::Observe { deployments: None }).await;
    assert_eq!(result, TaskResult::Observed { count: 4 });
    assert_eq!(stage.told(1).differs, None);
    assert!(matches!(stage.told(2).differs, Some(Observation::Present(_))));
    assert_eq!(stage.told(3).differs, Some(Observation::Absent));
    assert_eq!(Some(stage.told(4).generation), last);
    // Only the chosen ones, and what cannot be seen is told as unknown.
    stage.gateway.set_blind(true);
    stage.control_plane.world().observations.clear();
    let chosen = Some(vec![DeploymentId(Uuid::from_u128(4))]);
    let result = stage.answer(2, Task::Observe { deployments: chosen }).await;
    assert_eq!(result, TaskResult::Observed { count: 1 });
    assert!(matches!(stage.told(4).differs, Some(Observation::Unknown { .. })));
}

#[tokio::test]
async fn what_is_being_worked_on_is_unknown() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Deploy, [Fault::Delay(Duration::from_secs(60))]);
    stage.control_plane.deploy(1, "/orders");
    until("it has begun", || stage.gateway.calls(Operation::Deploy) == 1).await;
    let result = stage.answer(1, Task::Observe { deployments: None }).await;
    assert_eq!(result, TaskResult::Observed { count: 1 });
    let unknown = Observation::Unknown {
        reason: "it is being deployed, or waits to be tried again".to_owned(),
    };
    assert_eq!(stage.told(1).differs, Some(unknown));
}

#[tokio::test]
async fn hundreds_are_looked_at_in_batches() {
    let stage = Stage::new().await;
    let mut last = None;
    for api in 1..=230 {
        last = Some(stage.control_plane.deploy(api, &format!("/api/{api}")));
    }
    stage.deployed(last.unwrap()).await;
    until("all are deployed", || stage.gateway.apis().len() == 230).await;
    let result = stage.answer(1, Task::Observe { deployments: None }).await;
    assert_eq!(result, TaskResult::Observed { count: 230 });
    assert_eq!(stage.control_plane.world().observations.len(), 230);
}

#[tokio::test]
async fn any_object_of_the_gateway_can_be_inspected() {
    let stage = Stage::new().await;
    let content = test_support::content("/theirs");
    let foreign = stage.gateway.add_foreign("Theirs", content).unwrap();
    let inspect = |external_ref: ExternalRef| Task::Inspect { external_ref };
    match stage.answer(1, inspect(foreign)).await {
        TaskResult::Inspected {
            observation: Observation::Present(observed),
        } => assert_eq!(observed.name, "Theirs"),
        other => panic!("{other:?}"),
    }
    let gone = stage
        .answer(2, inspect(ExternalRef("memory-99".to_owned())))
        .await;
    let expected = TaskResult::Inspected {
        observation: Observation::Absent,
    };
    assert_eq!(gone, expected);
}

#[tokio::test]
async fn a_check_finds_what_the_mode_lacks_and_what_it_does_not_need() {
    let stage = Stage::with(
        |environment| {
            environment.mode = Mode::WriteOnly;
            let settings = &mut environment.settings;
            settings.insert("credentialMayWrite".to_owned(), json!(false));
        },
        |connector| connector.with_descriptor(|descriptor| descriptor.capabilities.undeploy = false),
    )
    .await;
    let TaskResult::Checked {
        gateway_version,
        findings,
    } = stage.answer(1, Task::Check).await
    else {
        panic!("not checked");
    };
    assert!(gateway_version.is_some());
    let has = |severity: CheckSeverity, words: &str| {
        let mut findings = findings.iter();
        findings.any(|finding| finding.severity == severity && finding.message.contains(words))
    };
    assert!(has(CheckSeverity::Error, "may not change APIs"), "{findings:?}");
    assert!(has(CheckSeverity::Warning, "may look at APIs"), "{findings:?}");
    let lacks = "the environment's mode needs `undeploy`, which its connector cannot do; set the mode to `read-only`, or use \
                 a connector that can";
    assert!(has(CheckSeverity::Error, lacks), "{findings:?}");
}

#[tokio::test]
async fn what_a_connector_cannot_do_is_told_when_it_is_asked() {
    let stage = Stage::with(
        |_| {},
        |connector| {
            connector.with_descriptor(|descriptor| {
                descriptor.capabilities.check = false;
                descriptor.capabilities.observe = false;
            })
        },
    )
    .await;
    match stage.answer(1, plan("/orders")).await {
        TaskResult::Failed { reason, message } => {
            assert_eq!(reason, "Unsupported");
            assert_eq!(
                message,
                "the connector of environment `test` cannot look at what the gateway holds, so there is no plan; deploy \
                 without one"
            );
        }
        other => panic!("{other:?}"),
    }
    let TaskResult::Checked { findings, .. } = stage.answer(2, Task::Check).await else {
        panic!("not checked");
    };
    let told: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "the connector cannot check gateway and credential beforehand; the first deploy or discovery shows whether they are \
             good",
            "the connector cannot look at single APIs, so there are no plans and no drift for this environment",
        ]
    );
}

#[tokio::test]
async fn a_check_says_that_the_connector_can_do_what_is_needed() {
    let stage = Stage::new().await;
    let TaskResult::Checked { findings, .. } = stage.answer(1, Task::Check).await else {
        panic!("not checked");
    };
    assert_eq!(
        findings.last().unwrap().message,
        "the connector can do what the environment's mode needs"
    );
}

#[tokio::test]
async fn a_check_of_a_gateway_that_is_away_fails() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Check, vec![Fault::Fail(ErrorKind::Unauthorized); 9]);
    let result = stage.answer(1, Task::Check).await;
    assert!(
        matches!(&result, TaskResult::Failed { reason, .. } if reason == "Unauthorized"),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_lost_answer_is_sent_again_and_nothing_is_worked_out_twice() {
    let stage = Stage::new().await;
    stage.control_plane.world().lose_answers = 2;
    let first = stage.answer(1, plan("/orders")).await;
    until("it came three times", || {
        stage.control_plane.answers(1).len() == 3
    })
    .await;
    assert!(
        stage
            .control_plane
            .answers(1)
            .iter()
            .all(|answer| *answer == first)
    );
    assert_eq!(stage.gateway.calls(Operation::Observe), 1);
}

#[tokio::test]
async fn a_task_ends_with_the_lease_and_is_worked_out_under_the_next_one() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Observe, [Fault::Delay(Duration::from_secs(60))]);
    stage.control_plane.ask(1, plan("/orders"));
    until("the look has begun", || {
        stage.gateway.calls(Operation::Observe) == 1
    })
    .await;
    stage.control_plane.change_environment(|environment| {
        environment.fencing = Some(gatehouse_schemas::identity::FencingNumber(2));
    });
    until("it is answered", || !stage.control_plane.answers(1).is_empty()).await;
    assert_eq!(stage.gateway.calls(Operation::Observe), 2);
    let world = stage.control_plane.world();
    assert_eq!(world.answers[0].1.fencing.0, 2);
}

#[tokio::test]
async fn tasks_do_not_wait_for_deployments() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Deploy, vec![Fault::Delay(Duration::from_secs(60)); 20]);
    for api in 10..30 {
        stage.control_plane.deploy(api, &format!("/api/{api}"));
    }
    until("all places are taken", || {
        stage.gateway.calls(Operation::Deploy) >= 8
    })
    .await;
    let result = stage.answer(1, plan("/orders")).await;
    assert!(matches!(result, TaskResult::Planned { .. }), "{result:?}");
}
