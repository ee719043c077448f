//! Deploying and undeploying.

use gatehouse_connector_sdk::{connector::Connector, error::ErrorKind};
use gatehouse_schemas::{
    diff::diff,
    observed::Observation,
    plan::{PlanAction, plan},
};
use serde_json::{Value, json};

use super::world::{World, desired, desired_with, key_required, reference, size_limit};

/// Every policy that the vendor expresses at all, and some that it does not.
fn all_kinds() -> Value {
    json!([
        key_required(),
        {"type": "auth.jwt", "with": {
            "issuer": "https://idp.example", "audiences": ["orders"], "jwksUri": "https://idp.example/jwks",
        }},
        {"type": "cors", "with": {"allowOrigins": ["https://shop.example"], "maxAgeSeconds": 60}},
        {"type": "headers", "with": {"request": {"set": {"x-a": "1"}}}},
        size_limit(1000),
        {"type": "ratelimit", "with": {"limits": [{"requests": 10, "per": "second"}], "key": "consumer"}},
        {"type": "rewrite", "with": {"path": "/elsewhere"}},
        {"type": "timeout", "with": {"responseMs": 700}},
    ])
}

#[tokio::test]
async fn after_a_deploy_there_is_nothing_left_to_do() {
    let world = World::start().await;
    for desired in [
        desired(1, 1, all_kinds()),
        desired_with(2, 1, json!({"operations": []})),
        desired_with(
            3,
            1,
            json!({"hostnames": ["a.example", "b.example"], "basePath": "/"}),
        ),
        desired_with(
            4,
            1,
            json!({"operations": [{"match": {"method": "GET", "path": "/x", "headers": {"x-v": "2"}}, "policies": [size_limit(5)]}]}),
        ),
    ] {
        let deployed = world.deploy(&desired).await.unwrap();
        assert_eq!(deployed.observed, desired.fingerprint);
        let observed = world.present(&desired).await;
        assert_eq!(diff(&json!(desired.content), &json!(observed.content)), []);
        assert_eq!(observed.endpoint_urls, deployed.endpoint_urls);
        let plan = plan(&desired, &Observation::Present(Box::new(observed)), None).unwrap();
        assert_eq!(plan.action, PlanAction::Nothing);
    }
    world.assert_sound().await;
}

#[tokio::test]
async fn deploying_the_same_again_changes_nothing() {
    let world = World::start().await;
    let desired = desired(1, 1, json!([key_required()]));
    let first = world.deploy(&desired).await.unwrap();
    world.tell("reset-counters", json!({})).await;
    let second = world
        .deploy_as(&desired, Some(&first.external_ref.0), false)
        .await
        .unwrap();
    assert_eq!(first, second);
    assert_eq!(world.writes().await, 0);
}

#[tokio::test]
async fn a_new_revision_keeps_the_identity_and_old_snapshots_go() {
    let world = World::start().await;
    let mut references = Vec::new();
    for revision in 1..=5 {
        let desired = desired(1, revision, json!([size_limit(revision * 100)]));
        let deployed = world.deploy(&desired).await.unwrap();
        references.push(deployed.external_ref.clone());
        let observed = world.present(&desired).await;
        assert_eq!(observed.fingerprint, desired.fingerprint);
        assert_eq!(observed.mark, Some(desired.mark.clone()));
    }
    references.dedup();
    assert_eq!(references.len(), 1);
    let objects = world.objects().await;
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["deployments"].as_object().unwrap().len(), 2);
    world.assert_sound().await;
}

#[tokio::test]
async fn a_rollback_uses_the_snapshot_that_was_kept() {
    let world = World::start().await;
    let first = desired(1, 1, json!([size_limit(100)]));
    world.deploy(&first).await.unwrap();
    world
        .deploy(&desired(1, 2, json!([size_limit(200)])))
        .await
        .unwrap();
    world.tell("reset-counters", json!({})).await;
    world.deploy(&first).await.unwrap();
    assert_eq!(world.present(&first).await.fingerprint, first.fingerprint);
    let counters = world.look("counters").await;
    assert_eq!(counters["PutStage"]["calls"], 1);
    assert!(counters.get("CreateDeployment").is_none(), "{counters}");
}

#[tokio::test]
async fn what_security_cannot_be_enforced_is_not_deployed() {
    let world = World::start().await;
    let mtls = json!({"type": "auth.mtls", "with": {"authorities": ["-----BEGIN CERTIFICATE-----"]}});
    let desired = desired(1, 1, json!([mtls]));
    let error = world.deploy(&desired).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.message(),
        "`orders-1` cannot be deployed here: the vendor would not enforce `auth.mtls` at `/policies/0`; take these policies away or choose another environment"
    );
    assert!(world.objects().await.is_empty());
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_stops_the_deploy() {
    let world = World::start().await;
    let policy = json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "a", "secretRef": "gone"}]}});
    let error = world.deploy(&desired(1, 1, json!([policy]))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(world.objects().await.is_empty());
}

