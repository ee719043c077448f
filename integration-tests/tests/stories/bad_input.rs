//! Bad input: each is refused, says what is wrong and with what, and changes nothing.

use std::time::{Duration, Instant};

use gatehouse_integration_tests::{
    admin::Admin,
    database::Database,
    ports::free_address,
    process::Process,
    stack::{Stack, api, environment, user},
    wait,
};
use reqwest::Method;
use serde_json::{Value, json};

use gatehouse_integration_tests::control_plane::ControlPlane;
use tempfile::TempDir;

const UPSTREAM: &str = "http://127.0.0.1:9";

/// A control plane without any gateway: what is refused before deployment needs none.
struct Desk {
    control_plane: ControlPlane,
    admin: Admin,
    cli: gatehouse_integration_tests::cli::Cli,
    _folder: TempDir,
}

async fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::start(Database::Sqlite, folder.path().join("control-plane")).await;
    Desk {
        admin: control_plane.admin(),
        cli: user(&folder, &control_plane),
        control_plane,
        _folder: folder,
    }
}

impl Desk {
    /// Imports a file and expects it to be refused as invalid input, with these words.
    async fn refuses_import(&self, name: &str, content: &str, said: &str) {
        self.cli.write(name, content);
        let refused = self
            .cli
            .run([
                "api",
                "import",
                name,
                "--name",
                "bad",
                "--base-path",
                "/bad",
                "--upstream",
                UPSTREAM,
            ])
            .await
            .expect_code(3);
        refused.expect_said(said);
        assert_eq!(self.admin.get("/apis").await["items"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_openapi_is_refused() {
    let desk = desk().await;
    desk.refuses_import("bad.json", r#"{"hello": "world"}"#, "openapi")
        .await;
    desk.refuses_import("bad.yaml", "just a sentence", "bad.yaml")
        .await;
    desk.refuses_import(
        "bad.json",
        r#"{"openapi": "4.0.0", "info": {"title": "t", "version": "1"}, "paths": {}}"#,
        "4.0.0",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_json_and_yaml_are_refused_with_the_place() {
    let desk = desk().await;
    desk.refuses_import("broken.json", "{\n  \"openapi\": \"3.0.0\",\n  oops\n}", "3")
        .await;
    desk.cli
        .write("broken.yaml", "kind: Api\nmetadata: {name: x\nspec: ]\n");
    desk.cli
        .run(["apply", "-f", "broken.yaml"])
        .await
        .expect_code(3)
        .expect_said("broken.yaml");
    let client = reqwest::Client::new();
    let response = client
        .post(format!("{}/api/v1/apply", desk.control_plane.url()))
        .bearer_auth(desk.control_plane.token())
        .header("content-type", "application/json")
        .body("{\"documents\": [")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_50_mb_is_refused_by_both_ends() {
    let desk = desk().await;
    let description = "x".repeat(50 * 1024 * 1024);
    let document = format!(
        r#"{{"openapi": "3.0.0", "info": {{"title": "t", "version": "1", "description": "{description}"}}, "paths": {{}}}}"#
    );
    desk.refuses_import("huge.json", &document, "MiB").await;

    let mut huge = api("huge", UPSTREAM);
    huge["spec"]["displayName"] = json!(description);
    let client = reqwest::Client::new();
    let sent = client
        .post(format!("{}/api/v1/apply", desk.control_plane.url()))
        .bearer_auth(desk.control_plane.token())
        .json(&json!({"documents": [huge]}))
        .send()
        .await;
    // The server may answer and close before it has read everything; either way it takes nothing in.
    if let Ok(response) = sent {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(desk.admin.get("/apis").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_upstream_scheme_is_refused() {
    let desk = desk().await;
    let problem = desk
        .admin
        .post(
            "/apply",
            json!({"documents": [api("ftp", "ftp://files.example.com")]}),
        )
        .await
        .expect_problem(422, "invalid");
    let errors = problem["errors"].to_string();
    assert!(errors.contains("/spec/upstreams/main/url"), "{errors}");
    assert!(errors.contains("ftp"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_is_refused_and_the_nearest_one_named() {
    let desk = desk().await;
    let mut document = api("orders", UPSTREAM);
    document["spec"]["basePth"] = json!("/x");
    let problem = desk
        .admin
        .post("/apply", json!({"documents": [document]}))
        .await
        .expect_problem(422, "invalid");
    let errors = problem["errors"].to_string();
    assert!(
        errors.contains("/spec/basePth") && errors.contains("basePath"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_apis_on_the_same_host_and_path_are_refused_where_they_would_meet() {
    let stack = Stack::start(Database::Sqlite).await;
    let mut twin = api("twin", UPSTREAM);
    twin["spec"]["basePath"] = json!("/orders");
    stack.admin.apply(json!([api("orders", UPSTREAM), twin])).await;
    stack.admin.deploy_and_wait("orders", None, "local").await;
    let problem = stack
        .admin
        .post("/deployments", json!({"api": "twin", "environment": "local"}))
        .await
        .expect_problem(409, "route-conflict");
    assert!(
        problem["detail"].as_str().unwrap().contains("orders"),
        "{problem:#}"
    );
    stack
        .cli
        .run(["deploy", "twin", "--to", "local", "--wait"])
        .await
        .expect_code(4)
        .expect_said("orders");
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_and_unknown_environments_are_refused() {
    let desk = desk().await;
    desk.admin
        .apply(json!([
            environment("look", "native", "read-only"),
            environment("push", "native", "write-only"),
            api("orders", UPSTREAM),
        ]))
        .await;
    desk.admin
        .post("/deployments", json!({"api": "orders", "environment": "look"}))
        .await
        .expect_problem(409, "mode-forbids");
    desk.admin
        .post("/discoveries", json!({"environment": "push"}))
        .await
        .expect_problem(409, "mode-forbids");
    for (words, code, said) in [
        ("deploy orders --to look", 4, "read-write"),
        ("discover push", 4, "read-write"),
        ("deploy orders --to nowhere", 6, "nowhere"),
        ("discover nowhere", 6, "nowhere"),
        ("deploy nothing --to look", 6, "nothing"),
    ] {
        desk.cli
            .run(words.split_whitespace())
            .await
            .expect_code(code)
            .expect_said(said);
    }
    assert_eq!(desk.admin.get("/deployments").await["items"], json!([]));
    assert_eq!(desk.admin.get("/discoveries").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_missing_or_weak_token_is_refused() {
    let desk = desk().await;
    for token in [None, Some("gth_wrong"), Some("")] {
        desk.admin
            .with_token(token)
            .send(Method::GET, "/apis", None)
            .await
            .expect_problem(401, "unauthenticated");
    }
    desk.cli
        .with_token("gth_wrong")
        .run(["get", "apis"])
        .await
        .expect_code(5);

    let viewer = created_token(&desk.admin, "watcher", "viewer").await;
    let publisher = created_token(&desk.admin, "pipeline", "publisher").await;
    let documents = json!({"documents": [api("orders", UPSTREAM)]});
    let viewer = desk.admin.with_token(Some(&viewer));
    viewer.get("/apis").await;
    viewer
        .post("/apply", documents.clone())
        .await
        .expect_problem(403, "forbidden");
    let publisher = desk.admin.with_token(Some(&publisher));
    publisher.post("/apply", documents).await.expect_ok();
    publisher
        .post(
            "/apply",
            json!({"documents": [environment("local", "native", "read-write")]}),
        )
        .await
        .expect_problem(403, "forbidden");
    publisher
        .post("/join-tokens", json!({"gatewayType": "native"}))
        .await
        .expect_problem(403, "forbidden");
}

async fn created_token(admin: &Admin, name: &str, role: &str) -> String {
    let created: Value = admin
        .post("/tokens", json!({"name": name, "role": role}))
        .await
        .expect_ok();
    created["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_or_spent_join_token_is_refused() {
    let desk = desk().await;
    let short = desk
        .admin
        .post("/join-tokens", json!({"gatewayType": "native", "ttlSeconds": 1}))
        .await
        .expect_ok();
    let made = Instant::now();
    let short = short["token"].as_str().unwrap();
    let anyone = reqwest::Client::new();
    let enroll = async |token: &str, agent: &str| {
        anyone
            .post(format!("{}/agent/v1/enroll", desk.control_plane.url()))
            .json(&json!({
                "joinToken": token,
                "gatewayType": "native",
                "name": "test",
                "keySha256": agent.repeat(64),
            }))
            .send()
            .await
            .unwrap()
            .status()
    };
    wait::until_true("the second of its life is over", async || {
        made.elapsed() > Duration::from_secs(1)
    })
    .await;
    assert_eq!(enroll(short, "0").await, 401, "expired");

    let created = desk
        .admin
        .post("/join-tokens", json!({"gatewayType": "native"}))
        .await
        .expect_ok();
    let token = created["token"].as_str().unwrap();
    assert!(enroll(token, "0").await.is_success());
    assert!(
        enroll(token, "0").await.is_success(),
        "whoever lost the answer asks again"
    );
    assert_eq!(enroll(token, "1").await, 401, "spent");

    // The program that people start says so and ends, rather than to try for ever.
    let folder = tempfile::tempdir().unwrap();
    let mut command =
        std::process::Command::new(gatehouse_integration_tests::binaries::binary("gatehouse-gateway"));
    command
        .args([
            "--control-plane",
            &desk.control_plane.url(),
            "--join-token",
            short,
        ])
        .arg("--state-dir")
        .arg(folder.path())
        .args(["--listen", &free_address().to_string()])
        .args(["--admin-listen", &free_address().to_string()]);
    let process = Process::start("gatehouse-gateway", command, &folder.path().join("log"));
    let process = std::cell::RefCell::new(process);
    wait::until_true("the gateway ends", async || {
        process.borrow_mut().ended().is_some()
    })
    .await;
    let mut process = process.borrow_mut();
    assert_ne!(process.ended(), Some(0));
    assert!(process.output().contains("join token"), "{}", process.output());
}
