//! A domain name of the account that leads elsewhere than was said.

use expect_test::expect;
use gatehouse_connector_sdk::{connector::Connector as _, error::ErrorKind};
use serde_json::{Value, json};

use super::scene::{KEY, Scene, options};

const NAME: &str = "api.example.com";

/// Makes the domain name.
fn make(scene: &Scene) {
    let domain = json!({"domainName": NAME, "domainNameConfigurations": [{"endpointType": "REGIONAL",
        "certificateArn": "arn:aws:acm:eu-central-1:111111111111:certificate/one", "securityPolicy": "TLS_1_2"}]});
    scene.call("POST", "/v2/domainnames", &domain);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_the_domain_name_that_somebody_removed_is_drift_and_led_anew() {
    for kind in ["rest", "http"] {
        let scene = Scene::of(options(), &json!({"kind": kind, "domainName": NAME})).await;
        make(&scene);
        let desired = scene.revision(1);
        scene.deploy(&desired).await;
        let path = format!("/v2/domainnames/{NAME}/apimappings");
        let mappings = scene.call("GET", &path, &Value::Null);
        let mapping = mappings["items"][0]["apiMappingId"].as_str().unwrap();
        scene.call("DELETE", &format!("{path}/{mapping}"), &Value::Null);
        let observed = scene.operator.observed(&desired).await.unwrap();
        assert_ne!(observed.fingerprint, desired.fingerprint, "it is told as drift");
        scene.deploy(&desired).await;
        let mappings = scene.call("GET", &path, &Value::Null);
        assert_eq!(mappings["items"].as_array().unwrap().len(), 1);
        assert_eq!(mappings["items"][0]["apiMappingKey"], json!("orders"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_leads_to_somebody_elses_api_is_told_before_anything_is_made() {
    let scene = Scene::of(options(), &json!({"kind": "rest", "domainName": NAME})).await;
    make(&scene);
    let api = scene.call(
        "POST",
        "/v2/apis",
        &json!({"name": "theirs", "protocolType": "HTTP"}),
    );
    let id = api["apiId"].as_str().unwrap();
    scene.call(
        "POST",
        &format!("/v2/apis/{id}/stages"),
        &json!({"stageName": "theirs"}),
    );
    let path = format!("/v2/domainnames/{NAME}/apimappings");
    let mapping = json!({"apiId": api["apiId"], "stage": "theirs", "apiMappingKey": "orders"});
    scene.call("POST", &path, &mapping);
    let desired = scene.revision(1);
    let request = scene.planned(&desired).await;
    scene.aws.forget_calls();
    let error = scene.carry_out(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    expect!["the path `/orders` of `api.example.com` leads to the stage `theirs` of API `(ID)`, which is not `orders`; choose another base path, or remove that mapping on AWS"]
        .assert_eq(&scene.text(&error).replace(id, "(ID)"));
    assert_eq!(scene.calls(), ["GetRestApis", "GetApiMappings"]);
    let mappings = scene.call("GET", &path, &Value::Null);
    assert_eq!(mappings["items"][0]["apiId"], api["apiId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_name_leads_to_the_api_of_the_other_kind_once_that_serves() {
    let scene = Scene::of(options(), &json!({"kind": "rest", "domainName": NAME})).await;
    make(&scene);
    scene.deploy(&scene.revision(1)).await;
    let path = format!("/v2/domainnames/{NAME}/apimappings");
    let before = scene.call("GET", &path, &Value::Null)["items"][0].clone();
    let either = scene.another(&json!({"kind": "auto"}), (KEY, None));
    let other = scene.another(&json!({"kind": "http"}), (KEY, None));
    let request = either.request(&scene.revision(2)).await.unwrap();
    let deployed = other.connector.deploy(&other.context, &request).await.unwrap();
    assert!(deployed.external_ref.0.starts_with("apis/"), "{deployed:?}");
    let after = scene.call("GET", &path, &Value::Null)["items"][0].clone();
    assert_eq!(
        after["apiMappingId"], before["apiMappingId"],
        "callers never miss it"
    );
    assert_eq!(
        after["apiId"],
        deployed.external_ref.0.trim_start_matches("apis/")
    );
}
