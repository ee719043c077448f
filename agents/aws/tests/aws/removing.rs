//! What a removal leaves behind: nothing.

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Operator, TestGateway as _, desired};
use gatehouse_connector_sdk::schemas::observed::Observation;
use serde_json::json;

use crate::under_test::{AwsUnderTest, Place};

/// AWS removes no API that a usage plan lets in to.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_goes_with_its_keys_and_its_plan() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let operator = Operator::new(AwsConnector::new(), aws.connection());
    let guarded = desired(
        1,
        &json!({
            "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
            "upstreams": {"main": {"url": "https://orders.example.com", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": [{"type": "auth.apiKey", "with": {"in": "header", "name": "x-api-key", "forward": false,
                "keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}],
            "operations": [{"match": {"method": "GET", "path": "/items"}}],
        }),
    );
    let deployed = operator.deploy(&guarded).await.unwrap();
    assert!(
        aws.owner
            .everything()
            .await
            .keys()
            .any(|name| name.starts_with("apikeys/"))
    );
    operator
        .undeploy(&guarded, Some(deployed.external_ref))
        .await
        .unwrap();
    assert_eq!(operator.observe(&guarded).await.unwrap(), Observation::Absent);
    let left = aws.owner.everything().await;
    assert!(left.is_empty(), "{left:?}");
}
