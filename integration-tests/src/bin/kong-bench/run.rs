//! A Kong, its agent and a control plane, and discoveries between them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use gatehouse_fake_kong::{Database, FakeKong, FakeKongOptions};
use gatehouse_integration_tests::{
    admin::Admin,
    control_plane::ControlPlane,
    database,
    kong::{Kong, KongAgent},
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

/// Everything that takes part; ended when dropped.
pub(crate) struct World {
    kong: Kong,
    declarative: bool,
    services: usize,
    routes: usize,
    agent: KongAgent,
    admin: Admin,
    _control_plane: ControlPlane,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn start(kind: Database, services: usize, routes: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let kong = Kong::fake(FakeKongOptions {
            database: kind,
            ..FakeKongOptions::default()
        })
        .await;
        let control_plane =
            ControlPlane::start(database::Database::Sqlite, folder.path().join("control-plane")).await;
        let admin = control_plane.admin();
        let mut environment = kong.environment("kong");
        environment["spec"]["mode"] = json!("read-only");
        admin.apply(json!([environment])).await;
        let token = join_token(&admin, "kong").await;
        let agent = kong.agent(&control_plane.url(), &token, folder.path().join("agent"));
        let world = Self {
            kong,
            declarative: kind == Database::Off,
            services,
            routes,
            agent,
            admin,
            _control_plane: control_plane,
            _folder: folder,
        };
        world.fill(&seed::configuration(services, routes, 60_000)).await;
        world
            .until(async || Ok(world.admin.get("/agents").await["items"][0]["online"] == true))
            .await?;
        println!("  agent, resident memory before   {} MiB", world.peak()?);
        Ok(world)
    }

    /// Whole without a database, and one by one with one.
    async fn fill(&self, configuration: &Value) {
        if self.declarative {
            self.kong.make("/config", configuration).await;
            return;
        }
        for service in configuration["services"].as_array().into_iter().flatten() {
            let mut service = service.clone();
            let (routes, plugins) = (service["routes"].take(), service["plugins"].take());
            if let Some(fields) = service.as_object_mut() {
                fields.retain(|field, _| field != "routes" && field != "plugins");
            }
            let id = self.kong.make("/services", &service).await;
            for (path, entities) in [("routes", routes), ("plugins", plugins)] {
                for entity in entities.as_array().into_iter().flatten() {
                    self.kong.make(&format!("/services/{id}/{path}"), entity).await;
                }
            }
        }
    }

    /// Changes one of the services.
    pub(crate) async fn change(&self) -> anyhow::Result<()> {
        if self.declarative {
            self.fill(&seed::configuration(self.services, self.routes, 30_000))
                .await;
        } else {
            let fields = json!({"read_timeout": 30_000});
            self.kong.change("/services/service-00000", &fields).await;
        }
        Ok(())
    }

    fn fake(&self) -> anyhow::Result<&FakeKong> {
        self.kong.fake.as_ref().context("it is a fake one")
    }

    fn peak(&self) -> anyhow::Result<u64> {
        Ok(peak_kib(self.agent.process().id())?.div_ceil(1_024))
    }

    /// Discovers everything, and prints what that took.
    pub(crate) async fn discover(&self, name: &str) -> anyhow::Result<()> {
        self.fake()?.forget_calls();
        let began = Instant::now();
        let shown = self
            .finished("/discoveries", json!({"environment": "kong"}))
            .await?;
        println!("\n  {name}: {}", shown["state"].as_str().unwrap_or_default());
        println!(
            "  from asking to complete         {:.2} s",
            began.elapsed().as_secs_f64()
        );
        println!("  findings                        {}", shown["counts"]);
        if let Some(message) = shown["message"].as_str() {
            println!("  message                         {message}");
        }
        let calls = self.calls()?;
        let total: usize = calls.values().sum();
        println!("  calls of the Admin API          {total}");
        for (call, count) in calls {
            println!("    {count:4} {call}");
        }
        println!("  agent, peak resident memory     {} MiB", self.peak()?);
        Ok(())
    }

    /// How often each was called, without the query.
    fn calls(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let mut counted = BTreeMap::new();
        for call in self.fake()?.calls() {
            let path = call.path.split('?').next().unwrap_or_default();
            *counted.entry(format!("{} {path}", call.method)).or_default() += 1;
        }
        Ok(counted)
    }

    /// Takes everything into the catalog.
    pub(crate) async fn import(&self) -> anyhow::Result<()> {
        let discoveries = self.admin.get("/discoveries").await;
        let id = discoveries["items"][0]["id"]
            .as_str()
            .context("there is a discovery")?;
        let began = Instant::now();
        let path = format!("/discoveries/{id}/imports");
        let import = self.finished(&path, json!({})).await?;
        println!(
            "\n  import of everything            {:.1} s, {}",
            began.elapsed().as_secs_f64(),
            import["state"].as_str().unwrap_or_default()
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
        self.until(async || Ok(is_done(&self.admin.get(&path).await)))
            .await?;
        Ok(self.admin.get(&path).await)
    }

    async fn until(&self, is_so: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let began = Instant::now();
        while !is_so().await? {
            ensure!(began.elapsed() < PATIENCE, "gave up waiting");
            tokio::time::sleep(ASK).await;
        }
        Ok(())
    }
}
