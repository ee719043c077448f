//! What consumers of HTTP APIs are answered.

use axum::{Json, Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatehouse_fake_aws::Decision;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::documents::document;
use crate::http_apis::{deploy, imported, route};
use crate::upstream::Upstream;

#[tokio::test]
async fn routes_are_chosen_and_variables_filled_in() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let to = |path: &str| format!("{}{path}", upstream.url);
    let api = imported(
        &client,
        &document(
            "A",
            &[
                ("/pets/{id}", "get", route("GET", &to("/one/{id}"))),
                (
                    "/pets/mine",
                    "x-amazon-apigateway-any-method",
                    route("ANY", &to("/mine")),
                ),
                ("/files/{path+}", "get", route("GET", &to("/files/{path}"))),
                (
                    "/$default",
                    "x-amazon-apigateway-any-method",
                    route("ANY", &to("/rest")),
                ),
            ],
        ),
    )
    .await;
    deploy(&client, &api).await;
    let path = async |method: &str, path: &str| {
        let answer = client.ask(method, &format!("/{api}/prod{path}"), &[]).await;
        answer.body["path"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(path("GET", "/pets/7").await, "/one/7");
    assert_eq!(path("GET", "/pets/mine").await, "/mine");
    assert_eq!(path("GET", "/files/a/b").await, "/files/a/b");
    assert_eq!(path("DELETE", "/pets/7").await, "/rest");
}

#[tokio::test]
async fn a_path_without_a_route_is_not_found() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let api = imported(
        &client,
        &document("A", &[("/pets", "get", route("GET", &upstream.url))]),
    )
    .await;
    assert_eq!(
        client.ask("GET", &format!("/{api}/prod/pets"), &[]).await.status,
        403
    );
    deploy(&client, &api).await;
    let answer = client.ask("GET", &format!("/{api}/prod/cats"), &[]).await;
    assert_eq!(
        (answer.status, answer.body),
        (404, json!({"message": "Not Found"}))
    );
}

#[tokio::test]
async fn parameters_are_overwritten_appended_and_removed() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let mut operation = route("ANY", &format!("{}/a", upstream.url));
    operation["x-amazon-apigateway-integration"]["requestParameters"] = json!({
        "overwrite:path": "/b/$request.path.id", "overwrite:header.x-set": "${request.header.x-own}!",
        "remove:header.x-own": "''", "append:querystring.more": "1", "remove:querystring.secret": "''",
    });
    operation["x-amazon-apigateway-integration"]["requestParameters"]["overwrite:path"] =
        json!("/b/${request.path.id}");
    let api = imported(&client, &document("A", &[("/pets/{id}", "get", operation)])).await;
    deploy(&client, &api).await;
    let answer = client
        .ask(
            "GET",
            &format!("/{api}/prod/pets/7?secret=1&x=2"),
            &[("x-own", "me")],
        )
        .await;
    assert_eq!(
        (&answer.body["path"], &answer.body["query"]),
        (&json!("/b/7"), &json!("x=2&more=1"))
    );
    let headers = &answer.body["headers"];
    assert_eq!((&headers["x-set"], headers.get("x-own")), (&json!("me!"), None));
}

#[tokio::test]
async fn cors_is_the_apis_own() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let mut described = document("A", &[("/pets", "get", route("GET", &upstream.url))]);
    described["x-amazon-apigateway-cors"] = json!({
        "allowOrigins": ["https://a.example"], "allowMethods": ["GET"], "allowHeaders": ["x-a"], "maxAge": 60,
        "exposeHeaders": ["x-b"], "allowCredentials": true,
    });
    let api = imported(&client, &described).await;
    deploy(&client, &api).await;
    let path = format!("/{api}/prod/pets");
    let ask = async |method: &str, origin: &str| {
        client
            .ask(
                method,
                &path,
                &[("origin", origin), ("access-control-request-method", "GET")],
            )
            .await
    };
    let preflight = ask("OPTIONS", "https://a.example").await;
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-origin")),
        (204, Some("https://a.example"))
    );
    assert_eq!(preflight.header("access-control-max-age"), Some("60"));
    assert_eq!(
        ask("OPTIONS", "https://b.example")
            .await
            .header("access-control-allow-origin"),
        None
    );
    let answer = ask("GET", "https://a.example").await;
    assert_eq!(answer.header("access-control-expose-headers"), Some("x-b"));
}

const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";

