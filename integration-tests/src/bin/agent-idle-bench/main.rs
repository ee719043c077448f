//! Measures what an agent costs that has nothing to do: its resident memory and its share of a core. Prints figures;
//! judges nothing. `./benchmark agent-idle` builds everything and runs it.
#![expect(clippy::print_stdout, reason = "a command that prints a table")]

#[path = "../gateway-bench/process_cost.rs"]
mod process_cost;

use std::time::{Duration, Instant};

use clap::Parser;
use gatehouse_integration_tests::{
    control_plane::ControlPlane,
    database::Database,
    memory_agent::{self, MemoryAgent},
    stack::{api, join_token},
};
use serde_json::json;
use tempfile::TempDir;

/// Measures `gatehouse-agent-memory`, connected to `gatehouse serve`, with one environment and one API deployed there.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds without work in which the cost of waiting is measured.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds between the end of the last work and the measurement.
    #[arg(long, default_value_t = 15)]
    settle_seconds: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let idle = Idle::start().await?;
    tokio::time::sleep(Duration::from_secs(options.settle_seconds)).await;
    idle.measure(Duration::from_secs(options.seconds)).await
}

/// An agent without work.
struct Idle {
    agent: MemoryAgent,
    _control_plane: ControlPlane,
    _folder: TempDir,
}

impl Idle {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("control-plane");
        let control_plane = ControlPlane::start(Database::Sqlite, data).await;
        let admin = control_plane.admin();
        let file = folder.path().join("gateway.json");
        let environment = memory_agent::environment("idle", &file, &json!({}));
        admin
            .apply(json!([environment, api("orders", "http://127.0.0.1:9")]))
            .await;
        let token = join_token(&admin, "memory").await;
        let agent = MemoryAgent::start(&control_plane.url(), &token, folder.path().join("agent"));
        admin.deploy_and_wait("orders", None, "idle").await;
        Ok(Self {
            agent,
            _control_plane: control_plane,
            _folder: folder,
        })
    }

    async fn measure(&self, time: Duration) -> anyhow::Result<()> {
        let process = self.agent.process().id();
        let (began, before) = (Instant::now(), process_cost::cpu_time(process)?);
        tokio::time::sleep(time).await;
        let used = process_cost::cpu_time(process)?.saturating_sub(before);
        let share = used.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
        let resident = process_cost::resident_kib(process)?.div_ceil(1024);
        println!("\nan idle agent of one environment, over {} s", time.as_secs());
        println!("  resident memory                 {resident} MiB");
        println!("  CPU                             {share:.3} % of a core");
        Ok(())
    }
}
