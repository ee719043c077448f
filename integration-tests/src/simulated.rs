//! The simulated vendor and its agent as processes of their own, and what stories ask of them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{binaries::binary, ports::free_address, process::Process, wait};

/// The account at the vendor.
pub const ACCOUNT: &str = "account-1";
/// Its key.
pub const KEY: &str = "key-of-account-1";

/// `simulated-vendor`, with one account.
#[derive(Debug)]
pub struct Vendor {
    api: SocketAddr,
    simulation: SocketAddr,
    http: reqwest::Client,
    _process: Process,
}

impl Vendor {
    /// Starts one; its log is in `folder`.
    pub async fn start(folder: &Path) -> Self {
        let (api, simulation) = (free_address(), free_address());
        let mut command = Command::new(binary("simulated-vendor"));
        command
            .args(["--listen", &api.to_string()])
            .args(["--simulation", &simulation.to_string()]);
        let process = Process::start("simulated-vendor", command, &folder.join("vendor.log"));
        let vendor = Self {
            api,
            simulation,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _process: process,
        };
        wait::until("the vendor answers", async || {
            vendor.http.get(vendor.url("counters")).send().await.map(drop)
        })
        .await;
        vendor.allow(json!(["*"])).await;
        vendor
    }

    fn url(&self, what: &str) -> String {
        format!("http://{}/simulation/{what}", self.simulation)
    }

    /// Has it simulate something.
    pub async fn tell(&self, what: &str, body: Value) -> Value {
        self.send(Method::POST, what, body).await
    }

    /// Looks into it.
    pub async fn look(&self, what: &str) -> Value {
        self.send(Method::GET, what, Value::Null).await
    }

    /// Takes all faults away.
    pub async fn forget_faults(&self) {
        self.send(Method::DELETE, "faults", Value::Null).await;
    }

    async fn send(&self, method: Method, what: &str, body: Value) -> Value {
        let mut request = self.http.request(method, self.url(what));
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body = answer.json().await.unwrap_or(Value::Null);
        assert!(status.is_success(), "{what}: {status} {body}");
        body
    }

    /// Makes APIs that somebody else made.
    pub async fn seed(&self, count: u64) {
        self.tell("seed", json!({"account": ACCOUNT, "count": count}))
            .await;
    }

    /// Changes an API past everybody.
    pub async fn edit(&self, api: &str, edit: Value) {
        self.tell("edits", json!({"account": ACCOUNT, "api": api, "edit": edit}))
            .await;
    }

    /// Lets the key do just this.
    pub async fn allow(&self, operations: Value) {
        let key = json!({"key": KEY, "account": ACCOUNT, "allow": operations});
        self.tell("keys", key).await;
    }

    /// Lets calls go wrong.
    pub async fn fault(&self, fault: Value) {
        self.tell("faults", fault).await;
    }

    /// What it holds.
    pub async fn apis(&self) -> Vec<Value> {
        let state = self.look("state").await;
        let all = state.as_array().unwrap().iter();
        all.map(|entry| entry["api"].clone()).collect()
    }

    /// Nothing that must never be so was so, but for what edits did.
    pub async fn assert_sound(&self) {
        let violations = self.look("invariants").await;
        let ours: Vec<&Value> = violations
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["by"] != "simulation")
            .collect();
        assert!(ours.is_empty(), "{ours:#?}");
        assert_eq!(self.look("orphans").await, json!([]));
    }

    /// An `Environment` document of this account, with more fields of its specification.
    pub fn environment(&self, name: &str, more: &Value) -> Value {
        let mut spec = json!({
            "gatewayType": "simulated",
            "settings": {"url": format!("http://{}", self.api), "account": ACCOUNT},
            "credentials": {"key": {"env": "SIMULATED_KEY"}},
        });
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        json!({
            "apiVersion": "gatehouse.dev/v1",
            "kind": "Environment",
            "metadata": {"name": name},
            "spec": spec,
        })
    }
}

/// `gatehouse-agent-simulated`, which can be killed and started again with the same state.
#[derive(Debug)]
pub struct Agent {
    control_plane: String,
    join_token: String,
    folder: PathBuf,
    quota_divisor: u32,
    process: Option<Process>,
}

impl Agent {
    /// Starts one that joins with a token and believes in the published quotas, their intervals divided; 0 for none.
    pub fn start(control_plane: &str, join_token: &str, folder: PathBuf, quota_divisor: u32) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut agent = Self {
            control_plane: control_plane.to_owned(),
            join_token: join_token.to_owned(),
            folder,
            quota_divisor,
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
            .env("SIMULATED_QUOTA_DIVISOR", self.quota_divisor.to_string())
            .env("HOME", &self.folder)
            .env("NO_COLOR", "1");
        let log = self.folder.with_extension("log");
        self.process = Some(Process::start("gatehouse-agent-simulated", command, &log));
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it is running")
    }
}
