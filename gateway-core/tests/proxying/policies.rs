//! Policies as callers meet them.

use gatehouse_gateway_core::{ApiConfig, ApplyError};
use gatehouse_schemas::canonical::Fingerprint;
use serde_json::{Value, json};

use crate::support::{api, document, echo, gateway, get, raw, status};

/// Gives the API the hash of a key under the secret's name.
pub(crate) fn with_key(mut config: ApiConfig, secret: &str, key: &str) -> ApiConfig {
    let Fingerprint(hash) = Fingerprint::of_bytes(key.as_bytes());
    let hash = hash.trim_start_matches("sha256:").to_owned();
    config.secret_hashes.insert(secret.parse().expect("a name"), hash);
    config
}

fn key_policy(consumer: &str, fields: Value) -> Value {
    let mut with = json!({"keys": [{"consumer": consumer, "secretRef": format!("{consumer}-key")}]});
    for (field, value) in fields.as_object().expect("fields") {
        with[field] = value.clone();
    }
    json!({"type": "auth.apiKey", "with": with})
}

fn request(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")
}

#[tokio::test]
async fn only_callers_with_a_key_come_through_and_the_key_stays_here() {
    let gateway = gateway().await;
    let config = api(
        "a",
        echo().await,
        json!({"policies": [key_policy("shop", json!({}))]}),
    );
    gateway
        .put_api(with_key(config, "shop-key", "s3cret"))
        .await
        .expect("applied");
    let refused = get(&gateway, "/a").await;
    assert_eq!(status(&refused), 401);
    assert!(refused.contains("www-authenticate: ApiKey"), "{refused}");
    assert_eq!(
        document(&refused)["type"],
        "https://gatehouse.dev/problems/gateway/unauthenticated"
    );
    assert_eq!(
        status(&raw(&gateway, &request("/a", "X-Api-Key: wrong\r\n")).await),
        401
    );
    let seen = document(&raw(&gateway, &request("/a", "X-Api-Key: s3cret\r\n")).await);
    assert_eq!(seen["headers"]["x-api-key"], Value::Null);
}

#[tokio::test]
async fn a_key_in_the_query_stays_here_and_the_rest_travels_on() {
    let gateway = gateway().await;
    let policy = key_policy("shop", json!({"in": "query", "name": "key"}));
    let config = api("a", echo().await, json!({"policies": [policy]}));
    gateway
        .put_api(with_key(config, "shop-key", "s3cret"))
        .await
        .expect("applied");
    assert_eq!(
        document(&get(&gateway, "/a?x=1&key=s3cret&y=2").await)["target"],
        "/?x=1&y=2"
    );
    assert_eq!(document(&get(&gateway, "/a?k%65y=s3cret").await)["target"], "/");
    assert_eq!(status(&get(&gateway, "/a?key=s3cret&key=s3cret").await), 401);
}

#[tokio::test]
async fn policies_of_api_and_operation_hold_together() {
    let gateway = gateway().await;
    let fields = json!({
        "policies": [key_policy("shop", json!({}))],
        "operations": [
            {"match": {"method": "GET", "path": "/open"}},
            {"match": {"method": "GET", "path": "/admin"}, "policies": [key_policy("boss", json!({"name": "x-boss"}))]},
        ],
    });
    let config = with_key(api("a", echo().await, fields), "shop-key", "one");
    gateway
        .put_api(with_key(config, "boss-key", "two"))
        .await
        .expect("applied");
    let answers = async |path, fields| status(&raw(&gateway, &request(path, fields)).await);
    assert_eq!(answers("/a/open", "X-Api-Key: one\r\n").await, 200);
    assert_eq!(answers("/a/admin", "X-Api-Key: one\r\n").await, 401);
    assert_eq!(answers("/a/admin", "X-Boss: two\r\n").await, 401);
    assert_eq!(
        answers("/a/admin", "X-Api-Key: one\r\nX-Boss: two\r\n").await,
        200
    );
    assert_eq!(answers("/a/%61dmin/", "X-Api-Key: one\r\n").await, 401);
}

