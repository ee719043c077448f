//! Earlier snapshots of an API, of which somebody removed one.

use serde_json::Value;

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
