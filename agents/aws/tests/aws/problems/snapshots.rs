//! Earlier snapshots of an API, of which somebody removed one, and what is no part of them.

use gatehouse_connector_conformance::desired as desired_of;
use gatehouse_connector_sdk::schemas::desired::DesiredApi;
use serde_json::{Value, json};

use super::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_somebody_removed_is_made_anew() {
    for scene in Scene::of_each_kind().await {
        let (first, second) = (scene.revision(1), scene.revision(2));
        let deployed = scene.deploy(&first).await;
        let removed = scene.deployment(&deployed);
        scene.deploy(&second).await;
        let path = format!("{}/deployments/{removed}", Scene::path(&deployed));
        scene.call("DELETE", &path, &Value::Null);
        for desired in [&first, &second, &first] {
            scene.deploy(desired).await;
        }
        assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
        assert_eq!(
            scene.deployments(&deployed).len(),
            2,
            "both are kept, none is left behind"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_there_is_served_again_without_a_new_one() {
    for scene in Scene::of_each_kind().await {
        let first = scene.revision(1);
        let deployed = scene.deploy(&first).await;
        let kept = scene.deployment(&deployed);
        scene.deploy(&scene.revision(2)).await;
        scene.aws.forget_calls();
        scene.deploy(&first).await;
        assert_eq!(scene.deployment(&deployed), kept);
        assert!(
            !scene.calls().contains(&"CreateDeployment".to_owned()),
            "{:?}",
            scene.calls()
        );
        assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
    }
}

/// The name by which AWS has an API.
fn name(scene: &Scene, path: &str) -> String {
    let shown = scene.call("GET", path, &Value::Null);
    shown["name"].as_str().unwrap().to_owned()
}

/// A revision of another name.
fn renamed(desired: &DesiredApi) -> DesiredApi {
    let mut content = json!(desired.content);
    content["displayName"] = json!("Purchases");
    desired_of(desired.mark.revision.0, &content)
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_to_an_earlier_name_brings_the_name_back() {
    for scene in Scene::of_each_kind().await {
        let first = scene.revision(1);
        let path = Scene::path(&scene.deploy(&first).await);
        let second = renamed(&scene.revision(2));
        scene.deploy(&second).await;
        assert_eq!(name(&scene, &path), "Purchases");
        let deployed = scene.deploy(&first).await;
        assert_eq!(name(&scene, &path), "Orders");
        let observed = scene.operator.observed(&first).await.unwrap();
        assert_eq!(observed.fingerprint, first.fingerprint);
        assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
        assert_eq!(scene.deployments(&deployed).len(), 2, "none is left behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_somebody_renamed_gets_its_name_back() {
    for scene in Scene::of_each_kind().await {
        let desired = scene.revision(1);
        let path = Scene::path(&scene.deploy(&desired).await);
        let rename = match path.starts_with("/v2/") {
            true => json!({"name": "theirs"}),
            false => json!({"patchOperations": [{"op": "replace", "path": "/name", "value": "theirs"}]}),
        };
        scene.call("PATCH", &path, &rename);
        let observed = scene.operator.observed(&desired).await.unwrap();
        assert_ne!(observed.fingerprint, desired.fingerprint, "it is told as drift");
        scene.deploy(&desired).await;
        assert_eq!(name(&scene, &path), "Orders");
        let observed = scene.operator.observed(&desired).await.unwrap();
        assert_eq!(observed.fingerprint, desired.fingerprint);
    }
}
