//! Many routes on one host: whether the last one is served as fast as the first.

use serde_json::{Value, json};

use super::Effort;
use crate::{
    candidate::{Candidate, compare, ready},
    data_plane::{DataPlane, api},
    figures::{Comparison, Outcome, number, quantile},
    load::{self, Load, Protocol},
    peers::{self, Backend},
};

const ROUTES: usize = 5_000;

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    if let Some(missing) = load::missing(Protocol::Http1) {
        outcome.left_out.push(missing);
        return Ok(outcome);
    }
    let folder = tempfile::tempdir()?;
    let backend = Backend::start(folder.path())?;
    let routes = effort.of(ROUTES);
    outcome.figure("routes on one host", number(routes), "", "5,000");
    let mut plane = DataPlane::start(None).await?;
    for route in 0..routes {
        plane.put(one(route, &backend.url())).await?;
    }
    let ours = first_and_last("gateway", &plane.url(""), plane.process()?, routes);
    run(&mut outcome, "gateway", ours, effort, "≥ 0.97").await?;
    match peers::envoy_with_routes(folder.path(), backend.address, routes)? {
        Ok(envoy) => {
            let url = format!("http://{}", envoy.listening.http1);
            let theirs = first_and_last("Envoy", &url, envoy.process.id(), routes);
            run(&mut outcome, "Envoy", theirs, effort, "").await?;
        }
        Err(missing) => outcome.left_out.push(missing.to_owned()),
    }
    Ok(outcome)
}

fn one(route: usize, backend: &str) -> Value {
    api(&format!("r-{route}"), backend, json!({"hostnames": []}))
}

fn first_and_last(name: &str, url: &str, process: u32, routes: usize) -> [Candidate; 2] {
    [("last", routes - 1), ("first", 0)].map(|(which, route)| Candidate {
        name: format!("{name}, {which} route"),
        url: format!("{url}/r-{route}/1k"),
        headers: Vec::new(),
        process,
    })
}

async fn run(
    outcome: &mut Outcome,
    name: &str,
    candidates: [Candidate; 2],
    effort: &Effort,
    wanted: &str,
) -> anyhow::Result<()> {
    for candidate in &candidates {
        ready(candidate, 1_024).await?;
    }
    let load = Load {
        protocol: Protocol::Http1,
        seconds: effort.seconds_or(4),
        connections: 32,
    };
    let compared = compare(&format!("{name}, one host"), &candidates, load, effort, &[]).await?;
    outcome.figure(
        &format!("{name}: last route's throughput ÷ first's"),
        throughput(&compared, 0) / throughput(&compared, 1),
        "",
        wanted,
    );
    outcome.comparisons.push(compared);
    Ok(())
}

fn throughput(compared: &Comparison, candidate: usize) -> f64 {
    let cost = compared.candidates.get(candidate);
    cost.map_or(f64::NAN, |cost| quantile(&cost.requests_per_second, 0.5))
}
