//! What somebody removed by hand: the next deploy makes it anew.

use expect_test::expect;
use gatehouse_connector_sdk::{
    connector::Deployed,
    error::{ErrorKind, Retry},
};
use gatehouse_fake_aws::Fault;
use serde_json::{Value, json};

use super::scene::{REGION, STAGE, Scene, said};

const CHANGED: &str =
    "`orders` changed on AWS since it was looked at; nothing was touched, and it is looked at again";

fn first(listed: &Value) -> String {
    let items = listed
        .get("item")
        .or(listed.get("items"))
        .cloned()
        .unwrap_or_default();
    items[0]["id"].as_str().unwrap().to_owned()
}

fn plan(scene: &Scene) -> String {
    first(&scene.call("GET", "/usageplans", &Value::Null))
}

/// Takes an API out of the usage plan, without which AWS lets nobody remove the stage.
fn remove_from_plan(scene: &Scene, deployed: &Deployed) {
    let id = deployed.external_ref.0.split_once('/').unwrap().1;
    let patch = json!({"patchOperations": [{"op": "remove", "path": "/apiStages", "value": format!("{id}:{STAGE}")}]});
    scene.call("PATCH", &format!("/usageplans/{}", plan(scene)), &patch);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_somebody_removed_is_absent_and_made_anew() {
    for scene in Scene::of_each_kind().await {
        let deployed = scene.deploy(&scene.revision(1)).await;
        let second = scene.revision(2);
        let stale = scene.planned(&second).await;
        scene.call("DELETE", &Scene::path(&deployed), &Value::Null);
        assert_eq!(said(&scene.operator.observe(&second).await.unwrap()), "absent");
        let error = scene.carry_out(&stale).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Conflict, Retry::Backoff)
        );
        assert_eq!(scene.text(&error), CHANGED);
        let again = scene.deploy(&second).await;
        assert_eq!(scene.served(&again).await, "200 /revision-2/items");
        let known = Some(deployed.external_ref.clone());
        scene.operator.undeploy(&second, known).await.unwrap();
        assert_eq!(said(&scene.operator.observe(&second).await.unwrap()), "absent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_somebody_removes_during_a_deploy_is_told_and_made_anew() {
    let scene = Scene::rest().await;
    let deployed = scene.deploy(&scene.revision(1)).await;
    let second = scene.revision(2);
    let request = scene.planned(&second).await;
    let path = Scene::path(&deployed);
    let remove = Fault::Before(Box::new(move |call| {
        call(REGION, "DELETE", &path, &Value::Null);
    }));
    scene.aws.fail_operation("PutRestApi", remove);
    let error = scene.carry_out(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let id = deployed.external_ref.0.split_once('/').unwrap().1;
    expect!["AWS refused PutRestApi of `orders` in environment `under-test` (eu-central-1) with 404 NotFoundException: Invalid API identifier specified 111111111111:(ID); somebody removed it, or `region` is another one than where it is; deploy again to have it made anew"].assert_eq(&scene.text(&error).replace(id, "(ID)"));
    let again = scene.deploy(&second).await;
    assert_eq!(scene.served(&again).await, "200 /revision-2/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_somebody_removed_is_absent_and_made_anew_at_the_same_address() {
    for scene in Scene::of_each_kind().await {
        let deployed = scene.deploy(&scene.revision(1)).await;
        let second = scene.revision(2);
        scene.call(
            "DELETE",
            &format!("{}/stages/{STAGE}", Scene::path(&deployed)),
            &Value::Null,
        );
        assert_eq!(said(&scene.operator.observe(&second).await.unwrap()), "absent");
        let again = scene.deploy(&second).await;
        assert_eq!(again.endpoint_urls, deployed.endpoint_urls);
        assert_eq!(scene.served(&again).await, "200 /revision-2/items");
        assert_eq!(
            scene.deployments(&again).len(),
            1,
            "what no stage remembers is not left behind"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_with_keys_that_somebody_removed_lets_in_whom_it_let_in() {
    let scene = Scene::rest().await;
    let deployed = scene.deploy(&scene.guarded(1)).await;
    remove_from_plan(&scene, &deployed);
    scene.call(
        "DELETE",
        &format!("{}/stages/{STAGE}", Scene::path(&deployed)),
        &Value::Null,
    );
    let second = scene.guarded(2);
    assert_eq!(said(&scene.operator.observe(&second).await.unwrap()), "absent");
    let again = scene.deploy(&second).await;
    assert_eq!(scene.served(&again).await, "200 /revision-2/items");
    assert!(scene.served_to_anybody(&again).await.starts_with("401 "));
    let everything = ["/usageplans", "/apikeys"].map(|path| scene.call("GET", path, &Value::Null));
    assert!(
        everything
            .iter()
            .all(|all| all["item"].as_array().unwrap().len() == 1),
        "{everything:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usage_plan_that_somebody_removed_is_drift_and_made_anew() {
    let scene = Scene::rest().await;
    let desired = scene.guarded(1);
    let deployed = scene.deploy(&desired).await;
    remove_from_plan(&scene, &deployed);
    scene.call("DELETE", &format!("/usageplans/{}", plan(&scene)), &Value::Null);
    let observed = scene.operator.observed(&desired).await.unwrap();
    assert_ne!(observed.fingerprint, desired.fingerprint, "it is told as drift");
    assert!(
        scene.served(&deployed).await.starts_with("401 "),
        "nobody is let in"
    );
    scene.deploy(&desired).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_removed_is_drift_and_made_anew() {
    let scene = Scene::rest().await;
    let desired = scene.guarded(1);
    let deployed = scene.deploy(&desired).await;
    let key = first(&scene.call("GET", "/apikeys", &Value::Null));
    scene.call("DELETE", &format!("/apikeys/{key}"), &Value::Null);
    let observed = scene.operator.observed(&desired).await.unwrap();
    assert_ne!(observed.fingerprint, desired.fingerprint, "it is told as drift");
    assert!(
        scene.served(&deployed).await.starts_with("401 "),
        "nobody is let in"
    );
    scene.deploy(&desired).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stage_remembers_and_somebody_removed_is_told() {
    let scene = Scene::rest().await;
    let desired = scene.revision(1);
    let deployed = scene.deploy(&desired).await;
    let stage = format!("{}/stages/{STAGE}", Scene::path(&deployed));
    let patch = json!({"patchOperations": [{"op": "remove", "path": "/variables/gatehouseRecord0"}]});
    scene.call("PATCH", &stage, &patch);
    let told = said(&scene.operator.observe(&desired).await.unwrap());
    let id = deployed.external_ref.0.split_once('/').unwrap().1;
    expect!["the stage `live` of REST API `Orders` ((ID)) carries our mark, and its variables `gatehouseRecord…` are gone or changed, so that nobody knows what was applied; remove the stage, and deploy again"].assert_eq(&told.replace(id, "(ID)"));
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
    scene.call("DELETE", &stage, &Value::Null);
    scene.deploy(&desired).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
}