#[tokio::test]
async fn an_api_whose_policy_cannot_be_enforced_is_refused_and_the_old_one_keeps_serving() {
    let gateway = gateway().await;
    let upstream = echo().await;
    gateway
        .put_api(api("a", upstream, json!({})))
        .await
        .expect("applied");
    for (policy, named) in [
        (key_policy("shop", json!({})), "auth.apiKey"),
        (
            json!({"type": "auth.jwt", "with": {"issuer": "i", "audiences": ["a"], "jwksUri": "ftp://x"}}),
            "auth.jwt",
        ),
        (
            json!({"type": "cors", "with": {"allowOrigins": ["*"], "allowCredentials": true}}),
            "cors",
        ),
        (
            json!({"type": "headers", "with": {"request": {"set": {"content-length": "1"}}}}),
            "headers",
        ),
    ] {
        let refused = gateway
            .put_api(api("a", upstream, json!({"policies": [policy]})))
            .await;
        match refused.expect_err(named) {
            ApplyError::Policy { api, policy, .. } => assert_eq!((api.0.as_str(), policy), ("a", named)),
            other => panic!("{other}"),
        }
    }
    assert_eq!(status(&get(&gateway, "/a").await), 200);
    let fields = json!({"upstreams": {"main": {"url": "gopher://a"}}});
    gateway
        .put_api(api("b", upstream, fields))
        .await
        .expect_err("an unknown scheme");
    assert_eq!(status(&get(&gateway, "/b").await), 404);
}

#[tokio::test]
async fn a_preflight_is_answered_without_credentials() {
    let gateway = gateway().await;
    let cors =
        json!({"type": "cors", "with": {"allowOrigins": ["https://shop.test"], "exposeHeaders": ["x-a"]}});
    let config = api(
        "a",
        echo().await,
        json!({
            "policies": [cors, key_policy("shop", json!({}))],
            "operations": [{"match": {"method": "PUT", "path": "/x"}}],
        }),
    );
    gateway
        .put_api(with_key(config, "shop-key", "s3cret"))
        .await
        .expect("applied");
    let ask = |origin| {
        format!(
            "OPTIONS /a/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-api-key\r\n\r\n"
        )
    };
    let answer = raw(&gateway, &ask("https://shop.test")).await;
    assert_eq!(status(&answer), 204);
    for expected in [
        "access-control-allow-origin: https://shop.test\r\n",
        "access-control-allow-methods: PUT\r\n",
        "access-control-allow-headers: x-api-key\r\n",
    ] {
        assert!(answer.contains(expected), "{answer}");
    }
    let answer = raw(&gateway, &ask("https://evil.test")).await;
    assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    let put = "PUT /a/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: https://shop.test\r\n";
    let refused = raw(&gateway, &format!("{put}\r\n")).await;
    assert_eq!(status(&refused), 401);
    assert!(
        refused.contains("access-control-allow-origin: https://shop.test\r\n"),
        "{refused}"
    );
    let answer = raw(&gateway, &format!("{put}X-Api-Key: s3cret\r\n\r\n")).await;
    assert_eq!(status(&answer), 200);
    assert!(
        answer.contains("access-control-expose-headers: x-a\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn headers_are_changed_both_ways() {
    let gateway = gateway().await;
    let policy = json!({"type": "headers", "with": {
        "request": {"remove": ["x-internal"], "set": {"x-team": "shop", "host": "inner.test"}},
        "response": {"set": {"x-served-by": "gatehouse"}, "remove": ["date"]},
    }});
    gateway
        .put_api(api("a", echo().await, json!({"policies": [policy]})))
        .await
        .expect("applied");
    let answer = raw(&gateway, &request("/a", "X-Internal: 1\r\nX-Team: evil\r\n")).await;
    assert!(answer.contains("x-served-by: gatehouse\r\n"), "{answer}");
    let seen = document(&answer);
    assert_eq!(seen["headers"]["x-internal"], Value::Null);
    assert_eq!(seen["headers"]["x-team"], json!(["shop"]));
    assert_eq!(seen["headers"]["host"], json!(["inner.test"]));
}

#[tokio::test]
async fn large_bodies_are_refused_announced_or_not() {
    let gateway = gateway().await;
    let policies = json!({"policies": [
        {"type": "request.size", "with": {"maxBytes": 100}},
        {"type": "request.size", "with": {"maxBytes": 10}},
    ]});
    gateway
        .put_api(api("a", echo().await, policies))
        .await
        .expect("applied");
    let post = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let cases = [
        ("Content-Length: 10\r\n\r\n0123456789", 200),
        ("Content-Length: 11\r\n\r\n0123456789a", 413),
        (
            "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
            200,
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n",
            413,
        ),
    ];
    for (body, expected) in cases {
        let answer = raw(&gateway, &format!("{post}{body}")).await;
        assert_eq!(status(&answer), expected, "{body:?}");
    }
}

#[tokio::test]
async fn requests_beyond_the_rate_are_refused_by_consumer_and_the_count_outlives_a_change() {
    let gateway = gateway().await;
    let upstream = echo().await;
    let limit =
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 2, "per": "hour"}], "key": "consumer"}});
    let config = |version: &str| {
        let keys = json!({"keys": [
            {"consumer": "one", "secretRef": "one-key"},
            {"consumer": "two", "secretRef": "two-key"},
        ]});
        let policies = json!([limit, {"type": "auth.apiKey", "with": keys}]);
        let config = api("a", upstream, json!({"policies": policies, "version": version}));
        with_key(with_key(config, "one-key", "1"), "two-key", "2")
    };
    gateway.put_api(config("v1")).await.expect("applied");
    let call = async |key: &str| raw(&gateway, &request("/a", &format!("X-Api-Key: {key}\r\n"))).await;
    assert_eq!(status(&call("1").await), 200);
    assert_eq!(status(&call("1").await), 200);
    gateway.put_api(config("v2")).await.expect("applied");
    let refused = call("1").await;
    assert_eq!(status(&refused), 429);
    assert!(refused.contains("retry-after: "), "{refused}");
    assert_eq!(status(&call("2").await), 200);
    assert_eq!(status(&call("wrong").await), 401);
}

