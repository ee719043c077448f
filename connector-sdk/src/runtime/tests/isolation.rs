//! A connector that misbehaves in one environment, and what becomes of the others.

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DesiredState, Task, TaskResult, TaskWork};
use gatehouse_schemas::identity::{EnvironmentId, Generation, TaskId};
use uuid::Uuid;

use super::{Running, control_plane::ControlPlane, control_plane::assignment, options, start_agent, until};
use crate::{
    memory::{MemoryConnector, MemoryGateway, test_support},
    misbehaving::{Misbehaving, Misdeed},
    monitor::Monitor,
    runtime::{Agent, Tuning},
};

const BAD: EnvironmentId = EnvironmentId(Uuid::from_u128(66));

/// An agent with one thread for everything that is not the connector's, and two environments: one in which its
/// connector misbehaves, and the one of tests.
struct Stage {
    control_plane: ControlPlane,
    connector: Misbehaving,
    monitor: Monitor,
    agent: Running,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new(misdeed: Misdeed) -> Self {
        let control_plane = ControlPlane::start().await;
        control_plane.add_environment();
        control_plane.change(|world, generation| {
            let mut bad = assignment(generation);
            bad.id = BAD;
            bad.name = "bad".parse().unwrap();
            world.environments.insert(BAD, bad);
        });
        let connector = Misbehaving::new(MemoryConnector::new(MemoryGateway::new()));
        connector.begin(BAD, misdeed);
        let monitor = Monitor::new();
        let folder = tempfile::tempdir().unwrap();
        let agent = Agent::builder(connector.clone()).monitored(&monitor);
        let agent = start_agent(options(&control_plane, folder.path()), agent);
        Self {
            control_plane,
            connector,
            monitor,
            agent,
            _folder: folder,
        }
    }

    /// Desires an API in the environment in which the connector misbehaves.
    fn deploy_badly(&self, api: u128) -> Generation {
        let mut desired = test_support::desired(api, &format!("/bad-{api}"));
        desired.mark.environment_id = BAD;
        self.control_plane
            .desire_api(desired, |work| work.environment_id = BAD)
    }

    fn ask(&self, number: u128, environment: EnvironmentId) {
        let mut desired = test_support::desired(number, &format!("/plan-{number}"));
        desired.mark.environment_id = environment;
        let task = Task::Plan {
            desired: DesiredState::Present {
                api: Box::new(desired),
            },
            external_ref: None,
            adopt: None,
        };
        self.control_plane.change(|world, _| {
            world.tasks.push(TaskWork {
                id: TaskId(Uuid::from_u128(number)),
                environment_id: environment,
                task,
            });
        });
    }

    async fn reported(&self, generation: Generation, like: impl Fn(&DeploymentOutcome) -> bool) {
        until("the outcome is reported", || {
            self.control_plane.has(generation, &like)
        })
        .await;
    }

    /// Everything works as it should, in the environment of tests.
    async fn others_work(&self, api: u128) {
        let generation = self.control_plane.deploy(api, &format!("/good-{api}"));
        self.reported(generation, |outcome| {
            matches!(outcome, DeploymentOutcome::Deployed { .. })
        })
        .await;
    }

    async fn recovers(self, generation: Generation) {
        self.connector.behave();
        self.reported(generation, |outcome| {
            matches!(outcome, DeploymentOutcome::Deployed { .. })
        })
        .await;
        self.agent.stop().await.unwrap();
    }
}

fn failed_with(outcome: &DeploymentOutcome, text: &str) -> bool {
    matches!(outcome, DeploymentOutcome::Failed { reason, message, retrying: false }
        if reason == "Unexpected" && message.contains(text))
}

#[tokio::test]
async fn an_operation_that_panics_is_a_failed_deployment_and_nothing_else() {
    let stage = Stage::new(Misdeed::Panics).await;
    let generation = stage.deploy_badly(1);
    let told = "the connector panicked during the observe in environment `bad`: a list that is empty";
    stage
        .reported(generation, |outcome| failed_with(outcome, told))
        .await;
    stage.others_work(2).await;
    let line = r#"gatehouse_agent_deployments_failed{gateway_type="memory",environment="bad"} 1"#;
    assert!(stage.monitor.metrics().contains(line));
    // Its place is free again: the next wish is worked on, and so is the one after it.
    let again = stage.deploy_badly(1);
    stage.reported(again, |outcome| failed_with(outcome, told)).await;
    stage.connector.behave();
    let last = stage.deploy_badly(1);
    stage.recovers(last).await;
}

#[tokio::test]
async fn a_translation_that_panics_is_a_failed_deployment_and_a_failed_plan() {
    let stage = Stage::new(Misdeed::PanicsTranslating).await;
    let told =
        "the connector panicked during the translation in environment `bad`: a policy nobody thought of";
    let generation = stage.deploy_badly(1);
    stage
        .reported(generation, |outcome| failed_with(outcome, told))
        .await;
    stage.ask(7, BAD);
    until("the plan is answered", || {
        !stage.control_plane.answers(7).is_empty()
    })
    .await;
    let answer = stage.control_plane.answers(7).remove(0);
    assert!(
        matches!(&answer, TaskResult::Failed { reason, message } if reason == "Unexpected" && message.contains(told)),
        "{answer:?}"
    );
    stage.others_work(2).await;
}

#[tokio::test]
async fn an_environment_whose_operations_block_their_threads_holds_up_no_other() {
    let stage = Stage::new(Misdeed::Blocks).await;
    let places = Tuning::default().concurrency;
    let mut last = Generation(0);
    for api in 0..2 * places {
        last = stage.deploy_badly(u128::try_from(api).unwrap() + 100);
    }
    until("all places of the environment are taken", || {
        stage.connector.blocked() == places
    })
    .await;
    stage.others_work(1).await;
    // It has been heard of all along: the one thread of the runtime was never blocked.
    let asked = stage.control_plane.world().asked.len();
    stage.others_work(2).await;
    assert!(stage.control_plane.world().asked.len() > asked);
    let line = format!(
        "gatehouse_agent_deployments_open{{gateway_type=\"memory\",environment=\"bad\"}} {}",
        2 * places
    );
    assert!(stage.monitor.metrics().contains(&line));
    assert_eq!(stage.connector.blocked(), places);
    stage.recovers(last).await;
}

#[tokio::test]
async fn plans_of_an_environment_that_blocks_hold_up_no_plan_of_another() {
    let stage = Stage::new(Misdeed::Blocks).await;
    for number in 100..120 {
        stage.ask(number, BAD);
    }
    until("the plans there have begun", || stage.connector.blocked() == 4).await;
    stage.ask(1, test_support::environment_id());
    until("the other one is answered", || {
        !stage.control_plane.answers(1).is_empty()
    })
    .await;
    stage.connector.behave();
    until("all are answered", || {
        stage.control_plane.world().answers.len() == 21
    })
    .await;
    stage.agent.stop().await.unwrap();
}
