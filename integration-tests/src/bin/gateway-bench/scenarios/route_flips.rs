//! A route that changes its upstream and its headers again and again while it is called, with no pause in between.

use gatehouse_integration_tests::{load::Load, upstream::Upstream};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::Effort;
use crate::{
    data_plane::{DataPlane, api},
    figures::{Outcome, mean, number, quantile},
};

const FLIPS: usize = 1_000;
const CLIENTS: usize = 16;

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let mut plane = DataPlane::start(Some(folder.path())).await?;
    let upstreams = [Upstream::start("a").await, Upstream::start("b").await];
    plane.put(revision(&upstreams[0], "a")).await?;
    let load = Load::start(CLIENTS, &plane.url("/flipped/x"), describe);
    let mut milliseconds = Vec::new();
    for flip in 0..effort.of(FLIPS) {
        let (upstream, name) = match flip % 2 {
            0 => (&upstreams[1], "b"),
            _ => (&upstreams[0], "a"),
        };
        milliseconds.push(plane.put(revision(upstream, name)).await?);
    }
    let answers = load.finish().await;
    let count = |wanted: fn(&str) -> bool| {
        let counted = answers.iter().filter(|(answer, _)| wanted(answer));
        let total: u64 = counted.map(|(_, count)| count).sum();
        number(usize::try_from(total).unwrap_or(usize::MAX))
    };
    let mut outcome = Outcome::default();
    outcome.figure("flips", number(milliseconds.len()), "", "1,000");
    outcome.figure("requests meanwhile", count(|_| true), "", "");
    outcome.figure("errors", count(|answer| answer.starts_with("error")), "", "0");
    outcome.figure(
        "mixtures of two revisions",
        count(|answer| answer.starts_with("mixture")),
        "",
        "0",
    );
    outcome.figure("a flip, mean", mean(&milliseconds), "ms", "");
    outcome.figure("a flip, p99", quantile(&milliseconds, 0.99), "ms", "");
    Ok(outcome)
}

/// The header that the upstream gets, the one that the caller gets, and the upstream itself are of one revision.
fn revision(upstream: &Upstream, name: &str) -> Value {
    let headers = json!({"type": "headers", "with": {
        "request": {"set": {"x-revision": name}},
        "response": {"set": {"x-revision": name}},
    }});
    api("flipped", &upstream.url(), json!({"policies": [headers]}))
}

fn describe(status: u16, headers: &HeaderMap, body: &Value) -> String {
    if status != 200 {
        return format!("error: {status}");
    }
    let returned = headers.get("x-revision").and_then(|value| value.to_str().ok());
    let seen = [
        returned,
        body["headers"]["x-revision"].as_str(),
        body["upstream"].as_str(),
    ];
    match seen {
        [Some(one), Some(two), Some(three)] if one == two && two == three => one.to_owned(),
        mixed => format!("mixture: {mixed:?}"),
    }
}
