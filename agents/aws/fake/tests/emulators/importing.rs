//! What a document means that is put to MiniStack: the connector's tests build on it.

use gatehouse_fake_aws::emulators::{Emulator, Importing, function};
use reqwest::{Client, Method, header::AUTHORIZATION};
use serde_json::{Value, json};

const CODE: &str = r#"
def handler(event, context):
    if event.get("authorizationToken") != "Bearer good":
        raise Exception("Unauthorized")
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}
    return {"principalId": "caller", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"#;

async fn call(front: &Importing, method: Method, path: &str, body: &Value) -> Value {
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/apigateway/aws4_request";
    let url = format!("{}{path}", front.endpoint());
    let request = Client::builder().no_proxy().build().unwrap().request(method, url);
    let response = request
        .header(AUTHORIZATION, scope)
        .json(body)
        .send()
        .await
        .unwrap();
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.json().await.unwrap()
}

fn document(function: &str) -> Value {
    let uri =
        format!("arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{function}/invocations");
    json!({
        "openapi": "3.0.1", "info": {"title": "orders", "version": "1"},
        "paths": {"/orders": {"get": {
            "responses": {}, "security": [{"token": []}],
            "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://127.0.0.1:9/"},
        }}},
        "components": {"securitySchemes": {"token": {
            "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": uri},
        }}},
    })
}

#[tokio::test]
async fn a_document_that_is_put_to_ministack_is_served_with_its_authorizer() {
    let Some(ministack) = Emulator::MiniStack.start().await.unwrap() else {
        return;
    };
    let function = function(ministack.endpoint(), "authorize", CODE).await.unwrap();
    let front = Importing::in_front_of(ministack).await.unwrap();
    let api = call(
        &front,
        Method::POST,
        "/restapis",
        &json!({"name": "orders", "tags": {"ours": "yes"}}),
    )
    .await;
    let id = api["id"].as_str().unwrap();
    let put = call(
        &front,
        Method::PUT,
        &format!("/restapis/{id}"),
        &document(&function),
    )
    .await;
    assert_eq!((&put["id"], &put["tags"]["ours"]), (&json!(id), &json!("yes")));
    let deployments = format!("/restapis/{id}/deployments");
    call(&front, Method::POST, &deployments, &json!({"stageName": "live"})).await;
    let url = front.data_plane().replace("{api}", id).replace("{stage}", "live");
    let client = Client::builder().no_proxy().build().unwrap();
    let mut seen = Vec::new();
    for token in ["", "Bearer bad", "Bearer good"] {
        let request = client.get(format!("{url}/orders")).header(AUTHORIZATION, token);
        seen.push(request.send().await.unwrap().status().as_u16());
    }
    // Nobody listens where the integration leads.
    assert_eq!(seen, [401, 401, 500]);
}
