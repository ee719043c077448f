//! How long `gatehouse serve` takes until it answers, and how much memory it has then.

use std::time::Instant;

use gatehouse_integration_tests::{control_plane::ControlPlane, database::Database};

use super::Effort;
use crate::{
    figures::{Outcome, mib, quantile},
    process_cost::resident_kib,
};

const STARTS: usize = 10;

pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    // The first one also makes the database, the key file and the first token.
    let mut control_plane = ControlPlane::start(Database::Sqlite, folder.path().join("control-plane")).await;
    let first = began.elapsed().as_secs_f64() * 1_000.0;
    let (mut milliseconds, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..effort.of(STARTS) {
        control_plane.kill();
        let began = Instant::now();
        control_plane.restart().await;
        milliseconds.push(began.elapsed().as_secs_f64() * 1_000.0);
        control_plane.admin().get("/apis").await;
        resident.push(resident_kib(control_plane.process().id())?);
    }
    let mut outcome = Outcome::default();
    outcome.figure(
        "start on SQLite, median",
        quantile(&milliseconds, 0.5),
        "ms",
        "≤ 300 ms",
    );
    outcome.figure(
        "start on SQLite, worst",
        quantile(&milliseconds, 1.0),
        "ms",
        "≤ 300 ms",
    );
    outcome.figure("the very first, which makes the database", first, "ms", "");
    let largest = resident.into_iter().max().unwrap_or_default();
    outcome.figure("resident memory then", mib(largest), "MiB", "≤ 64 MiB");
    Ok(outcome)
}
