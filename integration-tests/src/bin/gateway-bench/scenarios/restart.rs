//! `gatehouse-gateway` is killed while its control plane is away, and started again: when it listens, and whether the
//! first request is held to its policies.

use std::time::{Duration, Instant};

use anyhow::ensure;
use gatehouse_integration_tests::{
    database::Database,
    stack::{Stack, api, api_key_policy, secret},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::Effort;
use crate::{
    figures::{Outcome, number, quantile},
    process_cost::resident_kib,
};

const ROUTES: usize = 5_000;
const ROUTES_PER_API: usize = 10;
const RESTARTS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let mut stack = Stack::start(Database::Sqlite).await;
    let apis = effort.of(ROUTES).div_ceil(ROUTES_PER_API);
    fill(&stack, apis).await;
    stack.control_plane.kill();
    let url = stack.gateway.url(&format!("/protected-{}/things-0/1", apis - 1));
    let (mut listening, mut answering, mut resident, mut open) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..RESTARTS {
        stack.gateway.kill();
        let began = Instant::now();
        stack.gateway.launch();
        listening.push(until_listening(&stack.gateway.url(""), began).await?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        let status = http.get(&url).send().await?.status().as_u16();
        answering.push(began.elapsed().as_secs_f64() * 1_000.0);
        open += usize::from(status != 401);
        resident.push(resident_kib(stack.gateway.process().id())?);
    }
    let mut outcome = Outcome::default();
    outcome.figure("routes", number(apis * ROUTES_PER_API), "", "5,000");
    outcome.figure("restarts after kill -9", number(RESTARTS), "", "");
    outcome.figure(
        "listening after, median",
        quantile(&listening, 0.5),
        "ms",
        "≤ 200 ms",
    );
    outcome.figure(
        "listening after, worst",
        quantile(&listening, 1.0),
        "ms",
        "≤ 200 ms",
    );
    outcome.figure("first answer after, median", quantile(&answering, 0.5), "ms", "");
    outcome.figure(
        "first answers without a key that were not 401",
        number(open),
        "",
        "0",
    );
    let largest = resident.into_iter().max().unwrap_or_default();
    outcome.figure("resident memory then", crate::figures::mib(largest), "MiB", "");
    Ok(outcome)
}

async fn fill(stack: &Stack, apis: usize) {
    stack
        .admin
        .apply(json!([secret("benchmark-key", "a-benchmark-key")]))
        .await;
    let mut last = Value::Null;
    for number in 0..apis {
        let name = format!("protected-{number}");
        let mut document = api(&name, "http://127.0.0.1:9");
        let operations: Vec<Value> = (0..ROUTES_PER_API)
            .map(|route| json!({"match": {"method": "GET", "path": format!("/things-{route}/{{id}}")}}))
            .collect();
        document["spec"]["operations"] = json!(operations);
        document["spec"]["policies"] = json!([api_key_policy("benchmark", "benchmark-key")]);
        stack.admin.apply(json!([document])).await;
        last = stack.admin.deploy(&name, None, "local").await;
    }
    stack.admin.deployed(&last).await;
}

/// Connects until somebody listens; after how many milliseconds that was.
async fn until_listening(url: &str, began: Instant) -> anyhow::Result<f64> {
    let address = url.trim_start_matches("http://").to_owned();
    while TcpStream::connect(&address).await.is_err() {
        ensure!(
            began.elapsed() < PATIENCE,
            "the gateway does not listen at {address}"
        );
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}
