//! What is deployed reads back as what was desired, whatever Kong adds of its own; and goes without a trace.

use gatehouse_connector_conformance::TestGateway as _;
use gatehouse_connector_sdk::connector::Connector as _;
use serde_json::{Value, json};

use crate::{
    apis::{content, desired, operator_of},
    under_test::{Kind, KongUnderTest},
};

/// Every policy that Kong takes, in forms that differ in what becomes of them.
fn policies() -> Vec<(&'static str, Value)> {
    let key =
        json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}});
    let rate = json!({"type": "ratelimit", "with": {"limits": [{"requests": 10, "per": "second"}, {"requests": 5, "per": "minute"}]}});
    vec![
        ("none", json!([])),
        ("keys in a header", json!([key])),
        (
            "keys in the query",
            json!([{"type": "auth.apiKey", "with": {"in": "query", "name": "api_key", "forward": true, "keys": [
            {"consumer": "shop", "secretRef": "shop-key"}, {"consumer": "desk", "secretRef": "desk-key"}]}}]),
        ),
        (
            "passwords",
            json!([{"type": "auth.basic", "with": {"users": [{"username": "ann", "secretRef": "ann-password"}]}}]),
        ),
        (
            "addresses",
            json!([{"type": "ip.filter", "with": {"allow": ["127.0.0.0/8", "::1"], "deny": ["10.0.0.1"]}}]),
        ),
        (
            "sizes",
            json!([{"type": "request.size", "with": {"maxBytes": 1000}}]),
        ),
        ("rates", json!([rate])),
        (
            "a quota",
            json!([{"type": "quota", "with": {"requests": 1000, "per": "month", "key": "api"}}]),
        ),
        (
            "a rate by header",
            json!([{"type": "ratelimit", "with": {"limits": [{"requests": 10, "per": "hour"}], "key": {"header": "x-team"}}}]),
        ),
        (
            "cross-origin requests",
            json!([{"type": "cors", "with": {"allowOrigins": ["https://app.example.com", "https://*.example.org"], "allowMethods": ["GET"], "maxAgeSeconds": 60, "exposeHeaders": ["x-total"]}}]),
        ),
        (
            "headers",
            json!([{"type": "headers", "with": {
            "request": {"remove": ["x-debug"], "set": {"x-from": "kong"}, "add": {"x-via": "gatehouse"}},
            "response": {"remove": ["server"], "set": {"x-frame-options": "DENY"}}}}]),
        ),
        (
            "another query",
            json!([{"type": "rewrite", "with": {"query": {"remove": ["debug"], "set": {"source": "kong"}}}}]),
        ),
        (
            "an answer",
            json!([{"type": "respond", "with": {"status": 503, "headers": {"content-type": "text/plain"}, "body": "closed"}}]),
        ),
        (
            "a timeout and retries",
            json!([{"type": "timeout", "with": {"responseMs": 1500}}, {"type": "retry", "with": {"attempts": 2}}]),
        ),
        (
            "a cache",
            json!([{"type": "cache", "with": {"ttlSeconds": 30, "varyHeaders": ["accept"], "varyQuery": ["page"]}}]),
        ),
        (
            "a fragment",
            json!([{"type": "native", "with": {"gatewayType": "kong", "config": {"plugins": [
            {"name": "correlation-id", "config": {"header_name": "x-request-id", "generator": "uuid"}}]}}}]),
        ),
        (
            "several",
            json!([key, rate, {"type": "cors", "with": {"allowOrigins": ["*"]}}]),
        ),
    ]
}

/// The API with policies of operations too: another target, another time, no answer of the upstream.
fn with_operations(url: &str) -> Value {
    let mut content = content(url, &json!([{"type": "timeout", "with": {"responseMs": 2500}}]));
    content["upstreams"]["archive"] =
        json!({"url": "https://archive.internal/old", "timeoutMs": 4000, "connectTimeoutMs": 500});
    content["operations"][3]["policies"] = json!([{"type": "rewrite", "with": {"path": "/v2/{id}"}}]);
    content["operations"][4]["policies"] = json!([{"type": "respond", "with": {"status": 204}}]);
    content["operations"][5]["policies"] = json!([{"type": "timeout", "with": {"responseMs": 900}}]);
    content["operations"][6]["upstream"] = json!("archive");
    content["operations"][6]["match"]["headers"] = json!({"x-kind": "old"});
    content
}

pub(crate) async fn every_policy_reads_back(kind: &Kind) {
    let kong = KongUnderTest::start(kind).await;
    let operator = operator_of(&kong);
    let url = "http://upstream.internal:9000/api";
    let mut contents: Vec<(&str, Value)> = policies()
        .into_iter()
        .map(|(name, policies)| (name, content(url, &policies)))
        .collect();
    contents.push(("operations of their own", with_operations(url)));
    let mut hosted = content(url, &json!([]));
    hosted["hostnames"] = json!(["api.example.com", "*.example.org"]);
    hosted["basePath"] = json!("/");
    contents.push(("host names", hosted));
    let mut everything = content(url, &json!([]));
    everything["operations"] = json!([]);
    contents.push(("every path", everything));
    let before = kong.holds().await;
    for (revision, (name, content)) in (1..).zip(&contents) {
        let desired = desired(revision, content);
        let deployed = operator
            .deploy(&desired)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(
            deployed.observed, desired.fingerprint,
            "{name}: what was deployed"
        );
        let observed = operator.observed(&desired).await.unwrap();
        assert_eq!(observed.fingerprint, desired.fingerprint, "{name}: what is there");
        assert_eq!(observed.content, desired.content, "{name}: what is there");
        assert_eq!(observed.mark.as_ref(), Some(&desired.mark), "{name}");
        let translation = operator
            .connector
            .translate(&operator.context.environment, &desired);
        assert_eq!(
            translation,
            operator
                .connector
                .translate(&operator.context.environment, &desired),
            "{name}"
        );
    }
    operator
        .undeploy(&desired(1, &contents[0].1), None)
        .await
        .unwrap();
    assert_eq!(kong.holds().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_policy_reads_back_with_a_database() {
    every_policy_reads_back(&Kind::Database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_policy_reads_back_without_a_database() {
    every_policy_reads_back(&Kind::WithoutDatabase).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_policy_reads_back_where_routes_are_expressions() {
    every_policy_reads_back(&Kind::Expressions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_policy_reads_back_on_an_older_version() {
    every_policy_reads_back(&Kind::Older).await;
}
