//! Opaque tokens, and the authorization server that is asked about them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use gatehouse_gateway_core::{ApiConfig, ApplyError, Gateway, GatewayOptions, Secret};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use crate::support::{api, document, echo, gateway, raw, status};

const CLIENT_SECRET: &str = "s3cret+/";

/// A fake authorization server: real HTTP, the introspection endpoint of RFC 7662 and nothing else.
#[derive(Clone)]
struct FakeAuthorizationServer {
    address: SocketAddr,
    tokens: Arc<Mutex<BTreeMap<String, Value>>>,
    /// What it answers instead of what is right.
    wrong: Arc<Mutex<Option<(StatusCode, String)>>>,
    asked: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// Answers wait for this.
    open: watch::Sender<bool>,
}

impl FakeAuthorizationServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            tokens: Arc::default(),
            wrong: Arc::default(),
            asked: Arc::default(),
            connections: Arc::default(),
            open: watch::Sender::new(true),
        };
        let this = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                this.connections.fetch_add(1, Ordering::Relaxed);
                let this = this.clone();
                let service = service_fn(move |request| {
                    let this = this.clone();
                    async move { Ok::<_, Infallible>(this.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        server
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        let (status, text) = match self.wrong.lock().expect("not poisoned").clone() {
            Some(wrong) => wrong,
            None => self.introspect(&head, &body),
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        response
    }

    fn introspect(&self, head: &http::request::Parts, body: &[u8]) -> (StatusCode, String) {
        // Identifier and secret are encoded as in a form before they are joined (RFC 6749, section 2.3.1).
        let expected = format!("Basic {}", STANDARD.encode("gate%20way:s3cret%2B%2F"));
        if head
            .headers
            .get("authorization")
            .is_none_or(|given| given != expected.as_str())
        {
            return (StatusCode::UNAUTHORIZED, "{}".to_owned());
        }
        assert_eq!(head.method, "POST");
        assert_eq!(head.uri, "/introspect");
        assert_eq!(head.headers["content-type"], "application/x-www-form-urlencoded");
        let form = std::str::from_utf8(body).expect("text");
        let token = form.split('&').find_map(|pair| pair.strip_prefix("token="));
        let token = percent_encoding::percent_decode_str(token.expect("a token"));
        let token = token.decode_utf8().expect("text").into_owned();
        let known = self.tokens.lock().expect("not poisoned").get(&token).cloned();
        let answer = known.unwrap_or_else(|| json!({"active": false}));
        (StatusCode::OK, answer.to_string())
    }

    fn issue(&self, token: &str, claims: Value) {
        let mut answer = json!({
            "active": true, "sub": "ann", "client_id": "shop", "aud": ["orders"], "scope": "read write",
            "exp": jsonwebtoken::get_current_timestamp() + 600,
        });
        for (claim, value) in claims.as_object().expect("claims") {
            answer[claim] = value.clone();
        }
        self.tokens
            .lock()
            .expect("not poisoned")
            .insert(token.to_owned(), answer);
    }

    fn revoke(&self, token: &str) {
        self.tokens.lock().expect("not poisoned").remove(token);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn api(&self, fields: Value) -> ApiConfig {
        let mut with = json!({
            "introspectionUrl": format!("http://{}/introspect", self.address),
            "clientId": "gate way", "clientSecretRef": "client-secret",
        });
        for (field, value) in fields.as_object().expect("fields") {
            with[field] = value.clone();
        }
        let mut config = api(
            "a",
            echo().await,
            json!({"policies": [{"type": "auth.oauth2", "with": with}]}),
        );
        let secret = Secret::from(CLIENT_SECRET.to_owned());
        config
            .secrets
            .insert("client-secret".parse().expect("a name"), secret);
        config
    }
}

async fn call(gateway: &Gateway, token: &str) -> String {
    let request =
        format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    raw(gateway, &request).await
}

#[tokio::test]
async fn active_tokens_with_audience_and_scopes_come_through_and_others_are_told_why() {
    let (gateway, server) = (gateway().await, FakeAuthorizationServer::start().await);
    let fields = json!({"audiences": ["orders", "other"], "requiredScopes": ["read"]});
    gateway.put_api(server.api(fields).await).await.expect("applied");
    let now = jsonwebtoken::get_current_timestamp();
    for (claims, expected, challenge) in [
        (json!({}), 200, ""),
        (json!({"aud": "orders"}), 200, ""),
        (json!({"exp": null}), 200, ""),
        (
            json!({"scope": "write"}),
            403,
            "Bearer error=\"insufficient_scope\", scope=\"read\"",
        ),
        (
            json!({"aud": ["strangers"]}),
            401,
            "Bearer error=\"invalid_token\"",
        ),
        (json!({"aud": null}), 401, "Bearer error=\"invalid_token\""),
        (json!({"exp": now - 1}), 401, "Bearer error=\"invalid_token\""),
        (json!({"nbf": now + 60}), 401, "Bearer error=\"invalid_token\""),
        (json!({"active": false}), 401, "Bearer error=\"invalid_token\""),
        (
            json!({"cnf": {"jkt": "k"}}),
            401,
            "Bearer error=\"invalid_token\"",
        ),
    ] {
        server.issue("a+b/c=", claims.clone());
        let answer = call(&gateway, "a+b/c=").await;
        assert_eq!(status(&answer), expected, "{claims}");
        assert!(
            answer.contains(&format!("www-authenticate: {challenge}\r\n")) || challenge.is_empty(),
            "{answer}"
        );
    }
    assert_eq!(status(&call(&gateway, "unknown").await), 401);
    let asked = server.asked();
    let answer = raw(
        &gateway,
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.contains("www-authenticate: Bearer\r\n"), "{answer}");
    assert_eq!(server.asked(), asked, "without a token there is nothing to ask");
    assert_eq!(
        server.connections.load(Ordering::Relaxed),
        1,
        "connections are kept"
    );
}

#[tokio::test]
async fn answers_are_kept_for_as_long_as_the_policy_says_and_not_at_all_by_default() {
    let server = FakeAuthorizationServer::start().await;
    for (keep, questions, after_revocation) in [(0, 3, 401), (3600, 1, 200)] {
        let gateway = gateway().await;
        server.issue("token", json!({}));
        gateway
            .put_api(server.api(json!({"cacheSeconds": keep})).await)
            .await
            .expect("applied");
        let before = server.asked();
        assert_eq!(status(&call(&gateway, "token").await), 200);
        assert_eq!(status(&call(&gateway, "token").await), 200);
        server.revoke("token");
        assert_eq!(status(&call(&gateway, "token").await), after_revocation);
        assert_eq!(server.asked() - before, questions);
        // What was told outlives a change of the API.
        let mut changed = server.api(json!({"cacheSeconds": keep})).await;
        changed.content.display_name = "changed".to_owned();
        gateway.put_api(changed).await.expect("applied");
        assert_eq!(status(&call(&gateway, "token").await), after_revocation);
    }
}

#[tokio::test]
async fn a_kept_answer_does_not_outlive_its_token_and_a_kept_no_is_one_for_others_too() {
    let (gateway, server) = (gateway().await, FakeAuthorizationServer::start().await);
    gateway
        .put_api(server.api(json!({"cacheSeconds": 3600})).await)
        .await
        .expect("applied");
    server.issue("short", json!({"exp": jsonwebtoken::get_current_timestamp() + 1}));
    let mut last = 0;
    for _ in 0..400 {
        last = status(&call(&gateway, "short").await);
        if last == 401 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!((last, server.asked()), (401, 1));
    assert_eq!(status(&call(&gateway, "unknown").await), 401);
    server.issue("unknown", json!({}));
    assert_eq!(status(&call(&gateway, "unknown").await), 401);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn many_who_come_with_the_same_token_at_once_ask_once() {
    let (gateway, server) = (gateway().await, FakeAuthorizationServer::start().await);
    gateway
        .put_api(server.api(json!({"cacheSeconds": 60})).await)
        .await
        .expect("applied");
    server.issue("token", json!({}));
    server.open.send_replace(false);
    let gateway = Arc::new(gateway);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { status(&call(&gateway, "token").await) })
        })
        .collect();
    while server.asked() == 0 {
        tokio::task::yield_now().await;
    }
    server.open.send_replace(true);
    for call in calls {
        assert_eq!(call.await.expect("no panic"), 200);
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn nobody_comes_through_while_the_server_cannot_be_asked_and_all_do_again_after_that() {
    let (gateway, server) = (gateway().await, FakeAuthorizationServer::start().await);
    gateway
        .put_api(server.api(json!({"cacheSeconds": 60})).await)
        .await
        .expect("applied");
    server.issue("token", json!({}));
    for (answered, text) in [
        (StatusCode::OK, "<html>"),
        (StatusCode::OK, "{}"),
        (StatusCode::OK, r#"{"active": "yes"}"#),
        (StatusCode::OK, r#"{"active": true, "exp": "never"}"#),
        (StatusCode::UNAUTHORIZED, r#"{"active": true}"#),
        (StatusCode::INTERNAL_SERVER_ERROR, r#"{"active": true}"#),
        (StatusCode::FOUND, r#"{"active": true}"#),
    ] {
        *server.wrong.lock().expect("not poisoned") = Some((answered, text.to_owned()));
        let answer = call(&gateway, "token").await;
        assert_eq!(status(&answer), 503, "{answered} {text}");
        assert_eq!(
            document(&answer)["type"],
            "https://gatehouse.dev/problems/gateway/authorization-server-unavailable"
        );
        assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
    }
    *server.wrong.lock().expect("not poisoned") = None;
    assert_eq!(status(&call(&gateway, "token").await), 200);
}

#[tokio::test]
async fn a_server_that_is_down_or_too_slow_lets_nobody_in() {
    let (gateway, mut server) = (gateway().await, FakeAuthorizationServer::start().await);
    gateway
        .put_api(server.api(json!({})).await)
        .await
        .expect("applied");
    server.issue("token", json!({}));
    server.open.send_replace(false);
    assert_eq!(status(&call(&gateway, "token").await), 503);
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    server.address = free.local_addr().expect("an address");
    drop(free);
    gateway
        .put_api(server.api(json!({})).await)
        .await
        .expect("applied");
    assert_eq!(status(&call(&gateway, "token").await), 503);
}

#[tokio::test]
async fn the_clients_secret_is_needed_and_comes_back_after_a_restart_without_lying_open_on_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || {
        Gateway::start(GatewayOptions {
            state_dir: Some(folder.path().to_owned()),
            worker_threads: Some(1),
            ..GatewayOptions::default()
        })
    };
    let server = FakeAuthorizationServer::start().await;
    server.issue("token", json!({}));
    let config = server.api(json!({})).await;
    let gateway = start().await.expect("started");
    let mut without = config.clone();
    without.secrets.clear();
    match gateway.put_api(without).await.expect_err("no secret") {
        ApplyError::Policy { policy, reason, .. } => {
            assert_eq!(policy, "auth.oauth2");
            assert!(reason.contains("secret `client-secret`"), "{reason}");
        }
        other => panic!("{other}"),
    }
    gateway.put_api(config.clone()).await.expect("applied");
    gateway.shutdown(std::time::Duration::from_secs(5)).await;
    for file in std::fs::read_dir(folder.path().join("apis")).expect("a folder") {
        let text = std::fs::read_to_string(file.expect("an entry").path()).expect("readable");
        assert!(
            text.contains("sealedSecrets") && !text.contains("s3cret"),
            "{text}"
        );
    }
    assert!(!format!("{config:?}").contains("s3cret"));
    let gateway = start().await.expect("started");
    assert_eq!(status(&call(&gateway, "token").await), 200);
    assert_eq!(gateway.api(&config.external_ref).as_deref(), Some(&config));
    gateway.shutdown(std::time::Duration::from_secs(5)).await;
    // Without its key, the API stays closed until it is deployed again.
    std::fs::remove_file(folder.path().join("node.key")).expect("removed");
    let gateway = start().await.expect("started");
    assert_eq!(status(&call(&gateway, "token").await), 404);
    gateway.put_api(config).await.expect("applied");
    assert_eq!(status(&call(&gateway, "token").await), 200);
}
