//! What consumers of REST APIs are answered.

use gatehouse_fake_aws::Decision;
use serde_json::{Value, json};

use crate::client::Client;
use crate::deploy::{deployed, put};
use crate::documents::{document, pets, proxied};
use crate::upstream::Upstream;

#[tokio::test]
async fn requests_are_passed_on_with_what_is_mapped() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let mut operation = proxied("ANY", &format!("{}/in/{{rest}}", upstream.url), &["rest"]);
    let mapped = &mut operation["x-amazon-apigateway-integration"]["requestParameters"];
    mapped["integration.request.header.x-added"] = json!("'always'");
    mapped["integration.request.querystring.source"] = json!("context.identity.sourceIp");
    let paths = document("A", &[("/{rest+}", "x-amazon-apigateway-any-method", operation)]);
    let (api, _) = deployed(&client, &paths).await;
    let path = format!("/{api}/prod/a/b%20c?x=1&y=%2F");
    let answer = client.send("POST", &path, &[("x-own", "1")], "body").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&answer.body["method"], &answer.body["path"]),
        (&json!("POST"), &json!("/in/a/b%20c"))
    );
    assert_eq!(answer.body["query"], "x=1&y=%2F&source=127%2E0%2E0%2E1");
    assert_eq!(answer.body["body"], "body");
    let headers = &answer.body["headers"];
    assert_eq!(
        (&headers["x-added"], &headers["x-own"]),
        (&json!("always"), &json!("1"))
    );
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert!(answer.header("x-amzn-remapped-date").is_some());
}

#[tokio::test]
async fn every_status_of_the_upstream_is_passed_on() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let get = proxied("GET", &format!("{}/status/{{code}}", upstream.url), &["code"]);
    let (api, _) = deployed(&client, &document("A", &[("/{code}", "get", get)])).await;
    for status in [201, 302, 404, 418, 503] {
        let answer = client.ask("GET", &format!("/{api}/prod/{status}"), &[]).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("location"), Some("/elsewhere"));
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_an_error_of_the_gateway() {
    let client = Client::start().await;
    let (api, _) = deployed(&client, &pets("http://127.0.0.1:9")).await;
    let answer = client.ask("GET", &format!("/{api}/prod/pets"), &[]).await;
    let said = json!("Network error communicating with endpoint");
    assert_eq!((answer.status, &answer.body["message"]), (504, &said));
}

#[tokio::test]
async fn what_is_not_there_is_forbidden() {
    let client = Client::start().await;
    let (api, _) = deployed(&client, &pets("http://127.0.0.1:9")).await;
    for path in ["/none/prod/pets".to_owned(), format!("/{api}/none/pets")] {
        let answer = client.ask("GET", &path, &[]).await;
        assert_eq!(
            (answer.status, &answer.body["message"]),
            (403, &json!("Forbidden")),
            "{path}"
        );
    }
    let answer = client.ask("DELETE", &format!("/{api}/prod/pets"), &[]).await;
    assert_eq!(
        answer.header("x-amzn-errortype"),
        Some("MissingAuthenticationTokenException")
    );
    client
        .patch(
            &format!("/restapis/{api}"),
            &[("replace", "/disableExecuteApiEndpoint", "true")],
        )
        .await
        .ok();
    let answer = client.ask("GET", &format!("/{api}/prod/none"), &[]).await;
    assert_eq!(answer.body["message"], "Missing Authentication Token");
    let deployment = client
        .call("POST", &format!("/restapis/{api}/deployments"), json!({}))
        .await
        .id();
    client
        .patch(
            &format!("/restapis/{api}/stages/prod"),
            &[("replace", "/deploymentId", &deployment)],
        )
        .await
        .ok();
    assert_eq!(
        client.ask("GET", &format!("/{api}/prod/pets"), &[]).await.body["message"],
        "Forbidden"
    );
}

fn authorized(upstream: &str, kind: &str, authorizer: Value) -> Value {
    let mut operation = proxied("GET", &format!("{upstream}/pets"), &[]);
    operation["security"] = json!([{"login": []}]);
    let mut document = document("A", &[("/pets", "get", operation)]);
    document["components"] = json!({"securitySchemes": {"login": {
        "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": kind,
        "x-amazon-apigateway-authorizer": authorizer,
    }}});
    document
}

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111111111111:function:auth";
const POOL: &str = "arn:aws:cognito-idp:eu-central-1:111111111111:userpool/eu-central-1_a";

#[tokio::test]
async fn a_function_or_a_user_pool_decides_by_token() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let uri =
        format!("arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations");
    let documents = [
        (
            FUNCTION,
            authorized(
                &upstream.url,
                "custom",
                json!({"type": "token", "authorizerUri": uri}),
            ),
        ),
        (
            POOL,
            authorized(
                &upstream.url,
                "cognito_user_pools",
                json!({"type": "cognito_user_pools", "providerARNs": [POOL]}),
            ),
        ),
    ];
    for (judge, document) in documents {
        let (api, _) = deployed(&client, &document).await;
        client.aws.decide(judge, "good", Decision::Allow);
        client.aws.decide(judge, "bad", Decision::Unauthorized);
        let ask = async |token: &str| {
            let headers = [("authorization", token)];
            let headers = if token.is_empty() {
                &headers[..0]
            } else {
                &headers[..]
            };
            client.ask("GET", &format!("/{api}/prod/pets"), headers).await
        };
        let answers = [
            ask("").await.status,
            ask("good").await.status,
            ask("bad").await.status,
            ask("other").await.status,
        ];
        assert_eq!(answers, [401, 200, 401, 403], "{judge}");
        let said = "User is not authorized to access this resource";
        assert_eq!(ask("other").await.body["message"], said);
    }
}