#[tokio::test]
async fn a_method_named_in_a_header_does_not_pass_by_its_own_policies() {
    let gateway = gateway().await;
    let fields = json!({"operations": [
        {"match": {"method": "POST", "path": "/x"}},
        {"match": {"method": "PATCH", "path": "/x"}},
        {"match": {"method": "DELETE", "path": "/x"}, "policies": [key_policy("boss", json!({}))]},
    ]});
    let upstream = echo().await;
    gateway
        .put_api(with_key(api("a", upstream, fields), "boss-key", "two"))
        .await
        .expect("applied");
    gateway
        .put_api(api("all", upstream, json!({})))
        .await
        .expect("applied");
    for (path, header, method, expected) in [
        ("/a/x", "X-HTTP-Method-Override", "DELETE", 400),
        ("/a/x", "x-http-method", "delete", 400),
        ("/a/x", "X-Method-Override", "PUT", 400),
        ("/a/x", "X-HTTP-Method-Override", "not a method", 400),
        ("/a/x", "X-HTTP-Method-Override", "PATCH", 200),
        ("/a/x", "X-HTTP-Method-Override", "POST", 200),
        ("/all/x", "X-HTTP-Method-Override", "DELETE", 200),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n{header}: {method}\r\n\r\n"
        );
        let answer = raw(&gateway, &request).await;
        assert_eq!(status(&answer), expected, "{path} {header}: {method}");
    }
}

#[tokio::test]
async fn what_is_set_on_answers_is_set_on_refusals_too_unless_they_say_it_themselves() {
    let gateway = gateway().await;
    let headers = json!({"type": "headers", "with": {"response": {
        "set": {"strict-transport-security": "max-age=60", "cache-control": "max-age=60", "content-type": "text/plain"},
        "add": {"www-authenticate": "Other"},
        "remove": ["x-request-id"],
    }}});
    let fields = json!({"policies": [headers, key_policy("shop", json!({}))]});
    gateway
        .put_api(with_key(api("a", echo().await, fields), "shop-key", "s3cret"))
        .await
        .expect("applied");
    let answer = get(&gateway, "/a").await;
    assert_eq!(status(&answer), 401);
    for expected in [
        "strict-transport-security: max-age=60\r\n",
        "cache-control: no-store\r\n",
        "content-type: application/problem+json\r\n",
        "www-authenticate: ApiKey",
        "x-request-id: ",
    ] {
        assert!(answer.contains(expected), "{expected} in {answer}");
    }
    assert!(!answer.contains("max-age=60\r\ncache"), "{answer}");
    assert_eq!(answer.matches("cache-control").count(), 1, "{answer}");
}

#[tokio::test]
async fn an_empty_key_opens_nothing() {
    let gateway = gateway().await;
    let config = api(
        "a",
        echo().await,
        json!({"policies": [key_policy("shop", json!({}))]}),
    );
    gateway
        .put_api(with_key(config, "shop-key", ""))
        .await
        .expect("applied");
    assert_eq!(
        status(&raw(&gateway, &request("/a", "X-Api-Key: \r\n")).await),
        401
    );
}

#[tokio::test]
async fn no_reading_of_a_path_passes_by_the_policies_of_another_route() {
    let gateway = gateway().await;
    let fields = json!({"operations": [
        {"match": {"method": "GET", "path": "/{id}"}},
        {"match": {"method": "GET", "path": "/admin"}, "policies": [key_policy("boss", json!({}))]},
    ]});
    gateway
        .put_api(with_key(api("a", echo().await, fields), "boss-key", "two"))
        .await
        .expect("applied");
    for (path, expected) in [
        ("/a/x", 200),
        ("/a/admin", 401),
        ("/a/%61dmin", 401),
        ("/a/x/../admin", 401),
        ("/a/admin;v=1", 400),
        ("/a/admin;v=%2Fx", 400),
        ("/a/admin%3Bv%5Cx", 400),
    ] {
        assert_eq!(status(&get(&gateway, path).await), expected, "{path}");
    }
}
