//! Private endpoints.

use serde_json::{Value, json};

use super::{api, form, settings};
use crate::{config::AwsSettings, translate::kind};

fn refusal(settings: &AwsSettings) -> String {
    let desired = api(&json!([]), &[("GET", "/items", json!([]))]);
    kind(&desired, settings).unwrap_err().message().to_owned()
}

fn private(more: Value) -> AwsSettings {
    let mut fields = json!({"endpointType": "private"});
    for (name, value) in more.as_object().expect("an object") {
        fields[name] = value.clone();
    }
    settings(fields)
}

#[test]
fn only_rest_apis_are_private_and_to_those_that_are_named() {
    let ids = json!(["vpce-1"]);
    let http = private(json!({"kind": "http", "vpcEndpointIds": ids}));
    let message = refusal(&http);
    assert!(message.contains("endpoints of type `private`"), "{message}");
    let message = refusal(&private(json!({"kind": "rest"})));
    assert!(message.contains("the setting `vpcEndpointIds`"), "{message}");
    let at_a_domain =
        private(json!({"kind": "rest", "vpcEndpointIds": ids, "domainName": "api.example.com"}));
    let message = refusal(&at_a_domain);
    assert!(message.contains("the setting `domainName`"), "{message}");
    let desired = api(&json!([]), &[("GET", "/items", json!([]))]);
    let choice = kind(&desired, &private(json!({"vpcEndpointIds": ids}))).unwrap();
    assert_eq!(
        choice.reason,
        "It becomes a REST API, since an HTTP API does not know endpoints of type `private`."
    );
}

/// AWS forgets the endpoints of an API whose definition is replaced by one that does not say them.
#[test]
fn a_definition_says_the_endpoints() {
    let desired = api(&json!([]), &[("GET", "/items", json!([]))]);
    let document = form(
        &desired,
        &private(json!({"vpcEndpointIds": ["vpce-1", "vpce-2"]})),
    )
    .document;
    assert_eq!(
        document["servers"],
        json!([{"url": "/", "x-amazon-apigateway-endpoint-configuration": {"vpcEndpointIds": ["vpce-1", "vpce-2"]}}])
    );
    let regional = settings(json!({"kind": "rest", "vpcEndpointIds": ["vpce-1"]}));
    let form = form(&desired, &regional);
    assert!(form.document.get("servers").is_none());
    assert!(form.endpoint.vpc_endpoint_ids.is_empty());
}
