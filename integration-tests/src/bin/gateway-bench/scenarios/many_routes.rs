//! 50,000 routes: what finding one costs a request, and how long a change takes until it is active.

use std::ops::Range;

use serde_json::{Value, json};

use super::Effort;
use crate::{
    candidate::{Candidate, compare, ready},
    data_plane::{DataPlane, api},
    figures::{Outcome, mean, mib, number, quantile},
    load::{self, Load, Protocol},
    process_cost::resident_kib,
};

const APIS: usize = 1_000;
const OPERATIONS: usize = 50;
const CHANGES: usize = 200;
/// How many paths are looked up in one go, and how often.
const PATHS: usize = 10_000;
const TIMES: usize = 20;
const ROUNDS: usize = 5;

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let (few_folder, many_folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut few = DataPlane::start(Some(few_folder.path())).await?;
    let mut many = DataPlane::start(Some(many_folder.path())).await?;
    let apis = effort.of(APIS);
    let middle = apis / 2;
    few.put(filled(middle, 0)).await?;
    for number in 0..apis {
        many.put(filled(number, 0)).await?;
    }
    let mut outcome = Outcome::default();
    outcome.figure("routes", number(apis * OPERATIONS), "", "50,000");
    let mut milliseconds = Vec::new();
    for change in 0..effort.of(CHANGES) {
        milliseconds.push(many.put(filled(change * 7 % apis, 1 + change)).await?);
    }
    outcome.figure(
        "a change until it is active, mean",
        mean(&milliseconds),
        "ms",
        "≤ 5 ms",
    );
    outcome.figure(
        "a change until it is active, p99",
        quantile(&milliseconds, 0.99),
        "ms",
        "",
    );
    outcome.figure("resident memory", mib(resident_kib(many.process()?)?), "MiB", "");
    let all = look_up(&mut many, 0..apis).await?;
    let one = look_up(&mut few, middle..middle + 1).await?;
    outcome.figure("a lookup among 50,000 routes, median", all, "ns", "≤ 1,000 ns");
    outcome.figure("a lookup among 50 routes, median", one, "ns", "");
    match load::missing(Protocol::Http1) {
        Some(missing) => outcome.left_out.push(missing),
        None => lookups(&mut outcome, [&few, &many], middle, effort).await?,
    }
    Ok(outcome)
}

/// What it takes to find the route of one path, in nanoseconds: those of all routes of these APIs, in an order in which no
/// two that follow each other are of one API, unless there is only one.
async fn look_up(plane: &mut DataPlane, apis: Range<usize>) -> anyhow::Result<f64> {
    let path = |number: usize| {
        // A prime, so that all routes have their turn.
        let route = number * 7_919 % (apis.len() * OPERATIONS);
        let (api, operation) = (apis.start + route / OPERATIONS, route % OPERATIONS);
        format!("/api-{api}/things-{operation}/{number}")
    };
    let paths: Vec<String> = (0..PATHS).map(path).collect();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(plane.look_up(&paths, TIMES).await?);
    }
    Ok(quantile(&rounds, 0.5))
}

/// Requests that the gateway answers itself, so that finding the route is a large part of what they cost.
async fn lookups(
    outcome: &mut Outcome,
    planes: [&DataPlane; 2],
    api: usize,
    effort: &Effort,
) -> anyhow::Result<()> {
    let path = format!("/api-{api}/things-{}/17", OPERATIONS / 2);
    let mut candidates = Vec::new();
    for (plane, name) in planes.into_iter().zip(["one API of 50 routes", "all routes"]) {
        let candidate = Candidate {
            name: name.to_owned(),
            url: plane.url(&path),
            headers: Vec::new(),
            process: plane.process()?,
        };
        ready(&candidate, 2).await?;
        candidates.push(candidate);
    }
    let load = Load {
        protocol: Protocol::Http1,
        seconds: effort.seconds_or(4),
        connections: 32,
    };
    candidates.reverse();
    let compared = compare(
        "a request that the gateway answers itself",
        &candidates,
        load,
        effort,
        &[],
    )
    .await?;
    let all = compared.median("all routes").unwrap_or(f64::NAN);
    let one = compared.median("one API of 50 routes").unwrap_or(f64::NAN);
    outcome.figure(
        "what 50,000 routes add to a request, its lookup included",
        (all - one) * 1_000.0,
        "ns",
        "",
    );
    outcome.comparisons.push(compared);
    Ok(())
}

/// An API with many routes that are answered at once.
fn filled(number: usize, state: usize) -> Value {
    let operations: Vec<Value> = (0..OPERATIONS)
        .map(|route| json!({"match": {"method": "GET", "path": format!("/things-{route}/{{id}}")}}))
        .collect();
    let respond = json!({"type": "respond", "with": {"status": 200, "body": "ok"}});
    let headers = json!({"type": "headers", "with": {"response": {"set": {"x-state": state.to_string()}}}});
    let fields = json!({"operations": operations, "policies": [respond, headers]});
    api(&format!("api-{number}"), "http://127.0.0.1:9", fields)
}
