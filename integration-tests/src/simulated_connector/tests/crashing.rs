//! Attempts that end anywhere: the next one finds what they left, and nothing is made twice.

use std::sync::Arc;

use gatehouse_connector_sdk::error::Retry;
use gatehouse_schemas::{desired::DesiredApi, observed::Observation};
use serde_json::{Value, json};

use super::world::{Remembering, World, desired, key_required, size_limit};

fn first() -> DesiredApi {
    desired(1, 1, json!([key_required(), size_limit(1)]))
}

fn second() -> DesiredApi {
    desired(1, 2, json!([key_required(), size_limit(2)]))
}

/// Deploys with the n-th writing call going wrong, then again; says whether anything went wrong.
async fn interrupted(world: &mut World, desired: &DesiredApi, call: u64, effect: &Value) -> bool {
    let journal = Arc::new(Remembering::default());
    world.with_journal(&journal);
    world
        .fault(json!({"operation": "write", "skip": call, "times": 1, "effect": effect}))
        .await;
    let failed = world.deploy(desired).await.is_err();
    world.forget_faults().await;
    // Readers that lag behind may lead an attempt astray, harmlessly; one more is made, as the runtime does.
    while let Err(error) = world.deploy(desired).await {
        assert_ne!(error.retry(), Retry::Never, "{error:?}");
    }
    failed
}

async fn at_every_call(effect: Value, consistency_ms: u64) {
    for call in 0..20 {
        let mut world = World::start().await;
        world
            .tell("behaviour", json!({"consistencyMs": consistency_ms}))
            .await;
        let create_failed = interrupted(&mut world, &first(), call, &effect).await;
        let update_failed = interrupted(&mut world, &second(), call, &effect).await;
        let observed = world.present(&second()).await;
        assert_eq!(observed.fingerprint, second().fingerprint, "call {call}");
        let objects = world.objects().await;
        assert_eq!(objects.len(), 1, "call {call}: {objects:#?}");
        let deployments = objects[0]["deployments"].as_object().unwrap().len();
        assert!(deployments <= 2, "call {call}: {deployments} deployments");
        world.assert_sound().await;
        if !create_failed && !update_failed {
            assert!(call > 4, "only {call} calls were interrupted");
            return;
        }
    }
    panic!("the calls do not end");
}

#[tokio::test]
async fn a_call_without_effect_is_made_up_for() {
    at_every_call(json!({"kind": "reset"}), 0).await;
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_not_made_twice() {
    at_every_call(json!({"kind": "lostReply"}), 0).await;
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_not_made_twice_although_readers_lag_behind() {
    at_every_call(json!({"kind": "lostReply"}), 60).await;
}

#[tokio::test]
async fn an_undeploy_that_ends_anywhere_is_finished() {
    for effect in ["reset", "lostReply"] {
        for call in 0..2 {
            let world = World::start().await;
            world.deploy(&first()).await.unwrap();
            let effect = json!({"kind": effect});
            world
                .fault(json!({"operation": "write", "skip": call, "times": 1, "effect": effect}))
                .await;
            assert!(world.undeploy(&first()).await.is_err());
            world.undeploy(&first()).await.unwrap();
            assert_eq!(world.observe(&first()).await.unwrap(), Observation::Absent);
            assert!(world.objects().await.is_empty());
            world.assert_sound().await;
        }
    }
}

#[tokio::test]
async fn an_undeploy_finds_what_an_interrupted_deploy_made() {
    let mut world = World::start().await;
    world.tell("behaviour", json!({"consistencyMs": 100})).await;
    let journal = Arc::new(Remembering::default());
    world.with_journal(&journal);
    world
        .fault(json!({"operation": "CreateApi", "times": 1, "effect": {"kind": "lostReply"}}))
        .await;
    world.deploy(&first()).await.unwrap_err();
    world.undeploy(&first()).await.unwrap();
    assert!(world.objects().await.is_empty());
}

#[tokio::test]
async fn a_step_that_is_refused_is_not_taken() {
    for step in 1..=5 {
        let mut world = World::start().await;
        let journal = Arc::new(Remembering::default());
        *journal.refuse.lock().unwrap() = Some(step);
        world.with_journal(&journal);
        let error = world.deploy(&first()).await.unwrap_err();
        assert_eq!(error.message(), "the lease has ended");
        assert_eq!(world.writes().await, u64::from(step) - 1);
        assert_eq!(world.look("invariants").await, json!([]));
    }
}

#[tokio::test]
async fn after_a_failure_the_old_revision_still_serves() {
    for call in 0..4 {
        let mut world = World::start().await;
        world.deploy(&first()).await.unwrap();
        let journal = Arc::new(Remembering::default());
        world.with_journal(&journal);
        let effect = json!({"kind": "status", "status": 500});
        world
            .fault(json!({"operation": "write", "skip": call, "effect": effect}))
            .await;
        if world.deploy(&second()).await.is_ok() {
            continue;
        }
        let switched = world.look("stages").await.as_array().unwrap().len();
        let observed = world.present(&first()).await;
        if switched == 1 {
            assert_eq!(observed.fingerprint, first().fingerprint, "call {call}");
        }
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn a_snapshot_that_somebody_disturbed_is_never_served() {
    let world = Arc::new(World::start().await);
    world.deploy(&first()).await.unwrap();
    world
        .tell(
            "hold",
            json!({"request": 1, "when": "before", "operation": "CreateDeployment"}),
        )
        .await;
    let attempt = {
        let world = world.clone();
        tokio::spawn(async move { world.deploy(&second()).await })
    };
    let held = world.look("held?timeoutMs=10000").await;
    assert_eq!(held["held"]["operation"], "CreateDeployment", "{held}");
    let edit = json!({"kind": "removePolicies", "policyKind": "KEY_REQUIRED"});
    world
        .tell(
            "edits",
            json!({"account": "account-1", "api": "orders-1", "edit": edit, "deploy": false}),
        )
        .await;
    world.tell("release", json!({})).await;
    let error = attempt.await.unwrap().unwrap_err();
    assert!(
        error.message().contains("somebody changed the draft"),
        "{}",
        error.message()
    );
    assert_eq!(world.present(&first()).await.fingerprint, first().fingerprint);
    world.deploy(&second()).await.unwrap();
    assert_eq!(world.present(&second()).await.fingerprint, second().fingerprint);
    world.assert_sound().await;
}
