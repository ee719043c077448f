//! `gatehouse serve` as a process of its own.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

use crate::{
    admin::Admin, binaries::binary, database::Database, ports::free_address, process::Process, wait,
};

/// What it logs: its story, and each step with a plan.
const LOG: &str = "info,gatehouse_control_plane_server::rollouts=debug";

/// A control plane that can be killed and started again at the same address, with the same data.
#[derive(Debug)]
pub struct ControlPlane {
    address: SocketAddr,
    admin_address: SocketAddr,
    database: String,
    folder: PathBuf,
    process: Option<Process>,
}

impl ControlPlane {
    /// Starts one with a fresh database; its data is below `folder`.
    pub async fn start(database: Database, folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut control_plane = Self {
            address: free_address(),
            admin_address: free_address(),
            database: database.fresh(&folder),
            folder,
            process: None,
        };
        control_plane.restart().await;
        control_plane
    }

    /// Starts another on the same database, as operators do: with a copy of the key file, in a folder of its own.
    pub async fn replica(&self, folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        for file in ["key", "admin-token"] {
            fs::copy(self.folder.join(file), folder.join(file)).unwrap();
        }
        let mut replica = Self {
            address: free_address(),
            admin_address: free_address(),
            database: self.database.clone(),
            folder,
            process: None,
        };
        replica.restart().await;
        replica
    }

    /// Starts it again and waits until it answers.
    pub async fn restart(&mut self) {
        self.launch();
        self.ready().await;
    }

    /// Starts it without waiting.
    pub fn launch(&mut self) {
        let mut command = Command::new(binary("gatehouse"));
        command
            .args(["serve", "--database", &self.database])
            .arg("--data-dir")
            .arg(&self.folder)
            .args(["--listen", &self.address.to_string()])
            .args(["--admin-listen", &self.admin_address.to_string()])
            .env("HOME", &self.folder)
            .env("RUST_LOG", LOG)
            .env("NO_COLOR", "1");
        let log = self.folder.join("control-plane.log");
        self.process = Some(Process::start("gatehouse serve", command, &log));
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) {
        let anyone = Admin::new(&self.url(), None);
        let process = self.process.as_mut().expect("it was started");
        let process = std::sync::Mutex::new(process);
        wait::until("the control plane answers", async || {
            process.lock().unwrap().assert_running();
            anyone
                .try_send(reqwest::Method::GET, "/openapi.json", None)
                .await
                .map(drop)
        })
        .await;
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is running")
    }

    /// Everything it has logged so far, also before it was killed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("control-plane.log")).unwrap_or_default()
    }

    /// The address of the Admin API and the Agent API.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the Admin API and the Agent API are.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where health and metrics are.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin_address)
    }

    /// The token of the first administrator, as the first start wrote it.
    pub fn token(&self) -> String {
        let path = self.folder.join("admin-token");
        let token = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        token.trim().to_owned()
    }

    /// The URL of its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The folder with its key file, its first token and, with SQLite, its database.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// The Admin API as the first administrator.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.url(), Some(&self.token()))
    }
}
