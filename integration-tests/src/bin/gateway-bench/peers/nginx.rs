//! nginx from Debian, twice: as the backend, and as a peer.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use gatehouse_integration_tests::{ports::free_address, process::Process};

use super::{Certificate, Listening, Peer, installed};

pub(super) const MISSING: &str =
    "nginx is missing; install Debian's package `nginx` (as root, ./benchmark does it)";

pub(super) fn program() -> Option<PathBuf> {
    installed("nginx")
}

/// What all candidates proxy to: an nginx that answers with files.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    files: PathBuf,
    _process: Process,
}

impl Backend {
    /// Answers `/1k` with 1 KiB and `/16k` with 16 KiB.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = program().context(MISSING)?;
        let folder = folder.join("backend");
        let files = folder.join("files");
        fs::create_dir_all(&files)?;
        fs::write(files.join("1k"), "x".repeat(1_024))?;
        fs::write(files.join("16k"), "x".repeat(16 * 1_024))?;
        open_to_workers(&files)?;
        let address = free_address();
        let servers = format!(
            "sendfile on; tcp_nopush on; open_file_cache max=100 inactive=1h; open_file_cache_valid 1h;
            server {{ listen {address}; root {}; default_type text/plain; }}",
            files.display()
        );
        let process = start(&program, "backend", &folder, &servers)?;
        Ok(Self {
            address,
            files,
            _process: process,
        })
    }

    /// Adds a file that is served from now on.
    pub(crate) fn publish(&self, name: &str, content: &str) -> anyhow::Result<String> {
        fs::write(self.files.join(name), content)?;
        Ok(format!("http://{}/{name}", self.address))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Started as root, nginx reads files as another user, whom temporary folders are closed to.
fn open_to_workers(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for part in folder.ancestors().take(3) {
        fs::set_permissions(part, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

pub(super) fn proxy(
    program: &Path,
    folder: &Path,
    backend: SocketAddr,
    certificate: &Certificate,
) -> anyhow::Result<Peer> {
    let listening = Listening::free();
    let Listening { http1, http2, tls } = listening;
    let (chain, key) = (certificate.chain.display(), certificate.key.display());
    let servers = format!(
        "upstream backend {{ server {backend}; keepalive 512; keepalive_requests 1000000; }}
        ssl_certificate {chain};
        ssl_certificate_key {key};
        server {{
            listen {http1} backlog=4096;
            listen {http2} http2 backlog=4096;
            listen {tls} ssl http2 backlog=4096;
            location /plain/ {{
                proxy_pass http://backend/;
                proxy_http_version 1.1;
                proxy_set_header Connection \"\";
                proxy_set_header Host $proxy_host;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                proxy_set_header X-Forwarded-Host $host;
                proxy_set_header X-Forwarded-Proto $scheme;
                proxy_set_header X-Request-Id $request_id;
            }}
        }}"
    );
    let process = start(program, "nginx", &folder.join("nginx"), &servers)?;
    Ok(Peer {
        name: "nginx",
        listening,
        process,
    })
}

fn start(program: &Path, name: &str, folder: &Path, servers: &str) -> anyhow::Result<Process> {
    fs::create_dir_all(folder)?;
    let path = folder.join("nginx.conf");
    let own = folder.display();
    fs::write(
        &path,
        format!(
            "worker_processes 2;
            worker_rlimit_nofile 16384;
            daemon off;
            pid {own}/pid;
            error_log {own}/error.log;
            events {{ worker_connections 4096; }}
            http {{
                access_log off;
                keepalive_requests 100000000;
                client_body_temp_path {own}/body;
                proxy_temp_path {own}/proxy;
                fastcgi_temp_path {own}/fastcgi;
                uwsgi_temp_path {own}/uwsgi;
                scgi_temp_path {own}/scgi;
                {servers}
            }}\n"
        ),
    )?;
    let mut command = Command::new(program);
    command.arg("-c").arg(&path).arg("-p").arg(folder);
    Ok(Process::start(name, command, &folder.join("log")))
}
