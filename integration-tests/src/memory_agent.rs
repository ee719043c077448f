//! `gatehouse-agent-memory`: the agent of the in-memory connector, as a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{binaries::binary, process::Process};

/// An agent of the gateway type `memory` that can be killed and started again with the same state.
#[derive(Debug)]
pub struct MemoryAgent {
    control_plane: String,
    join_token: String,
    folder: PathBuf,
    process: Option<Process>,
}

impl MemoryAgent {
    /// Starts one that joins with a token; its state is in `folder`.
    pub fn start(control_plane: &str, join_token: &str, folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
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
        let mut command = Command::new(binary("gatehouse-agent-memory"));
        command
            .args(["--control-plane", &self.control_plane])
            .args(["--join-token", &self.join_token])
            .arg("--state-dir")
            .arg(&self.folder)
            .env("HOME", &self.folder)
            .env("NO_COLOR", "1");
        let log = self.folder.with_extension("log");
        self.process = Some(Process::start("gatehouse-agent-memory", command, &log));
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it is running")
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.process = None;
    }
}

/// An `Environment` document of an in-memory gateway that lives in a file, with settings for interruptions.
pub fn environment(name: &str, file: &Path, settings: &Value) -> Value {
    let mut settings = settings.clone();
    settings["file"] = json!(file);
    json!({
        "apiVersion": "gatehouse.dev/v1",
        "kind": "Environment",
        "metadata": {"name": name},
        "spec": {"gatewayType": "memory", "settings": settings},
    })
}

/// What an in-memory gateway's file holds: `apis`, and how often anything was `created`, `updated`, `removed`.
pub fn contents(file: &Path) -> Value {
    fs::read(file).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
}
