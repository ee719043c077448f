//! An API that is larger than AWS takes: refused before anything is changed, with a way to make several APIs of it, which works.

use std::{collections::BTreeMap, fs};

use gatehouse_integration_tests::{aws::Aws, documents, upstream::Upstream};
use reqwest::Method;
use serde_json::Value;

use super::World;

/// GitHub's own description.
fn description() -> Value {
    let text = fs::read_to_string(documents::github()).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl World {
    /// Imports a description as an API.
    async fn import(&self, name: &str, description: &Value, upstream: &Upstream) {
        self.cli.write("description.json", &description.to_string());
        let words = format!(
            "api import description.json --name {name} --base-path /{name} --upstream {}",
            upstream.url()
        );
        self.run(&words).await.expect_code(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_description_is_refused_before_any_change_with_a_way_to_split_it_that_works() {
    let world = World::start(Aws::fake().await).await;
    let upstream = Upstream::start("github").await;
    let mut github = description();
    world.import("github", &github, &upstream).await;
    world.aws.as_fake().forget_calls();
    let planned = world.run("plan github --to aws").await.expect_code(4);
    planned.expect_said("`github` has 974 resources");
    assert_eq!(world.aws.as_fake().calls(), [], "AWS is asked nothing");
    let refused = world.run("deploy github --to aws --wait").await.expect_code(1);
    let refused = refused
        .expect_said("it does not know the segment `{base}...{head}`")
        .expect_said(
            "`github` has 974 resources (every segment of a path is one), and Amazon API Gateway takes 300",
        );
    let calls = world.aws.as_fake().calls();
    assert!(calls.iter().all(|call| call.method == "GET"), "{calls:#?}");

    // What the message says is done as it says.
    let paths = github["paths"].as_object_mut().unwrap();
    paths.retain(|path, _| !path.contains("{base}...{head}"));
    let parts = proposed(&refused.stderr);
    assert_eq!(parts.len(), 3, "and one with all others: {}", refused.stderr);
    let divided = divided(&github, &parts);
    for (number, part) in divided.iter().enumerate() {
        let name = format!("github-{number}");
        world.import(&name, part, &upstream).await;
        let deployed = world
            .run(&format!("deploy {name} --to aws --wait"))
            .await
            .expect_code(0);
        let url = deployed
            .stdout
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        let (path, _) = part["paths"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, it)| it.get("get").is_some())
            .unwrap();
        let path = path.replace(['{', '}'], "");
        let status = world
            .status(Method::GET, &format!("{}{path}", url.unwrap()), &[])
            .await;
        assert_eq!(status, 200, "{name} {path}");
    }
}

/// The beginnings of paths that the message names for each API but the last.
fn proposed(message: &str) -> Vec<Vec<(String, bool)>> {
    let (_, parts) = message.split_once("APIs: ").unwrap();
    let parts = parts
        .split("; ")
        .filter(|part| part.starts_with("one with the operations below "));
    let name = |name: &str| {
        let (_, rest) = name.split_once('`')?;
        let (path, rest) = rest.split_once('`')?;
        Some((path.to_owned(), rest.starts_with(" itself")))
    };
    parts
        .map(|part| part.split(", ").filter_map(name).collect())
        .collect()
}

/// The description, divided as proposed; the last one is what is left.
fn divided(description: &Value, parts: &[Vec<(String, bool)>]) -> Vec<Value> {
    let fits = |path: &str, (below, is_itself): &(String, bool)| {
        path == below || (!is_itself && path.starts_with(&format!("{below}/")))
    };
    let mut paths: BTreeMap<usize, serde_json::Map<String, Value>> = BTreeMap::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let at = parts
            .iter()
            .position(|part| part.iter().any(|one| fits(path, one)));
        let part = paths.entry(at.unwrap_or(parts.len())).or_default();
        part.insert(path.clone(), item.clone());
    }
    let with = |paths: serde_json::Map<String, Value>| {
        let mut part = description.clone();
        part["paths"] = Value::Object(paths);
        part
    };
    paths.into_values().map(with).collect()
}
