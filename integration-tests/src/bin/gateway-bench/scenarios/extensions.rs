//! CPU time per request with what people add to a gateway: traces that are exported, and a policy module of their own.

mod collector;
#[path = "../../../../../gateway-core/tests/proxying/wasm/component.rs"]
#[expect(
    dead_code,
    clippy::expect_used,
    reason = "tests of the gateway, which need more of it, and may fail"
)]
mod component;

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use self::{
    collector::Collector,
    component::{Program, RESULT, answers},
};
use super::Effort;
use crate::{
    candidate::{Candidate, compare, ready},
    data_plane::{DataPlane, Start, api},
    figures::{Comparison, Outcome},
    load::{self, Load, Protocol},
    peers::Backend,
};

const NOTHING: &str = "nothing";
const TRACES: &str = "OTLP traces of all requests";
const MODULE: &str = "ext.wasm that sets a header";

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    if let Some(missing) = load::missing(Protocol::Http1) {
        outcome.left_out.push(missing);
        return Ok(outcome);
    }
    let folder = tempfile::tempdir()?;
    let backend = Backend::start(folder.path())?;
    let collector = Collector::start().await?;
    let policy = module(folder.path())?;
    let (traces, modules) = (Some(collector.url()), Some(folder.path().to_owned()));
    let mut planes = Vec::new();
    for (name, start, policies) in [
        (NOTHING, Start::default(), json!([])),
        (
            TRACES,
            Start {
                traces,
                ..Start::default()
            },
            json!([]),
        ),
        (
            MODULE,
            Start {
                modules,
                ..Start::default()
            },
            json!([policy]),
        ),
    ] {
        let mut plane = DataPlane::start_as(start).await?;
        plane
            .put(api("plain", &backend.url(), json!({"policies": policies})))
            .await?;
        planes.push((name, plane));
    }
    let candidates = planes.iter().map(|(name, plane)| candidate(name, plane));
    let candidates: Vec<Candidate> = candidates.collect::<anyhow::Result<_>>()?;
    for candidate in &candidates {
        ready(candidate, 1_024).await?;
    }
    let load = Load {
        protocol: Protocol::Http1,
        seconds: effort.seconds_or(4),
        connections: 32,
    };
    let compared = compare("1 KiB, 32 connections", &candidates, load, effort, &[]).await?;
    for added in [TRACES, MODULE] {
        outcome.figure(
            &format!("{added}: more than {NOTHING}"),
            more(&compared, added)?,
            "µs",
            "",
        );
    }
    outcome.comparisons.push(compared);
    for (name, plane) in &mut planes {
        if *name == TRACES {
            tell_of_spans(&mut outcome, plane, &collector).await?;
        }
    }
    Ok(outcome)
}

fn candidate(name: &str, plane: &DataPlane) -> anyhow::Result<Candidate> {
    Ok(Candidate {
        name: name.to_owned(),
        url: plane.url("/plain/1k"),
        headers: Vec::new(),
        process: plane.process()?,
    })
}

/// How much more CPU time per request something takes.
fn more(compared: &Comparison, added: &str) -> anyhow::Result<f64> {
    let median = |name| compared.median(name).context("it was not measured");
    Ok(median(added)? - median(NOTHING)?)
}

/// What became of the spans: cheap are those that are dropped.
async fn tell_of_spans(
    outcome: &mut Outcome,
    plane: &mut DataPlane,
    collector: &Collector,
) -> anyhow::Result<()> {
    let metrics = plane.metrics().await?;
    let sum = |metric: &str| -> f64 {
        let lines = metrics.lines().filter(|line| {
            line.starts_with(&format!(
                "gatehouse_gateway_telemetry_{metric}_total{{signal=\"traces\""
            ))
        });
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    let (taken, dropped) = (sum("exported"), sum("dropped"));
    outcome.figure("spans that the collector took", taken, "", "");
    outcome.figure(
        "spans that were dropped",
        dropped / (taken + dropped) * 100.0,
        "%",
        "",
    );
    outcome.figure("bytes per span", collector.bytes() / taken, "", "");
    Ok(())
}

/// Puts a module into a folder that sets a header of each request; the policy that runs it.
fn module(folder: &Path) -> anyhow::Result<Value> {
    let mut program = Program::default();
    let (set, count) = program.headers(&[("x-tenant", "blue")]);
    program.request = Some(format!("{}{RESULT}", answers(16, &[set, count])));
    let component = program.component();
    fs::write(folder.join("tenants.wasm"), &component)?;
    let mut sha256 = String::new();
    for byte in digest(&SHA256, &component).as_ref() {
        write!(sha256, "{byte:02x}")?;
    }
    // Who waits for a busy machine is not refused, which would end the measurement.
    Ok(json!({"type": "ext.wasm", "with": {"module": "tenants", "sha256": sha256, "timeoutMs": 10_000}}))
}
