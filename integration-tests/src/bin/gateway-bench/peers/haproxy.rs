//! HAProxy from Debian.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use gatehouse_integration_tests::process::Process;

use super::{Certificate, Listening, Peer, installed};

pub(super) const MISSING: &str =
    "HAProxy is missing; install Debian's package `haproxy` (as root, ./benchmark does it)";

pub(super) fn program() -> Option<PathBuf> {
    installed("haproxy")
}

pub(super) fn start(
    program: &Path,
    folder: &Path,
    backend: SocketAddr,
    certificate: &Certificate,
) -> anyhow::Result<Peer> {
    let listening = Listening::free();
    let Listening { http1, http2, tls } = listening;
    let both = certificate.both.display();
    let folder = folder.join("haproxy");
    fs::create_dir_all(&folder)?;
    let path = folder.join("haproxy.cfg");
    fs::write(
        &path,
        format!(
            "global
    nbthread 2
    maxconn 4096
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend callers
    bind {http1}
    bind {http2} proto h2
    bind {tls} ssl crt {both} alpn h2,http/1.1
    option forwardfor
    unique-id-format %[uuid()]
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
    http-request set-header X-Request-Id %[unique-id]
    http-request set-header Host {backend}
    http-request replace-path /plain(/.*) \\1
    default_backend upstream
backend upstream
    server upstream {backend}
"
        ),
    )?;
    let mut command = Command::new(program);
    command.args(["-db", "-f"]).arg(&path);
    Ok(Peer {
        name: "HAProxy",
        listening,
        process: Process::start("haproxy", command, &folder.join("log")),
    })
}
