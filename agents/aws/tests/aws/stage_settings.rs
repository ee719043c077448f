//! Settings of a stage follow what is desired, also when there are to be fewer of them.

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Connection, Operator, TestGateway as _, desired};
use gatehouse_connector_sdk::schemas::desired::DesiredApi;
use serde_json::{Value, json};

use crate::under_test::{AwsUnderTest, Place, REGION, STAGE};

const LOG_GROUP: &str = "arn:aws:logs:eu-central-1:111111111111:log-group:orders";

fn orders(revision: u64, policies: &Value) -> DesiredApi {
    desired(
        revision,
        &json!({
            "displayName": "Orders", "version": format!("v{revision}"), "type": "rest", "direction": "ingress",
            "basePath": "/orders",
            "upstreams": {"main": {"url": "https://orders.example.com", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": policies,
            "operations": [{"match": {"method": "GET", "path": "/items"}}, {"match": {"method": "GET", "path": "/lines"}}],
        }),
    )
}

fn connection(aws: &AwsUnderTest) -> Connection {
    let mut connection = aws.connection();
    connection
        .settings
        .insert("accessLogArn".to_owned(), json!(LOG_GROUP));
    connection
}

/// The API and its stage, as AWS holds them.
fn held(aws: &AwsUnderTest, place: Place) -> (String, Value) {
    let of = |path: &str| aws.fake().call(REGION, "GET", path, &Value::Null).1;
    let (apis, id) = match place {
        Place::FakeHttp => ("/v2/apis", of("/v2/apis")["items"][0]["apiId"].clone()),
        _ => ("/restapis", of("/restapis")["item"][0]["id"].clone()),
    };
    let path = format!("{apis}/{}/stages/{STAGE}", id.as_str().unwrap());
    let stage = of(&path);
    (path, stage)
}

/// What of a stage its settings are.
fn settings(stage: &Value) -> Value {
    let names = [
        "methodSettings",
        "cacheClusterEnabled",
        "tracingEnabled",
        "accessLogSettings",
        "routeSettings",
    ];
    let said = names.map(|name| (name.to_owned(), stage[name].clone()));
    let is_on = |value: &Value| !value.is_null() && *value != json!(false) && *value != json!({});
    said.into_iter().filter(|(_, value)| is_on(value)).collect()
}

async fn fewer_settings(place: Place, policies: Value) {
    let aws = AwsUnderTest::start(place).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    operator.deploy(&orders(1, &policies)).await.unwrap();
    let (_, before) = held(&aws, place);
    assert_ne!(settings(&before), json!({}), "{before:#}");
    let second = orders(2, &json!([]));
    operator.deploy(&second).await.unwrap();
    let (_, after) = held(&aws, place);
    assert_eq!(settings(&after), json!({}));
    let observed = operator.observed(&second).await.unwrap();
    assert_eq!(observed.fingerprint, second.fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_api_loses_the_settings_that_its_next_revision_does_not_have() {
    let limit =
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "second"}], "key": "api"}});
    let cache = json!({"type": "cache", "with": {"ttlSeconds": 60, "varyQuery": []}});
    let log = json!({"type": "log", "with": {}});
    fewer_settings(Place::FakeRest, json!([limit, cache, log])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_api_loses_the_settings_that_its_next_revision_does_not_have() {
    let limit =
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "second"}], "key": "api"}});
    fewer_settings(Place::FakeHttp, json!([limit, {"type": "log", "with": {}}])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_somebody_puts_on_a_stage_goes_with_the_next_deploy() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    let orders = orders(1, &json!([]));
    operator.deploy(&orders).await.unwrap();
    let (stage, _) = held(&aws, Place::FakeRest);
    for path in ["/*/*/throttling/rateLimit", "/~1items/GET/throttling/rateLimit"] {
        let patch = json!({"patchOperations": [{"op": "replace", "path": path, "value": "5"}]});
        let (status, answer) = aws.fake().call(REGION, "PATCH", &stage, &patch);
        assert_eq!(status, 200, "{answer:#}");
    }
    drifts_until_the_next_deploy(&operator, &orders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_somebody_puts_on_a_stage_of_an_http_api_goes_with_the_next_deploy() {
    let aws = AwsUnderTest::start(Place::FakeHttp).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    let orders = orders(1, &json!([]));
    operator.deploy(&orders).await.unwrap();
    let (stage, _) = held(&aws, Place::FakeHttp);
    let limit = json!({"throttlingRateLimit": 5.0, "throttlingBurstLimit": 5});
    let limits = json!({"defaultRouteSettings": limit, "routeSettings": {"GET /items": limit}});
    let (status, answer) = aws.fake().call(REGION, "PATCH", &stage, &limits);
    assert_eq!(status, 200, "{answer:#}");
    drifts_until_the_next_deploy(&operator, &orders).await;
}

async fn drifts_until_the_next_deploy(operator: &Operator<AwsConnector>, orders: &DesiredApi) {
    let drifted = operator.observed(orders).await.unwrap();
    assert_ne!(drifted.fingerprint, orders.fingerprint);
    operator.deploy(orders).await.unwrap();
    let observed = operator.observed(orders).await.unwrap();
    assert_eq!(observed.fingerprint, orders.fingerprint);
}

/// Changes the stage as its owner would.
fn patch(aws: &AwsUnderTest, stage: &str, changes: &[(&str, &str)]) {
    let replaced = changes
        .iter()
        .map(|(path, value)| json!({"op": "replace", "path": path, "value": value}));
    let patches = json!({"patchOperations": replaced.collect::<Vec<_>>()});
    let (status, answer) = aws.fake().call(REGION, "PATCH", stage, &patches);
    assert_eq!(status, 200, "{answer:#}");
}

const LIMIT: &str =
    r#"{"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "second"}], "key": "api"}}"#;

fn limit() -> Value {
    serde_json::from_str(LIMIT).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_logs_and_measures_stays_and_is_no_drift() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    let first = orders(1, &json!([]));
    operator.deploy(&first).await.unwrap();
    let (stage, _) = held(&aws, Place::FakeRest);
    let theirs = [
        ("/*/*/metrics/enabled", "true"),
        ("/~1items/GET/logging/loglevel", "INFO"),
        ("/~1items/GET/logging/dataTrace", "true"),
        ("/variables/theirs", "kept"),
    ];
    patch(&aws, &stage, &theirs);
    let observed = operator.observed(&first).await.unwrap();
    assert_eq!(observed.fingerprint, first.fingerprint, "it is no drift");
    let (_, before) = held(&aws, Place::FakeRest);
    for desired in [orders(2, &json!([limit()])), orders(3, &json!([]))] {
        operator.deploy(&desired).await.unwrap();
        let observed = operator.observed(&desired).await.unwrap();
        assert_eq!(observed.fingerprint, desired.fingerprint);
        let (_, after) = held(&aws, Place::FakeRest);
        let said = |stage: &Value| {
            let settings = &stage["methodSettings"];
            let one = &settings["~1items/GET"];
            let of_one = [&one["loggingLevel"], &one["dataTraceEnabled"]].map(Value::clone);
            (
                settings["*/*"]["metricsEnabled"].clone(),
                of_one,
                stage["variables"]["theirs"].clone(),
            )
        };
        assert_eq!(said(&after), said(&before), "{after:#}");
    }
    let (_, after) = held(&aws, Place::FakeRest);
    assert_eq!(settings(&after), settings(&before), "only what we set is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_for_a_method_that_somebody_else_measures() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    let orders = orders(1, &json!([limit()]));
    operator.deploy(&orders).await.unwrap();
    let (stage, _) = held(&aws, Place::FakeRest);
    // On AWS, what is said of one method replaces all that is said of all: the limit, too.
    patch(&aws, &stage, &[("/~1items/GET/metrics/enabled", "true")]);
    drifts_until_the_next_deploy(&operator, &orders).await;
    let (_, after) = held(&aws, Place::FakeRest);
    let one = &after["methodSettings"]["~1items/GET"];
    assert_eq!(
        (&one["metricsEnabled"], &one["throttlingRateLimit"]),
        (&json!(true), &json!(5.0)),
        "{after:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_beside_what_somebody_else_set_tells_of_itself_alone() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    let orders = orders(1, &json!([]));
    operator.deploy(&orders).await.unwrap();
    let (stage, _) = held(&aws, Place::FakeRest);
    patch(
        &aws,
        &stage,
        &[
            ("/~1lines/GET/metrics/enabled", "true"),
            ("/variables/theirs", "kept"),
            ("/*/*/throttling/rateLimit", "5"),
            ("/*/*/throttling/burstLimit", "5"),
        ],
    );
    let observed = operator.observed(&orders).await.unwrap();
    let told: Vec<&str> = observed
        .content
        .policies
        .iter()
        .map(|policy| policy.type_name())
        .collect();
    assert_eq!(told, ["ratelimit"]);
    assert_eq!(
        json!(observed.content.operations),
        json!(orders.content.operations)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_measures_of_an_http_api_stays() {
    let aws = AwsUnderTest::start(Place::FakeHttp).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    let first = orders(1, &json!([]));
    operator.deploy(&first).await.unwrap();
    let (stage, _) = held(&aws, Place::FakeHttp);
    let measured = json!({"detailedMetricsEnabled": true});
    let theirs = json!({"defaultRouteSettings": measured, "routeSettings": {"GET /items": measured}});
    let (status, answer) = aws.fake().call(REGION, "PATCH", &stage, &theirs);
    assert_eq!(status, 200, "{answer:#}");
    let observed = operator.observed(&first).await.unwrap();
    assert_eq!(observed.fingerprint, first.fingerprint, "it is no drift");
    for desired in [orders(2, &json!([limit()])), orders(3, &json!([]))] {
        operator.deploy(&desired).await.unwrap();
        let observed = operator.observed(&desired).await.unwrap();
        assert_eq!(observed.fingerprint, desired.fingerprint);
        let (_, after) = held(&aws, Place::FakeHttp);
        for settings in [
            &after["defaultRouteSettings"],
            &after["routeSettings"]["GET /items"],
        ] {
            assert_eq!(settings["detailedMetricsEnabled"], json!(true), "{after:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_somebody_switches_off_is_drift_and_comes_back() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    let cache = json!({"type": "cache", "with": {"ttlSeconds": 60, "varyQuery": []}});
    let orders = orders(1, &json!([cache]));
    operator.deploy(&orders).await.unwrap();
    let (stage, before) = held(&aws, Place::FakeRest);
    let off = json!({"op": "replace", "path": "/cacheClusterEnabled", "value": "false"});
    let (status, answer) = aws
        .fake()
        .call(REGION, "PATCH", &stage, &json!({"patchOperations": [off]}));
    assert_eq!(status, 200, "{answer:#}");
    assert_eq!(
        answer["cacheClusterSize"], before["cacheClusterSize"],
        "its size stays"
    );
    drifts_until_the_next_deploy(&operator, &orders).await;
    let (_, after) = held(&aws, Place::FakeRest);
    assert_eq!(after["cacheClusterEnabled"], json!(true), "{after:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_of_an_http_api_is_made_with_its_settings_in_one_call() {
    let aws = AwsUnderTest::start(Place::FakeHttp).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection(&aws));
    let limit =
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "second"}], "key": "api"}});
    let orders = orders(1, &json!([limit, {"type": "log", "with": {}}]));
    operator.deploy(&orders).await.unwrap();
    let calls: Vec<String> = aws
        .fake()
        .calls()
        .into_iter()
        .map(|call| call.operation)
        .collect();
    assert!(!calls.contains(&"UpdateStage".to_owned()), "{calls:?}");
    let observed = operator.observed(&orders).await.unwrap();
    assert_eq!(observed.fingerprint, orders.fingerprint);
}