/// An issuer with one key, which it shows at its own address.
async fn issuer() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
    let key = json!({ "kty": "oct", "kid": "1", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let routes = Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(async move || Json(discovery)),
        )
        .route("/keys", get(async move || Json(json!({ "keys": [key] }))));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

fn token(claims: Value) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("1".to_owned());
    encode(&header, &claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

#[tokio::test]
async fn tokens_are_those_of_the_issuer() {
    let (client, upstream, issuer) = (Client::start().await, Upstream::start().await, issuer().await);
    let mut operation = route("GET", &upstream.url);
    operation["security"] = json!([{"jwt": ["read"]}]);
    let mut described = document("A", &[("/pets", "get", operation)]);
    described["components"] = json!({"securitySchemes": {"jwt": {
        "type": "oauth2", "flows": {}, "x-amazon-apigateway-authorizer": {
            "type": "jwt", "identitySource": "$request.header.Authorization",
            "jwtConfiguration": {"issuer": issuer, "audience": ["pets"]},
        },
    }}});
    let api = imported(&client, &described).await;
    deploy(&client, &api).await;
    let ask = async |token: Option<String>| {
        let value = format!("Bearer {}", token.clone().unwrap_or_default());
        let headers = [("authorization", value.as_str())];
        let headers = if token.is_some() {
            &headers[..]
        } else {
            &headers[..0]
        };
        client.ask("GET", &format!("/{api}/prod/pets"), headers).await
    };
    let good = json!({ "iss": issuer, "aud": "pets", "exp": 4_000_000_000_u64, "scope": "read write" });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        Some(token(claims))
    };
    assert_eq!(ask(Some(token(good.clone()))).await.status, 200);
    assert_eq!(ask(None).await.status, 401);
    for claims in [
        with("aud", json!("cats")),
        with("exp", json!(1)),
        with("iss", json!("other")),
    ] {
        let answer = ask(claims).await;
        assert_eq!(
            (answer.status, &answer.body["message"]),
            (401, &json!("Unauthorized"))
        );
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .contains("invalid_token")
        );
    }
    assert_eq!(ask(with("scope", json!("write"))).await.status, 403);
    let forged = token(good.clone()).replace('.', ".e30").replacen(".e30", ".", 1);
    assert_eq!(ask(Some(forged)).await.status, 401);
}

#[tokio::test]
async fn a_function_decides_by_token() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let function = "arn:aws:lambda:eu-central-1:111111111111:function:auth";
    let uri =
        format!("arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{function}/invocations");
    let mut described = document("A", &[("/pets", "get", route("GET", &upstream.url))]);
    described["security"] = json!([{"login": []}]);
    described["components"] = json!({"securitySchemes": {"login": {
        "type": "apiKey", "name": "x-token", "in": "header", "x-amazon-apigateway-authorizer": {
            "type": "request", "identitySource": "$request.header.x-token", "authorizerUri": uri,
            "authorizerPayloadFormatVersion": "2.0", "enableSimpleResponses": true,
        },
    }}});
    let api = imported(&client, &described).await;
    deploy(&client, &api).await;
    client.aws.decide(function, "good", Decision::Allow);
    let ask = async |headers: &[(&str, &str)]| {
        client
            .ask("GET", &format!("/{api}/prod/pets"), headers)
            .await
            .status
    };
    assert_eq!(ask(&[]).await, 401);
    assert_eq!(ask(&[("x-token", "good")]).await, 200);
    assert_eq!(ask(&[("x-token", "bad")]).await, 403);
}

#[tokio::test]
async fn a_stage_that_deploys_by_itself_follows_and_needs_no_name_in_paths() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let api = imported(
        &client,
        &document("A", &[("/pets", "get", route("GET", &upstream.url))]),
    )
    .await;
    let stages = format!("/v2/apis/{api}/stages");
    client
        .call(
            "POST",
            &stages,
            json!({ "stageName": "$default", "autoDeploy": true }),
        )
        .await
        .ok();
    assert_eq!(client.ask("GET", &format!("/{api}/pets"), &[]).await.status, 200);
    assert_eq!(
        client
            .ask("GET", &format!("/{api}/$default/pets"), &[])
            .await
            .status,
        200
    );
    let cats = document("A", &[("/cats", "get", route("GET", &upstream.url))]);
    client
        .call(
            "PUT",
            &format!("/v2/apis/{api}"),
            json!({ "body": cats.to_string() }),
        )
        .await
        .ok();
    assert_eq!(client.ask("GET", &format!("/{api}/cats"), &[]).await.status, 200);
    assert_eq!(client.ask("GET", &format!("/{api}/pets"), &[]).await.status, 404);
}
