//! Who a consumer is: basic credentials and tokens.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::plugins::{refused, with_plugins};
use super::support::Fake;

/// The consumer for whom a real Kong kept the hash of `s3cret` that stands below.
const CONSUMER: &str = "72050285-7058-40e3-b6aa-44a9035ef43e";

fn jwt() -> Value {
    json!({"key_claim_name": "iss", "header_names": ["authorization"], "uri_param_names": ["jwt"], "cookie_names": [],
        "claims_to_verify": ["exp"], "run_on_preflight": true, "maximum_expiration": 0, "secret_is_base64": false})
}

fn alice(fake: &Fake) {
    fake.put("consumers", CONSUMER, json!({"username": "alice"}));
}

fn token(claims: &Value, algorithm: Algorithm, key: &EncodingKey) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

#[tokio::test]
async fn a_password_is_compared_with_its_hash() {
    let fake = with_plugins(&[(
        "basic-auth",
        json!({"hide_credentials": true, "realm": "service"}),
    )])
    .await;
    alice(&fake);
    let kept =
        |password: &str| json!({"consumer": {"id": CONSUMER}, "username": "alice", "password": password});
    fake.put(
        "basicauth_credentials",
        "b",
        kept("58cc3f5d84c6cc91858d49ef6f355a86eae68fbe"),
    );
    let shown = format!("Basic {}", STANDARD.encode("alice:s3cret"));
    let without = fake.get("/a").await;
    refused(&without, 401, "Unauthorized");
    assert_eq!(without.headers["www-authenticate"], "Basic realm=\"service\"");
    refused(
        &fake.ask("GET", "/a", &[("authorization", &shown)]).await,
        401,
        "Unauthorized",
    );
    fake.put(
        "basicauth_credentials",
        "b",
        kept("ec4fc7d79c8de3ab733e1e1f29de5f361efb1088"),
    );
    let asked = fake.ask("GET", "/a", &[("authorization", &shown)]).await.json();
    assert_eq!(asked["headers"]["x-consumer-username"], "alice");
    assert_eq!(asked["headers"]["authorization"], Value::Null);
}

#[tokio::test]
async fn a_token_is_verified_with_the_secret_of_its_issuer() {
    let fake = with_plugins(&[("jwt", jwt())]).await;
    alice(&fake);
    let credential =
        json!({"consumer": {"id": CONSUMER}, "key": "iss-1", "algorithm": "HS256", "secret": "topsecret"});
    fake.put("jwt_secrets", "j", credential);
    let secret = |text: &str| EncodingKey::from_secret(text.as_bytes());
    let signed = |claims: Value, key: &str| token(&claims, Algorithm::HS256, &secret(key));
    let cases = [
        ("nonsense".to_owned(), "Bad token; invalid JSON"),
        (
            signed(json!({"exp": 1}), "topsecret"),
            "No mandatory 'iss' in claims",
        ),
        (
            signed(json!({"iss": "other"}), "topsecret"),
            "No credentials found for given 'iss'",
        ),
        (
            signed(json!({"iss": "iss-1", "exp": 9_999_999_999_u64}), "wrong"),
            "Invalid signature",
        ),
        (
            token(&json!({"iss": "iss-1"}), Algorithm::HS512, &secret("topsecret")),
            "Invalid algorithm",
        ),
    ];
    refused(&fake.get("/a").await, 401, "Unauthorized");
    for (token, message) in cases {
        refused(&fake.get(&format!("/a?jwt={token}")).await, 401, message);
    }
    let expired = signed(json!({"iss": "iss-1", "exp": 1}), "topsecret");
    assert_eq!(
        fake.get(&format!("/a?jwt={expired}")).await.json(),
        json!({"exp": "token expired"})
    );
    let valid = signed(json!({"iss": "iss-1", "exp": 9_999_999_999_u64}), "topsecret");
    let asked = fake
        .ask("GET", "/a", &[("authorization", &format!("Bearer {valid}"))])
        .await
        .json();
    assert_eq!(asked["headers"]["x-credential-identifier"], "iss-1");
}

#[tokio::test]
async fn a_token_is_verified_with_the_public_key_of_its_issuer() {
    let fake = with_plugins(&[("jwt", jwt())]).await;
    alice(&fake);
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let pem = STANDARD.encode(public.as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
    let credential =
        json!({"consumer": {"id": CONSUMER}, "key": "iss-1", "algorithm": "ES256", "rsa_public_key": pem});
    fake.put("jwt_secrets", "j", credential);
    let private = pair.to_pkcs8v1().unwrap();
    let key = EncodingKey::from_ec_der(private.as_ref());
    let token = token(
        &json!({"iss": "iss-1", "exp": 9_999_999_999_u64}),
        Algorithm::ES256,
        &key,
    );
    assert_eq!(fake.get(&format!("/a?jwt={token}")).await.status, 200);
}
