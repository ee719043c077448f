//! The agent against a small control plane and an in-memory gateway.

mod control_plane;

use std::{path::Path, time::Duration};

use control_plane::{ControlPlane, JOIN_TOKEN, assignment};
use gatehouse_control_plane_api::agent::{DeploymentOutcome, DiscoveryOutcome};
use gatehouse_schemas::{
    environment::Mode,
    identity::{FencingNumber, Generation},
    observed::DiscoveredItem,
};
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Agent, AgentOptions, RunError, Tuning};
use crate::{
    backoff::Backoff,
    error::ErrorKind,
    memory::{Fault, MemoryConnector, MemoryGateway, test_support},
    operation::Operation,
};

const QUICK: Backoff = Backoff {
    first: Duration::from_millis(5),
    longest: Duration::from_millis(20),
};

/// An agent that runs.
struct Running {
    cancellation: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
    /// The threads of its own; without them, everything it does ends.
    threads: Option<Runtime>,
}

impl Running {
    async fn stop(mut self) -> Result<(), RunError> {
        self.cancellation.cancel();
        self.end().await
    }

    /// How it ends by itself.
    async fn end(&mut self) -> Result<(), RunError> {
        (&mut self.task).await.unwrap()
    }

    /// Ends it like `kill -9`: in the middle of whatever it does.
    async fn kill(mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
        let ended = (&mut self.task).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

fn options(control_plane: &ControlPlane, folder: &Path) -> AgentOptions {
    AgentOptions {
        join_token: Some(JOIN_TOKEN.into()),
        tuning: Tuning {
            reconnect: QUICK,
            redeploy: QUICK,
            grace: Duration::from_secs(1),
            ..Tuning::default()
        },
        ..AgentOptions::new(control_plane.url(), folder)
    }
}

fn start(options: AgentOptions, gateway: &MemoryGateway) -> Running {
    let cancellation = CancellationToken::new();
    let agent = Agent::builder(MemoryConnector::new(gateway.clone()));
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let task = threads.spawn(agent.run(options, cancellation.clone()));
    Running {
        cancellation,
        task,
        threads: Some(threads),
    }
}

/// A control plane with the environment of tests, a gateway, and an agent between them.
struct Stage {
    control_plane: ControlPlane,
    gateway: MemoryGateway,
    folder: tempfile::TempDir,
    agent: Running,
}

impl Stage {
    async fn new() -> Self {
        let control_plane = ControlPlane::start().await;
        control_plane.add_environment();
        let gateway = MemoryGateway::new();
        let folder = tempfile::tempdir().unwrap();
        let agent = start(options(&control_plane, folder.path()), &gateway);
        Self {
            control_plane,
            gateway,
            folder,
            agent,
        }
    }

    async fn deployed(&self, generation: Generation) {
        until("the deploy is reported", || {
            self.control_plane
                .outcomes(generation)
                .iter()
                .any(|report| matches!(report.outcome, DeploymentOutcome::Deployed { .. }))
        })
        .await;
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(),
        "did not come true: {what}"
    );
}

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
        stage.gateway.inject(
            Operation::Observe,
            [Fault::Delay(Duration::ZERO), Fault::Delay(Duration::ZERO)],
        );
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
async fn without_the_lease_nothing_is_done() {
    let stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/orders");
    stage.deployed(first).await;
    let set = |fencing: Option<FencingNumber>| {
        stage.control_plane.change(|world, generation| {
            let assignment = gatehouse_control_plane_api::agent::EnvironmentAssignment {
                fencing,
                ..assignment(generation)
            };
            world.environments.insert(assignment.id, assignment);
        });
    };
    set(None);
    let second = stage.control_plane.deploy(1, "/v2");
    let asked = stage.control_plane.world().generation;
    until("the agent has taken it in", || {
        stage.control_plane.world().asked.last() == Some(&asked)
    })
    .await;
    assert_eq!(stage.gateway.calls(Operation::Deploy), 1);
    set(Some(FencingNumber(2)));
    stage.deployed(second).await;
    assert_eq!(stage.control_plane.outcomes(second)[0].fencing, FencingNumber(2));
}

#[tokio::test]
async fn the_lease_moving_stops_work_before_its_next_step() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Observe, [Fault::Delay(Duration::from_millis(300))]);
    stage.control_plane.deploy(1, "/orders");
    until("the look has begun", || {
        stage.gateway.calls(Operation::Observe) == 1
    })
    .await;
    stage.control_plane.change(|world, generation| {
        let id = test_support::environment_id();
        let environment = world.environments.get_mut(&id).unwrap();
        environment.fencing = None;
        environment.generation = generation;
    });
    let generation = stage.control_plane.world().generation;
    until("the agent has taken it in", || {
        stage.control_plane.world().asked.last() == Some(&generation)
    })
    .await;
    stage.agent.stop().await.unwrap();
    assert_eq!(stage.gateway.calls(Operation::Deploy), 0);
}

