//! Tags that others put to what is ours.

use serde_json::{Value, json};

use super::scene::{REGION, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_others_stay_when_an_api_is_updated() {
    for scene in Scene::of_each_kind().await {
        let deployed = scene.deploy(&scene.revision(1)).await;
        let api = &deployed.external_ref.0;
        let arn = format!("arn:aws:apigateway:{REGION}::/{api}")
            .replace(':', "%3A")
            .replace('/', "%2F");
        let tags = json!({"tags": {"cost-centre": "4711"}});
        match api.starts_with("apis/") {
            true => scene.call("POST", &format!("/v2/tags/{arn}"), &tags),
            false => scene.call("PUT", &format!("/tags/{arn}"), &tags),
        };
        scene.deploy(&scene.revision(2)).await;
        let shown = scene.call("GET", &Scene::path(&deployed), &Value::Null);
        assert_eq!(shown["tags"]["cost-centre"], "4711", "{shown}");
        assert_eq!(shown["tags"]["gatehouse:api-name"], "orders", "{shown}");
    }
}
