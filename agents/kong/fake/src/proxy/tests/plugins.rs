//! What plugins do to a consumer's request.

use serde_json::{Value, json};

use super::support::{Fake, Got, service};

/// A proxy with one service, one route at `/a` and these plugins on the service.
pub(super) async fn with_plugins(plugins: &[(&str, Value)]) -> Fake {
    let fake = Fake::start().await;
    fake.put("services", "s", service(fake.upstream, "/"));
    fake.put(
        "routes",
        "r",
        json!({"service": {"id": "s"}, "paths": ["/a"], "strip_path": false}),
    );
    for (name, config) in plugins {
        fake.put(
            "plugins",
            name,
            json!({"name": name, "service": {"id": "s"}, "enabled": true, "config": config}),
        );
    }
    fake
}

pub(super) fn key_auth() -> Value {
    json!({"key_names": ["apikey"], "key_in_header": true, "key_in_query": true, "run_on_preflight": true})
}

pub(super) fn consumer(fake: &Fake) {
    fake.put(
        "consumers",
        "c",
        json!({"username": "app-one", "custom_id": "one"}),
    );
    fake.put(
        "keyauth_credentials",
        "k",
        json!({"consumer": {"id": "c"}, "key": "first-key"}),
    );
}

pub(super) fn refused(answer: &Got, status: u16, message: &str) {
    assert_eq!(
        (answer.status, &answer.json()["message"]),
        (status, &json!(message))
    );
}

#[tokio::test]
async fn a_key_is_asked_for_and_its_consumer_told_to_the_upstream() {
    let fake = with_plugins(&[("key-auth", key_auth())]).await;
    consumer(&fake);
    let without = fake.get("/a").await;
    refused(&without, 401, "No API key found in request");
    assert_eq!(without.headers["www-authenticate"], "Key");
    refused(
        &fake.ask("GET", "/a", &[("apikey", "wrong")]).await,
        401,
        "Unauthorized",
    );
    let asked = fake.ask("GET", "/a", &[("apikey", "first-key")]).await.json();
    assert_eq!(asked["headers"]["x-consumer-username"], "app-one");
    assert_eq!(asked["headers"]["x-credential-identifier"], "k");
    assert_eq!(asked["headers"]["apikey"], "first-key");
    assert_eq!(fake.get("/a?apikey=first-key").await.status, 200);
}

#[tokio::test]
async fn a_key_is_hidden_where_that_is_wanted() {
    let mut config = key_auth();
    config["hide_credentials"] = json!(true);
    let fake = with_plugins(&[("key-auth", config)]).await;
    consumer(&fake);
    assert_eq!(fake.get("/a?x=1&apikey=first-key").await.json()["uri"], "/a?x=1");
    let asked = fake.ask("GET", "/a", &[("apikey", "first-key")]).await.json();
    assert_eq!(asked["headers"]["apikey"], Value::Null);
}

#[tokio::test]
async fn only_consumers_of_the_group_may_pass() {
    let fake = with_plugins(&[
        ("key-auth", key_auth()),
        ("acl", json!({"allow": ["gold"], "deny": null})),
    ])
    .await;
    consumer(&fake);
    refused(
        &fake.get("/a?apikey=first-key").await,
        403,
        "You cannot consume this service",
    );
    fake.put("acls", "g", json!({"consumer": {"id": "c"}, "group": "gold"}));
    let asked = fake.get("/a?apikey=first-key").await.json();
    assert_eq!(asked["headers"]["x-consumer-groups"], "gold");
}

#[tokio::test]
async fn a_termination_answers_in_the_upstreams_place() {
    let cases = [
        (json!({"status_code": 204}), 204, ""),
        (
            json!({"status_code": 503}),
            503,
            r#"{"message":"Service unavailable"}"#,
        ),
        (
            json!({"status_code": 403, "message": "So long"}),
            403,
            r#"{"message":"So long"}"#,
        ),
        (
            json!({"status_code": 200, "content_type": "text/plain", "body": "hello"}),
            200,
            "hello",
        ),
    ];
    for (config, status, body) in cases {
        let fake = with_plugins(&[("request-termination", config)]).await;
        let answer = fake.get("/a").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
    }
}

#[tokio::test]
async fn a_termination_may_wait_for_its_trigger() {
    let fake = with_plugins(&[(
        "request-termination",
        json!({"status_code": 418, "trigger": "x-stop"}),
    )])
    .await;
    assert_eq!(fake.get("/a").await.status, 200);
    assert_eq!(fake.ask("GET", "/a", &[("X-Stop", "1")]).await.status, 418);
}

#[tokio::test]
async fn the_most_specific_instance_of_a_plugin_runs_alone() {
    let fake = with_plugins(&[("request-termination", json!({"status_code": 401}))]).await;
    let termination = |status: u16| json!({"name": "request-termination", "config": {"status_code": status}});
    fake.put("plugins", "global", termination(400));
    assert_eq!(fake.get("/a").await.status, 401);
    let mut on_route = termination(402);
    on_route["route"] = json!({"id": "r"});
    fake.put("plugins", "on-route", on_route.clone());
    assert_eq!(fake.get("/a").await.status, 402);
    on_route["enabled"] = json!(false);
    fake.put("plugins", "on-route", on_route);
    assert_eq!(fake.get("/a").await.status, 401);
}
