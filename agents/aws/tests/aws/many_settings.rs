//! Stages with more settings than AWS takes in one call.

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Operator, TestGateway as _, desired};
use gatehouse_connector_sdk::{connector::Connector as _, schemas::desired::DesiredApi};
use serde_json::{Value, json};

use crate::under_test::{AwsUnderTest, Place, REGION, STAGE};

/// Sixty operations, each with a limit of its own.
fn limited(revision: u64, requests: u64) -> DesiredApi {
    let operation = |number: u64| {
        let limits = json!({"limits": [{"requests": requests + number, "per": "second"}], "key": "api"});
        json!({"match": {"method": "GET", "path": format!("/things-{number}")}, "policies": [{"type": "ratelimit", "with": limits}]})
    };
    let operations: Vec<Value> = (10..70).map(operation).collect();
    desired(
        revision,
        &json!({
            "displayName": "Orders", "version": format!("v{revision}"), "type": "rest", "direction": "ingress",
            "basePath": "/orders",
            "upstreams": {"main": {"url": "https://orders.example.com", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": [], "operations": operations,
        }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn more_settings_than_a_call_takes_are_changed_in_several() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), aws.connection());
    for (revision, requests) in [(1, 100), (2, 200)] {
        let desired = limited(revision, requests);
        let request = operator.request(&desired).await.unwrap();
        let environment = &operator.context.environment;
        let estimated = operator
            .connector
            .estimate(environment, Some(&desired), Some(&request.plan));
        aws.fake().forget_calls();
        let deployed = operator
            .connector
            .deploy(&operator.context, &request)
            .await
            .unwrap();
        assert_eq!(deployed.observed, desired.fingerprint);
        let calls = aws.fake().calls();
        let updates = calls
            .iter()
            .filter(|call| call.operation == "UpdateStage")
            .count();
        assert!(
            u64::try_from(updates).unwrap() <= estimated["UpdateStage"],
            "{updates}"
        );
        let id = deployed.external_ref.0;
        let (_, stage) = aws
            .fake()
            .call(REGION, "GET", &format!("/{id}/stages/{STAGE}"), &json!(null));
        let limit = &stage["methodSettings"]["~1things-69/GET"]["throttlingBurstLimit"];
        assert_eq!(*limit, requests + 69, "{stage}");
        let observed = operator.observed(&desired).await.unwrap();
        assert_eq!(observed.fingerprint, desired.fingerprint);
    }
}
