//! The setting of all comparisons: one backend, every peer, and Gatehouse as people run it, control plane included.

use std::path::Path;

use gatehouse_integration_tests::{
    database::Database,
    ports::free_address,
    stack::{Stack, api},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    candidate::Candidate,
    peers::{self, Backend, Certificate, Listening, Peer},
};

/// Everything that is compared, running.
pub(super) struct SideBySide {
    pub(super) stack: Stack,
    pub(super) backend: Backend,
    pub(super) peers: Vec<Peer>,
    pub(super) left_out: Vec<String>,
    gateway: Listening,
    gateway_process: u32,
    _folder: TempDir,
}

impl SideBySide {
    /// Starts everything; the gateway serves `/plain` without a policy.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = Certificate::make(folder.path())?;
        let backend = Backend::start(folder.path())?;
        let (peers, left_out) = peers::start_all(folder.path(), backend.address, &certificate)?;
        let tls = free_address();
        let mut stack = start_stack(&certificate.chain, &certificate.key, &tls.to_string()).await?;
        stack.admin.apply(json!([api("plain", &backend.url())])).await;
        stack.admin.deploy_and_wait("plain", None, "local").await;
        let plain = stack.gateway.url("").trim_start_matches("http://").parse()?;
        Ok(Self {
            gateway: Listening {
                http1: plain,
                http2: plain,
                tls,
            },
            gateway_process: stack.gateway.process().id(),
            stack,
            backend,
            peers,
            left_out,
            _folder: folder,
        })
    }

    /// Our gateway and every peer, ours first; where each is called is chosen by the closure.
    pub(super) fn candidates(&self, file: &str, url: impl Fn(Listening) -> String) -> Vec<Candidate> {
        let ours = self.gateway("gateway", &url, &format!("/plain/{file}"), Vec::new());
        let peers = self.peers.iter().map(|peer| Candidate {
            name: peer.name.to_owned(),
            url: url(peer.listening) + &format!("/plain/{file}"),
            headers: Vec::new(),
            process: peer.process.id(),
        });
        std::iter::once(ours).chain(peers).collect()
    }

    /// Our gateway at a path.
    pub(super) fn gateway(
        &self,
        name: &str,
        url: impl Fn(Listening) -> String,
        path: &str,
        headers: Vec<String>,
    ) -> Candidate {
        Candidate {
            name: name.to_owned(),
            url: url(self.gateway) + path,
            headers,
            process: self.gateway_process,
        }
    }
}

async fn start_stack(chain: &Path, key: &Path, tls: &str) -> anyhow::Result<Stack> {
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    let options = [
        "--workers",
        "2",
        "--tls-listen",
        tls,
        "--tls-certificate",
        &chain,
        "--tls-key",
        &key,
    ];
    Ok(Stack::start_in(tempfile::tempdir()?, Database::Sqlite, &options).await)
}

pub(super) fn http1(listening: Listening) -> String {
    format!("http://{}", listening.http1)
}

pub(super) fn http2(listening: Listening) -> String {
    format!("http://{}", listening.http2)
}

pub(super) fn tls(listening: Listening) -> String {
    format!("https://{}", listening.tls)
}