#[tokio::test]
async fn a_resource_policy_is_that_of_the_deployment() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let mut document = pets(&upstream.url);
    let (api, _) = deployed(&client, &document).await;
    document["x-amazon-apigateway-policy"] = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {
            "Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
            "Condition": {"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}},
        },
    ]});
    let path = format!("/{api}/prod/pets");
    let deployment = put(&client, &api, &document).await;
    assert_eq!(client.ask("GET", &path, &[]).await.status, 200);
    client
        .patch(
            &format!("/restapis/{api}/stages/prod"),
            &[("replace", "/deploymentId", &deployment)],
        )
        .await
        .ok();
    let answer = client.ask("GET", &path, &[]).await;
    let arn = format!("arn:aws:execute-api:eu-central-1:********1111:{api}/prod/GET/pets");
    let said = format!("User: anonymous is not authorized to perform: execute-api:Invoke on resource: {arn}");
    assert_eq!(
        (answer.status, answer.body["message"].as_str().unwrap()),
        (403, said.as_str())
    );
}

#[tokio::test]
async fn mocks_and_gateway_responses_are_made_of_templates() {
    let client = Client::start().await;
    let mock = json!({
        "responses": {"200": {"description": "", "headers": {"Access-Control-Allow-Origin": {"schema": {"type": "string"}}}}},
        "x-amazon-apigateway-integration": {
            "type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 204}"},
            "responses": {"default": {
                "statusCode": "204",
                "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'https://a.example'"},
            }},
        },
    });
    let mut document = document("A", &[("/pets", "options", mock)]);
    document["x-amazon-apigateway-gateway-responses"] = json!({
        "DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}},
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": 404, "responseTemplates": {"application/json": "{\"said\":$context.error.messageString}"},
        },
    });
    let (api, _) = deployed(&client, &document).await;
    let answer = client.ask("OPTIONS", &format!("/{api}/prod/pets"), &[]).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (204, Some("https://a.example"))
    );
    let answer = client.ask("GET", &format!("/{api}/prod/pets"), &[]).await;
    assert_eq!(
        (answer.status, answer.body),
        (404, json!({"said": "Missing Authentication Token"}))
    );
}

#[tokio::test]
async fn validators_ask_for_what_is_required() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let mut operation = proxied("POST", &format!("{}/pets", upstream.url), &[]);
    operation["parameters"] = json!([
        {"name": "q", "in": "query", "required": true, "schema": {"type": "string"}},
        {"name": "x-need", "in": "header", "required": true, "schema": {"type": "string"}},
    ]);
    operation["requestBody"] = json!({"content": {"application/json": {"schema": {"type": "object"}}}});
    operation["x-amazon-apigateway-request-validator"] = json!("all");
    let mut document = document("A", &[("/pets", "post", operation)]);
    document["x-amazon-apigateway-request-validators"] =
        json!({"all": {"validateRequestBody": true, "validateRequestParameters": true}});
    let (api, _) = deployed(&client, &document).await;
    let path = format!("/{api}/prod/pets");
    let answer = client.send("POST", &path, &[], "{}").await;
    let said = "Missing required request parameters: [x-need, q]";
    assert_eq!(
        (answer.status, answer.body["message"].as_str()),
        (400, Some(said))
    );
    let answer = client
        .send("POST", &format!("{path}?q=1"), &[("x-need", "1")], "no json")
        .await;
    assert_eq!(
        (answer.status, answer.body["message"].as_str()),
        (400, Some("Invalid request body"))
    );
    assert_eq!(
        client
            .send("POST", &format!("{path}?q=1"), &[("x-need", "1")], "{}")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_stage_says_how_fast() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, _) = deployed(&client, &pets(&upstream.url)).await;
    let patches = [
        ("replace", "/~1pets/GET/throttling/rateLimit", "0"),
        ("replace", "/~1pets/GET/throttling/burstLimit", "1"),
    ];
    client
        .patch(&format!("/restapis/{api}/stages/prod"), &patches)
        .await
        .ok();
    let path = format!("/{api}/prod/pets");
    assert_eq!(client.ask("GET", &path, &[]).await.status, 200);
    let answer = client.ask("GET", &path, &[]).await;
    assert_eq!(
        (answer.status, &answer.body["message"]),
        (429, &json!("Too Many Requests"))
    );
    assert_eq!(client.ask("GET", &format!("{path}/1"), &[]).await.status, 200);
}

#[tokio::test]
async fn stage_variables_are_in_addresses() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let get = proxied("GET", "http://${stageVariables.host}/pets", &[]);
    let (api, _) = deployed(&client, &document("A", &[("/pets", "get", get)])).await;
    let host = upstream.url.trim_start_matches("http://").to_owned();
    client
        .patch(
            &format!("/restapis/{api}/stages/prod"),
            &[("replace", "/variables/host", &host)],
        )
        .await
        .ok();
    assert_eq!(
        client.ask("GET", &format!("/{api}/prod/pets"), &[]).await.status,
        200
    );
}
