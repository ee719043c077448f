//! An API that becomes one of the other kind, where that does not come to its end at once.

use expect_test::expect;
use gatehouse_connector_sdk::error::ErrorKind;
use gatehouse_fake_aws::Fault;
use serde_json::{Value, json};

use super::scene::{STAGE, Scene, options};

const NAME: &str = "api.example.com";
const THEIRS: &str = "theirs.example.com";

/// Where each API becomes what expresses it best.
async fn either() -> Scene {
    Scene::of(options(), &json!({"kind": "auto"})).await
}

/// How many REST APIs there are, and how many HTTP APIs.
fn count(scene: &Scene) -> (usize, usize) {
    let of = |path: &str, items: &str| {
        scene.call("GET", path, &Value::Null)[items]
            .as_array()
            .unwrap()
            .len()
    };
    (of("/restapis", "item"), of("/v2/apis", "items"))
}

/// Makes a domain name.
fn make_domain(scene: &Scene, name: &str) {
    let domain = json!({"domainName": name, "domainNameConfigurations": [{"endpointType": "REGIONAL",
        "certificateArn": "arn:aws:acm:eu-central-1:111111111111:certificate/one", "securityPolicy": "TLS_1_2"}]});
    scene.call("POST", "/v2/domainnames", &domain);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_before_it_serves_goes_on_with_what_it_made() {
    let scene = either().await;
    let former = scene.deploy(&scene.revision(1)).await;
    let second = scene.with_headers(2);
    let request = scene.planned(&second).await;
    for operation in ["CreateDeployment", "CreateStage"] {
        scene.aws.fail_operation(operation, Fault::service_unavailable());
        let error = scene.carry_out(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(scene.served(&former).await, "200 /revision-1/items");
        assert_eq!(count(&scene), (1, 1));
    }
    let deployed = scene.carry_out(&request).await.unwrap();
    assert_eq!(deployed.observed, second.fingerprint);
    assert_eq!(count(&scene), (0, 1));
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_before_the_other_is_removed_removes_it() {
    let scene = Scene::of(options(), &json!({"kind": "auto", "domainName": NAME})).await;
    for name in [NAME, THEIRS] {
        make_domain(&scene, name);
    }
    let former = scene.deploy(&scene.revision(1)).await;
    let id = former.external_ref.0.trim_start_matches("restapis/").to_owned();
    // AWS removes no API that any domain name leads to.
    let theirs = format!("/v2/domainnames/{THEIRS}/apimappings");
    let mapping = json!({"apiId": id, "stage": STAGE, "apiMappingKey": "theirs"});
    let mapping = scene.call("POST", &theirs, &mapping)["apiMappingId"].clone();
    let second = scene.with_headers(2);
    for _ in 0..2 {
        let error = scene.operator.deploy(&second).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        expect!["AWS refused DeleteRestApi of `orders` in environment `under-test` (eu-central-1) with 400 BadRequestException: Please remove all base path mappings related to the API in your domains before deleting this API; remove what leads to it from other domain names or at other stages, and try again"].assert_eq(&scene.text(&error));
        let led = scene.call(
            "GET",
            &format!("/v2/domainnames/{NAME}/apimappings"),
            &Value::Null,
        );
        assert_eq!(led["items"].as_array().unwrap().len(), 1, "{led}");
        assert_ne!(led["items"][0]["apiId"], json!(id), "callers reach the new one");
    }
    scene.call(
        "DELETE",
        &format!("{theirs}/{}", mapping.as_str().unwrap()),
        &Value::Null,
    );
    scene.deploy(&second).await;
    assert_eq!(count(&scene), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_taken_back_leaves_nothing_behind() {
    for revision in [1, 3] {
        let scene = either().await.remembering();
        let deployed = scene.deploy(&scene.guarded(1)).await;
        scene
            .aws
            .fail_operation("CreateDeployment", Fault::service_unavailable());
        scene.operator.deploy(&scene.with_headers(2)).await.unwrap_err();
        assert_eq!(count(&scene), (1, 1));
        scene.deploy(&scene.guarded(revision)).await;
        assert_eq!(count(&scene), (1, 0));
        let expected = format!("200 /revision-{revision}/items");
        assert_eq!(scene.served(&deployed).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_taken_back_takes_its_keys_along() {
    let scene = either().await.remembering();
    let deployed = scene.deploy(&scene.with_headers(1)).await;
    scene
        .aws
        .fail_operation("UpdateStage", Fault::service_unavailable());
    scene.operator.deploy(&scene.guarded(2)).await.unwrap_err();
    assert_eq!(count(&scene), (1, 1));
    scene.deploy(&scene.with_headers(3)).await;
    assert_eq!(count(&scene), (0, 1));
    assert_eq!(scene.served(&deployed).await, "200 /revision-3/items");
    for path in ["/usageplans", "/apikeys"] {
        let left = scene.call("GET", path, &Value::Null);
        assert_eq!(left["item"], json!([]), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_through_takes_the_keys_of_the_other_along() {
    let scene = either().await;
    scene.deploy(&scene.guarded(1)).await;
    let deployed = scene.deploy(&scene.with_headers(2)).await;
    assert_eq!(count(&scene), (0, 1));
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
    for path in ["/usageplans", "/apikeys"] {
        let left = scene.call("GET", path, &Value::Null);
        assert_eq!(left["item"], json!([]), "{path}");
    }
}
