//! How many calls of AWS a deploy takes.

use gatehouse_agent_aws::{AwsConnector, LambdaAuthorizer};
use gatehouse_connector_conformance::{Operator, TestGateway as _, desired};
use gatehouse_connector_sdk::connector::Connector as _;
use serde_json::{Value, json};

use crate::under_test::{AwsUnderTest, Place};

/// Forty operations, tokens, browsers of other origins, and a limit.
fn content(revision: u64) -> Value {
    let operation = |number: u64| {
        let method = ["GET", "POST", "PUT", "DELETE"][usize::try_from(number % 4).unwrap()];
        json!({"match": {"method": method, "path": format!("/things-{}/{{id}}", number / 4)}})
    };
    let operations: Vec<Value> = (0..40).map(operation).collect();
    json!({
        "displayName": "Orders", "version": format!("v{revision}"), "type": "rest", "direction": "ingress",
        "basePath": "/orders/v1",
        "upstreams": {"main": {"url": "https://orders.example.com", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": [
            {"type": "auth.jwt", "with": {"issuer": "https://idp.example.com", "audiences": ["orders"],
                "jwksUri": "https://idp.example.com/.well-known/jwks.json", "algorithms": ["RS256"], "clockSkewSeconds": 0}},
            {"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"]}},
            {"type": "ratelimit", "with": {"limits": [{"requests": 100, "per": "second"}], "key": "api"}},
        ],
        "operations": operations,
    })
}

/// What only a REST API does.
fn addresses() -> Value {
    json!({"type": "ip.filter", "with": {"allow": ["10.0.0.0/8"]}})
}

async fn measure(place: Place, kind: &str) -> (Vec<String>, Vec<String>) {
    let aws = AwsUnderTest::start(place).await;
    let mut connection = aws.connection();
    let authorizer = LambdaAuthorizer {
        function_arn: "arn:aws:lambda:eu-central-1:111111111111:function:tokens".to_owned(),
        r#type: "token".to_owned(),
        ttl_seconds: 0,
        invoke_role_arn: None,
        identity_source: "method.request.header.Authorization".to_owned(),
    };
    if place == Place::FakeRest {
        let name = "jwtAuthorizer".to_owned();
        connection.settings.insert(name, json!(authorizer));
    }
    connection.settings.insert("kind".to_owned(), json!(kind));
    let operator = Operator::new(AwsConnector::new(), connection);
    let mut measured = Vec::new();
    for revision in [1, 2] {
        let mut content = content(revision);
        if (place, kind) == (Place::FakeRest, "auto") {
            content["policies"].as_array_mut().unwrap().push(addresses());
        }
        let desired = desired(revision, &content);
        let request = operator.request(&desired).await.unwrap();
        aws.fake().forget_calls();
        operator
            .connector
            .deploy(&operator.context, &request)
            .await
            .unwrap();
        let calls = aws.fake().calls().into_iter();
        measured.push(calls.map(|call| call.operation).collect::<Vec<_>>());
    }
    let update = measured.pop().unwrap();
    (measured.pop().unwrap(), update)
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_operations_take_few_calls() {
    // Where nobody names a function that checks tokens, it becomes an HTTP API by itself.
    for (place, kind) in [
        (Place::FakeRest, "rest"),
        (Place::FakeHttp, "http"),
        (Place::FakeHttp, "auto"),
        (Place::FakeRest, "auto"),
    ] {
        let (create, update) = measure(place, kind).await;
        println!("{kind}, {place:?}: {} calls to create: {create:?}", create.len());
        println!("{kind}, {place:?}: {} calls to update: {update:?}", update.len());
        let is_rest = create.contains(&"PutRestApi".to_owned());
        assert_eq!(is_rest, place == Place::FakeRest, "{create:?}");
        assert!(create.len() <= 8, "{create:?}");
        assert!(update.len() <= 6, "{update:?}");
    }
}
