//! Exports as definitions.

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    openapi,
    revision::{build, to_spec},
};
use serde_json::json;

use super::aws::{over, proxied, proxied_with_id, rest};
use crate::read::{Snapshot, read};

fn described() -> Snapshot {
    let mut get = over(
        proxied_with_id("https://orders.internal/orders/{id}"),
        json!({
            "operationId": "getOrder", "summary": "One order", "deprecated": true,
            "responses": {"200": {"description": "It", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}},
        }),
    );
    get["x-amazon-apigateway-request-validator"] = json!("all");
    let options = json!({"x-amazon-apigateway-integration": {
        "type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
        "responses": {"default": {"statusCode": "200", "responseParameters": {
            "method.response.header.Access-Control-Allow-Origin": "'*'"}}},
    }});
    let mut snapshot = rest(json!({"/orders/{id}": {"get": get, "options": options}}));
    snapshot.version = Some("2.1".to_owned());
    snapshot
}

#[test]
fn the_definition_is_the_export_without_what_is_aws_own() {
    let read = read(&described(), None).unwrap();
    let document = read.definition.unwrap();
    let text = document.to_string();
    assert!(!text.contains("x-amazon-apigateway"), "{text}");
    assert_eq!(document["info"]["version"], "2.1");
    assert_eq!(
        document["servers"][0]["url"],
        "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"
    );
    assert!(document["paths"]["/orders/{id}"].get("options").is_none());
    assert!(document["components"]["schemas"]["Order"].is_object());
    let operation = &read.content.operations[0];
    assert_eq!(
        (operation.id.as_deref(), operation.deprecated),
        (Some("getOrder"), true)
    );
}

#[test]
fn the_content_is_what_the_control_plane_makes_of_the_definition() {
    let read = read(&described(), None).unwrap();
    let definition = openapi::read(&read.definition.unwrap()).unwrap();
    let fingerprint = Fingerprint::of_value(&definition.canonical);
    assert_eq!(read.content.definition.as_ref().unwrap().fingerprint, fingerprint);
    let built = build(
        &"orders".parse().unwrap(),
        &to_spec(&read.content),
        Some((&fingerprint, &definition)),
    );
    assert_eq!(built.unwrap(), read.content);
}

#[test]
fn a_greedy_path_may_be_described() {
    let mut get = proxied("https://orders.internal/{proxy}");
    get["x-amazon-apigateway-integration"]["requestParameters"] =
        json!({"integration.request.path.proxy": "method.request.path.proxy"});
    let read = read(&rest(json!({"/{proxy+}": {"get": get}})), None).unwrap();
    assert!(read.definition.is_some(), "{:?}", read.content);
    assert_eq!(read.content.operations[0].r#match.path, "/{proxy...}");
}
