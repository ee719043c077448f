//! Tokens of an issuer whose keys change.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Response, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use serde_json::{Value, json};

use crate::support::{api, document, echo, gateway, raw, status, upstream};

/// An issuer with one signing key at a time.
struct Issuer {
    address: SocketAddr,
    published: Arc<Mutex<Option<Value>>>,
    fetches: Arc<AtomicUsize>,
}

struct SigningKey {
    id: &'static str,
    key: EncodingKey,
}

impl SigningKey {
    fn new(id: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a key");
        Self { id, key }
    }

    fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).expect("a public key");
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).expect("JSON")
    }

    fn token(&self, changes: Value) -> String {
        let mut claims = json!({
            "iss": "https://idp.test", "aud": ["orders"], "sub": "ann",
            "scope": "read write", "exp": get_current_timestamp() + 600,
        });
        for (claim, value) in changes.as_object().expect("claims") {
            claims[claim] = value.clone();
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.to_owned());
        encode(&header, &claims, &self.key).expect("a token")
    }
}

impl Issuer {
    async fn start() -> Self {
        let published = Arc::new(Mutex::new(None::<Value>));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (answer, count) = (Arc::clone(&published), Arc::clone(&fetches));
        let address = upstream(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            match answer.lock().expect("not poisoned").as_ref() {
                Some(document) => Response::new(document.to_string()),
                None => {
                    let mut down = Response::new(String::new());
                    *down.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    down
                }
            }
        })
        .await;
        Self {
            address,
            published,
            fetches,
        }
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        *self.published.lock().expect("not poisoned") = Some(json!({"keys": keys}));
    }

    fn policy(&self, fields: Value) -> Value {
        let mut with = json!({
            "issuer": "https://idp.test", "audiences": ["orders"],
            "jwksUri": format!("http://{}/jwks", self.address),
        });
        for (field, value) in fields.as_object().expect("fields") {
            with[field] = value.clone();
        }
        json!({"type": "auth.jwt", "with": with})
    }
}

fn request(token: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n")
}

