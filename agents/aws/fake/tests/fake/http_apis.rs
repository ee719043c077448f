//! HTTP APIs from their creation to their end.

use gatehouse_fake_aws::FakeAwsOptions;
use serde_json::{Value, json};

use crate::client::Client;
use crate::documents::{document, proxied};

/// An operation of an HTTP API that passes on to an upstream.
pub(crate) fn route(method: &str, uri: &str) -> Value {
    json!({
        "responses": {"default": {"description": ""}},
        "x-amazon-apigateway-integration": {
            "type": "http_proxy", "httpMethod": method, "uri": uri, "payloadFormatVersion": "1.0",
        },
    })
}

/// An HTTP API that is made by a document.
pub(crate) async fn imported(client: &Client, document: &Value) -> String {
    let made = client
        .call("PUT", "/v2/apis", json!({ "body": document.to_string() }))
        .await
        .ok();
    made["apiId"].as_str().unwrap().to_owned()
}

/// Deploys what an HTTP API is now as stage `prod`.
pub(crate) async fn deploy(client: &Client, api: &str) -> String {
    let made = client
        .call("POST", &format!("/v2/apis/{api}/deployments"), json!({}))
        .await
        .ok();
    let deployment = made["deploymentId"].as_str().unwrap().to_owned();
    let given = json!({ "stageName": "prod", "deploymentId": deployment });
    let stages = format!("/v2/apis/{api}/stages");
    if client.call("POST", &stages, given).await.status == 409 {
        let path = format!("{stages}/prod");
        client
            .call("PATCH", &path, json!({ "deploymentId": deployment }))
            .await
            .ok();
    }
    deployment
}

