//! Keys in an account in which others have keys, too.

use std::{sync::Arc, time::Duration};

use expect_test::expect;
use gatehouse_connector_conformance::SECRET_BEGINNING;
use gatehouse_connector_sdk::{
    connector::{Connector as _, PageRequest},
    error::ErrorKind,
    schemas::{
        desired::DesiredApi,
        environment::{DiscoveryFilter, Mode},
        identity::ApiId,
        observed::DiscoveredItem,
    },
};
use gatehouse_fake_aws::{FakeAwsOptions, Fault};
use serde_json::{Value, json};
use uuid::Uuid;

use super::scene::{KEY, Scene, allowed, options};

/// Another API that the same key opens.
fn second(scene: &Scene) -> DesiredApi {
    let mut second = scene.guarded(2);
    second.mark.api_id = ApiId(Uuid::from_u128(43));
    second.mark.api_name = "stock".parse().unwrap();
    second
}

/// The calls in which values of keys were asked for.
fn reading_values(scene: &Scene) -> Vec<String> {
    let calls = scene.aws.calls().into_iter().map(|call| call.path);
    calls.filter(|path| path.contains("includeValues=true")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_two_apis_share_is_found_by_its_name_and_no_value_is_read() {
    let scene = Scene::rest().await;
    let theirs = json!({"name": "theirs", "enabled": true, "value": "a-key-that-others-gave-to-somebody"});
    scene.call("POST", "/apikeys", &theirs);
    scene.deploy(&scene.guarded(1)).await;
    let deployed = scene.deploy(&second(&scene)).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
    let keys = scene.call("GET", "/apikeys", &Value::Null);
    assert_eq!(keys["item"].as_array().unwrap().len(), 2, "{keys}");
    assert_eq!(reading_values(&scene), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_others_gave_to_a_key_is_told_and_their_values_are_not_read() {
    let scene = Scene::rest().await;
    let value = format!("{SECRET_BEGINNING}-shop-key");
    scene.call(
        "POST",
        "/apikeys",
        &json!({"name": "theirs", "enabled": true, "value": value}),
    );
    let request = scene.planned(&scene.guarded(1)).await;
    let error = scene.carry_out(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    expect!["AWS refused CreateApiKey of `orders` in environment `under-test` (eu-central-1) with 409 ConflictException: API Key already exists; something else there is in the way; rename or remove that, or change the API"].assert_eq(&scene.text(&error));
    let read = reading_values(&scene);
    assert!(
        !read.is_empty() && read.iter().all(|path| path.contains("name=gatehouse.")),
        "{read:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_switched_off_is_drift_and_switched_on_again() {
    let scene = Scene::rest().await;
    let desired = scene.guarded(1);
    let deployed = scene.deploy(&desired).await;
    let key = scene.call("GET", "/apikeys", &Value::Null)["item"][0]["id"].clone();
    let off = json!({"patchOperations": [{"op": "replace", "path": "/enabled", "value": "false"}]});
    scene.call("PATCH", &format!("/apikeys/{}", key.as_str().unwrap()), &off);
    assert!(!scene.served(&deployed).await.starts_with("200 "));
    let observed = scene.operator.observed(&desired).await.unwrap();
    assert_ne!(observed.fingerprint, desired.fingerprint, "it is told as drift");
    scene.aws.forget_calls();
    let page = PageRequest {
        position: None,
        limit: 100,
        filter: DiscoveryFilter::default(),
        known: Arc::default(),
    };
    let connector = &scene.operator.connector;
    let page = connector.discover(&scene.operator.context, page).await.unwrap();
    let [DiscoveredItem::Api(told)] = &page.items[..] else {
        panic!("{:?}", page.items);
    };
    assert_eq!(
        told.fingerprint, observed.fingerprint,
        "a discovery tells the same"
    );
    let request = scene.planned(&desired).await;
    assert!(!request.plan.changes.is_empty(), "{:?}", request.plan);
    scene.carry_out(&request).await.unwrap();
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
    let observed = scene.operator.observed(&desired).await.unwrap();
    assert_eq!(observed.fingerprint, desired.fingerprint);
    assert_eq!(reading_values(&scene), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_switched_off_is_switched_on_for_another_api() {
    let scene = Scene::rest().await;
    scene.deploy(&scene.guarded(1)).await;
    let key = scene.call("GET", "/apikeys", &Value::Null)["item"][0]["id"].clone();
    let off = json!({"patchOperations": [{"op": "replace", "path": "/enabled", "value": "false"}]});
    scene.call("PATCH", &format!("/apikeys/{}", key.as_str().unwrap()), &off);
    let deployed = scene.deploy(&second(&scene)).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_for_writing_alone_is_enough_to_deploy_change_put_back_and_remove() {
    for kind in ["rest", "http"] {
        let writer = FakeAwsOptions {
            access_keys: vec![allowed(KEY, Mode::WriteOnly)],
            ..options()
        };
        let scene = Scene::of(writer, &json!({"kind": kind})).await;
        let (first, second) = (scene.revision(1), scene.revision(2));
        let deployed = scene.deploy(&first).await;
        scene.deploy(&second).await;
        scene.deploy(&first).await;
        assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
        let operator = &scene.operator;
        operator
            .undeploy(&first, Some(deployed.external_ref))
            .await
            .unwrap();
        let report = operator.connector.check(&operator.context).await.unwrap();
        let severities: Vec<_> = report
            .findings
            .iter()
            .map(|it| format!("{:?}", it.severity))
            .collect();
        assert_eq!(severities, ["Ok", "Ok", "Ok"], "{report:?}");
        let denied = scene
            .aws
            .calls()
            .into_iter()
            .filter(|call| call.status == Some(403));
        assert_eq!(denied.count(), 0, "nothing outside the policy is called");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_one_api_is_about_to_let_in_stays_when_another_needs_it_no_more() {
    let scene = Scene::rest().await;
    scene.deploy(&scene.guarded(1)).await;
    let (open, stock) = (scene.revision(3), second(&scene));
    scene.aws.forget_calls();
    // It has found the key by then, and lets it in a while later.
    scene
        .aws
        .fail_operation("CreateUsagePlan", Fault::Slow(Duration::from_secs(3)));
    let (deployed, opened) = tokio::join!(scene.operator.deploy(&stock), async {
        while !scene.calls().contains(&"CreateUsagePlan".to_owned()) {
            tokio::task::yield_now().await;
        }
        scene.operator.deploy(&open).await
    });
    opened.unwrap();
    assert_eq!(scene.served(&deployed.unwrap()).await, "200 /revision-2/items");
    let keys = scene.call("GET", "/apikeys", &Value::Null);
    assert_eq!(keys["item"].as_array().unwrap().len(), 1, "{keys}");
}
