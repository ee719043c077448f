//! Private REST APIs, from a deploy to what is seen of them.

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Operator, TestGateway as _, desired};
use gatehouse_connector_sdk::schemas::desired::DesiredApi;
use serde_json::json;

use crate::under_test::{AwsUnderTest, Place, REGION, STAGE};

fn api(revision: u64) -> DesiredApi {
    desired(
        revision,
        &json!({
            "displayName": "Orders", "version": format!("v{revision}"), "type": "rest", "direction": "ingress",
            "basePath": "/orders",
            "upstreams": {"main": {"url": "http://127.0.0.1:10009", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": [{"type": "ip.filter", "with": {"allow": ["127.0.0.0/8"]}}],
            "operations": [{"match": {"method": "GET", "path": "/items"}}],
        }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_api_is_reached_at_its_endpoints_alone() {
    let aws = AwsUnderTest::start(Place::FakeRest).await;
    let mut connection = aws.connection();
    connection.settings.remove("dataPlaneUrl");
    let endpoints = json!({"endpointType": "private", "vpcEndpointIds": ["vpce-01", "vpce-02"]});
    connection
        .settings
        .extend(endpoints.as_object().cloned().unwrap());
    let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection);
    let mut deployed = operator.deploy(&api(1)).await.unwrap();
    // A second definition does not lose the endpoints.
    deployed = operator.deploy(&api(2)).await.unwrap_or(deployed);
    assert_eq!(deployed.observed, api(2).fingerprint);
    let id = deployed.external_ref.0.trim_start_matches("restapis/").to_owned();
    let host = |endpoint: &str| format!("{id}-{endpoint}.execute-api.{REGION}.amazonaws.com");
    let url = |endpoint: &str| format!("https://{}/{STAGE}", host(endpoint));
    assert_eq!(deployed.endpoint_urls, [url("vpce-01"), url("vpce-02")]);
    let (_, made) = aws
        .fake()
        .call(REGION, "GET", &format!("/restapis/{id}"), &json!(null));
    assert_eq!(
        made["endpointConfiguration"]["vpcEndpointIds"],
        json!(["vpce-01", "vpce-02"])
    );
    let client = reqwest::Client::new();
    for (endpoint, is_let_in) in [("vpce-01", true), ("vpce-02", true), ("vpce-03", false)] {
        let request = client.get(format!("{}/{STAGE}/items", aws.fake().data_url()));
        let answer = request.header("host", host(endpoint)).send().await.unwrap();
        assert_eq!(answer.status() != 403, is_let_in, "{endpoint}");
    }
    // Somebody renames it, so that everything is read.
    aws.owner.rename(&deployed.external_ref, "Others").await;
    let observed = operator.observed(&api(2)).await.unwrap();
    assert_eq!(observed.content.policies, api(2).content.policies);
    assert_eq!(observed.endpoint_urls, deployed.endpoint_urls);
}
