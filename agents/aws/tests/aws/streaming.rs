//! Answers that are passed on as they come, from a deploy to what is seen of it.

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Operator, TestGateway as _, desired};
use serde_json::json;

use crate::under_test::{AwsUnderTest, Place, REGION, STAGE};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_streamed_is_seen_as_it_was_applied() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let mut connection = aws.connection();
    connection
        .settings
        .insert("responseStreaming".to_owned(), json!("long"));
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection);
    let events = desired(
        1,
        &json!({
            "displayName": "Events", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/events",
            "upstreams": {"main": {"url": "https://events.example.com", "timeoutMs": 600_000, "connectTimeoutMs": 1000}},
            "operations": [
                {"match": {"method": "GET", "path": "/one"}, "policies": [{"type": "timeout", "with": {"responseMs": 3000}}]},
                {"match": {"method": "GET", "path": "/stream"}},
            ],
        }),
    );
    let deployed = operator.deploy(&events).await.unwrap();
    assert_eq!(deployed.observed, events.fingerprint);
    let id = deployed.external_ref.0.trim_start_matches("restapis/").to_owned();
    let path = format!("/restapis/{id}/stages/{STAGE}/exports/oas30?extensions=apigateway");
    let (_, export) = aws.fake().call(REGION, "GET", &path, &json!(null));
    let mode = |path: &str| export["paths"][path]["get"]["x-amazon-apigateway-integration"].clone();
    assert_eq!(mode("/stream")["responseTransferMode"], "STREAM", "{export}");
    assert_eq!(mode("/stream")["timeoutInMillis"], 600_000);
    assert!(mode("/one").get("responseTransferMode").is_none());
    // Somebody renames it, so that everything is read.
    aws.owner.rename(&deployed.external_ref, "Others").await;
    let observed = operator.observed(&events).await.unwrap();
    assert_eq!(observed.content.operations, events.content.operations);
    assert_eq!(observed.content.policies, events.content.policies);
    assert_eq!(observed.content.upstreams, events.content.upstreams);
}
