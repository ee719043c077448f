//! The usual setting of a story: a control plane, the environment `local`, a native gateway that serves it, and a
//! user with an administrator's token.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{admin::Admin, cli::Cli, control_plane::ControlPlane, database::Database, gateway::Gateway};

/// Everything a story needs, each its own process.
#[derive(Debug)]
pub struct Stack {
    /// `gatehouse serve`.
    pub control_plane: ControlPlane,
    /// `gatehouse-gateway`, serving the environment `local`.
    pub gateway: Gateway,
    /// The Admin API as administrator.
    pub admin: Admin,
    /// The command line as administrator.
    pub cli: Cli,
    /// Everything's files. Last, so that it outlives the processes.
    pub folder: TempDir,
}

impl Stack {
    /// Starts everything.
    pub async fn start(database: Database) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), database, &[]).await
    }

    /// Starts everything in a folder, the gateway with more options.
    pub async fn start_in(folder: TempDir, database: Database, gateway_options: &[&str]) -> Self {
        let control_plane = ControlPlane::start(database, folder.path().join("control-plane")).await;
        let admin = control_plane.admin();
        admin
            .apply(json!([environment("local", "native", "read-write")]))
            .await;
        let token = join_token(&admin, "native").await;
        let state = folder.path().join("gateway");
        let gateway = Gateway::start_with(&control_plane.url(), &token, state, gateway_options).await;
        let cli = user(&folder, &control_plane);
        Self {
            control_plane,
            gateway,
            admin,
            cli,
            folder,
        }
    }
}

/// A user with an administrator's token, in a new home below `folder`.
pub fn user(folder: &TempDir, control_plane: &ControlPlane) -> Cli {
    let home = folder.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    Cli::new(home, &control_plane.url(), &control_plane.token())
}

/// A new one-time token for an agent of a gateway type.
pub async fn join_token(admin: &Admin, gateway_type: &str) -> String {
    let created = admin
        .post("/join-tokens", json!({ "gatewayType": gateway_type }))
        .await
        .expect_ok();
    created["token"].as_str().unwrap().to_owned()
}

/// An `Environment` document.
pub fn environment(name: &str, gateway_type: &str, mode: &str) -> Value {
    json!({
        "apiVersion": "gatehouse.dev/v1",
        "kind": "Environment",
        "metadata": {"name": name},
        "spec": {"gatewayType": gateway_type, "mode": mode},
    })
}

/// An `Api` document without operations: everything below `/NAME` goes to the upstream.
pub fn api(name: &str, upstream: &str) -> Value {
    json!({
        "apiVersion": "gatehouse.dev/v1",
        "kind": "Api",
        "metadata": {"name": name},
        "spec": {"basePath": format!("/{name}"), "upstreams": {"main": {"url": upstream}}},
    })
}

/// A `Secret` document.
pub fn secret(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "gatehouse.dev/v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "spec": {"value": value},
    })
}

/// An `auth.apiKey` policy that one consumer's key opens.
pub fn api_key_policy(consumer: &str, secret: &str) -> Value {
    json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": consumer, "secretRef": secret}]}})
}
