//! What consumers are answered: the policies as Kong enforces them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatehouse_connector_sdk::schemas::desired::DesiredApi;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    apis::{Operator, SECRET, content, desired},
    under_test::{Kind, KongUnderTest},
    upstream::Upstream,
};

/// A Kong with one API, and its upstream.
struct Stage {
    kong: KongUnderTest,
    operator: Operator,
    upstream: Upstream,
    http: reqwest::Client,
    url: String,
}

impl Stage {
    async fn new(kind: &Kind) -> Self {
        let kong = KongUnderTest::start(kind).await;
        Self {
            operator: Operator::of(&kong),
            upstream: Upstream::start().await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: String::new(),
            kong,
        }
    }

    fn desired(&self, revision: u64, policies: &Value) -> DesiredApi {
        desired(
            revision,
            &content(&format!("{}/api", self.upstream.url), policies),
        )
    }

    async fn deploy(&mut self, revision: u64, policies: &Value) {
        self.deploy_this(&self.desired(revision, policies)).await;
    }

    async fn deploy_this(&mut self, desired: &DesiredApi) {
        let deployed = self.operator.deploy(desired).await.unwrap();
        self.url = deployed.endpoint_urls[0].clone();
        assert_eq!(self.url, format!("{}/orders/v1", self.kong.proxy_url));
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn status(&self, request: RequestBuilder) -> u16 {
        request.send().await.unwrap().status().as_u16()
    }

    /// What the upstream was asked.
    async fn asked(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }
}

/// What is seen on every kind of Kong.
pub(crate) async fn everything(kind: &Kind) {
    operations_are_served_and_nothing_else(kind).await;
    only_the_keys_of_the_api_open_it(kind).await;
    passwords_open_an_api(kind).await;
    tokens_are_good_that_a_key_of_the_issuer_signed(kind).await;
    requests_and_answers_are_changed(kind).await;
    operations_have_policies_of_their_own(kind).await;
    browsers_are_told_before_they_call_and_nobody_else_gets_through(kind).await;
    rates_and_sizes_are_limited(kind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_enforced_with_a_database() {
    everything(&Kind::Database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_enforced_without_a_database() {
    everything(&Kind::WithoutDatabase).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_enforced_where_routes_are_expressions() {
    everything(&Kind::Expressions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_enforced_on_an_older_version() {
    everything(&Kind::Older).await;
}

async fn operations_are_served_and_nothing_else(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    stage.deploy(1, &json!([])).await;
    for (path, forwarded) in [
        ("", "/api/"),
        ("/items", "/api/items"),
        ("/items/7", "/api/items/7"),
        ("/items/mine", "/api/items/mine"),
        ("/items/a%20b", "/api/items/a%20b"),
        ("/export/all.json", "/api/export/all.json"),
        ("/files/a/b/c", "/api/files/a/b/c"),
    ] {
        assert_eq!(stage.asked(path).await["path"], forwarded, "{kind:?}");
    }
    assert_eq!(
        stage.asked("/items?page=2&page=3").await["query"],
        "page=2&page=3"
    );
    for (method, path) in [
        (Method::GET, "/items/7/parts"),
        (Method::DELETE, "/items"),
        (Method::GET, "/itemsandmore"),
        (Method::GET, "/export/all.xml"),
        (Method::POST, ""),
        (Method::OPTIONS, "/items"),
    ] {
        let status = stage.status(stage.request(method.clone(), path)).await;
        assert_eq!(status, 404, "{kind:?} {method} {path}");
    }
}

async fn only_the_keys_of_the_api_open_it(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let policy = |name: &str| json!([{"type": "auth.apiKey", "with": {"keys": [{"consumer": name, "secretRef": format!("{name}-key")}]}}]);
    stage.deploy(1, &policy("shop")).await;
    let with = |key: &str| {
        stage
            .request(Method::GET, "/items")
            .header("x-api-key", format!("{SECRET}-{key}"))
    };
    assert_eq!(
        stage.status(stage.request(Method::GET, "/items")).await,
        401,
        "{kind:?}"
    );
    assert_eq!(stage.status(with("other-key")).await, 401);
    let asked: Value = with("shop-key").send().await.unwrap().json().await.unwrap();
    assert!(
        asked["headers"].get("x-api-key").is_none(),
        "the key does not travel on: {asked}"
    );
    // Another consumer now: the first one's key is no good any more, though another API may still take it.
    let with_shop = with("shop-key");
    let with_desk = with("desk-key");
    stage.deploy(2, &policy("desk")).await;
    assert_eq!(stage.status(with_desk).await, 200);
    assert!(matches!(stage.status(with_shop).await, 401 | 403));
}

async fn passwords_open_an_api(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    stage.deploy(1, &json!([{"type": "auth.basic", "with": {"users": [{"username": "ann", "secretRef": "ann-password"}]}}])).await;
    let password = format!("{SECRET}-ann-password");
    let with = |password: &str| {
        stage
            .request(Method::GET, "/items")
            .basic_auth("ann", Some(password))
    };
    assert_eq!(stage.status(with(&password)).await, 200, "{kind:?}");
    assert_eq!(stage.status(with("guess")).await, 401, "{kind:?}");
    assert_eq!(
        stage.status(stage.request(Method::GET, "/items")).await,
        401,
        "{kind:?}"
    );
}

async fn tokens_are_good_that_a_key_of_the_issuer_signed(kind: &Kind) {
    let key = issuer_key();
    let issuer = Upstream::of(json!({"keys": [key.public]})).await;
    let mut stage = Stage::new(kind).await;
    let policy = json!([{"type": "auth.jwt", "with": {
        "issuer": "https://login.example.com", "audiences": ["orders"], "jwksUri": format!("{}/keys", issuer.url)}}]);
    stage.deploy(1, &policy).await;
    let with = |token: &str| stage.request(Method::GET, "/items").bearer_auth(token);
    assert_eq!(
        stage.status(with(&key.token("one", 4_102_444_800))).await,
        200,
        "{kind:?}"
    );
    assert_eq!(
        stage.status(with(&key.token("one", 1_000_000_000))).await,
        401,
        "{kind:?}: it has expired"
    );
    assert_eq!(
        stage.status(with(&key.token("two", 4_102_444_800))).await,
        401,
        "{kind:?}: no such key"
    );
    let token = key.token("one", 4_102_444_800);
    let (unsigned, _) = token.rsplit_once('.').unwrap();
    assert_eq!(
        stage.status(with(&format!("{unsigned}."))).await,
        401,
        "{kind:?}: not signed"
    );
    assert_eq!(
        stage.status(stage.request(Method::GET, "/items")).await,
        401,
        "{kind:?}"
    );
}

async fn requests_and_answers_are_changed(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let policies = json!([
        {"type": "headers", "with": {
            "request": {"remove": ["x-debug"], "set": {"x-from": "kong"}, "add": {"x-via": "gatehouse"}},
            "response": {"set": {"x-frame-options": "DENY"}}}},
        {"type": "rewrite", "with": {"query": {"remove": ["debug"], "set": {"source": "kong"}}}},
    ]);
    stage.deploy(1, &policies).await;
    let request = stage.request(Method::GET, "/items?debug=1&page=2");
    let request = request
        .header("x-debug", "1")
        .header("x-from", "me")
        .header("x-via", "proxy");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-frame-options"], "DENY");
    let asked: Value = response.json().await.unwrap();
    assert_eq!(
        (&asked["headers"]["x-from"], asked["headers"].get("x-debug")),
        (&json!("kong"), None)
    );
    let query = asked["query"].as_str().unwrap_or_default();
    assert!(
        query.contains("page=2") && query.contains("source=kong") && !query.contains("debug"),
        "{query}"
    );
}

async fn operations_have_policies_of_their_own(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let mut written = content(&format!("{}/api", stage.upstream.url), &json!([]));
    written["operations"][3]["policies"] = json!([{"type": "rewrite", "with": {"path": "/v2/{id}/whole"}}]);
    written["operations"][4]["policies"] = json!([{"type": "respond", "with": {
        "status": 203, "headers": {"content-type": "text/plain"}, "body": "mine"}}]);
    stage.deploy_this(&desired(1, &written)).await;
    assert_eq!(
        stage.asked("/items/7").await["path"],
        "/api/v2/7/whole",
        "{kind:?}"
    );
    let answer = stage.get("/items/mine").await;
    assert_eq!(answer.status(), 203, "{kind:?}");
    assert_eq!(answer.text().await.unwrap(), "mine");
    assert_eq!(stage.asked("/items").await["path"], "/api/items");
}

async fn browsers_are_told_before_they_call_and_nobody_else_gets_through(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let policies = json!([
        {"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}},
        {"type": "cors", "with": {"allowOrigins": ["https://app.example.com"], "allowMethods": ["GET"], "maxAgeSeconds": 60}},
    ]);
    stage.deploy(1, &policies).await;
    let preflight = stage.request(Method::OPTIONS, "/items/7");
    let preflight = preflight
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET");
    let answer = preflight.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{kind:?}");
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://app.example.com"
    );
    let plain = stage.status(stage.request(Method::OPTIONS, "/items/7")).await;
    assert!(matches!(plain, 401 | 404), "{kind:?}: {plain}");
    assert_eq!(
        stage.status(stage.request(Method::GET, "/items/7")).await,
        401,
        "{kind:?}"
    );
}

async fn rates_and_sizes_are_limited(kind: &Kind) {
    let mut stage = Stage::new(kind).await;
    let policies = json!([
        {"type": "ratelimit", "with": {"limits": [{"requests": 3, "per": "hour"}]}},
        {"type": "request.size", "with": {"maxBytes": 10}},
    ]);
    stage.deploy(1, &policies).await;
    let large = stage.request(Method::POST, "/items").body("more than ten bytes");
    assert_eq!(stage.status(large).await, 413);
    let mut refused = None;
    for _ in 0..4 {
        let answer = stage.get("/items").await;
        if answer.status() == 429 {
            refused = Some(answer);
        }
    }
    assert!(
        refused
            .expect("the limit is reached")
            .headers()
            .contains_key("retry-after")
    );
}

/// A key pair of a token issuer.
struct IssuerKey {
    public: Value,
    private: jsonwebtoken::EncodingKey,
}

impl IssuerKey {
    fn token(&self, id: &str, expires: u64) -> String {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some(id.to_owned());
        let claims =
            json!({"iss": "https://login.example.com", "aud": "orders", "sub": "ann", "exp": expires});
        jsonwebtoken::encode(&header, &claims, &self.private).unwrap()
    }
}

fn issuer_key() -> IssuerKey {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    // The point, without the byte that says it is not compressed.
    let point = &pair.public_key_raw()[1..];
    let public = json!({
        "kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256", "use": "sig",
        "x": URL_SAFE_NO_PAD.encode(&point[..32]), "y": URL_SAFE_NO_PAD.encode(&point[32..]),
    });
    let private = jsonwebtoken::EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    IssuerKey { public, private }
}
