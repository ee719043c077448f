//! How much may pass, from where, and what is kept of it.

use serde_json::{Value, json};

use super::plugins::{consumer, key_auth, refused, with_plugins};

#[tokio::test]
async fn addresses_are_let_in_or_kept_out() {
    let cases = [
        (
            json!({"allow": ["10.0.0.0/8"]}),
            403,
            "IP address not allowed: 127.0.0.1",
        ),
        (
            json!({"deny": ["127.0.0.0/8"], "status": 401, "message": "No"}),
            401,
            "No",
        ),
    ];
    for (config, status, message) in cases {
        let fake = with_plugins(&[("ip-restriction", config)]).await;
        refused(&fake.get("/a").await, status, message);
    }
    let fake = with_plugins(&[("ip-restriction", json!({"allow": ["127.0.0.1"], "deny": null}))]).await;
    assert_eq!(fake.get("/a").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_in_windows_for_each_consumer() {
    let limits = json!({"year": 2, "limit_by": "consumer", "error_code": 429, "error_message": "API rate limit exceeded"});
    let fake = with_plugins(&[("key-auth", key_auth()), ("rate-limiting", limits)]).await;
    consumer(&fake);
    fake.put("consumers", "d", json!({"username": "app-two"}));
    fake.put(
        "keyauth_credentials",
        "k2",
        json!({"consumer": {"id": "d"}, "key": "second-key"}),
    );
    for left in ["1", "0"] {
        let answer = fake.get("/a?apikey=first-key").await;
        assert_eq!(
            (answer.status, &answer.headers["x-ratelimit-limit-year"]),
            (200, &"2".parse().unwrap())
        );
        assert_eq!(answer.headers["ratelimit-remaining"], left);
    }
    let over = fake.get("/a?apikey=first-key").await;
    refused(&over, 429, "API rate limit exceeded");
    assert_eq!(over.headers["retry-after"], over.headers["ratelimit-reset"]);
    assert_eq!(over.headers["x-ratelimit-remaining-year"], "0");
    assert_eq!(fake.get("/a?apikey=second-key").await.status, 200);
}

#[tokio::test]
async fn bodies_beyond_a_size_are_refused() {
    let fake = with_plugins(&[(
        "request-size-limiting",
        json!({"allowed_payload_size": 4, "size_unit": "bytes"}),
    )])
    .await;
    assert_eq!(fake.send("POST", "/a", &[], "1234").await.status, 200);
    refused(
        &fake.send("POST", "/a", &[], "12345").await,
        413,
        "Request size limit exceeded",
    );
}

#[tokio::test]
async fn preflights_are_answered_and_other_answers_say_who_may_read_them() {
    let config = json!({"origins": ["https://a.test", "https://b.test"], "methods": ["GET", "PUT"], "headers": null,
        "exposed_headers": ["X-Count"], "max_age": 600, "credentials": true, "preflight_continue": false});
    let fake = with_plugins(&[("cors", config), ("key-auth", key_auth())]).await;
    let asked = [
        ("origin", "https://b.test"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-a"),
    ];
    let preflight = fake.ask("OPTIONS", "/a", &asked).await;
    assert_eq!((preflight.status, preflight.body.as_str()), (200, ""));
    let expected = [
        ("access-control-allow-origin", "https://b.test"),
        ("access-control-allow-methods", "GET,PUT"),
        ("access-control-allow-headers", "x-a"),
        ("access-control-max-age", "600"),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    ];
    for (name, value) in expected {
        assert_eq!(preflight.headers[name], value, "{name}");
    }
    let refused = fake.ask("GET", "/a", &[("origin", "https://b.test")]).await;
    assert_eq!(
        (refused.status, &refused.headers["access-control-expose-headers"]),
        (401, &"X-Count".parse().unwrap())
    );
    let stranger = fake.ask("GET", "/a", &[("origin", "https://c.test")]).await;
    assert!(!stranger.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn origins_may_be_everybody_or_expressions() {
    let cases = [
        (json!({}), "https://x.test", Some("*")),
        (json!({"origins": ["*"]}), "https://x.test", Some("*")),
        (
            json!({"origins": ["*"], "credentials": true}),
            "https://x.test",
            Some("https://x.test"),
        ),
        (
            json!({"origins": ["https://only.test"]}),
            "https://x.test",
            Some("https://only.test"),
        ),
        (
            json!({"origins": [r"https://.*\.test$", "https://b"]}),
            "https://x.test:443",
            Some("https://x.test"),
        ),
        (
            json!({"origins": [r".*\.test", "https://b"]}),
            "https://x.test:8443",
            Some("https://x.test:8443"),
        ),
        (
            json!({"origins": [r"https://.*\.test", "https://b"]}),
            "https://x.test.evil",
            None,
        ),
    ];
    for (config, origin, expected) in cases {
        let fake = with_plugins(&[("cors", config.clone())]).await;
        let answer = fake.ask("GET", "/a", &[("origin", origin)]).await;
        let found = answer
            .headers
            .get("access-control-allow-origin")
            .map(|value| value.to_str().unwrap());
        assert_eq!(found, expected, "{config}");
    }
}

#[tokio::test]
async fn answers_are_kept_for_each_consumer_and_query() {
    let cache = json!({"response_code": [200], "request_method": ["GET"], "content_type": ["application/json"], "cache_ttl": 300});
    let fake = with_plugins(&[("proxy-cache", cache)]).await;
    let statuses = [
        ("GET", "/a", "Miss"),
        ("GET", "/a", "Hit"),
        ("GET", "/a?b=1", "Miss"),
        ("POST", "/a", "Bypass"),
    ];
    let mut bodies = Vec::new();
    for (method, path, status) in statuses {
        let answer = fake.ask(method, path, &[]).await;
        assert_eq!(answer.headers["x-cache-status"], status, "{method} {path}");
        bodies.push(answer.body);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_ne!(bodies[0], bodies[2]);
}

#[tokio::test]
async fn an_answer_of_another_content_type_is_not_kept() {
    let cache = json!({"response_code": [200], "request_method": ["GET"], "content_type": ["application/json; charset=utf-8"]});
    let fake = with_plugins(&[("proxy-cache", cache)]).await;
    for _ in 0..2 {
        assert_eq!(fake.get("/a").await.headers["x-cache-status"], "Bypass");
    }
}

#[tokio::test]
async fn requests_are_transformed_on_their_way() {
    let config = json!({
        "remove": {"headers": ["x-gone"], "querystring": ["gone"], "body": []},
        "rename": {"headers": ["x-old:X-New"], "querystring": ["old:new"], "body": []},
        "replace": {"headers": ["x-there:changed", "x-not-there:changed"], "querystring": ["there:2"], "uri": "/base$(uri_captures.path)"},
        "add": {"headers": ["x-added:$(headers.x_there)", "x-there:ignored"], "querystring": ["added:$(query_params.old)"]},
        "append": {"headers": ["x-list:two"], "querystring": ["there:3"]},
    });
    let fake = with_plugins(&[("request-transformer", config)]).await;
    fake.put(
        "routes",
        "r",
        json!({"service": {"id": "s"}, "paths": ["~/v1(?P<path>/pets/[^/]+)$"], "strip_path": false}),
    );
    let headers = [
        ("x-gone", "1"),
        ("x-old", "1"),
        ("x-there", "1"),
        ("x-list", "one"),
    ];
    let asked = fake
        .ask("GET", "/v1/pets/a%20b?gone=1&old=1&there=1", &headers)
        .await
        .json();
    assert_eq!(asked["uri"], "/base/pets/a%20b?new=1&there=2&added=1&there=3");
    let expected = [
        ("x-new", json!("1")),
        ("x-there", json!("changed")),
        ("x-added", json!("1")),
        ("x-list", json!("two")),
    ];
    for (name, value) in expected {
        assert_eq!(asked["headers"][name], value, "{name}");
    }
    for name in ["x-gone", "x-old", "x-not-there"] {
        assert_eq!(asked["headers"][name], Value::Null, "{name}");
    }
}

#[tokio::test]
async fn a_template_that_cannot_run_fails_the_request() {
    let config = json!({"replace": {"headers": [], "uri": "/$(os.exit())"}});
    let fake = with_plugins(&[("request-transformer", config)]).await;
    refused(&fake.get("/a").await, 500, "An unexpected error occurred");
}

#[tokio::test]
async fn answers_are_transformed_on_their_way() {
    let config = json!({
        "remove": {"headers": ["date"], "json": []}, "rename": {"headers": ["content-type:X-Type"]},
        "replace": {"headers": ["x-type:changed", "x-none:changed"]}, "add": {"headers": ["x-added:1"]},
        "append": {"headers": ["x-added:2"]},
    });
    let fake = with_plugins(&[("response-transformer", config)]).await;
    let answer = fake.get("/a").await;
    assert_eq!(answer.headers["x-type"], "changed");
    assert!(!answer.headers.contains_key("x-none"));
    let added: Vec<_> = answer.headers.get_all("x-added").iter().collect();
    assert_eq!(added, ["1", "2"]);
}
