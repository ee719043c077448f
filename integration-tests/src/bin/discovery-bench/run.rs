//! A vendor, an agent and a control plane, and discoveries between them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatehouse_integration_tests::{
    admin::Admin,
    control_plane::ControlPlane,
    database::Database,
    simulated::{Agent, Vendor},
    stack::join_token,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    memory::peak_kib,
    written::{changed, tables},
};

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// How often the control plane is asked whether it is done. Long enough not to be a part of the measurement.
const ASK: Duration = Duration::from_millis(20);

/// Everything that takes part; ended when dropped.
pub(crate) struct World {
    database: Database,
    vendor: Vendor,
    agent: Agent,
    control_plane: ControlPlane,
    admin: Admin,
    _folder: TempDir,
}

/// One discovery.
#[derive(Debug)]
pub(crate) struct Run {
    took: Duration,
    /// From the vendor's first call to its last.
    at_the_vendor: Duration,
    counters: Value,
    shown: Value,
}

impl World {
    pub(crate) async fn start(database: Database, apis: u64, quota_divisor: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let vendor = Vendor::start(folder.path()).await;
        vendor.seed(apis).await;
        vendor
            .tell("behaviour", json!({"quotaDivisor": quota_divisor}))
            .await;
        let control_plane = ControlPlane::start(database, folder.path().join("control-plane")).await;
        let admin = control_plane.admin();
        let environment = vendor.environment("vendor", &json!({"mode": "read-only"}));
        admin.apply(json!([environment])).await;
        let token = join_token(&admin, "simulated").await;
        let agent_folder = folder.path().join("agent");
        let agent = Agent::start(&control_plane.url(), &token, agent_folder, quota_divisor);
        let world = Self {
            database,
            vendor,
            agent,
            control_plane,
            admin,
            _folder: folder,
        };
        world.agent_is_there().await?;
        Ok(world)
    }

    async fn agent_is_there(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.admin.get("/agents").await["items"][0]["online"] != true {
            ensure!(began.elapsed() < PATIENCE, "the agent does not come");
            tokio::time::sleep(ASK).await;
        }
        Ok(())
    }

    /// Discovers everything, and prints what that took.
    pub(crate) async fn discover(&self, name: &str) -> anyhow::Result<Run> {
        self.vendor.tell("reset-counters", json!({})).await;
        let before = self.tables()?;
        let began = Instant::now();
        let asked = self
            .admin
            .post("/discoveries", json!({"environment": "vendor"}))
            .await
            .expect_ok();
        let id = asked["id"].as_str().context("a discovery has an id")?.to_owned();
        let shown = self.finished(&format!("/discoveries/{id}")).await?;
        let took = began.elapsed();
        let run = Run {
            took,
            at_the_vendor: self.at_the_vendor().await,
            counters: self.vendor.look("counters").await,
            shown,
        };
        run.print(name);
        println!(
            "  agent, peak resident memory     {} MiB",
            peak_kib(self.agent.process().id())?.div_ceil(1_024)
        );
        println!(
            "  tables written                  {}",
            changed(&before, &self.tables()?).join(" ")
        );
        Ok(run)
    }

    async fn at_the_vendor(&self) -> Duration {
        let calls = self.vendor.look("requests").await;
        let calls = calls.as_array().map(Vec::as_slice).unwrap_or_default();
        let at = |call: Option<&Value>| call.and_then(|call| call["atMs"].as_u64()).unwrap_or_default();
        Duration::from_millis(at(calls.last()).saturating_sub(at(calls.first())))
    }

    fn tables(&self) -> anyhow::Result<crate::written::Tables> {
        tables(
            self.database,
            self.control_plane.folder(),
            self.control_plane.database(),
        )
    }

    /// Takes everything into the catalog.
    pub(crate) async fn import(&self) -> anyhow::Result<()> {
        let discoveries = self.admin.get("/discoveries").await;
        let id = discoveries["items"][0]["id"]
            .as_str()
            .context("there is a discovery")?;
        let began = Instant::now();
        let asked = self
            .admin
            .post(&format!("/discoveries/{id}/imports"), json!({}))
            .await
            .expect_ok();
        let id = asked["id"].as_str().context("an import has an id")?;
        self.finished(&format!("/imports/{id}")).await?;
        println!(
            "\n  import of everything            {:.1} s",
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }

    async fn finished(&self, path: &str) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let now = self.admin.get(path).await;
            if !matches!(now["state"].as_str(), Some("Pending" | "Running")) {
                return Ok(now);
            }
            ensure!(began.elapsed() < PATIENCE, "gave up waiting: {now:#}");
            tokio::time::sleep(ASK).await;
        }
    }
}

impl Run {
    fn calls(&self, field: &str) -> u64 {
        let counts = self.counters.as_object().into_iter().flatten();
        counts.filter_map(|(_, count)| count[field].as_u64()).sum()
    }

    fn print(&self, name: &str) {
        println!("\n  {name}: {}", self.shown["state"].as_str().unwrap_or_default());
        println!(
            "  from asking to complete         {:.2} s",
            self.took.as_secs_f64()
        );
        println!("  findings                        {}", self.shown["counts"]);
        if let Some(message) = self.shown["message"].as_str() {
            println!("  message                         {message}");
        }
        println!(
            "  calls of the vendor             {} ({} refused for their rate)",
            self.calls("calls"),
            self.calls("throttled")
        );
    }

    pub(crate) fn share_of(&self, other: &Self) -> f64 {
        100.0 * self.took.as_secs_f64() / other.took.as_secs_f64()
    }

    /// Beside the shortest time that the quota of all operations together allows.
    pub(crate) fn beside_the_floor(&self, divisor: u32) {
        let calls = u32::try_from(self.calls("calls")).unwrap_or(u32::MAX);
        let floor = Duration::from_millis(100) / divisor.max(1) * calls.saturating_sub(40);
        println!(
            "  shortest under the quotas       {:.2} s; reached {:.1} % of it",
            floor.as_secs_f64(),
            100.0 * floor.as_secs_f64() / self.took.as_secs_f64()
        );
        println!(
            "  from the first call to the last {:.2} s; {:.1} % of it",
            self.at_the_vendor.as_secs_f64(),
            100.0 * floor.as_secs_f64() / self.at_the_vendor.as_secs_f64()
        );
        println!(
            "  errors shown to people          {}",
            self.shown["counts"]["error"]
        );
    }
}
