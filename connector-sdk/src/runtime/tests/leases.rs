//! Leases and modes: what an agent may do where.

use std::time::Duration;

use gatehouse_control_plane_api::agent::DeploymentOutcome;
use gatehouse_schemas::{environment::Mode, identity::FencingNumber};

use super::{
    Stage,
    control_plane::{ControlPlane, assignment},
    options, start, until,
};
use crate::{
    memory::{Fault, MemoryGateway, test_support},
    operation::Operation,
};

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
async fn an_answer_that_comes_after_the_lease_ran_out_brings_it_back() {
    let control_plane = ControlPlane::start().await;
    control_plane.add_environment();
    control_plane.world().lease_ms = Some(300);
    let folder = tempfile::tempdir().unwrap();
    let agent = start(options(&control_plane, folder.path()), &MemoryGateway::new());
    let first = control_plane.deploy(1, "/orders");
    until("it is deployed", || !control_plane.outcomes(first).is_empty()).await;
    control_plane.world().delay_work = Some(Duration::from_millis(400));
    until("the request that is late has come", || {
        control_plane.world().delay_work.is_none()
    })
    .await;
    let asked = control_plane.world().asked.len();
    until("it has been answered", || {
        control_plane.world().asked.len() > asked + 1
    })
    .await;
    let second = control_plane.deploy(1, "/v2");
    until("it is deployed, too", || {
        !control_plane.outcomes(second).is_empty()
    })
    .await;
    agent.stop().await.unwrap();
}
