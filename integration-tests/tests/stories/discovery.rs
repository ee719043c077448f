//! Discovery: what a gateway has that the catalog does not, what changed there, what is gone; and that a failed
//! look says nothing about absence.

use std::{fs, path::PathBuf};

use gatehouse_integration_tests::{
    database::Database,
    memory_agent::{self, MemoryAgent},
    stack::{Stack, api, join_token},
    upstream::Upstream,
    wait,
};
use serde_json::{Value, json};

super::on_both_databases! {
    what_runs_elsewhere_is_discovered_imported_and_moved
}

/// A native gateway, and an in-memory one that holds an API which somebody else made.
struct Elsewhere {
    stack: Stack,
    agent: MemoryAgent,
    file: PathBuf,
}

impl Elsewhere {
    async fn start(database: Database, upstream: &Upstream) -> Self {
        let stack = Stack::start(database).await;
        let file = stack.folder.path().join("elsewhere.json");
        // The canonical words for "GET and POST below /legacy", as the catalog itself puts them.
        let mut legacy = api("legacy", &upstream.url());
        legacy["spec"]["operations"] = json!([{"match": {"method": "GET", "path": "/things/{id}"}}]);
        stack.admin.apply(json!([legacy])).await;
        let revision = stack.admin.get("/apis/legacy/revisions/1").await;
        stack
            .admin
            .send(reqwest::Method::DELETE, "/apis/legacy", None)
            .await
            .expect_ok();
        put(&file, "legacy", &revision);

        stack
            .admin
            .apply(json!([memory_agent::environment("elsewhere", &file, &json!({}))]))
            .await;
        let token = join_token(&stack.admin, "memory").await;
        let folder = stack.folder.path().join("memory-agent");
        let agent = MemoryAgent::start(&stack.control_plane.url(), &token, folder);
        Self { stack, agent, file }
    }

    /// Discovers and gives the identity of the discovery and the class of each finding by name.
    async fn discover(&self) -> (String, Vec<(String, String)>) {
        let shown = self.stack.cli.json("discover elsewhere --wait").await;
        let id = shown["discovery"]["id"].as_str().unwrap().to_owned();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        let items = shown["items"].as_array().unwrap();
        let classes = items
            .iter()
            .map(|item| (text(item, "name"), text(item, "class")))
            .collect();
        (id, classes)
    }

    /// Changes what the gateway holds behind everybody's back.
    fn change(&mut self, change: impl FnOnce(&mut Value)) {
        self.agent.kill();
        let mut contents = memory_agent::contents(&self.file);
        change(&mut contents);
        fs::write(&self.file, contents.to_string()).unwrap();
        self.agent.restart();
    }
}

fn put(file: &PathBuf, name: &str, revision: &Value) {
    let contents = json!({
        "apis": {"memory-1": {"name": name, "content": revision["content"], "fingerprint": revision["fingerprint"]}},
        "created": 1, "updated": 0, "removed": 0,
    });
    fs::write(file, contents.to_string()).unwrap();
}

fn classes(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, class)| ((*name).to_owned(), (*class).to_owned()))
        .collect()
}

