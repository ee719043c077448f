//! A home folder, the binary run in it, and a control plane of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// A person with a home folder.
pub(crate) struct Home {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command did.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with_input(arguments, "")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input closes it; that is its right.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a line of words that must succeed; its standard output.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        self.expect(line, 0).stdout
    }

    /// Runs a line of words that must end with this code.
    #[track_caller]
    pub(crate) fn expect(&self, line: &str, code: i32) -> Outcome {
        let outcome = self.run(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(
            outcome.code, code,
            "gatehouse {line}\n{}\n{}",
            outcome.stdout, outcome.stderr
        );
        outcome
    }

    /// Runs a line of words with `-o json` that must succeed.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} -o json"))).unwrap()
    }
}

/// A running `serve` or `dev`, killed when dropped.
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The next line of standard output; if there is none, what it said on standard error.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        if self.output.read_line(&mut line).unwrap() == 0 {
            let mut said = String::new();
            self.child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            panic!("it ended without a line: {said}");
        }
        line.trim_end().to_owned()
    }

    /// Asks it to stop as a service manager does; its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::yield_now();
        }
        panic!("it did not stop");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A person whose variables point to a control plane of their own.
pub(crate) fn with_control_plane() -> (Home, Running) {
    let mut home = Home::new();
    let data = home.path().join("data").display().to_string();
    let mut running = Running::start(home.command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--data-dir",
        &data,
    ]));
    let line = running.line();
    let server = line
        .strip_prefix("Admin API: ")
        .unwrap_or_else(|| panic!("{line}"))
        .to_owned();
    let token = fs::read_to_string(home.path().join("data/admin-token")).unwrap();
    home.set("GATEHOUSE_SERVER", &server);
    home.set("GATEHOUSE_TOKEN", token.trim());
    (home, running)
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(crate) const ORDERS: &str = "\
kind: Project
metadata: {name: payments}
---
kind: Secret
metadata: {name: shop-key, project: payments}
spec: {valueFrom: {env: SHOP_KEY}}
---
kind: Environment
metadata: {name: staging, project: payments}
spec: {gatewayType: native}
---
kind: Api
metadata: {name: orders, project: payments, labels: {tier: public}}
spec:
  basePath: /orders
  upstreams: {main: {url: \"http://127.0.0.1:9\"}}
  policies:
    - {type: auth.apiKey, with: {keys: [{consumer: shop, secretRef: shop-key}]}}
  operations:
    - {match: {method: GET, path: \"/{id}\"}}
";

/// A person with a control plane that holds [`ORDERS`].
pub(crate) fn with_orders() -> (Home, Running) {
    let (mut home, running) = with_control_plane();
    home.set("SHOP_KEY", "open-sesame");
    home.write("orders.yaml", ORDERS);
    home.ok("apply -f orders.yaml");
    (home, running)
}
