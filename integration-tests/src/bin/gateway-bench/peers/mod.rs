//! The gateways that ours is measured beside, each started by us and configured for the same work: strip `/plain/`, keep
//! connections to the upstream, say where the request came from and name it, write no access log, two threads.

mod certificate;
mod envoy;
mod haproxy;
mod nginx;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use gatehouse_integration_tests::{ports::free_address, process::Process};

pub(crate) use self::{
    certificate::Certificate, envoy::start_with_routes as envoy_with_routes, nginx::Backend,
};

/// A running peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) listening: Listening,
    pub(crate) process: Process,
}

/// Where a candidate serves what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listening {
    /// HTTP/1.1 without TLS.
    pub(crate) http1: SocketAddr,
    /// HTTP/2 without TLS.
    pub(crate) http2: SocketAddr,
    /// Both over TLS.
    pub(crate) tls: SocketAddr,
}

impl Listening {
    fn free() -> Self {
        Self {
            http1: free_address(),
            http2: free_address(),
            tls: free_address(),
        }
    }
}

/// Starts every peer that is installed; the others' names come back with what to install.
pub(crate) fn start_all(
    folder: &Path,
    backend: SocketAddr,
    certificate: &Certificate,
) -> anyhow::Result<(Vec<Peer>, Vec<String>)> {
    let (mut running, mut left_out) = (Vec::new(), Vec::new());
    match nginx::program() {
        Some(program) => running.push(nginx::proxy(&program, folder, backend, certificate)?),
        None => left_out.push(nginx::MISSING.to_owned()),
    }
    match haproxy::program() {
        Some(program) => running.push(haproxy::start(&program, folder, backend, certificate)?),
        None => left_out.push(haproxy::MISSING.to_owned()),
    }
    match envoy::program() {
        Some(program) => running.push(envoy::start(&program, folder, backend, certificate)?),
        None => left_out.push(envoy::MISSING.to_owned()),
    }
    Ok((running, left_out))
}

/// The version of each that is installed, as it tells it itself.
pub(crate) fn versions() -> BTreeMap<&'static str, String> {
    let asked = [
        ("nginx", nginx::program(), "-v"),
        ("HAProxy", haproxy::program(), "-v"),
        ("Envoy", envoy::program(), "--version"),
    ];
    asked
        .into_iter()
        .filter_map(|(name, program, option)| Some((name, version(&program?, option)?)))
        .collect()
}

/// The first number with dots in what a program says of itself.
fn version(program: &Path, option: &str) -> Option<String> {
    let output = Command::new(program).arg(option).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let is_version =
        |word: &&str| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.');
    text.split([' ', '/', '-', '\n'])
        .find(is_version)
        .map(str::to_owned)
}

/// A program on the path or in one of the folders where Debian puts servers.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