async fn what_runs_elsewhere_is_discovered_imported_and_moved(database: Database) {
    let upstream = Upstream::start("legacy").await;
    let mut elsewhere = Elsewhere::start(database, &upstream).await;

    // Seen, shown, taken into the catalog; seen again, it is known.
    let (id, found) = elsewhere.discover().await;
    assert_eq!(found, classes(&[("legacy", "new")]));
    let cli = elsewhere.stack.cli.clone();
    let shown = cli.ok(&format!("discoveries show {id}")).await;
    assert!(shown.contains("legacy") && shown.contains("new"), "{shown}");
    assert_eq!(
        cli.ok("get apis -o name").await.trim(),
        "",
        "nothing is imported by looking"
    );
    cli.ok(&format!("import {id} --all")).await;
    assert_eq!(cli.ok("get apis -o name").await.trim(), "api/legacy");
    let imported = elsewhere.stack.admin.get("/apis/legacy").await;
    assert_eq!(imported["status"]["importedFrom"]["environment"], "elsewhere");
    let (_, found) = elsewhere.discover().await;
    assert_eq!(found, classes(&[("legacy", "unchanged")]));

    // What was imported from one gateway is deployed to another of another type.
    elsewhere
        .stack
        .admin
        .deploy_and_wait("legacy", None, "local")
        .await;
    let response = elsewhere.stack.gateway.call("/legacy/things/1").await;
    assert_eq!(response.headers()["x-upstream"], "legacy");

    // Changed there: the difference is told, and taken in as a new revision on request.
    elsewhere.change(|contents| {
        contents["apis"]["memory-1"]["content"]["displayName"] = json!("Renamed on the gateway");
        contents["apis"]["memory-1"]["fingerprint"] = json!(format!("sha256:{}", "1".repeat(64)));
    });
    let (id, found) = elsewhere.discover().await;
    assert_eq!(found, classes(&[("legacy", "changed")]));
    let items = elsewhere
        .stack
        .admin
        .get(&format!("/discoveries/{id}/items"))
        .await;
    assert!(
        items["items"][0]["changes"].to_string().contains("displayName"),
        "{items:#}"
    );
    cli.ok(&format!("import {id} --all")).await;
    let imported = elsewhere.stack.admin.get("/apis/legacy").await;
    assert_eq!(imported["status"]["latestRevision"], 2);

    // A look that fails says nothing about absence.
    elsewhere.agent.kill();
    let kept = fs::read(&elsewhere.file).unwrap();
    fs::write(&elsewhere.file, "damaged").unwrap();
    elsewhere.agent.restart();
    let asked = elsewhere
        .stack
        .admin
        .post("/discoveries", json!({"environment": "elsewhere"}))
        .await
        .expect_ok();
    let failed = finished(&elsewhere.stack, &asked).await;
    assert_eq!(failed["state"], "Failed", "{failed:#}");
    assert_eq!(failed["counts"]["gone"], 0);
    assert!(!failed["message"].as_str().unwrap().is_empty());
    elsewhere.agent.kill();
    fs::write(&elsewhere.file, kept).unwrap();
    elsewhere.agent.restart();

    // Removed there: a complete look says so, and the catalog keeps its entry.
    elsewhere.change(|contents| contents["apis"] = json!({}));
    let (_, found) = elsewhere.discover().await;
    assert_eq!(found, classes(&[("legacy", "gone")]));
    assert_eq!(cli.ok("get apis -o name").await.trim(), "api/legacy");
}

async fn finished(stack: &Stack, asked: &Value) -> Value {
    let id = asked["id"].as_str().unwrap();
    wait::until("the discovery is finished", async || {
        let now = stack.admin.get(&format!("/discoveries/{id}")).await;
        match now["state"].as_str() {
            Some("Pending" | "Running") => Err(now.to_string()),
            _ => Ok(now),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_serves_of_its_own_is_discovered_and_never_touched() {
    let upstream = Upstream::start("legacy").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apis.yaml");
    fs::write(&file, api("legacy", &upstream.url()).to_string()).unwrap();
    let options = ["--apis", file.to_str().unwrap()];
    let stack = Stack::start_in(folder, Database::Sqlite, &options).await;
    wait::until_true("the gateway serves its own API", async || {
        stack.gateway.call("/legacy/1").await.status() == 200
    })
    .await;

    let found = stack.cli.json("discover local --wait").await;
    assert_eq!(found["items"][0]["name"], "legacy", "{found:#}");
    assert_eq!(found["items"][0]["class"], "new", "{found:#}");
    assert_eq!(found["items"][0]["managed"], false);
    let id = found["discovery"]["id"].as_str().unwrap();
    stack.cli.ok(&format!("import {id} --all")).await;

    // It carries no mark of ours: a deploy to the same place fails, says why, and leaves it alone.
    let failed = stack
        .cli
        .run("deploy legacy --to local --wait".split_whitespace())
        .await;
    failed.expect_code(1).expect_said("legacy");
    let deployments = stack.admin.get("/deployments").await;
    assert_eq!(deployments["items"][0]["phase"], "Failed", "{deployments:#}");
    assert_eq!(stack.gateway.call("/legacy/1").await.status(), 200);
    stack.cli.ok("undeploy legacy --from local --wait").await;
    assert_eq!(stack.gateway.call("/legacy/1").await.status(), 200);
}
