//! What is measured, one after the other, with one fleet at one control plane.

use std::time::{Duration, Instant};

use gatehouse_integration_tests::{
    admin::Admin, control_plane::ControlPlane, database::Database, stack::api,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{figures::spread, fleet::Fleet, layouts::Layout, process_cost};

/// Documents in one request.
const AT_ONCE: usize = 100;

/// One fleet at one control plane.
pub(crate) struct Rounds {
    layout: Layout,
    agents: usize,
    control_plane: ControlPlane,
    admin: Admin,
    fleet: Fleet,
    _folder: TempDir,
}

impl Rounds {
    /// Starts a control plane and connects all agents.
    pub(crate) async fn begin(layout: Layout, database: Database, agents: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let control_plane = ControlPlane::start(database, folder.path().join("data")).await;
        let admin = control_plane.admin();
        for documents in layout.environments(agents).chunks(AT_ONCE) {
            admin.apply(json!(documents)).await;
        }
        for revision in ["one", "two"] {
            admin.apply(json!([orders(revision)])).await;
        }
        let began = Instant::now();
        let mut fleet = Fleet::start(layout, agents, &control_plane).await?;
        let (took, _) = fleet.connected(began).await?;
        println!("  enrolled and connected          {:.1} s", took.as_secs_f64());
        Ok(Self {
            layout,
            agents,
            control_plane,
            admin,
            fleet,
            _folder: folder,
        })
    }

    /// What waiting costs.
    pub(crate) async fn idle(&mut self, seconds: u64) -> anyhow::Result<()> {
        self.fleet.settle(Duration::from_secs(1)).await;
        let server = self.control_plane.process().id();
        let before = process_cost::cpu_time(server)?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let cpu = process_cost::cpu_time(server)?.saturating_sub(before);
        println!(
            "  idle                            {} MiB resident, {:.1} % of one core",
            process_cost::resident_kib(server)?.div_ceil(1_024),
            100.0 * cpu.as_secs_f64() / Duration::from_secs(seconds.max(1)).as_secs_f64()
        );
        Ok(())
    }

    /// How long a deploy takes to reach all agents that it concerns, from sending the request that asks for it.
    pub(crate) async fn deploys(&mut self, count: usize) -> anyhow::Result<()> {
        let reached = self.layout.reached(self.agents);
        let (mut each, mut last) = (Vec::new(), Vec::new());
        let server = self.control_plane.process().id();
        let before = process_cost::cpu_time(server)?;
        for number in 0..count {
            let target = self.layout.target(number, self.agents);
            let revision = u64::try_from(number % 2 + 1)?;
            let began = Instant::now();
            let asked = self.admin.deploy("orders", Some(revision), &target).await;
            let id = asked["id"].as_str().unwrap_or_default();
            let generation = asked["generation"].as_u64().unwrap_or_default();
            let times = self.fleet.given((id, generation), reached).await?;
            let latencies = times.iter().map(|at| at.saturating_duration_since(began));
            each.extend(latencies.clone());
            last.extend(latencies.max());
            // The reports are awaited outside of the measurement, so that each deploy begins from rest.
            self.reported(id, generation).await;
            self.fleet.settle(Duration::from_millis(300)).await;
        }
        let cpu = process_cost::cpu_time(server)?.saturating_sub(before);
        println!("  deploy to an agent              {}", spread(&each));
        println!("  deploy to the last agent        {}", spread(&last));
        println!(
            "  server's CPU per deploy         {:.0} ms, with {reached} report(s)",
            cpu.as_secs_f64() * 1_000.0 / f64::from(u32::try_from(count.max(1))?)
        );
        Ok(())
    }

    /// Kills the control plane and starts it again.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let environment = self.layout.target(0, self.agents);
        let discovery = json!({"environment": environment});
        self.admin.post("/discoveries", discovery).await.expect_ok();
        let handed = self.fleet.settle(Duration::from_secs(2)).await;
        println!(
            "  a discovery was given           {} agent(s)",
            handed.runners.len()
        );
        self.control_plane.kill();
        // Long enough that every agent has lost it and waits.
        self.fleet.settle(Duration::from_secs(2)).await;
        let began = Instant::now();
        self.control_plane.restart().await;
        let answers = began.elapsed();
        let (took, mut handed) = self.fleet.connected(began).await?;
        let server = self.control_plane.process().id();
        let cpu = process_cost::cpu_time(server)?;
        let after = self.fleet.settle(Duration::from_secs(3)).await;
        handed.given += after.given;
        handed.given_again += after.given_again;
        handed.runners.extend(after.runners);
        println!(
            "  after kill -9 and a new start   all back in {:.1} s (it answered after {:.2} s), CPU {:.1} s, {} MiB",
            took.as_secs_f64(),
            answers.as_secs_f64(),
            cpu.as_secs_f64(),
            process_cost::resident_kib(server)?.div_ceil(1_024),
        );
        println!(
            "  work handed out again           {} to do once more, {} that agents had settled and ignored; the discovery to {} agent(s)",
            handed.given,
            handed.given_again,
            handed.runners.len()
        );
        Ok(())
    }

    /// Waits until the deployment is reported by all.
    async fn reported(&self, id: &str, generation: u64) {
        let asked = json!({"id": id, "generation": generation});
        self.admin.deployed(&asked).await;
    }
}

fn orders(revision: &str) -> Value {
    let mut document = api("orders", "http://127.0.0.1:9");
    document["spec"]["policies"] =
        json!([{"type": "headers", "with": {"response": {"set": {"x-revision": revision}}}}]);
    document
}