#[tokio::test]
async fn what_somebody_else_made_is_a_conflict_and_stays_untouched() {
    let world = World::start().await;
    world
        .tell("seed", json!({"account": "account-1", "count": 1}))
        .await;
    let before = world.objects().await;
    let id = before[0]["id"].as_str().unwrap();
    let desired = desired(1, 1, json!([]));
    let error = world.deploy_as(&desired, Some(id), false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains(id), "{}", error.message());
    let reference = reference(&desired, Some(id));
    let error = world
        .connector
        .undeploy(&world.context, &reference)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(world.objects().await, before);
}

#[tokio::test]
async fn undeploying_removes_and_may_be_repeated() {
    let world = World::start().await;
    let (one, other) = (desired(1, 1, json!([])), desired(2, 1, json!([])));
    world.deploy(&one).await.unwrap();
    world.deploy(&other).await.unwrap();
    world.undeploy(&one).await.unwrap();
    world.undeploy(&one).await.unwrap();
    assert_eq!(world.observe(&one).await.unwrap(), Observation::Absent);
    assert_eq!(world.objects().await.len(), 1);
    // First nothing serves it, then it goes.
    let stages = world.look("stages").await;
    assert_eq!(
        stages.as_array().unwrap().last().unwrap()["deployment"],
        Value::Null
    );
    world.assert_sound().await;
}

#[tokio::test]
async fn readers_that_lag_behind_do_not_make_duplicates() {
    let world = World::start().await;
    world.tell("behaviour", json!({"consistencyMs": 150})).await;
    for revision in 1..=3 {
        let desired = desired(1, revision, json!([key_required(), size_limit(revision)]));
        let deployed = world.deploy(&desired).await.unwrap();
        assert_eq!(deployed.observed, desired.fingerprint);
        assert_eq!(world.present(&desired).await.fingerprint, desired.fingerprint);
    }
    let desired = desired(1, 3, json!([]));
    world.undeploy(&desired).await.unwrap();
    assert_eq!(world.observe(&desired).await.unwrap(), Observation::Absent);
    assert!(world.objects().await.is_empty());
    world.assert_sound().await;
}

#[tokio::test]
async fn carrying_out_takes_no_more_calls_than_estimated() {
    let world = World::start().await;
    let mut observation = Observation::Absent;
    for revision in 1..=4 {
        let desired = desired(1, revision, json!([key_required(), size_limit(revision)]));
        let plan = plan(&desired, &observation, None).unwrap();
        let estimate = world
            .connector
            .estimate(&world.context.environment, Some(&desired), Some(&plan));
        world.tell("reset-counters", json!({})).await;
        world.deploy(&desired).await.unwrap();
        assert_within(&world, &estimate).await;
        if revision == 1 {
            let counters = world.look("counters").await;
            for (operation, count) in &estimate {
                let expected = if operation == "GetExport" { 1 } else { *count };
                assert_eq!(counters[operation]["calls"], expected, "{operation}");
            }
        }
        observation = world.observe(&desired).await.unwrap();
    }
    let estimate = world.connector.estimate(&world.context.environment, None, None);
    world.tell("reset-counters", json!({})).await;
    world.undeploy(&desired(1, 4, json!([]))).await.unwrap();
    assert_within(&world, &estimate).await;
}

async fn assert_within(world: &World, estimate: &gatehouse_schemas::quota::VendorCalls) {
    let counters = world.look("counters").await;
    for (operation, count) in counters.as_object().unwrap() {
        let calls = count["calls"].as_u64().unwrap();
        let most = estimate.get(operation).copied().unwrap_or_default();
        assert!(calls <= most, "{operation}: {calls} calls, {most} estimated");
    }
}

#[test]
fn a_translation_is_the_same_every_time_and_reports_every_policy() {
    let connector = crate::simulated_connector::SimulatedConnector::new(0);
    let desired = desired_with(
        1,
        1,
        json!({
            "policies": all_kinds(),
            "operations": [{"match": {"method": "GET", "path": "/x"}, "policies": [size_limit(5)]}],
        }),
    );
    let environment = super::world::context(json!({})).environment;
    let translation = connector.translate(&environment, &desired);
    assert_eq!(translation, connector.translate(&environment, &desired));
    let reported: Vec<&str> = translation
        .fidelity
        .iter()
        .map(|it| it.pointer.as_str())
        .collect();
    let mut expected: Vec<String> = (0..8).map(|it| format!("/policies/{it}")).collect();
    expected.push("/operations/0/policies/0".to_owned());
    assert_eq!(reported, expected);
    assert!(
        !translation
            .vendor_form
            .to_string()
            .contains("the value of the key")
    );
}

#[test]
fn every_policy_type_is_declared() {
    let declared = crate::simulated_connector::SimulatedConnector::new(0)
        .descriptor()
        .policies
        .clone();
    let mut declared: Vec<String> = declared.into_iter().map(|it| it.policy).collect();
    let mut all = gatehouse_schemas::policy::Policy::TYPES
        .map(str::to_owned)
        .to_vec();
    declared.sort();
    all.sort();
    assert_eq!(declared, all);
}
