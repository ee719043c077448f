//! One agent process for two gateway types and four environments, one of which hangs.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use gatehouse_integration_tests::{
    admin::Admin,
    binaries::binary,
    cli::Cli,
    control_plane::ControlPlane,
    database::Database,
    memory_agent,
    ports::free_address,
    process::Process,
    simulated::{KEY, Vendor},
    stack::{api, join_token, user},
    wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// More than an environment may have under way at once.
const STUCK: usize = 10;

struct World {
    agent: Process,
    metrics: SocketAddr,
    vendor: Vendor,
    admin: Admin,
    cli: Cli,
    _control_plane: ControlPlane,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vendor = Vendor::start(folder.path()).await;
        let control_plane = ControlPlane::start(Database::Sqlite, folder.path().join("control-plane")).await;
        let admin = control_plane.admin();
        let environments = environments(folder.path(), &vendor);
        admin.apply(environments).await;
        let metrics = free_address();
        let agent = agent(&admin, &control_plane, folder.path(), metrics).await;
        Self {
            agent,
            metrics,
            vendor,
            cli: user(&folder, &control_plane),
            admin,
            _control_plane: control_plane,
            folder,
        }
    }

    async fn ask(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.metrics);
        match reqwest::get(url).await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap()),
            Err(error) => (0, error.to_string()),
        }
    }

    async fn tells(&self, line: &str) {
        wait::until(&format!("the metrics say `{line}`"), async || {
            let (_, text) = self.ask("/metrics").await;
            if text.lines().any(|told| told == line) {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    }

    /// Deploys an API of this name to the environments.
    async fn deploys(&self, name: &str, environments: &[&str]) {
        let mut api = api(name, "http://127.0.0.1:9");
        api["spec"]["operations"] = json!([{"match": {"method": "GET", "path": "/{id}"}}]);
        self.admin.apply(json!([api])).await;
        for environment in environments {
            self.admin.deploy_and_wait(name, None, environment).await;
        }
    }

    fn held(&self, environment: &str) -> usize {
        let contents = memory_agent::contents(&file(self.folder.path(), environment));
        contents["apis"].as_object().map_or(0, serde_json::Map::len)
    }
}

fn file(folder: &Path, environment: &str) -> PathBuf {
    folder.join(format!("{environment}.json"))
}

/// Two gateways in files, one in a pipe that nobody writes to, whose reader hangs, and one of the vendor's.
fn environments(folder: &Path, vendor: &Vendor) -> Value {
    let made = Command::new("mkfifo").arg(file(folder, "stuck")).status();
    assert!(made.unwrap().success());
    let memory = |name: &str| memory_agent::environment(name, &file(folder, name), &json!({}));
    json!([
        memory("one"),
        memory("two"),
        memory("stuck"),
        vendor.environment("cloud", &json!({})),
    ])
}

async fn agent(admin: &Admin, control_plane: &ControlPlane, folder: &Path, metrics: SocketAddr) -> Process {
    let mut command = Command::new(binary("gatehouse-agent-several"));
    command
        .args(["--control-plane", &control_plane.url()])
        .arg("--state-dir")
        .arg(folder.join("state"))
        .args(["--metrics-listen", &metrics.to_string()])
        .env("SIMULATED_KEY", KEY)
        .env("NO_COLOR", "1");
    for gateway_type in ["memory", "simulated"] {
        let token = join_token(admin, gateway_type).await;
        command.args(["--join-token", &format!("{gateway_type}={token}")]);
    }
    Process::start("gatehouse-agent-several", command, &folder.join("agent.log"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_serves_several_gateway_types_and_what_hangs_or_is_revoked_stops_no_other() {
    let mut world = World::start().await;
    wait::until_true("every gateway type has a session", async || {
        world.ask("/readyz").await == (200, "ready\n".to_owned())
    })
    .await;
    for gateway_type in ["memory", "simulated"] {
        let identity = format!("state/agent-{gateway_type}/identity.json");
        assert!(world.folder.path().join(&identity).is_file(), "{identity}");
    }

    // One environment takes all the places it can have, and every operation there blocks its thread.
    for number in 0..STUCK {
        let name = format!("stuck-{number}");
        world.admin.apply(json!([api(&name, "http://127.0.0.1:9")])).await;
        world.admin.deploy(&name, None, "stuck").await;
    }
    let open =
        format!(r#"gatehouse_agent_deployments_open{{gateway_type="memory",environment="stuck"}} {STUCK}"#);
    world.tells(&open).await;

    // The others work, of the same gateway type and of the other one.
    world.deploys("orders", &["one", "two", "cloud"]).await;
    assert_eq!((world.held("one"), world.held("two")), (1, 1));
    assert_eq!(world.vendor.apis().await.len(), 1);
    for (gateway_type, environment) in [("memory", "one"), ("memory", "two"), ("simulated", "cloud")] {
        let line = format!(
            r#"gatehouse_agent_operations_total{{gateway_type="{gateway_type}",environment="{environment}",operation="deploy",result="Ok"}} 1"#
        );
        world.tells(&line).await;
    }
    world
        .tells(r#"gatehouse_agent_leases{gateway_type="memory"} 3"#)
        .await;
    world.tells(&open).await;

    // One identity is revoked: its gateway type ends, and the other goes on.
    let agents = world.admin.get("/agents").await;
    let agents = agents["items"].as_array().unwrap();
    let of_memory = agents.iter().find(|agent| agent["gatewayType"] == "memory");
    let id = of_memory.unwrap()["id"].as_str().unwrap();
    world.cli.ok(&format!("agent revoke {id}")).await;
    wait::until("it is told which gateway type has ended", async || {
        match world.ask("/readyz").await {
            (503, reason) if reason.contains("memory: it ended") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(world.ask("/healthz").await.0, 200);
    world.deploys("invoices", &["cloud"]).await;
    assert_eq!(world.vendor.apis().await.len(), 2);

    // Told to stop, it stops although threads hang, and its exit code and its log say what went wrong.
    world.agent.assert_running();
    world.agent.signal("TERM");
    let agent = std::sync::Mutex::new(world.agent);
    let code = wait::until("it has stopped", async || {
        agent.lock().unwrap().ended().ok_or("it still runs")
    })
    .await;
    let log = agent.lock().unwrap().output();
    assert_eq!(code, 1, "{log}");
    for said in [
        "agent{gateway.type=memory}",
        "The agent of gateway type `memory` ended; 1 others go on",
        "of the agents of 2 gateway types, these ended with an error, as told above: `memory`",
    ] {
        assert!(log.contains(said), "no `{said}` in:\n{log}");
    }
}
