//! Many routes that are hardly called, and small changes all the time: what the data plane costs then.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Effort;
use crate::{
    data_plane::{DataPlane, api},
    figures::{Outcome, mean, mib, number, quantile},
    process_cost::{cpu_time, resident_kib},
};

const ROUTES: usize = 5_000;
/// Routes on one host, as the namespaces of the benchmark this follows have.
const PER_HOST: usize = 100;

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let mut plane = DataPlane::start(Some(folder.path())).await?;
    let empty = resident_kib(plane.process()?)?;
    let routes = effort.of(ROUTES);
    for number in 0..routes {
        plane.put(route(number, 0, 0)).await?;
    }
    let process = plane.process()?;
    let seconds = effort.seconds_or(60);
    let (mut memory, mut milliseconds) = (Vec::new(), Vec::new());
    let (began, before) = (Instant::now(), cpu_time(process)?);
    for second in 0..seconds {
        let step = second as usize;
        // One route gets other headers, another one another endpoint.
        milliseconds.push(plane.put(route(step * 7 % routes, second + 1, 0)).await?);
        milliseconds.push(plane.put(route((step * 7 + 3) % routes, 0, second + 1)).await?);
        let next = began + Duration::from_secs(u64::from(second) + 1);
        tokio::time::sleep_until(next.into()).await;
        memory.push((f64::from(second + 1), mib(resident_kib(process)?)));
    }
    let spent = cpu_time(process)?.saturating_sub(before);
    let share = spent.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
    let largest: Vec<f64> = memory.iter().map(|(_, mib)| *mib).collect();
    let mut outcome = Outcome::default();
    outcome.figure(
        "routes, each with an upstream of its own",
        number(routes),
        "",
        "5,000",
    );
    outcome.figure("seconds", f64::from(seconds), "s", "60 s");
    outcome.figure("resident memory without a route", mib(empty), "MiB", "");
    outcome.figure(
        "resident memory, largest",
        quantile(&largest, 1.0),
        "MiB",
        "≤ 60 MiB",
    );
    outcome.figure("share of a core", share, "%", "≤ 1 %");
    outcome.figure("a change, mean", mean(&milliseconds), "ms", "");
    outcome.figure("a change, p99", quantile(&milliseconds, 0.99), "ms", "");
    outcome.series("resident memory", "seconds", "MiB", memory);
    Ok(outcome)
}

/// A route in the given state of its configuration and of its endpoint.
fn route(number: usize, configuration: u32, endpoint: u32) -> Value {
    let name = format!("route-{number}");
    let host = format!("host-{}.test", number / PER_HOST);
    // Nobody listens there, and nobody calls.
    let port = 20_000 + (number as u32 + endpoint) % 10_000;
    let headers =
        json!({"type": "headers", "with": {"request": {"set": {"x-state": configuration.to_string()}}}});
    let fields = json!({"hostnames": [host], "policies": [headers]});
    api(&name, &format!("http://127.0.0.1:{port}"), fields)
}
