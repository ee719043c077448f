//! A world for one case: a vendor, a control plane and an agent, with a proxy in front of the two that can be asked.

use std::{path::PathBuf, process::Command};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    boundary::{Hop, Message, Side},
    proxy::{Proxy, SetTrap},
};
use crate::{
    admin::Admin,
    binaries::binary,
    control_plane::ControlPlane,
    database::Database,
    process::Process,
    simulated_vendor::{Addresses, SimulatedVendor},
    stack::join_token,
};

/// The account at the vendor.
pub const ACCOUNT: &str = "account-1";
/// Its key, which may do everything.
const KEY: &str = "key-of-account-1";
/// The environment's name.
pub const ENVIRONMENT: &str = "simulated";

/// Everything a case needs.
#[derive(Debug)]
pub struct World {
    /// `gatehouse serve`.
    pub control_plane: ControlPlane,
    /// `gatehouse-agent-simulated`.
    pub agent: Agent,
    /// People's requests, which crashes can hit.
    pub user: Admin,
    /// The test's own looks, which they cannot.
    pub admin: Admin,
    simulation: Simulation,
    control_plane_proxy: Proxy,
    vendor_proxy: Proxy,
    _vendor: SimulatedVendor,
    _folder: TempDir,
}

impl World {
    /// Starts everything, and registers the environment.
    pub async fn start(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = Addresses {
            api: "127.0.0.1:0".parse().unwrap(),
            simulation: "127.0.0.1:0".parse().unwrap(),
        };
        let vendor = SimulatedVendor::start(any, None).await.unwrap();
        let addresses = vendor.addresses();
        let simulation = Simulation::new(&format!("http://{}", addresses.simulation));
        simulation
            .post("keys", json!({"key": KEY, "account": ACCOUNT}))
            .await;
        let vendor_proxy = Proxy::start(Hop::Vendor, &format!("http://{}", addresses.api)).await;
        let control_plane = ControlPlane::start(database, folder.path().join("control-plane")).await;
        let control_plane_proxy = Proxy::start(Hop::ControlPlane, &control_plane.url()).await;
        let admin = control_plane.admin();
        admin.apply(json!([environment(&vendor_proxy.url())])).await;
        let token = join_token(&admin, "simulated").await;
        let agent = Agent::start(&control_plane_proxy.url(), &token, folder.path().join("agent"));
        let user = Admin::new(&control_plane_proxy.url(), Some(&control_plane.token()));
        Self {
            control_plane,
            agent,
            user,
            admin,
            simulation,
            control_plane_proxy,
            vendor_proxy,
            _vendor: vendor,
            _folder: folder,
        }
    }

    /// The vendor's other port.
    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Begins to count messages.
    pub fn count(&self) {
        self.control_plane_proxy.count();
        self.vendor_proxy.count();
    }

    /// The messages counted.
    pub fn messages(&self) -> Vec<Message> {
        let mut messages = self.control_plane_proxy.messages();
        messages.extend(self.vendor_proxy.messages());
        messages
    }

    /// Stops a message when it comes.
    pub fn set_trap(&self, message: &Message, side: Side) -> SetTrap {
        match message.hop {
            Hop::ControlPlane => self.control_plane_proxy.set_trap(message, side),
            Hop::Vendor => self.vendor_proxy.set_trap(message, side),
        }
    }
}

fn environment(vendor: &str) -> Value {
    json!({
        "kind": "Environment",
        "metadata": {"name": ENVIRONMENT},
        "spec": {
            "gatewayType": "simulated",
            "settings": {"url": vendor, "account": ACCOUNT},
            "credentials": {"key": {"env": "SIMULATED_KEY"}},
        },
    })
}

/// The agent of the simulated vendor, which can be killed and started again with the same state.
#[derive(Debug)]
pub struct Agent {
    control_plane: String,
    join_token: String,
    folder: PathBuf,
    process: Option<Process>,
}

impl Agent {
    fn start(control_plane: &str, join_token: &str, folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let mut agent = Self {
            control_plane: control_plane.to_owned(),
            join_token: join_token.to_owned(),
            folder,
            process: None,
        };
        agent.restart();
        agent
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        let mut command = Command::new(binary("gatehouse-agent-simulated"));
        command
            .args(["--control-plane", &self.control_plane])
            .args(["--join-token", &self.join_token])
            .arg("--state-dir")
            .arg(&self.folder)
            .env("SIMULATED_KEY", KEY)
            .env("HOME", &self.folder)
            .env("NO_COLOR", "1");
        let log = self.folder.with_extension("log");
        self.process = Some(Process::start("gatehouse-agent-simulated", command, &log));
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.process = None;
    }
}

/// The vendor's second port.
#[derive(Debug, Clone)]
pub struct Simulation {
    http: reqwest::Client,
    base: String,
}

impl Simulation {
    fn new(base: &str) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            base: base.to_owned(),
        }
    }

    /// Reads.
    pub async fn get(&self, what: &str) -> Value {
        self.send(Method::GET, what, None).await
    }

    /// Has something done.
    pub async fn post(&self, what: &str, body: Value) -> Value {
        self.send(Method::POST, what, Some(body)).await
    }

    async fn send(&self, method: Method, what: &str, body: Option<Value>) -> Value {
        let mut request = self
            .http
            .request(method, format!("{}/simulation/{what}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{what}: {}", answer.status());
        answer.json().await.unwrap_or(Value::Null)
    }
}
