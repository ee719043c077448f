//! `gatehouse-gateway` as a process of its own: the native gateway with its agent.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

use crate::{binaries::binary, ports::free_address, process::Process, wait};

/// A native gateway that can be killed and started again at the same address, with the same state.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    admin_address: SocketAddr,
    control_plane: String,
    join_token: String,
    folder: PathBuf,
    options: Vec<String>,
    process: Option<Process>,
    http: reqwest::Client,
}

impl Gateway {
    /// Starts one that joins with a token, and waits until it listens.
    pub async fn start(control_plane: &str, join_token: &str, folder: PathBuf) -> Self {
        Self::start_with(control_plane, join_token, folder, &[]).await
    }

    /// The same with more options.
    pub async fn start_with(
        control_plane: &str,
        join_token: &str,
        folder: PathBuf,
        options: &[&str],
    ) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut gateway = Self {
            address: free_address(),
            admin_address: free_address(),
            control_plane: control_plane.to_owned(),
            join_token: join_token.to_owned(),
            folder,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            process: None,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        gateway.restart().await;
        gateway
    }

    /// Starts it again and waits until it answers.
    pub async fn restart(&mut self) {
        self.launch();
        let http = self.http.clone();
        let url = self.url("/");
        let process = std::cell::RefCell::new(self.process());
        wait::until("the gateway answers", async || {
            process.borrow_mut().assert_running();
            http.get(&url).send().await.map(drop)
        })
        .await;
    }

    /// Starts it without waiting.
    pub fn launch(&mut self) {
        let mut command = Command::new(binary("gatehouse-gateway"));
        command
            .args(["--control-plane", &self.control_plane])
            .args(["--join-token", &self.join_token])
            .arg("--state-dir")
            .arg(&self.folder)
            .args(["--listen", &self.address.to_string()])
            .args(["--admin-listen", &self.admin_address.to_string()])
            .args(&self.options)
            .env("HOME", &self.folder)
            .env("NO_COLOR", "1");
        let log = self.folder.with_extension("log");
        self.process = Some(Process::start("gatehouse-gateway", command, &log));
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is running")
    }

    /// The URL of a path on the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The URL of a path on the listener for health and metrics.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin_address)
    }

    /// Calls an API as a consumer.
    pub async fn call(&self, path: &str) -> reqwest::Response {
        self.http
            .get(self.url(path))
            .send()
            .await
            .expect("the gateway answers")
    }

    /// Calls an API as a consumer with a header.
    pub async fn call_with(&self, path: &str, name: &str, value: &str) -> reqwest::Response {
        self.http
            .get(self.url(path))
            .header(name, value)
            .send()
            .await
            .expect("the gateway answers")
    }

    /// The folder with its identity and its last known good snapshot.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }
}
