//! A REST API from its creation to its end, as a connector deploys it.

use serde_json::{Value, json};

use crate::client::Client;
use crate::documents::{document, pets, proxied};
use crate::upstream::Upstream;

/// A REST API that is deployed as stage `prod`: its id and that of the deployment.
pub(crate) async fn deployed(client: &Client, document: &Value) -> (String, String) {
    let given = json!({ "name": "made", "endpointConfiguration": {"types": ["REGIONAL"]} });
    let api = client.call("POST", "/restapis", given).await.id();
    let deployment = put(client, &api, document).await;
    let stage = json!({ "stageName": "prod", "deploymentId": deployment });
    client
        .call("POST", &format!("/restapis/{api}/stages"), stage)
        .await
        .ok();
    (api, deployment)
}

/// Puts a document in the place of what is there, and deploys it to no stage.
pub(crate) async fn put(client: &Client, api: &str, document: &Value) -> String {
    let path = format!("/restapis/{api}?mode=overwrite");
    client.call("PUT", &path, document.clone()).await.ok();
    let deployment = client
        .call("POST", &format!("/restapis/{api}/deployments"), json!({}))
        .await;
    deployment.id()
}

#[tokio::test]
async fn a_stage_serves_its_deployment_and_nothing_newer() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, first) = deployed(&client, &pets(&upstream.url)).await;
    let answer = client.ask("GET", &format!("/{api}/prod/pets/7?x=1"), &[]).await;
    assert_eq!(
        (answer.status, answer.body["path"].as_str()),
        (200, Some("/pets/7"))
    );
    assert_eq!(answer.body["query"], "x=1");

    let changed = document(
        "Pets",
        &[(
            "/cats",
            "get",
            proxied("GET", &format!("{}/cats", upstream.url), &[]),
        )],
    );
    let second = put(&client, &api, &changed).await;
    assert_eq!(
        client.ask("GET", &format!("/{api}/prod/pets"), &[]).await.status,
        200
    );

    let stage = format!("/restapis/{api}/stages/prod");
    let switched = [
        ("replace", "/deploymentId", second.as_str()),
        ("replace", "/variables/record0", "abc"),
    ];
    let answer = client.patch(&stage, &switched).await.ok();
    assert_eq!(answer["variables"]["record0"], "abc");
    let gone = client.ask("GET", &format!("/{api}/prod/pets"), &[]).await;
    assert_eq!(
        (gone.status, gone.body["message"].as_str()),
        (403, Some("Missing Authentication Token"))
    );
    assert_eq!(
        client.ask("GET", &format!("/{api}/prod/cats"), &[]).await.status,
        200
    );

    client
        .patch(&stage, &[("replace", "/deploymentId", &first)])
        .await
        .ok();
    assert_eq!(
        client.ask("GET", &format!("/{api}/prod/pets"), &[]).await.status,
        200
    );
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, deployment) = deployed(&client, &pets(&upstream.url)).await;
    let path = format!("/restapis/{api}/deployments/{deployment}");
    let refused = client.call("DELETE", &path, Value::Null).await;
    let said = "Active stages pointing to this deployment must be moved or deleted";
    assert_eq!(refused.refusal(), (400, "BadRequestException", said));
    let stage = format!("/restapis/{api}/stages/prod");
    assert_eq!(client.call("DELETE", &stage, Value::Null).await.status, 202);
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 202);
    let again = client.call("DELETE", &path, Value::Null).await;
    let said = "Invalid Deployment identifier specified";
    assert_eq!(again.refusal(), (404, "NotFoundException", said));
    let api = format!("/restapis/{api}");
    assert_eq!(client.call("DELETE", &api, Value::Null).await.status, 202);
    assert_eq!(client.call("DELETE", &api, Value::Null).await.status, 404);
}

#[tokio::test]
async fn an_api_that_leads_nowhere_is_not_deployed() {
    let client = Client::start().await;
    let api = client
        .call("POST", "/restapis", json!({ "name": "empty" }))
        .await
        .id();
    let deployments = format!("/restapis/{api}/deployments");
    let refused = client.call("POST", &deployments, json!({})).await;
    let said = "The REST API doesn't contain any methods";
    assert_eq!(refused.refusal(), (400, "BadRequestException", said));
    let bare = document("Bare", &[("/pets", "get", json!({ "responses": {} }))]);
    client
        .call("PUT", &format!("/restapis/{api}?mode=overwrite"), bare)
        .await
        .ok();
    let refused = client.call("POST", &deployments, json!({})).await;
    assert_eq!(
        refused.refusal(),
        (400, "BadRequestException", "No integration defined for method")
    );
}

#[tokio::test]
async fn the_wrong_document_is_told_before_the_wrong_api() {
    let client = Client::start().await;
    let refused = client
        .call("PUT", "/restapis/none000000", json!({ "no": "document" }))
        .await;
    assert_eq!(
        refused.refusal(),
        (400, "BadRequestException", "Invalid OpenAPI input.")
    );
    let refused = client
        .call("PUT", "/restapis/none000000", pets("http://127.0.0.1"))
        .await;
    let said = "Invalid API identifier specified 111111111111:none000000";
    assert_eq!(refused.refusal(), (404, "NotFoundException", said));
}
