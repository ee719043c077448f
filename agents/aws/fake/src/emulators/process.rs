//! One emulator's process: its own home, a rope by which it ends, and what it wrote.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File},
    hash::{BuildHasher, Hasher},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// Runs the server, and ends with its standard input.
const RUN: &str = include_str!("run.py");
/// The services that the connector needs, and those without which LocalStack refuses calls of API Gateway.
const SERVICES: &str = "acm,apigateway,cloudwatch,iam,lambda,logs,route53,s3,secretsmanager,sqs,sts";
/// Below the range from which Linux takes the ports of outgoing connections.
const PORTS: std::ops::Range<u64> = 20_000..32_000;
/// How much of what it wrote an error repeats.
const LINES: usize = 40;

/// A running process, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    /// Its home, temporary files and state.
    _home: TempDir,
}

impl Process {
    /// Starts the server of this name, with the Python it is installed for.
    pub(super) fn start(name: &str, python: &Path, port: u16) -> io::Result<Self> {
        let home = tempfile::tempdir()?;
        let log = home.path().join("log");
        let output = File::create(&log)?;
        let child = command(name, python, home.path(), port)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self {
            child,
            log,
            _home: home,
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// The end of what it wrote.
    pub(super) fn output(&self) -> String {
        let all = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = all.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Process {
    /// Lets go of the rope, at which the process ends itself and what it started.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// Nothing of the caller's environment comes through: neither credentials nor a proxy.
fn command(name: &str, python: &Path, home: &Path, port: u16) -> Command {
    let here = format!("127.0.0.1:{port}");
    let mut command = Command::new(python);
    command.args(["-c", RUN, name]).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for variable in ["HOME", "TMPDIR", "FILESYSTEM_ROOT", "S3_DATA_DIR"] {
        command.env(variable, home);
    }
    command
        .env("GATEWAY_LISTEN", &here)
        .env("LOCALSTACK_HOST", &here)
        .env("GATEWAY_PORT", port.to_string())
        .env("BIND_HOST", "127.0.0.1")
        .env("MINISTACK_HOST", "127.0.0.1")
        .env("SERVICES", if name == "localstack" { SERVICES } else { "" })
        .env("DISABLE_EVENTS", "1")
        .env("SKIP_SSL_CERT_DOWNLOAD", "1")
        .env("DNS_ADDRESS", "0")
        .env("PERSISTENCE", "0");
    command
}

/// A loopback port that nobody listens at now.
pub(super) fn free_port() -> u16 {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = PORTS.start + random % (PORTS.end - PORTS.start);
        if let Ok(port) = u16::try_from(port)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return port;
        }
    }
}
