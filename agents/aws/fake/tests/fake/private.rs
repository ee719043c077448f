//! Private REST APIs: reached by the endpoints of private networks that their policy lets in.

use serde_json::{Value, json};

use crate::client::Client;
use crate::documents::pets;
use crate::upstream::Upstream;

fn policy(endpoint: &str) -> Value {
    let statement = |effect: &str, condition: Value| {
        json!({
            "Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
            "Condition": condition,
        })
    };
    let elsewhere = json!({"StringNotEquals": {"aws:SourceVpce": endpoint}});
    json!({"Version": "2012-10-17", "Statement": [statement("Allow", json!({})), statement("Deny", elsewhere)]})
}

#[tokio::test]
async fn a_private_api_needs_a_policy_and_an_endpoint() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let endpoint = json!({"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-1"]});
    let given = json!({"name": "Pets", "endpointConfiguration": endpoint});
    let api = client.call("POST", "/restapis", given).await.id();
    let mut document = pets(&upstream.url);
    let path = format!("/restapis/{api}?mode=overwrite");
    client.call("PUT", &path, document.clone()).await.ok();
    let deployments = format!("/restapis/{api}/deployments");
    let refused = client
        .call("POST", &deployments, json!({"stageName": "prod"}))
        .await;
    let said = "Private REST API doesn't have a resource policy attached to it";
    assert_eq!(refused.refusal(), (400, "BadRequestException", said));
    document["x-amazon-apigateway-policy"] = policy("vpce-1");
    client.call("PUT", &path, document).await.ok();
    client
        .call("POST", &deployments, json!({"stageName": "prod"}))
        .await
        .ok();
    let far = client.ask("GET", &format!("/{api}/prod/pets/7"), &[]).await;
    assert_eq!(far.status, 403);
    for (endpoint, expected) in [("vpce-1", 200), ("vpce-2", 403)] {
        let host = format!("{api}-{endpoint}.execute-api.eu-central-1.amazonaws.com");
        let answer = client.ask("GET", "/prod/pets/7", &[("host", &host)]).await;
        assert_eq!(answer.status, expected, "{endpoint}");
    }
}

#[tokio::test]
async fn a_definition_that_overwrites_forgets_the_endpoints_it_does_not_say() {
    let client = Client::start().await;
    let endpoint = json!({"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-1"]});
    let given = json!({"name": "Pets", "endpointConfiguration": endpoint});
    let api = client.call("POST", "/restapis", given).await.id();
    let path = format!("/restapis/{api}?mode=overwrite");
    let mut document = pets("http://127.0.0.1:9");
    let put = client.call("PUT", &path, document.clone()).await.ok();
    assert!(
        put["endpointConfiguration"].get("vpcEndpointIds").is_none(),
        "{put}"
    );
    let said = json!({"vpcEndpointIds": ["vpce-2"]});
    document["servers"] = json!([{"url": "/", "x-amazon-apigateway-endpoint-configuration": said}]);
    let put = client.call("PUT", &path, document).await.ok();
    assert_eq!(put["endpointConfiguration"]["vpcEndpointIds"], json!(["vpce-2"]));
}

#[tokio::test]
async fn only_private_apis_have_endpoints() {
    let client = Client::start().await;
    let endpoint = json!({"types": ["REGIONAL"], "vpcEndpointIds": ["vpce-1"]});
    let given = json!({"name": "Pets", "endpointConfiguration": endpoint});
    let refused = client.call("POST", "/restapis", given).await;
    let said = "VPCEndpoints can only be specified with PRIVATE apis.";
    assert_eq!(refused.refusal(), (400, "BadRequestException", said));
}
