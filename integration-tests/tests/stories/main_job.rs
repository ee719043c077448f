//! The main job: import GitHub's real description, deploy it, call it, discover it back, take it down again.

use gatehouse_integration_tests::{database::Database, documents, stack::Stack, upstream::Upstream, wait};
use serde_json::Value;

super::on_both_databases! {
    github_is_imported_deployed_called_discovered_and_undeployed
}

async fn github_is_imported_deployed_called_discovered_and_undeployed(database: Database) {
    let stack = Stack::start(database).await;
    let upstream = Upstream::start("github").await;

    let document = documents::github();
    stack
        .cli
        .run([
            "api",
            "import",
            document.to_str().unwrap(),
            "--name",
            "github",
            "--base-path",
            "/github",
            "--upstream",
            &upstream.url(),
        ])
        .await
        .expect_code(0);
    let api = stack.admin.get("/apis/github").await;
    let operations = api["status"]["operations"].as_u64().unwrap();
    assert!(operations > 1_000, "{operations} operations");

    let deployed = stack.cli.ok("deploy github --to local --wait").await;
    let endpoint = first_url(&deployed);
    assert_eq!(endpoint, stack.gateway.url("/github"));

    let response = reqwest::get(format!("{endpoint}/repos/octocat/hello?page=2"))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-upstream"], "github");
    let told: Value = response.json().await.unwrap();
    assert_eq!(
        told["path"], "/repos/octocat/hello",
        "the base path is taken away"
    );
    assert_eq!(told["query"], "page=2");
    assert_eq!(told["headers"]["x-forwarded-for"], "127.0.0.1");

    // What the description does not have, the gateway does not let through.
    let before = upstream.requests();
    let response = stack.gateway.call("/github/no/such/operation/at/all").await;
    assert_eq!(response.status(), 404);
    assert_eq!(upstream.requests(), before);

    let discovered = stack.cli.json("discover local --wait").await;
    assert_eq!(discovered["discovery"]["state"], "Complete", "{discovered:#}");
    assert_eq!(discovered["items"][0]["name"], "github", "{discovered:#}");
    assert_eq!(discovered["items"][0]["class"], "unchanged", "{discovered:#}");
    assert_eq!(discovered["items"][0]["managed"], true);

    stack.cli.ok("undeploy github --from local --wait").await;
    let response = stack.gateway.call("/github/repos/octocat/hello").await;
    assert_eq!(response.status(), 404);
    wait::until_true("the deployment is gone", async || {
        let deployments = stack.admin.get("/deployments").await;
        deployments["items"].as_array().unwrap().is_empty()
    })
    .await;
}

fn first_url(text: &str) -> &str {
    text.split_whitespace()
        .find(|word| word.starts_with("http://"))
        .unwrap_or_else(|| panic!("no URL in `{text}`"))
}
