//! From asking for a new route to its first answer, route by route: 404 until it is 200, and nothing else.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::ensure;
use gatehouse_integration_tests::upstream::Upstream;
use serde_json::json;

use super::Effort;
use crate::{
    data_plane::{DataPlane, api},
    figures::{Outcome, mean, number, quantile},
};

const ROUTES: usize = 3_000;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two questions, so that the asking does not take the core from the answer.
const PAUSE: Duration = Duration::from_micros(200);

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let upstream = Upstream::start("backend").await;
    let mut plane = DataPlane::start(Some(folder.path())).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut milliseconds = Vec::new();
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for route in 0..effort.of(ROUTES) {
        let name = format!("route-{route}");
        let url = plane.url(&format!("/{name}/x"));
        let before = http.get(&url).send().await?.status().as_u16();
        ensure!(before == 404, "{name} is {before} before it is added");
        let began = Instant::now();
        let (put, answered) = tokio::join!(
            plane.put(api(&name, &upstream.url(), json!({}))),
            answered(&http, &url, began, &mut statuses),
        );
        put?;
        milliseconds.push(answered?);
    }
    Ok(outcome(&milliseconds, &statuses))
}

/// Asks until the answer is 200; how long that took, in milliseconds.
async fn answered(
    http: &reqwest::Client,
    url: &str,
    began: Instant,
    statuses: &mut BTreeMap<u16, u64>,
) -> anyhow::Result<f64> {
    loop {
        let response = http.get(url).send().await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        *statuses.entry(status).or_default() += 1;
        if status == 200 {
            return Ok(began.elapsed().as_secs_f64() * 1_000.0);
        }
        ensure!(began.elapsed() < PATIENCE, "{url} stays {status}");
        tokio::time::sleep(PAUSE).await;
    }
}

fn outcome(milliseconds: &[f64], statuses: &BTreeMap<u16, u64>) -> Outcome {
    let mut outcome = Outcome::default();
    let others = statuses.iter().filter(|(status, _)| !matches!(status, 200 | 404));
    let others: u64 = others.map(|(_, count)| count).sum();
    outcome.figure("routes added", number(milliseconds.len()), "", "3,000");
    outcome.figure("mean", mean(milliseconds), "ms", "≤ 3 ms");
    outcome.figure("p50", quantile(milliseconds, 0.5), "ms", "");
    outcome.figure("p99", quantile(milliseconds, 0.99), "ms", "≤ 10 ms");
    outcome.figure("max", quantile(milliseconds, 1.0), "ms", "≤ 50 ms");
    outcome.figure(
        "slope: last tenth beside first",
        slope(milliseconds),
        "%",
        "≤ 10 %",
    );
    outcome.figure(
        "answers other than 404 and 200",
        number(usize::try_from(others).unwrap_or(usize::MAX)),
        "",
        "0",
    );
    // A point for each hundredth of the routes: its mean.
    let size = milliseconds.len().div_ceil(100).max(1);
    let points = milliseconds
        .chunks(size)
        .enumerate()
        .map(|(index, chunk)| (number(index * size), mean(chunk)))
        .collect();
    outcome.series("404 to 200, mean", "routes present", "ms", points);
    outcome
}

/// How much more the last tenth took than the first, in percent.
fn slope(milliseconds: &[f64]) -> f64 {
    let tenth = milliseconds.len().div_ceil(10);
    let first = quantile(milliseconds.get(..tenth).unwrap_or_default(), 0.5);
    let last = quantile(
        milliseconds.get(milliseconds.len() - tenth..).unwrap_or_default(),
        0.5,
    );
    (last / first - 1.0) * 100.0
}
