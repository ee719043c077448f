//! Tags that others put to what is ours, and those that people want no more.

use serde_json::{Value, json};

use super::scene::{KEY, REGION, Scene, options};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_wanted_no_more_goes_from_an_http_api() {
    let scene = Scene::of(options(), &json!({"kind": "http"})).await;
    let with = |tags: Value| scene.another(&json!({ "tags": tags }), (KEY, None));
    let both = with(json!({"team": "shop", "level": "gold"}));
    let deployed = both.deploy(&scene.revision(1)).await.unwrap();
    let arn = format!(
        "arn%3Aaws%3Aapigateway%3A{REGION}%3A%3A%2F{}",
        deployed.external_ref.0.replace('/', "%2F")
    );
    scene.call(
        "POST",
        &format!("/v2/tags/{arn}"),
        &json!({"tags": {"cost-centre": "4711"}}),
    );
    let tags = || {
        let shown = scene.call("GET", &Scene::path(&deployed), &Value::Null);
        let tags = shown["tags"].as_object().unwrap().clone();
        let others = tags
            .into_iter()
            .filter(|(name, _)| !name.starts_with("gatehouse:"));
        others.collect::<Value>()
    };
    let one = with(json!({"team": "shop"}));
    one.deploy(&scene.revision(2)).await.unwrap();
    assert_eq!(tags(), json!({"team": "shop", "cost-centre": "4711"}));
    // Back to a snapshot that is there: no definition is put, and the tags stay as they are until one is.
    let none = with(json!({}));
    none.deploy(&scene.revision(1)).await.unwrap();
    assert_eq!(tags(), json!({"team": "shop", "cost-centre": "4711"}));
    none.deploy(&scene.revision(3)).await.unwrap();
    assert_eq!(tags(), json!({"cost-centre": "4711"}));
}
