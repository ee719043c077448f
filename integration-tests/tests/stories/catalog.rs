//! The catalog from the command line: apply, diff, get, describe, delete.

use gatehouse_integration_tests::{database::Database, stack::Stack, upstream::Upstream};
use serde_json::json;

super::on_both_databases! {
    documents_of_all_kinds_are_applied_together
    one_wrong_document_changes_nothing
    a_resource_in_use_is_not_deleted
}

const ORDERS: &str = "\
apiVersion: gatehouse.dev/v1
kind: Project
metadata: {name: payments}
spec: {displayName: Payments}
---
kind: Secret
metadata: {name: shop-key, project: payments}
spec: {value: open-sesame}
---
kind: Environment
metadata: {name: staging, project: payments}
spec: {gatewayType: native}
---
kind: Policy
metadata: {name: payments-keys, project: payments}
spec:
  targets: [{project: payments}]
  policies:
    - {type: auth.apiKey, with: {keys: [{consumer: shop, secretRef: shop-key}]}}
---
kind: Api
metadata: {name: orders, project: payments, labels: {tier: public}}
spec:
  basePath: /orders
  upstreams: {main: {url: UPSTREAM}}
  operations:
    - {match: {method: GET, path: '/orders/{id}'}}
";

async fn documents_of_all_kinds_are_applied_together(database: Database) {
    let stack = Stack::start(database).await;
    let upstream = Upstream::start("orders").await;
    let documents = ORDERS.replace("UPSTREAM", &upstream.url());
    stack.cli.write("orders.yaml", &documents);

    run(&stack, "diff -f orders.yaml", 2).await;
    let applied = stack.cli.json("apply -f orders.yaml").await;
    let results = applied["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    assert!(
        results.iter().all(|result| result["action"] == "created"),
        "{applied:#}"
    );
    run(&stack, "diff -f orders.yaml", 0).await;
    let again = stack.cli.json("apply -f orders.yaml").await;
    assert!(
        again["results"]
            .as_array()
            .unwrap()
            .iter()
            .all(|result| result["action"] == "unchanged"),
        "{again:#}"
    );

    // The policy that the project carries holds for the deployed API: no key, no entry.
    stack.cli.ok("deploy orders --to local --wait").await;
    assert_eq!(stack.gateway.call("/orders/orders/7").await.status(), 401);
    let response = stack
        .gateway
        .call_with("/orders/orders/7", "x-api-key", "open-sesame")
        .await;
    assert_eq!(response.status(), 200);

    // Every view of the same list; the secret's value is in none of them.
    assert_eq!(stack.cli.ok("get apis -o name").await.trim(), "api/orders");
    assert!(stack.cli.ok("get apis").await.contains("orders"));
    assert!(stack.cli.ok("get apis -o yaml").await.contains("kind: Api"));
    let listed = stack.cli.json("get apis").await;
    assert_eq!(listed["items"][0]["metadata"]["name"], "orders", "{listed:#}");
    assert!(stack.cli.ok("describe api orders").await.contains("local"));
    for view in [
        "get secrets -o json",
        "get secrets -o yaml",
        "describe secret shop-key",
    ] {
        let shown = stack.cli.ok(view).await;
        assert!(!shown.contains("open-sesame"), "{view}:\n{shown}");
    }
    assert!(stack.cli.ok("get agents").await.contains("native"));
    assert!(stack.cli.ok("get environments").await.contains("staging"));
    assert!(stack.cli.ok("get deployments").await.contains("Deployed"));

    // A change shows in the difference before it is applied, and rotating the secret reaches the gateway.
    stack
        .cli
        .write("orders.yaml", &documents.replace("open-sesame", "abracadabra"));
    run(&stack, "diff -f orders.yaml", 2).await;
    stack.cli.ok("apply -f orders.yaml").await;
    gatehouse_integration_tests::wait::until_true("the new key opens the API", async || {
        let response = stack
            .gateway
            .call_with("/orders/orders/7", "x-api-key", "abracadabra")
            .await;
        response.status() == 200
    })
    .await;
    let response = stack
        .gateway
        .call_with("/orders/orders/7", "x-api-key", "open-sesame")
        .await;
    assert_eq!(response.status(), 401, "the old key is closed");

    // Everything that was changed left an event, and none tells a secret.
    let events = stack.admin.get("/audit-events?limit=200").await.to_string();
    for object in [
        "api/orders",
        "project/payments",
        "secret/shop-key",
        "environment/staging",
    ] {
        assert!(events.contains(object), "{object} is not in {events}");
    }
    assert!(!events.contains("open-sesame") && !events.contains("abracadabra"));
}

async fn one_wrong_document_changes_nothing(database: Database) {
    let stack = Stack::start(database).await;
    let wrong = ORDERS
        .replace("UPSTREAM", "http://127.0.0.1:9")
        .replace("basePath", "basePaht");
    stack.cli.write("orders.yaml", &wrong);
    let refused = run(&stack, "apply -f orders.yaml", 3).await;
    assert!(
        refused.contains("basePath"),
        "the nearest field is named: {refused}"
    );
    assert_eq!(stack.cli.ok("get apis -o name").await.trim(), "");
    assert_eq!(stack.cli.ok("get secrets -o name").await.trim(), "");

    // A dry run of right documents changes nothing either.
    stack
        .cli
        .write("orders.yaml", &ORDERS.replace("UPSTREAM", "http://127.0.0.1:9"));
    stack.cli.ok("apply -f orders.yaml --dry-run").await;
    assert_eq!(stack.cli.ok("get apis -o name").await.trim(), "");
}

async fn a_resource_in_use_is_not_deleted(database: Database) {
    let stack = Stack::start(database).await;
    stack
        .cli
        .write("orders.yaml", &ORDERS.replace("UPSTREAM", "http://127.0.0.1:9"));
    stack.cli.ok("apply -f orders.yaml").await;
    stack.cli.ok("deploy orders --to local --wait").await;
    run(&stack, "delete api orders", 4).await;
    run(&stack, "delete secret shop-key", 4).await;
    run(&stack, "delete environment local", 4).await;

    stack.cli.ok("undeploy orders --from local --wait").await;
    stack.cli.ok("delete api orders").await;
    run(&stack, "delete api orders", 6).await;
    let gone = stack.admin.send(reqwest::Method::GET, "/apis/orders", None).await;
    gone.expect_problem(404, "not-found");
    let listed = stack.admin.get("/apis").await;
    assert_eq!(listed["items"], json!([]));
}

async fn run(stack: &Stack, words: &str, code: i32) -> String {
    let outcome = stack.cli.run(words.split_whitespace()).await.expect_code(code);
    format!("{}{}", outcome.stdout, outcome.stderr)
}