#[tokio::test]
async fn valid_tokens_come_through_and_others_do_not() {
    let gateway = gateway().await;
    let issuer = Issuer::start().await;
    let (key, stranger) = (SigningKey::new("one"), SigningKey::new("one"));
    issuer.publish(&[&key]);
    let policies = json!({"policies": [issuer.policy(json!({"requiredScopes": ["read"]}))]});
    gateway
        .put_api(api("a", echo().await, policies))
        .await
        .expect("applied");
    let now = get_current_timestamp();
    for (token, expected) in [
        (key.token(json!({})), 200),
        (key.token(json!({"scope": null, "scp": ["read"]})), 200),
        (key.token(json!({"scope": "write"})), 403),
        (key.token(json!({"exp": now - 120})), 401),
        (key.token(json!({"exp": now - 10})), 200),
        (key.token(json!({"exp": null})), 401),
        (key.token(json!({"nbf": now + 120})), 401),
        (key.token(json!({"iss": "https://evil.test"})), 401),
        (key.token(json!({"iss": null})), 401),
        (key.token(json!({"aud": "other"})), 401),
        (key.token(json!({"aud": null})), 401),
        (key.token(json!({"cnf": {"jkt": "k"}})), 401),
        (key.token(json!({"cnf": null})), 200),
        (stranger.token(json!({})), 401),
        ("nonsense".to_owned(), 401),
        ("eyJhbGciOiJub25lIn0.e30.".to_owned(), 401),
    ] {
        let answer = raw(&gateway, &request(&token)).await;
        assert_eq!(status(&answer), expected, "{answer}");
    }
    let none = raw(
        &gateway,
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(none.contains("www-authenticate: Bearer\r\n"), "{none}");
    assert_eq!(issuer.fetches.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn algorithms_that_are_not_listed_are_refused() {
    let gateway = gateway().await;
    let issuer = Issuer::start().await;
    let key = SigningKey::new("one");
    issuer.publish(&[&key]);
    let policies = json!({"policies": [issuer.policy(json!({"algorithms": ["RS256"]}))]});
    gateway
        .put_api(api("a", echo().await, policies))
        .await
        .expect("applied");
    assert_eq!(status(&raw(&gateway, &request(&key.token(json!({})))).await), 401);
    let hmac = encode(
        &Header::new(Algorithm::HS256),
        &json!({"iss": "https://idp.test", "aud": "orders", "exp": get_current_timestamp() + 600}),
        &EncodingKey::from_secret(key.jwk().to_string().as_bytes()),
    );
    assert_eq!(
        status(&raw(&gateway, &request(&hmac.expect("a token"))).await),
        401
    );
}

#[tokio::test]
async fn a_token_that_demands_an_unknown_extension_is_refused() {
    let gateway = gateway().await;
    let issuer = Issuer::start().await;
    let key = SigningKey::new("one");
    issuer.publish(&[&key]);
    let policies = json!({"policies": [issuer.policy(json!({}))]});
    gateway
        .put_api(api("a", echo().await, policies))
        .await
        .expect("applied");
    for (crit, expected) in [(None, 200), (Some(vec!["b64".to_owned()]), 401)] {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key.id.to_owned());
        header.crit = crit;
        let claims =
            json!({"iss": "https://idp.test", "aud": "orders", "exp": get_current_timestamp() + 600});
        let token = encode(&header, &claims, &key.key).expect("a token");
        assert_eq!(status(&raw(&gateway, &request(&token)).await), expected);
    }
}

#[tokio::test]
async fn a_rotated_key_is_taken_up_at_once_and_an_old_one_no_longer_counts() {
    let gateway = gateway().await;
    let issuer = Issuer::start().await;
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    issuer.publish(&[&old]);
    gateway
        .put_api(api(
            "a",
            echo().await,
            json!({"policies": [issuer.policy(json!({}))]}),
        ))
        .await
        .expect("applied");
    let old_token = old.token(json!({}));
    assert_eq!(status(&raw(&gateway, &request(&old_token)).await), 200);
    issuer.publish(&[&new]);
    let new_token = new.token(json!({}));
    let with_new = request(&new_token);
    let answers = futures_util::future::join_all([(); 8].map(|()| raw(&gateway, &with_new))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| status(answer)).collect();
    assert_eq!(statuses, [200; 8]);
    assert_eq!(
        issuer.fetches.load(Ordering::Relaxed),
        2,
        "all waited for one fetch"
    );
    assert_eq!(status(&raw(&gateway, &request(&old_token)).await), 401);
}

#[tokio::test]
async fn without_keys_nobody_comes_through_and_known_keys_outlive_the_issuer() {
    let gateway = gateway().await;
    let issuer = Issuer::start().await;
    let key = SigningKey::new("one");
    gateway
        .put_api(api(
            "a",
            echo().await,
            json!({"policies": [issuer.policy(json!({}))]}),
        ))
        .await
        .expect("applied");
    let answer = raw(&gateway, &request(&key.token(json!({})))).await;
    assert_eq!(status(&answer), 503);
    assert_eq!(
        document(&answer)["type"],
        "https://gatehouse.dev/problems/gateway/keys-unavailable"
    );
    issuer.publish(&[&key]);
    assert_eq!(status(&raw(&gateway, &request(&key.token(json!({})))).await), 200);
    *issuer.published.lock().expect("not poisoned") = None;
    let unknown = SigningKey::new("other");
    assert_eq!(
        status(&raw(&gateway, &request(&unknown.token(json!({})))).await),
        401
    );
    assert_eq!(
        status(&raw(&gateway, &request(&key.token(json!({"sub": "bob"})))).await),
        200
    );
}

#[tokio::test]
async fn each_trusted_issuer_vouches_with_its_own_keys_for_its_own_audiences() {
    let gateway = gateway().await;
    let (first, second) = (Issuer::start().await, Issuer::start().await);
    let (one, two) = (SigningKey::new("one"), SigningKey::new("two"));
    first.publish(&[&one]);
    second.publish(&[&two]);
    let other = json!({
        "issuer": "https://partner.test", "audiences": ["partners"],
        "jwksUri": format!("http://{}/jwks", second.address),
    });
    let policies = json!({"policies": [first.policy(json!({"alsoTrusted": [other]}))]});
    gateway
        .put_api(api("a", echo().await, policies))
        .await
        .expect("applied");
    let partner = json!({"iss": "https://partner.test", "aud": "partners"});
    for (token, expected) in [
        (one.token(json!({})), 200),
        (two.token(partner.clone()), 200),
        // Remembered.
        (two.token(partner.clone()), 200),
        (two.token(json!({})), 401),
        (one.token(partner), 401),
        (two.token(json!({"iss": "https://partner.test"})), 401),
        (one.token(json!({"aud": "partners"})), 401),
        (
            two.token(json!({"iss": "https://evil.test", "aud": "partners"})),
            401,
        ),
        (two.token(json!({"iss": null, "aud": "partners"})), 401),
        ("a.b.c".to_owned(), 401),
        ("nonsense".to_owned(), 401),
    ] {
        let answer = raw(&gateway, &request(&token)).await;
        assert_eq!(status(&answer), expected, "{token}: {answer}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_a_claim_of_their_token() {
    let gateway = gateway().await;
    let issuer = Issuer::start().await;
    let key = SigningKey::new("one");
    issuer.publish(&[&key]);
    let limit = json!({"limits": [{"requests": 1, "per": "day"}], "key": {"claim": "tenant"}});
    let policies = json!([{"type": "ratelimit", "with": limit}, issuer.policy(json!({}))]);
    gateway
        .put_api(api("a", echo().await, json!({"policies": policies})))
        .await
        .expect("applied");
    for (claims, expected) in [
        (json!({"tenant": "one", "sub": "ann"}), 200),
        (json!({"tenant": "one", "sub": "bob"}), 429),
        (json!({"tenant": "two"}), 200),
        (json!({}), 200),
        (json!({"sub": "bob"}), 429),
    ] {
        let answer = raw(&gateway, &request(&key.token(claims.clone()))).await;
        assert_eq!(status(&answer), expected, "{claims}");
    }
}

#[tokio::test]
async fn conditions_hold_the_claims_of_a_verified_token() {
    let gateway = gateway().await;
    let issuer = Issuer::start().await;
    let key = SigningKey::new("one");
    issuer.publish(&[&key]);
    let conditions = json!({"type": "auth.conditions", "with": {
        "require": ["'admins' in claims.groups || request.method == 'GET' && consumer == 'ann'"],
        "deny": ["request.headers['x-tenant'] != claims.tenant"],
    }});
    let policies = json!({"policies": [conditions, issuer.policy(json!({}))]});
    let config = api("a", echo().await, policies);
    gateway.put_api(config).await.expect("it can be served");
    let send = async |claims: Value, tenant: &str| {
        let request = request(&key.token(claims)).replace("Host: a", &format!("Host: a{tenant}"));
        status(&raw(&gateway, &request).await)
    };
    let north = "\r\nX-Tenant: north";
    for (claims, tenant, expected) in [
        (json!({"groups": ["admins"], "tenant": "north"}), north, 200),
        (json!({"groups": ["staff"], "tenant": "north"}), north, 200),
        (
            json!({"groups": ["staff"], "tenant": "north", "sub": "bob"}),
            north,
            403,
        ),
        (json!({"groups": ["admins"], "tenant": "south"}), north, 403),
        // Nothing is said of a tenant, so nothing can be said of the condition.
        (json!({"groups": ["admins"]}), north, 403),
        (json!({"groups": ["admins"], "tenant": "north"}), "", 403),
    ] {
        assert_eq!(
            send(claims.clone(), tenant).await,
            expected,
            "{claims} {tenant:?}"
        );
    }
    let nobody = raw(
        &gateway,
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&nobody), 401);
}

#[tokio::test]
async fn the_same_subject_of_two_issuers_is_two_consumers() {
    let gateway = gateway().await;
    let (first, second) = (Issuer::start().await, Issuer::start().await);
    let (one, two) = (SigningKey::new("one"), SigningKey::new("two"));
    first.publish(&[&one]);
    second.publish(&[&two]);
    let other = json!({
        "issuer": "https://partner.test", "audiences": ["orders"],
        "jwksUri": format!("http://{}/jwks", second.address),
    });
    let limit = json!({"limits": [{"requests": 1, "per": "day"}], "key": "consumer"});
    let policies = json!([
        {"type": "ratelimit", "with": limit},
        {"type": "auth.conditions", "with": {"require": [
            "consumer in ['https://idp.test|ann', 'https://partner.test|ann']",
        ]}},
        first.policy(json!({"alsoTrusted": [other]})),
    ]);
    gateway
        .put_api(api("a", echo().await, json!({"policies": policies})))
        .await
        .expect("applied");
    let partner = two.token(json!({"iss": "https://partner.test"}));
    let own = one.token(json!({}));
    for (token, expected) in [(&own, 200), (&own, 429), (&partner, 200), (&partner, 429)] {
        assert_eq!(status(&raw(&gateway, &request(token)).await), expected);
    }
}
