//! Who is let in: keys, passwords and tokens of issuers, as Kong checks them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{apis::SECRET, stage::Stage, under_test::Kind, upstream::Upstream};

pub(crate) async fn only_the_keys_of_the_api_open_it(kind: &Kind) {
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

pub(crate) async fn passwords_open_an_api(kind: &Kind) {
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

pub(crate) async fn tokens_are_good_that_a_key_of_the_issuer_signed(kind: &Kind) {
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
