//! `gatehouse explain route`: what takes a request and what holds there, as it is deployed.

use gatehouse_integration_tests::{
    database::Database,
    stack::{Stack, environment},
    upstream::Upstream,
};
use serde_json::{Value, json};

/// Two operations that differ by a header only, with a time limit each.
fn document(upstream: &str, times: [u32; 2]) -> Value {
    let limited = |milliseconds: u32| json!([{"type": "timeout", "with": {"responseMs": milliseconds}}]);
    json!({
        "apiVersion": "gatehouse.dev/v1",
        "kind": "Api",
        "metadata": {"name": "orders"},
        "spec": {
            "basePath": "/orders",
            "upstreams": {"main": {"url": upstream}},
            "operations": [
                {"match": {"method": "GET", "path": "/{id}"}, "policies": limited(times[0])},
                {"match": {"method": "GET", "path": "/{id}", "headers": {"x-beta": "1"}}, "policies": limited(times[1])},
            ],
        },
    })
}

/// The operation that takes a request and the time it has.
async fn explained(stack: &Stack, place: &[&str], header: &str) -> (Value, Value) {
    let url = "http://any.example/orders/7";
    let mut arguments = vec!["explain", "route", url, "-H", header, "-o", "json"];
    arguments.extend_from_slice(place);
    let outcome = stack.cli.run(&arguments).await;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let explanation: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let policy = &explanation["policies"][0]["policy"];
    (
        explanation["route"]["operation"].clone(),
        policy["with"]["responseMs"].clone(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn of_operations_with_the_same_path_the_policies_of_the_one_that_is_taken_are_told() {
    let stack = Stack::start(Database::Sqlite).await;
    let upstream = Upstream::start("orders").await;
    stack
        .admin
        .apply(json!([document(&upstream.url(), [1_000, 2_000])]))
        .await;
    stack.admin.deploy_and_wait("orders", None, "local").await;
    // Written, and not deployed.
    stack
        .admin
        .apply(json!([document(&upstream.url(), [3_000, 4_000])]))
        .await;
    let gateway = stack.gateway.admin_url("");
    for place in [&["--to", "local"][..], &["--gateway", &gateway]] {
        assert_eq!(
            explained(&stack, place, "x-other: 1").await,
            (json!(0), json!(1_000)),
            "{place:?}"
        );
        assert_eq!(
            explained(&stack, place, "x-beta: 1").await,
            (json!(1), json!(2_000)),
            "{place:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_explained_is_told_with_a_remedy() {
    let stack = Stack::start(Database::Sqlite).await;
    stack
        .admin
        .apply(json!([environment("cloud", "aws", "read-only")]))
        .await;
    let url = "http://any.example/orders/7";
    for (arguments, code, said) in [
        (&["explain", "route", url][..], 64, "--to"),
        (&["explain", "route", "orders/7", "--to", "local"], 64, "URL"),
        (&["explain", "route", url, "--to", "nowhere"], 6, "nowhere"),
        (
            &["explain", "route", url, "--to", "cloud"],
            3,
            "environment `cloud` is of gateway type `aws`",
        ),
        (
            &["explain", "route", url, "-H", "nothing", "--to", "local"],
            64,
            "name: value",
        ),
        (
            &["explain", "route", url, "--gateway", "http://127.0.0.1:1"],
            1,
            "the admin listener at http://127.0.0.1:1/ cannot be asked",
        ),
    ] {
        let outcome = stack.cli.run(arguments).await;
        assert_eq!(outcome.code, code, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(said), "{arguments:?}: {}", outcome.stderr);
    }
    let nothing = stack.cli.run(["explain", "route", url, "--to", "local"]).await;
    assert!(nothing.stdout.contains("No"), "{}", nothing.stdout);
}
