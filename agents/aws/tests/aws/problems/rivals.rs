//! Two tools that work on one API.

use expect_test::expect;
use gatehouse_connector_sdk::{
    connector::{Connector as _, DeployRequest},
    error::{ErrorKind, Retry},
    schemas::identity::EnvironmentId,
};
use gatehouse_fake_aws::Fault;
use serde_json::{Value, json};
use uuid::Uuid;

use super::scene::{KEY, REGION, STAGE, Scene, said};

/// What somebody else takes the API for.
fn theirs() -> Value {
    let integration =
        json!({"type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"}});
    json!({
        "openapi": "3.0.1", "info": {"title": "theirs", "version": "1"},
        "paths": {"/theirs": {"get": {"responses": {}, "x-amazon-apigateway-integration": integration}}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_somebody_puts_between_is_noticed_and_never_served() {
    let scene = Scene::rest().await;
    let deployed = scene.deploy(&scene.revision(1)).await;
    let before = scene.deployments(&deployed);
    let second = scene.revision(2);
    let request = scene.planned(&second).await;
    let path = format!("{}?mode=overwrite", Scene::path(&deployed));
    let put = Fault::Before(Box::new(move |call| {
        call(REGION, "PUT", &path, &theirs());
    }));
    scene.aws.fail_operation("CreateDeployment", put);
    let error = scene.carry_out(&request).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Conflict, Retry::Backoff)
    );
    expect!["somebody else deploys `orders` to the stage `live` at the same time; what this attempt made is not served, and it is tried again"].assert_eq(&scene.text(&error));
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
    assert_eq!(
        scene.deployments(&deployed),
        before,
        "its snapshot is thrown away"
    );
    scene.deploy(&second).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_somebody_switched_is_drift_and_not_overwritten_unseen() {
    let scene = Scene::rest().await;
    let first = scene.revision(1);
    let deployed = scene.deploy(&first).await;
    let stale = scene.planned(&scene.revision(2)).await;
    let path = Scene::path(&deployed);
    scene.call("PUT", &format!("{path}?mode=overwrite"), &theirs());
    scene.call(
        "POST",
        &format!("{path}/deployments"),
        &json!({"stageName": STAGE}),
    );
    let observed = scene.operator.observed(&first).await.unwrap();
    assert_ne!(observed.fingerprint, first.fingerprint, "it is told as drift");
    let error = scene.carry_out(&stale).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Conflict, Retry::Backoff)
    );
    expect!["`orders` changed on AWS since it was looked at; nothing was touched, and it is looked at again"]
        .assert_eq(&scene.text(&error));
    scene.deploy(&first).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_somebody_put_back_to_an_earlier_snapshot_is_drift() {
    let scene = Scene::rest().await;
    let deployed = scene.deploy(&scene.revision(1)).await;
    let earlier = scene.deployment(&deployed);
    let second = scene.revision(2);
    scene.deploy(&second).await;
    let patch = json!({"patchOperations": [{"op": "replace", "path": "/deploymentId", "value": earlier}]});
    scene.call(
        "PATCH",
        &format!("{}/stages/{STAGE}", Scene::path(&deployed)),
        &patch,
    );
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
    let observed = scene.operator.observed(&second).await.unwrap();
    assert_ne!(observed.fingerprint, second.fingerprint, "it is told as drift");
    scene.deploy(&second).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
    assert_eq!(scene.deployments(&deployed).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_nobody_deployed_is_no_drift() {
    let scene = Scene::rest().await;
    let first = scene.revision(1);
    let deployed = scene.deploy(&first).await;
    scene.call("PUT", &format!("{}?mode=merge", Scene::path(&deployed)), &{
        let mut document = theirs();
        document["info"]["title"] = json!("Orders");
        document
    });
    let observed = scene.operator.observed(&first).await.unwrap();
    assert_eq!(observed.fingerprint, first.fingerprint);
    scene.deploy(&scene.revision(2)).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_of_somebody_else_stays_and_is_told() {
    let scene = Scene::rest().await;
    let deployed = scene.deploy(&scene.revision(1)).await;
    let path = Scene::path(&deployed);
    let canary = json!({"stageName": STAGE, "canarySettings": {"percentTraffic": 10}});
    scene.call("POST", &format!("{path}/deployments"), &canary);
    let error = scene.operator.deploy(&scene.revision(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    expect!["somebody tries a canary release on the stage of `orders`, which stays as it is; promote it or remove it on AWS, and deploy again"].assert_eq(&scene.text(&error));
    let patch = json!({"patchOperations": [{"op": "remove", "path": "/canarySettings"}]});
    scene.call("PATCH", &format!("{path}/stages/{STAGE}"), &patch);
    scene.deploy(&scene.revision(2)).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_of_another_environment_stays_as_it_is() {
    let scene = Scene::rest().await;
    let deployed = scene.deploy(&scene.revision(1)).await;
    let mut other = scene.revision(2);
    other.mark.environment_id = EnvironmentId(Uuid::from_u128(8));
    let operator = scene.another(&json!({}), (KEY, None));
    let planned = operator.request(&other).await.unwrap();
    let request = DeployRequest {
        external_ref: Some(deployed.external_ref.clone()),
        adopt: true,
        ..planned
    };
    let error = operator
        .connector
        .deploy(&operator.context, &request)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let told = scene.text(&error).replace(&deployed.external_ref.0, "(API)");
    expect!["the API `Orders` ((API)) on AWS carries the mark of another environment or of another Gatehouse and stays as it is; undeploy it there first"].assert_eq(&told);
    let error = operator
        .undeploy(&other, Some(deployed.external_ref.clone()))
        .await
        .unwrap_err();
    assert_eq!(
        scene.text(&error).replace(&deployed.external_ref.0, "(API)"),
        told
    );
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
    let second = operator.deploy(&other).await.unwrap();
    assert_ne!(
        second.external_ref, deployed.external_ref,
        "each environment has its own"
    );
    assert_eq!(scene.served(&second).await, "200 /revision-2/items");
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_somebody_elses_stage_serves_stays() {
    for (settings, stages) in [("rest", "/restapis/"), ("http", "/v2/apis/")] {
        let more = json!({"kind": settings, "keptDeployments": 0});
        let scene = Scene::of(super::scene::options(), &more).await;
        let deployed = scene.deploy(&scene.revision(1)).await;
        let used = scene.deployment(&deployed);
        let path = Scene::path(&deployed);
        assert!(path.starts_with(stages));
        scene.call(
            "POST",
            &format!("{path}/stages"),
            &json!({"stageName": "theirs", "deploymentId": used}),
        );
        scene.deploy(&scene.revision(2)).await;
        assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
        let theirs = scene.call("GET", &format!("{path}/stages/theirs"), &Value::Null);
        assert_eq!(theirs["deploymentId"], json!(used));
        scene.operator.undeploy(&scene.revision(2), None).await.unwrap();
        assert_eq!(
            said(&scene.operator.observe(&scene.revision(2)).await.unwrap()),
            "absent"
        );
        scene.call("GET", &format!("{path}/stages/theirs"), &Value::Null);
    }
}