#[tokio::test]
async fn an_api_is_imported_and_imported_again() {
    let client = Client::start().await;
    let mut described = document(
        "Pets",
        &[("/pets", "get", route("GET", "http://127.0.0.1:9/pets"))],
    );
    described["tags"] =
        json!([{"name": "gatehouse:api", "x-amazon-apigateway-tag-value": "1"}, {"name": "other"}]);
    described["x-amazon-apigateway-cors"] = json!({"allowOrigins": ["https://a.example"]});
    let api = imported(&client, &described).await;
    let path = format!("/v2/apis/{api}");
    let read = client.get(&path).await.ok();
    assert_eq!(
        (&read["name"], &read["version"], &read["protocolType"]),
        (&json!("Pets"), &json!("1.0"), &json!("HTTP"))
    );
    assert_eq!(read["tags"], json!({"gatehouse:api": "1"}));
    assert_eq!(
        read["corsConfiguration"]["allowOrigins"],
        json!(["https://a.example"])
    );
    let routes = client.get(&format!("{path}/routes")).await.ok();
    assert_eq!(routes["items"][0]["routeKey"], "GET /pets");
    let again = document(
        "Cats",
        &[(
            "/cats/{id}",
            "x-amazon-apigateway-any-method",
            route("ANY", "http://127.0.0.1:9/{id}"),
        )],
    );
    let put = client
        .call("PUT", &path, json!({ "body": again.to_string() }))
        .await
        .ok();
    assert_eq!(
        (&put["name"], put.get("corsConfiguration")),
        (&json!("Cats"), None)
    );
    let routes = client.get(&format!("{path}/routes")).await.ok();
    assert_eq!(routes["items"][0]["routeKey"], "ANY /cats/{id}");
    let integrations = client.get(&format!("{path}/integrations")).await.ok();
    assert_eq!(integrations["items"].as_array().unwrap().len(), 1);
    let wrong = client.call("PUT", "/v2/apis", json!({ "body": "none" })).await;
    assert_eq!(
        wrong.refusal(),
        (400, "BadRequestException", "Invalid OpenAPI input.")
    );
    let missing = client
        .call("PUT", "/v2/apis/none", json!({ "body": again.to_string() }))
        .await;
    assert_eq!(
        missing.refusal().2,
        "Invalid API identifier specified 111111111111:none"
    );
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test]
async fn parts_are_made_read_changed_and_deleted() {
    let client = Client::start().await;
    let given = json!({ "name": "a", "protocolType": "HTTP", "tags": {"a": "b"} });
    let api = client.call("POST", "/v2/apis", given).await.ok()["apiId"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v2/apis/{api}");
    let refused = client
        .call("POST", &format!("{path}/deployments"), json!({}))
        .await;
    assert_eq!(
        refused.refusal().2,
        "At least one route is required before deploying the Api."
    );
    let part = async |list: &str, id: &str, given: Value, change: Value| {
        let all = format!("{path}/{list}");
        let made = client.call("POST", &all, given).await.ok();
        let id = made[id].as_str().unwrap().to_owned();
        assert_eq!(client.get(&format!("{all}/{id}")).await.ok(), made);
        client
            .call("PATCH", &format!("{all}/{id}"), change.clone())
            .await
            .ok();
        assert_eq!(client.get(&all).await.ok()["items"].as_array().unwrap().len(), 1);
        id
    };
    let integration = json!({
        "integrationType": "HTTP_PROXY", "integrationMethod": "GET", "integrationUri": "http://127.0.0.1:9/",
    });
    let integration = part(
        "integrations",
        "integrationId",
        integration,
        json!({ "timeoutInMillis": 1000 }),
    )
    .await;
    let authorizer = json!({
        "name": "jwt", "authorizerType": "JWT", "identitySource": ["$request.header.Authorization"],
        "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["a"]},
    });
    let authorizer = part(
        "authorizers",
        "authorizerId",
        authorizer,
        json!({ "name": "tokens" }),
    )
    .await;
    let route = json!({
        "routeKey": "GET /pets", "target": format!("integrations/{integration}"), "authorizationType": "JWT",
        "authorizerId": authorizer, "authorizationScopes": ["read"],
    });
    let id = part(
        "routes",
        "routeId",
        route.clone(),
        json!({ "operationName": "list" }),
    )
    .await;
    let twice = client.call("POST", &format!("{path}/routes"), route).await;
    assert_eq!(
        twice.refusal(),
        (
            409,
            "ConflictException",
            "Route with key GET /pets already exists for this API"
        )
    );
    let used = client
        .call(
            "DELETE",
            &format!("{path}/integrations/{integration}"),
            Value::Null,
        )
        .await;
    assert_eq!(used.refusal().1, "ConflictException");
    for one in [
        format!("routes/{id}"),
        format!("integrations/{integration}"),
        format!("authorizers/{authorizer}"),
    ] {
        let one = format!("{path}/{one}");
        assert_eq!(client.call("DELETE", &one, Value::Null).await.status, 204);
        assert_eq!(client.call("DELETE", &one, Value::Null).await.status, 404);
    }
}

#[tokio::test]
async fn stages_keep_what_is_not_sent() {
    let client = Client::start().await;
    let api = imported(
        &client,
        &document("Pets", &[("/pets", "get", route("GET", "http://127.0.0.1:9/"))]),
    )
    .await;
    let deployment = deploy(&client, &api).await;
    let path = format!("/v2/apis/{api}/stages/prod");
    let change = json!({
        "stageVariables": {"a": "1", "b": "2"}, "routeSettings": {"GET /pets": {"throttlingRateLimit": 1.0, "throttlingBurstLimit": 2}},
    });
    client.call("PATCH", &path, change).await.ok();
    let changed = client
        .call("PATCH", &path, json!({ "stageVariables": {"a": "", "c": "3"} }))
        .await
        .ok();
    assert_eq!(changed["stageVariables"], json!({"b": "2", "c": "3"}));
    assert_eq!(changed["deploymentId"], deployment);
    let settings = format!("{path}/routesettings/GET%20%2Fpets");
    assert_eq!(client.call("DELETE", &settings, Value::Null).await.status, 204);
    assert_eq!(client.call("DELETE", &settings, Value::Null).await.status, 404);
    assert_eq!(client.get(&path).await.ok()["routeSettings"], json!({}));
    let deployments = format!("/v2/apis/{api}/deployments");
    assert_eq!(
        client.get(&deployments).await.ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let in_use = format!("{deployments}/{deployment}");
    client.get(&in_use).await.ok();
    client
        .call("PATCH", &in_use, json!({ "description": "first" }))
        .await
        .ok();
    assert_eq!(client.call("DELETE", &in_use, Value::Null).await.status, 400);
    client.get(&format!("/v2/apis/{api}/stages")).await.ok();
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(client.call("DELETE", &in_use, Value::Null).await.status, 204);
}

#[tokio::test]
async fn an_export_is_a_stages_snapshot() {
    let client = Client::start().await;
    let api = imported(
        &client,
        &document(
            "Pets",
            &[("/pets/{id}", "get", route("GET", "http://127.0.0.1:9/{id}"))],
        ),
    )
    .await;
    deploy(&client, &api).await;
    let cats = document("Cats", &[("/cats", "get", route("GET", "http://127.0.0.1:9/"))]);
    client
        .call(
            "PUT",
            &format!("/v2/apis/{api}"),
            json!({ "body": cats.to_string() }),
        )
        .await
        .ok();
    let export = format!("/v2/apis/{api}/exports/OAS30?outputType=JSON");
    let of_stage = client.get(&format!("{export}&stageName=prod")).await.body;
    assert_eq!(of_stage["info"]["title"], "Pets");
    let integration = &of_stage["paths"]["/pets/{id}"]["get"]["x-amazon-apigateway-integration"];
    assert_eq!(
        (&integration["type"], &integration["httpMethod"]),
        (&json!("http_proxy"), &json!("GET"))
    );
    assert_eq!(client.get(&export).await.body["info"]["title"], "Cats");
    let bare = client
        .get(&format!("{export}&stageName=prod&includeExtensions=false"))
        .await;
    assert!(!bare.text.contains("x-amazon-apigateway"), "{}", bare.text);
}

#[tokio::test]
async fn tags_and_websockets_are_listed() {
    let client = Client::start().await;
    let socket = json!({ "name": "chat", "protocolType": "WEBSOCKET", "routeSelectionExpression": "$request.body.action" });
    let made = client.call("POST", "/v2/apis", socket).await.ok();
    let api = made["apiId"].as_str().unwrap();
    assert!(made["apiEndpoint"].as_str().unwrap().starts_with("wss://"));
    let arn = format!("/v2/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Fapis%2F{api}");
    assert_eq!(
        client
            .call("POST", &arn, json!({ "tags": {"a": "b"} }))
            .await
            .status,
        201
    );
    assert_eq!(client.get(&arn).await.ok()["tags"], json!({"a": "b"}));
    assert_eq!(
        client.get("/v2/apis").await.ok()["items"][0]["tags"],
        json!({"a": "b"})
    );
    assert_eq!(
        client
            .call("DELETE", &format!("{arn}?tagKeys=a"), Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(client.get(&arn).await.ok()["tags"], json!({}));
}

#[tokio::test]
async fn an_api_has_at_most_300_routes() {
    let options = FakeAwsOptions {
        routes_per_http_api: 1,
        ..FakeAwsOptions::default()
    };
    let client = Client::with(options).await;
    let get = || proxied("GET", "http://127.0.0.1:9/", &[]);
    let two = document("A", &[("/a", "get", get()), ("/b", "get", get())]);
    let refused = client
        .call("PUT", "/v2/apis", json!({ "body": two.to_string() }))
        .await;
    assert_eq!(
        (refused.status, refused.refusal().1),
        (429, "TooManyRequestsException")
    );
}
