//! A change that somebody makes on AWS tells of itself and of nothing else, however much of an API reads back otherwise than it
//! was written.

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Operator, TestGateway as _, desired};
use gatehouse_connector_sdk::schemas::{desired::DesiredApi, policy::Policy};
use serde_json::{Value, json};

use crate::under_test::{AwsUnderTest, Place, REGION, STAGE};

fn orders(policies: &Value, policies_of_one: &Value) -> DesiredApi {
    desired(
        1,
        &json!({
            "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
            "upstreams": {"main": {"url": "https://orders.example.com", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": policies,
            "operations": [
                {"match": {"method": "GET", "path": "/items/{id}"}},
                {"match": {"method": "POST", "path": "/items"}, "policies": policies_of_one},
            ],
        }),
    )
}

/// Puts a limit to the stage that is wider than any that was applied.
fn limit(aws: &AwsUnderTest, place: Place) {
    let of = |path: &str| aws.fake().call(REGION, "GET", path, &Value::Null).1;
    let (path, limit) = match place {
        Place::FakeHttp => (
            format!(
                "/v2/apis/{}",
                of("/v2/apis")["items"][0]["apiId"].as_str().unwrap()
            ),
            json!({"routeSettings": {"GET /items/{id}": {"throttlingRateLimit": 700.0, "throttlingBurstLimit": 700}}}),
        ),
        _ => (
            format!("/restapis/{}", of("/restapis")["item"][0]["id"].as_str().unwrap()),
            json!({"patchOperations": [
                {"op": "replace", "path": "/~1items~1{id}/GET/throttling/rateLimit", "value": "700"},
                {"op": "replace", "path": "/~1items~1{id}/GET/throttling/burstLimit", "value": "700"},
            ]}),
        ),
    };
    let (status, answer) = aws
        .fake()
        .call(REGION, "PATCH", &format!("{path}/stages/{STAGE}"), &limit);
    assert_eq!(status, 200, "{answer:#}");
}

async fn one_change(place: Place, policies: Value, policies_of_one: Value) {
    let aws = AwsUnderTest::start(place).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), aws.connection());
    let orders = orders(&policies, &policies_of_one);
    operator.deploy(&orders).await.unwrap();
    limit(&aws, place);
    let observed = operator.observed(&orders).await.unwrap();
    let mut expected = orders.content.clone();
    let changed = expected.operations.iter_mut();
    let changed = changed.filter(|it| it.r#match.method.as_str() == "GET");
    let limit: Policy = serde_json::from_value(
        json!({"type": "ratelimit", "with": {"key": "api", "limits": [{"per": "second", "requests": 700}]}}),
    )
    .unwrap();
    changed.for_each(|it| it.policies.push(limit.clone()));
    expected
        .operations
        .sort_by(|one, other| one.order().cmp(&other.order()));
    assert_eq!(json!(observed.content), json!(expected));
}

fn keys() -> Value {
    json!({"type": "auth.apiKey", "with": {"in": "header", "name": "x-api-key", "forward": false,
        "keys": [{"consumer": "shop", "secretRef": "shop-key"}]}})
}

fn cors() -> Value {
    json!({"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"], "allowMethods": ["GET", "POST"]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_rest_api_with_keys_and_pages_of_others() {
    let limit = json!({"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "minute"}], "key": "address"}});
    one_change(Place::FakeRest, json!([keys(), cors(), limit]), json!([])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_rest_api_whose_requests_are_checked_and_changed() {
    let headers = json!({"type": "headers", "with": {"request": {"set": {"x-from": "aws"}}}});
    let addresses = json!({"type": "ip.filter", "with": {"allow": ["10.0.0.0/8"]}});
    let schema = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
    let checked = json!({"type": "request.validate", "with": {"bodySchema": schema}});
    one_change(Place::FakeRest, json!([addresses, headers]), json!([checked])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_rest_api_that_answers_by_itself() {
    let answer = json!({"type": "respond", "with": {"status": 503, "body": "later"}});
    one_change(Place::FakeRest, json!([cors()]), json!([answer])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_http_api_with_tokens_and_pages_of_others() {
    let tokens = json!({"type": "auth.jwt", "with": {"issuer": "https://idp.example.com", "audiences": ["orders"],
        "jwksUri": "https://idp.example.com/.well-known/jwks.json", "algorithms": ["RS256"], "clockSkewSeconds": 0}});
    let headers = json!({"type": "headers", "with": {"response": {"set": {"x-from": "aws"}}}});
    one_change(Place::FakeHttp, json!([tokens, cors(), headers]), json!([])).await;
}

/// Preflights carry no keys, so that the key is told of operations, and not of the API, for which it was asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_somebody_opens_is_told_whatever_else_still_wants_a_key() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), aws.connection());
    let orders = orders(&json!([keys(), cors()]), &json!([]));
    operator.deploy(&orders).await.unwrap();
    let call = |method: &str, path: &str, body: &Value| {
        let (status, answer) = aws.fake().call(REGION, method, path, body);
        assert!(status < 300, "{method} {path}: {answer:#}");
        answer
    };
    let id = call("GET", "/restapis", &Value::Null)["item"][0]["id"].clone();
    let api = format!("/restapis/{}", id.as_str().unwrap());
    let resources = call("GET", &format!("{api}/resources"), &Value::Null);
    let mut resources = resources["item"].as_array().unwrap().iter();
    let items = resources.find(|resource| resource["path"] == "/items").unwrap();
    let method = format!("{api}/resources/{}/methods/POST", items["id"].as_str().unwrap());
    let open = json!({"op": "replace", "path": "/apiKeyRequired", "value": "false"});
    call("PATCH", &method, &json!({"patchOperations": [open]}));
    call(
        "POST",
        &format!("{api}/deployments"),
        &json!({"stageName": STAGE}),
    );
    let observed = operator.observed(&orders).await.unwrap();
    assert_ne!(observed.fingerprint, orders.fingerprint);
    let has_key = |policies: &[Policy]| policies.iter().any(|policy| policy.type_name() == "auth.apiKey");
    assert!(
        !has_key(&observed.content.policies),
        "{:#}",
        json!(observed.content)
    );
    let told = observed.content.operations.iter();
    let guarded = told
        .filter(|it| has_key(&it.policies))
        .map(|it| it.r#match.path.as_str());
    assert_eq!(guarded.collect::<Vec<_>>(), ["/items/{id}"]);
}
