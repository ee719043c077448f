//! An account, its agent and a control plane, and discoveries between them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use gatehouse_integration_tests::{
    admin::Admin,
    aws::{Aws, AwsAgent, STAGE},
    control_plane::ControlPlane,
    database,
    stack::join_token,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{memory::peak_kib, seed};

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// How often the control plane is asked whether it is done. Long enough not to be a part of the measurement.
const ASK: Duration = Duration::from_millis(20);
/// AWS's published quota of all calls together: so many at once, then one in each interval.
const BURST: usize = 40;
const INTERVAL: f64 = 0.1;

/// Everything that takes part; ended when dropped.
pub(crate) struct World {
    aws: Aws,
    ids: Vec<String>,
    agent: AwsAgent,
    admin: Admin,
    _control_plane: ControlPlane,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn start(apis: usize, operations: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let aws = Aws::fake().await;
        let documents = (0..apis).map(|api| seed::document(api, operations));
        let ids = documents.map(|document| aws.make(&document, STAGE)).collect();
        let control_plane =
            ControlPlane::start(database::Database::Sqlite, folder.path().join("control-plane")).await;
        let admin = control_plane.admin();
        let mut environment = aws.environment("aws");
        environment["spec"]["mode"] = json!("read-only");
        admin.apply(json!([environment])).await;
        let token = join_token(&admin, "aws").await;
        let agent = aws.agent(&control_plane.url(), &token, folder.path().join("agent"));
        let world = Self {
            aws,
            ids,
            agent,
            admin,
            _control_plane: control_plane,
            _folder: folder,
        };
        world
            .until(async || world.admin.get("/agents").await["items"][0]["online"] == true)
            .await?;
        println!("  agent, resident memory before   {} MiB", world.peak()?);
        Ok(world)
    }

    /// Changes one of the APIs, and deploys it to its stage.
    pub(crate) fn change(&self) {
        if let Some(id) = self.ids.first() {
            let path = format!("/restapis/{id}?mode=overwrite");
            self.aws.call("PUT", &path, &seed::document(0, 1));
            self.aws.redeploy(id, STAGE);
        }
    }

    fn peak(&self) -> anyhow::Result<u64> {
        Ok(peak_kib(self.agent.process().id())?.div_ceil(1_024))
    }

    /// Discovers everything, and prints what that took.
    pub(crate) async fn discover(&self, name: &str) -> anyhow::Result<()> {
        self.aws.as_fake().forget_calls();
        let began = Instant::now();
        let shown = self
            .finished("/discoveries", json!({"environment": "aws"}))
            .await?;
        let took = began.elapsed().as_secs_f64();
        println!("\n  {name}: {}", shown["state"].as_str().unwrap_or_default());
        println!("  from asking to complete         {took:.1} s");
        println!("  findings                        {}", shown["counts"]);
        let calls = self.calls();
        let total: usize = calls.values().sum();
        let floor = INTERVAL * f64::from(u32::try_from(total.saturating_sub(BURST))?);
        println!("  calls of AWS                    {total}");
        println!("  what AWS's quota allows at best {floor:.1} s");
        for (call, count) in calls {
            println!("    {count:5} {call}");
        }
        println!("  agent, peak resident memory     {} MiB", self.peak()?);
        Ok(())
    }

    /// How often each operation was called.
    fn calls(&self) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for call in self.aws.as_fake().calls() {
            *counted.entry(call.operation).or_default() += 1;
        }
        counted
    }

    /// Takes everything into the catalog.
    pub(crate) async fn import(&self) -> anyhow::Result<()> {
        let discoveries = self.admin.get("/discoveries").await;
        let id = discoveries["items"][0]["id"]
            .as_str()
            .context("there is a discovery")?;
        let began = Instant::now();
        let path = format!("/discoveries/{id}/imports");
        self.finished(&path, json!({})).await?;
        println!(
            "\n  import of everything            {:.1} s",
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// Asks for something, and waits until it is done.
    async fn finished(&self, path: &str, request: Value) -> anyhow::Result<Value> {
        let asked = self
            .admin
            .send(Method::POST, path, Some(&request))
            .await
            .expect_ok();
        let id = asked["id"].as_str().context("it has an id")?;
        let kind = path.rsplit('/').next().unwrap_or_default();
        let path = format!("/{kind}/{id}");
        let is_done = |now: &Value| !matches!(now["state"].as_str(), Some("Pending" | "Running"));
        self.until(async || is_done(&self.admin.get(&path).await)).await?;
        Ok(self.admin.get(&path).await)
    }

    async fn until(&self, is_so: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !is_so().await {
            ensure!(began.elapsed() < PATIENCE, "gave up waiting");
            tokio::time::sleep(ASK).await;
        }
        Ok(())
    }
}
