//! Stages of HTTP APIs that deploy every change at once.

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Operator, TestGateway as _, desired};
use gatehouse_connector_sdk::schemas::desired::DesiredApi;
use serde_json::{Value, json};

use crate::under_test::{AwsUnderTest, Place, REGION, STAGE};

fn api(revision: u64) -> DesiredApi {
    desired(
        revision,
        &json!({
            "displayName": "Orders", "version": format!("v{revision}"), "type": "rest", "direction": "ingress",
            "basePath": "/orders",
            "upstreams": {"main": {"url": "http://127.0.0.1:10009", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "operations": [{"match": {"method": "GET", "path": format!("/items{revision}")}}],
        }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_deploys_by_itself_serves_nothing_before_it_is_switched() {
    let aws = AwsUnderTest::start(Place::FakeHttp).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), aws.connection());
    let deployed = operator.deploy(&api(1)).await.unwrap();
    let id = deployed.external_ref.0.trim_start_matches("apis/").to_owned();
    let stage = format!("/v2/apis/{id}/stages/{STAGE}");
    let call = |method: &str, body: Value| aws.fake().call(REGION, method, &stage, &body);
    let (status, changed) = call("PATCH", json!({"autoDeploy": true}));
    assert_eq!(
        (status, &changed["autoDeploy"]),
        (200, &json!(true)),
        "{changed:#}"
    );

    let by_itself = || {
        let path = format!("/v2/apis/{id}/deployments");
        let (_, snapshots) = aws.fake().call(REGION, "GET", &path, &Value::Null);
        let snapshots = snapshots["items"].as_array().unwrap().iter();
        snapshots.filter(|it| it["autoDeployed"] == true).count()
    };
    let before = by_itself();

    let again = operator.deploy(&api(2)).await.unwrap();
    assert_eq!(again.observed, api(2).fingerprint);
    let (_, now) = call("GET", Value::Null);
    assert_eq!(now["autoDeploy"], json!(false), "{now:#}");
    assert_eq!(by_itself(), before);
}
