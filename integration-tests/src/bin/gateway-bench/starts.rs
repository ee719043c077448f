//! How long `gatehouse serve` takes until it answers, and how much memory it has then.

use std::time::Instant;

use gatehouse_integration_tests::{control_plane::ControlPlane, database::Database};

use crate::{process_cost::resident_kib, report::Starts};

pub(crate) async fn measure(starts: usize) -> anyhow::Result<Starts> {
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    // The first one also makes the database, the key file and the first token.
    let mut control_plane = ControlPlane::start(Database::Sqlite, folder.path().join("control-plane")).await;
    let first_ms = began.elapsed().as_secs_f64() * 1_000.0;
    let mut start_ms = Vec::new();
    let mut resident = Vec::new();
    for _ in 0..starts {
        control_plane.kill();
        let began = Instant::now();
        control_plane.restart().await;
        start_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
        control_plane.admin().get("/apis").await;
        resident.push(resident_kib(control_plane.process().id())?);
    }
    Ok(Starts {
        first_ms,
        start_ms,
        resident_kib: resident.into_iter().max().unwrap_or_default(),
    })
}