#[tokio::test]
async fn a_read_only_environment_is_not_changed() {
    let stage = Stage::new().await;
    stage.control_plane.change(|world, generation| {
        let id = test_support::environment_id();
        let environment = world.environments.get_mut(&id).unwrap();
        environment.mode = Mode::ReadOnly;
        environment.generation = generation;
    });
    let generation = stage.control_plane.deploy(1, "/orders");
    until("the refusal is reported", || {
        stage.control_plane.outcomes(generation).iter().any(|report| {
            matches!(&report.outcome, DeploymentOutcome::Failed { reason, retrying: false, .. } if reason == "Forbidden")
        })
    })
    .await;
    assert_eq!(stage.gateway.calls(Operation::Deploy), 0);
}

#[tokio::test]
async fn a_revoked_agent_ends_with_a_reason_and_a_remedy() {
    let stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    stage.agent.stop().await.unwrap();
    let revoke = |world: &mut control_plane::World| {
        world.agents.clear();
        world.tokens.clear();
    };
    revoke(&mut stage.control_plane.world());
    let without_token = AgentOptions {
        join_token: None,
        ..options(&stage.control_plane, stage.folder.path())
    };
    let error = start(without_token, &stage.gateway).end().await.unwrap_err();
    assert!(matches!(error, RunError::Revoked { .. }), "{error:?}");
    assert!(error.to_string().contains("join-token --type memory"), "{error}");
    // A spent token does not help, a new one does.
    let again = options(&stage.control_plane, stage.folder.path());
    let error = start(again.clone(), &stage.gateway).end().await.unwrap_err();
    assert!(matches!(error, RunError::Revoked { .. }), "{error:?}");
    stage
        .control_plane
        .world()
        .join_tokens
        .insert(JOIN_TOKEN.to_owned());
    let running = start(again, &stage.gateway);
    let generation = stage.control_plane.deploy(1, "/v2");
    until("it works again", || {
        !stage.control_plane.outcomes(generation).is_empty()
    })
    .await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_agent_revoked_while_it_runs_ends() {
    let mut stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    stage.control_plane.change(|world, _| {
        world.agents.clear();
        world.tokens.clear();
    });
    let error = stage.agent.end().await.unwrap_err();
    assert!(matches!(error, RunError::Revoked { .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_any_more_is_replaced() {
    let stage = Stage::new().await;
    let first = stage.control_plane.deploy(1, "/orders");
    stage.deployed(first).await;
    stage.control_plane.world().tokens.clear();
    let second = stage.control_plane.deploy(1, "/v2");
    stage.deployed(second).await;
}

#[tokio::test]
async fn without_identity_and_token_it_says_how_to_join() {
    let control_plane = ControlPlane::start().await;
    let folder = tempfile::tempdir().unwrap();
    let options = AgentOptions {
        join_token: None,
        ..options(&control_plane, folder.path())
    };
    let error = start(options, &MemoryGateway::new()).end().await.unwrap_err();
    assert!(matches!(error, RunError::NotEnrolled { .. }), "{error:?}");
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
async fn a_discovery_sends_everything_and_says_that_it_is_complete() {
    let stage = Stage::new().await;
    for number in 0..250 {
        let content = test_support::content(&format!("/foreign/{number}"));
        stage
            .gateway
            .add_foreign(&format!("Foreign {number}"), content)
            .unwrap();
    }
    stage.control_plane.discover();
    until("it is complete", || {
        !stage.control_plane.world().completions.is_empty()
    })
    .await;
    let world = stage.control_plane.world();
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Complete);
    assert_eq!(world.completions[0].pages as usize, world.pages.len());
    let items = world.pages.values().flatten();
    let apis = items.filter(|item| matches!(item, DiscoveredItem::Api(_)));
    assert_eq!(apis.count(), 250);
}

#[tokio::test]
async fn a_discovery_that_breaks_off_says_so_and_why() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Discover, [Fault::Fail(ErrorKind::Forbidden)]);
    stage.control_plane.discover();
    until("it has failed", || {
        !stage.control_plane.world().completions.is_empty()
    })
    .await;
    let world = stage.control_plane.world();
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Failed);
    assert_eq!(world.completions[0].pages, 0);
    assert!(world.completions[0].message.is_some());
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
