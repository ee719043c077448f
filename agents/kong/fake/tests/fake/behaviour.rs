//! What no recording shows: versions, flavours, tokens, prefixes, Enterprise, and faults that tests plan.

use std::time::Duration;

use gatehouse_fake_kong::{
    AdminToken, Database, Enterprise, FakeKong, FakeKongOptions, Fault, Plugins, PortalDocument, RouterFlavor,
};
use serde_json::{Value, json};

use crate::client::{call, json as send};

async fn kong(options: FakeKongOptions) -> FakeKong {
    FakeKong::start(options).await.unwrap()
}

async fn post(kong: &FakeKong, path: &str, body: Value) -> (u16, Value) {
    let answer = send("POST", &format!("{}{path}", kong.admin_url()), body).await;
    (answer.status, answer.body)
}

async fn get(kong: &FakeKong, path: &str) -> (u16, Value) {
    let answer = send("GET", &format!("{}{path}", kong.admin_url()), Value::Null).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn an_older_version_knows_fewer_fields() {
    let old = kong(FakeKongOptions {
        version: "3.4.2".to_owned(),
        ..FakeKongOptions::default()
    })
    .await;
    let (_, root) = get(&old, "").await;
    assert_eq!(root["version"], "3.4.2");
    assert!(root.get("edition").is_none());
    let (status, plugin) = post(
        &old,
        "/plugins",
        json!({"name": "rate-limiting", "config": {"minute": 5}}),
    )
    .await;
    assert_eq!(status, 201);
    assert_eq!(plugin["config"]["redis_timeout"], 2000);
    assert!(plugin["config"].get("redis").is_none());
    let (status, _) = post(
        &old,
        "/plugins",
        json!({"name": "key-auth", "config": {"realm": "x"}}),
    )
    .await;
    assert_eq!(status, 400);
    let redis = json!({"name": "rate-limiting", "instance_name": "other", "config": {"minute": 5, "policy": "redis"}});
    let (status, refused) = post(&old, "/schemas/plugins/validate", redis).await;
    assert_eq!(
        (status, &refused["fields"]["config"]["redis_host"]),
        (400, &json!("required field missing"))
    );
}

#[tokio::test]
async fn routes_have_expressions_where_the_router_reads_them() {
    let options = FakeKongOptions {
        router_flavor: RouterFlavor::Expressions,
        ..FakeKongOptions::default()
    };
    let kong = kong(options).await;
    let (status, route) = post(
        &kong,
        "/routes",
        json!({"name": "a", "expression": "http.path ^= \"/a\""}),
    )
    .await;
    assert_eq!(status, 201, "{route}");
    assert_eq!(route["priority"], 0);
    let both = json!({"name": "b", "expression": "http.path ^= \"/b\"", "paths": ["/b"]});
    assert_eq!(post(&kong, "/routes", both).await.0, 400);
    assert_eq!(
        post(&kong, "/routes", json!({"name": "c", "paths": ["/c"]}))
            .await
            .0,
        201
    );
}

#[tokio::test]
async fn a_token_is_wanted_and_may_be_for_reading_only() {
    let token = AdminToken {
        header: "Kong-Admin-Token".to_owned(),
        token: "writer".to_owned(),
    };
    let options = FakeKongOptions {
        admin_token: Some(token),
        read_only_token: Some("reader".to_owned()),
        ..FakeKongOptions::default()
    };
    let kong = kong(options).await;
    let url = format!("{}/services", kong.admin_url());
    let with = |token: &str| {
        vec![
            ("Kong-Admin-Token".to_owned(), token.to_owned()),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ]
    };
    let body = || Some(r#"{"name": "a", "host": "h.test"}"#.to_owned());
    let none = call("GET", &url, &[], None).await;
    assert_eq!(
        (none.status, &none.body["message"]),
        (401, &json!("No API key found in request"))
    );
    assert_eq!(call("GET", &url, &with("other"), None).await.status, 401);
    assert_eq!(call("GET", &url, &with("reader"), None).await.status, 200);
    assert_eq!(call("POST", &url, &with("reader"), body()).await.status, 403);
    assert_eq!(call("POST", &url, &with("writer"), body()).await.status, 201);
}

#[tokio::test]
async fn the_next_page_is_named_without_the_prefix() {
    let kong = kong(FakeKongOptions {
        path_prefix: "/admin-api".to_owned(),
        ..FakeKongOptions::default()
    })
    .await;
    for name in ["a", "b"] {
        assert_eq!(
            post(&kong, "/services", json!({"name": name, "host": "h.test"}))
                .await
                .0,
            201
        );
    }
    let (_, page) = get(&kong, "/services?size=1").await;
    assert!(
        page["next"].as_str().unwrap().starts_with("/services?offset="),
        "{page}"
    );
    let outside = kong.admin_url().replace("/admin-api", "/services");
    assert_eq!(call("GET", &outside, &[], None).await.status, 404);
}

#[tokio::test]
async fn a_plugin_that_is_not_enabled_is_refused() {
    let plugins = Plugins::Only(vec!["key-auth".to_owned()]);
    let kong = kong(FakeKongOptions {
        plugins,
        ..FakeKongOptions::default()
    })
    .await;
    let (status, refused) = post(&kong, "/plugins", json!({"name": "cors"})).await;
    assert_eq!(status, 400);
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("plugin 'cors' not enabled")
    );
    assert_eq!(
        get(&kong, "/plugins/enabled").await.1,
        json!({"enabled_plugins": ["key-auth"]})
    );
}

#[tokio::test]
async fn enterprise_has_workspaces_and_a_portal() {
    let document = PortalDocument {
        workspace: "default".to_owned(),
        service: "petstore".to_owned(),
        path: "specs/petstore.yaml".to_owned(),
        contents: "openapi: 3.0.3".to_owned(),
    };
    let enterprise = Enterprise {
        documents: vec![document],
        ..Enterprise::default()
    };
    let kong = kong(FakeKongOptions {
        enterprise: Some(enterprise),
        ..FakeKongOptions::default()
    })
    .await;
    let (_, service) = post(
        &kong,
        "/default/services",
        json!({"name": "petstore", "host": "h.test"}),
    )
    .await;
    assert_eq!(get(&kong, "").await.1["version"], "3.9.3.1-enterprise-edition");
    assert_eq!(get(&kong, "/workspaces").await.1["data"][0]["name"], "default");
    let path = format!(
        "/default/services/{}/document_objects",
        service["id"].as_str().unwrap()
    );
    assert_eq!(
        get(&kong, &path).await.1["data"][0]["path"],
        "specs/petstore.yaml"
    );
    assert_eq!(
        get(&kong, "/default/files/specs/petstore.yaml").await.1["contents"],
        "openapi: 3.0.3"
    );
    assert_eq!(get(&kong, "/other/services").await.0, 404);
}

#[tokio::test]
async fn a_key_lives_as_long_as_it_was_told_whatever_else_changes() {
    let kong = kong(FakeKongOptions::default()).await;
    post(&kong, "/consumers", json!({"username": "alice"})).await;
    let (_, key) = post(&kong, "/consumers/alice/key-auth", json!({"ttl": 3600})).await;
    assert!(key["ttl"].as_u64().unwrap() <= 3600);
    let url = format!("{}/key-auths/{}", kong.admin_url(), key["id"].as_str().unwrap());
    let tagged = send("PATCH", &url, json!({"tags": ["a"]})).await.body;
    assert!(tagged["ttl"].as_u64().unwrap() <= 3600, "{tagged}");
    assert_eq!(
        send("PATCH", &url, json!({"ttl": null})).await.body["ttl"],
        Value::Null
    );
}

#[tokio::test]
async fn a_planned_answer_is_given_once() {
    let kong = kong(FakeKongOptions::default()).await;
    let busy = Fault::Answer {
        status: 503,
        body: json!({"message": "busy"}),
        retry_after: Some(3),
    };
    kong.fail_next("POST", "/services", busy);
    let service = json!({"name": "a", "host": "h.test"});
    assert_eq!(post(&kong, "/services", service.clone()).await.0, 503);
    assert_eq!(post(&kong, "/services", service).await.0, 201);
    assert_eq!(kong.calls().len(), 2);
}

#[tokio::test]
async fn a_lost_reply_has_its_effect() {
    let kong = kong(FakeKongOptions::default()).await;
    kong.fail_next("PUT", "/services/*", Fault::LoseReply);
    let url = format!("{}/services/a", kong.admin_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client
        .put(&url)
        .json(&json!({"host": "h.test"}))
        .send()
        .await
        .unwrap_err();
    assert_eq!(get(&kong, "/services/a").await.0, 200);
}

#[tokio::test]
async fn silence_has_no_effect() {
    let kong = kong(FakeKongOptions::default()).await;
    kong.fail_next("*", "/services/a", Fault::Silence);
    let url = format!("{}/services/a", kong.admin_url());
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    assert!(
        client
            .put(&url)
            .json(&json!({"host": "h.test"}))
            .send()
            .await
            .unwrap_err()
            .is_timeout()
    );
    assert_eq!(get(&kong, "/services/a").await.0, 404);
}

#[tokio::test]
async fn something_may_change_just_before_a_call() {
    let kong = kong(FakeKongOptions::default()).await;
    let id = "11111111-1111-4111-8111-111111111111";
    let taken = json!({"id": id, "name": "a"}).as_object().unwrap().clone();
    kong.fail_next(
        "POST",
        "/services",
        Fault::Before(Box::new(move |all| all.put("services", id, taken))),
    );
    assert_eq!(
        post(&kong, "/services", json!({"name": "a", "host": "h.test"}))
            .await
            .0,
        409
    );
    assert_eq!(kong.pending_faults(), 0);
}

#[tokio::test]
async fn an_exported_configuration_loads_again_with_the_same_passwords() {
    let kong = kong(FakeKongOptions {
        database: Database::Off,
        ..FakeKongOptions::default()
    })
    .await;
    let declared = json!({"_format_version": "3.0", "consumers": [
        {"username": "alice", "basicauth_credentials": [{"username": "alice", "password": "secret"}]}]});
    assert_eq!(post(&kong, "/config", declared).await.0, 201);
    let before = get(&kong, "/basic-auths").await.1["data"][0]["password"].clone();
    assert_ne!(before, "secret");
    let (_, exported) = get(&kong, "/config").await;
    assert_eq!(post(&kong, "/config", exported).await.0, 201);
    assert_eq!(get(&kong, "/basic-auths").await.1["data"][0]["password"], before);
}
