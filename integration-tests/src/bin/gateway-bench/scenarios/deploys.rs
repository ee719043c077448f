//! The way of a deploy: from sending the request to the Admin API to the first answer of the new revision on the
//! gateway.

use std::time::{Duration, Instant};

use anyhow::ensure;
use gatehouse_integration_tests::{
    database::Database,
    stack::{Stack, api},
    upstream::Upstream,
};
use serde_json::{Value, json};

use super::Effort;
use crate::figures::{Outcome, mean, number, quantile};

const DEPLOYS: usize = 200;
const ROUTES: usize = 500;
const ROUTES_PER_API: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let (deploys, routes) = (effort.of(DEPLOYS), effort.of(ROUTES));
    let stack = Stack::start(Database::Sqlite).await;
    let upstream = Upstream::start("backend").await;
    fill(&stack, &upstream.url(), routes).await;
    for revision in ["one", "two"] {
        stack
            .admin
            .apply(json!([switched(&upstream.url(), revision)]))
            .await;
    }
    stack.admin.deploy_and_wait("switched", Some(1), "local").await;

    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = stack.gateway.url("/switched/1");
    let mut milliseconds = Vec::new();
    for turn in 0..deploys {
        let (revision, name) = if turn % 2 == 0 { (2, "two") } else { (1, "one") };
        let began = Instant::now();
        let asked = stack.admin.deploy("switched", Some(revision), "local").await;
        while answered_by(&http, &url).await? != name {
            ensure!(began.elapsed() < PATIENCE, "deploy {turn} does not arrive");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        milliseconds.push(began.elapsed().as_secs_f64() * 1_000.0);
        // The report is awaited outside of the measurement, so that each deploy begins from rest.
        stack.admin.deployed(&asked).await;
    }
    let mut outcome = Outcome::default();
    outcome.figure("deploys", number(deploys), "", "");
    outcome.figure("routes present", number(routes), "", "");
    outcome.figure(
        "deploy to first answer, mean",
        mean(&milliseconds),
        "ms",
        "≤ 50 ms",
    );
    outcome.figure(
        "deploy to first answer, p50",
        quantile(&milliseconds, 0.5),
        "ms",
        "",
    );
    outcome.figure(
        "deploy to first answer, p99",
        quantile(&milliseconds, 0.99),
        "ms",
        "",
    );
    Ok(outcome)
}

/// Deploys other APIs, so that there are as many routes.
async fn fill(stack: &Stack, upstream: &str, routes: usize) {
    let mut last = Value::Null;
    for number in 0..routes.div_ceil(ROUTES_PER_API) {
        let name = format!("filler-{number}");
        let mut document = api(&name, upstream);
        let operations: Vec<Value> = (0..ROUTES_PER_API)
            .map(|route| json!({"match": {"method": "GET", "path": format!("/things-{route}/{{id}}")}}))
            .collect();
        document["spec"]["operations"] = json!(operations);
        stack.admin.apply(json!([document])).await;
        last = stack.admin.deploy(&name, None, "local").await;
    }
    stack.admin.deployed(&last).await;
}

fn switched(upstream: &str, revision: &str) -> Value {
    let mut document = api("switched", upstream);
    document["spec"]["policies"] =
        json!([{"type": "headers", "with": {"response": {"set": {"x-revision": revision}}}}]);
    document
}

async fn answered_by(http: &reqwest::Client, url: &str) -> anyhow::Result<String> {
    let response = http.get(url).send().await?;
    ensure!(response.status() == 200, "{} while switching", response.status());
    let revision = response.headers().get("x-revision");
    let revision = revision
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    response.bytes().await?;
    Ok(revision)
}
