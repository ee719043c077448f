//! A domain name of the account that leads elsewhere than was said.

use expect_test::expect;
use gatehouse_connector_sdk::{
    connector::{Connector as _, PageRequest},
    error::ErrorKind,
    schemas::{desired::DesiredApi, observed::DiscoveredItem},
};
use gatehouse_fake_aws::Fault;
use serde_json::{Value, json};

use super::scene::{KEY, STAGE, Scene, options};

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

/// The paths that lead anywhere from the domain name.
fn paths(scene: &Scene) -> Vec<String> {
    let mappings = scene.call(
        "GET",
        &format!("/v2/domainnames/{NAME}/apimappings"),
        &Value::Null,
    );
    let paths = mappings["items"].as_array().unwrap().iter();
    paths
        .map(|it| it["apiMappingKey"].as_str().unwrap().to_owned())
        .collect()
}

/// The API below another base path.
fn moved(mut desired: DesiredApi) -> DesiredApi {
    let mut content = json!(desired.content);
    content["basePath"] = json!("/purchases");
    desired = gatehouse_connector_conformance::desired(desired.mark.revision.0, &content);
    desired
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_base_path_that_does_not_come_to_its_end_is_carried_on() {
    for kind in ["rest", "http"] {
        let scene = Scene::of(options(), &json!({"kind": kind, "domainName": NAME})).await;
        make(&scene);
        scene.deploy(&scene.revision(1)).await;
        let second = moved(scene.revision(2));
        scene
            .aws
            .fail_operation("DeleteApiMapping", Fault::service_unavailable());
        scene.operator.deploy(&second).await.unwrap_err();
        assert_eq!(paths(&scene), ["orders", "purchases"]);
        scene.deploy(&second).await;
        assert_eq!(paths(&scene), ["purchases"]);
        let observed = scene.operator.observed(&second).await.unwrap();
        assert_eq!(observed.fingerprint, second.fingerprint);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_path_that_somebody_leads_to_the_api_is_drift_and_goes_with_the_next_deploy() {
    let scene = Scene::of(options(), &json!({"kind": "rest", "domainName": NAME})).await;
    make(&scene);
    let desired = scene.revision(1);
    let deployed = scene.deploy(&desired).await;
    let id = deployed.external_ref.0.trim_start_matches("restapis/");
    let mapping = json!({"apiId": id, "stage": STAGE, "apiMappingKey": "also"});
    scene.call("POST", &format!("/v2/domainnames/{NAME}/apimappings"), &mapping);
    let observed = scene.operator.observed(&desired).await.unwrap();
    assert_ne!(observed.fingerprint, desired.fingerprint, "it is told as drift");
    scene.deploy(&desired).await;
    assert_eq!(paths(&scene), ["orders"]);
    let observed = scene.operator.observed(&desired).await.unwrap();
    assert_eq!(observed.fingerprint, desired.fingerprint);
}

/// What is found, by name; whether it can be read.
async fn discovered(scene: &Scene) -> Vec<(String, bool)> {
    let operator = &scene.operator;
    let request = PageRequest {
        limit: 100,
        ..PageRequest::default()
    };
    let page = operator.connector.discover(&operator.context, request).await;
    let told = page.unwrap().items.into_iter().map(|item| match item {
        DiscoveredItem::Api(api) => (api.name.clone(), true),
        DiscoveredItem::Unchanged { name, .. } => (name, true),
        DiscoveredItem::Unreadable { name, .. } => (name, false),
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_name_that_somebody_removed_stops_no_look_and_no_removal() {
    for kind in ["rest", "http"] {
        let scene = Scene::of(options(), &json!({"kind": kind, "domainName": NAME})).await;
        make(&scene);
        let desired = scene.revision(1);
        scene.deploy(&desired).await;
        scene.call("DELETE", &format!("/v2/domainnames/{NAME}"), &Value::Null);
        let observed = scene.operator.observed(&desired).await.unwrap();
        assert_ne!(observed.fingerprint, desired.fingerprint, "it is told as drift");
        assert_eq!(discovered(&scene).await, [("Orders".to_owned(), true)]);
        let error = scene.operator.deploy(&desired).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        expect!["AWS refused GetApiMappings of the domain name `api.example.com` for `orders` in environment `under-test` (eu-central-1) with 404 NotFoundException: Invalid domain name identifier specified; make the custom domain name on AWS, or correct `domainName`"]
            .assert_eq(&scene.text(&error));
        scene.operator.undeploy(&desired, None).await.unwrap();
        assert!(discovered(&scene).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_of_one_api_of_ours_does_not_end_a_discovery() {
    let scene = Scene::rest().await;
    scene.deploy(&scene.revision(1)).await;
    let theirs = scene.call("POST", "/restapis?mode=import", &json!({
        "openapi": "3.0.1", "info": {"title": "theirs", "version": "1"}, "paths": {"/items": {"get": {"responses": {},
            "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "https://theirs.internal/items"}}}},
    }));
    let id = theirs["id"].as_str().unwrap();
    scene.call(
        "POST",
        &format!("/restapis/{id}/deployments"),
        &json!({"stageName": STAGE}),
    );
    let ours = scene
        .operator
        .observed(&scene.revision(1))
        .await
        .unwrap()
        .external_ref
        .0;
    let denied = Fault::Answer {
        status: 403,
        error: "AccessDeniedException".to_owned(),
        message: "with an explicit deny in a resource-based policy".to_owned(),
        retry_after: None,
    };
    scene
        .aws
        .fail_next("GET", &format!("/{ours}/stages/{STAGE}"), denied);
    let mut told = discovered(&scene).await;
    told.sort();
    assert_eq!(told, [("Orders".to_owned(), false), ("theirs".to_owned(), true)]);
}
