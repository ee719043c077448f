//! Joining, and being refused.

use super::{
    Stage,
    control_plane::{ControlPlane, JOIN_TOKEN, World},
    options, start, until,
};
use crate::{
    memory::MemoryGateway,
    runtime::{AgentOptions, RunError},
};

#[tokio::test]
async fn a_revoked_agent_ends_with_a_reason_and_a_remedy() {
    let stage = Stage::new().await;
    let generation = stage.control_plane.deploy(1, "/orders");
    stage.deployed(generation).await;
    stage.agent.stop().await.unwrap();
    let revoke = |world: &mut World| {
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
