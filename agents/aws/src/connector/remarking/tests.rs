//! What plans say.

use expect_test::{Expect, expect};
use gatehouse_connector_conformance::{Connection, Operator, desired};
use gatehouse_connector_sdk::{connector::Connector as _, schemas::identity::ExternalRef};
use serde_json::{Value, json};

use super::*;
use crate::AwsConnector;

fn api(policies: &Value) -> DesiredApi {
    desired(
        1,
        &json!({
            "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
            "upstreams": {"main": {"url": "http://orders.internal", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": policies,
        }),
    )
}

fn held(api: &DesiredApi, external_ref: &str) -> Observation {
    Observation::Present(Box::new(ObservedApi {
        external_ref: ExternalRef(external_ref.to_owned()),
        name: "Orders".to_owned(),
        version: None,
        tags: Vec::new(),
        mark: Some(api.mark.clone()),
        endpoint_urls: vec!["https://a1.execute-api.eu-central-1.amazonaws.com/live".to_owned()],
        content: api.content.clone(),
        definition: None,
        fingerprint: api.fingerprint.clone(),
    }))
}

fn check(more: &Value, policies: &Value, external_ref: Option<&str>, expected: Expect) {
    let mut settings = json!({"region": "eu-central-1", "stage": "live"});
    let fields = settings.as_object_mut().unwrap();
    fields.extend(more.as_object().cloned().unwrap());
    let connection = Connection {
        settings: fields.clone(),
        ..Connection::default()
    };
    let operator = Operator::new(AwsConnector::new(), connection);
    let api = api(policies);
    let observed = external_ref.map_or(Observation::Absent, |external_ref| held(&api, external_ref));
    let remarks = operator
        .connector
        .remarks(&operator.context.environment, &api, &observed);
    let notes = remarks.notes.iter().map(|note| format!("note: {note}"));
    let warnings = remarks
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}"));
    let said: Vec<String> = notes.chain(warnings).collect();
    expected.assert_eq(&said.join("\n"));
}

fn tokens() -> Value {
    json!([{"type": "auth.jwt", "with": {"issuer": "https://idp.example.com", "audiences": ["orders"],
        "jwksUri": "https://idp.example.com/.well-known/jwks.json", "algorithms": ["RS256"], "clockSkewSeconds": 0}}])
}

#[test]
fn a_plan_says_what_an_api_becomes_and_why() {
    check(
        &json!({}),
        &json!([]),
        None,
        expect!["note: It becomes a REST API, which expresses its policies as well as an HTTP API does."],
    );
    check(
        &json!({"kind": "http"}),
        &json!([]),
        None,
        expect!["note: It becomes an HTTP API, as the environment's `kind` says."],
    );
    check(
        &json!({}),
        &tokens(),
        None,
        expect!["note: It becomes an HTTP API, which expresses `auth.jwt` better than a REST API does."],
    );
}

#[test]
fn a_plan_names_what_an_authorizer_must_be_allowed() {
    let mut authorizer = json!({"functionArn": "arn:aws:lambda:eu-central-1:111111111111:function:tokens"});
    check(
        &json!({"kind": "rest", "jwtAuthorizer": authorizer}),
        &tokens(),
        None,
        expect![[r#"
            note: It becomes a REST API, as the environment's `kind` says.
            note: `arn:aws:lambda:eu-central-1:111111111111:function:tokens` must let `apigateway.amazonaws.com` invoke it (`lambda:AddPermission` with the API's ARN as source)."#]],
    );
    authorizer["invokeRoleArn"] = json!("arn:aws:iam::111111111111:role/invoker");
    check(
        &json!({"kind": "rest", "jwtAuthorizer": authorizer}),
        &tokens(),
        None,
        expect![[r#"
            note: It becomes a REST API, as the environment's `kind` says.
            note: API Gateway must be allowed to assume the role `arn:aws:iam::111111111111:role/invoker`, the role to invoke `arn:aws:lambda:eu-central-1:111111111111:function:tokens` (`lambda:InvokeFunction`), and the agent to pass it on (`iam:PassRole`)."#]],
    );
}

#[test]
fn a_plan_warns_of_another_address() {
    check(
        &json!({"kind": "rest"}),
        &json!([]),
        Some("restapis/a1"),
        expect!["note: It becomes a REST API, as the environment's `kind` says."],
    );
    check(
        &json!({"kind": "rest"}),
        &json!([]),
        Some("apis/a1"),
        expect![[r#"
        note: It becomes a REST API, as the environment's `kind` says.
        warning: it is an HTTP API now and becomes a REST API: it gets another address, and nothing answers at https://a1.execute-api.eu-central-1.amazonaws.com/live any more; set `kind` in the environment's settings to keep what it is"#]],
    );
    check(
        &json!({"kind": "http", "domainName": "api.example.com"}),
        &json!([]),
        Some("restapis/a1"),
        expect![[r#"
            note: It becomes an HTTP API, as the environment's `kind` says.
            warning: it is a REST API now and becomes an HTTP API: `api.example.com` leads to it once it serves; its address at AWS is another one; set `kind` in the environment's settings to keep what it is"#]],
    );
}
