//! nginx from Debian, twice: as the backend with an answer of 1 KiB, and as the proxy to compare with.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use anyhow::bail;
use gatehouse_integration_tests::{ports::free_address, process::Process};

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its master process; the workers are its children.
    pub(crate) process: Process,
}

impl Nginx {
    /// Answers every request with 1 KiB.
    pub(crate) fn backend(folder: &Path) -> anyhow::Result<Self> {
        let body = "x".repeat(1_024);
        let locations = format!("location / {{ return 200 \"{body}\"; }}");
        Self::start("backend", folder, "", &locations)
    }

    /// Proxies what is below `/plain/` to the backend, as the native gateway does: the path below goes to `/`,
    /// connections to the backend are kept, and the usual forwarding headers are set.
    pub(crate) fn proxy(folder: &Path, backend: SocketAddr) -> anyhow::Result<Self> {
        let upstream =
            format!("upstream backend {{ server {backend}; keepalive 64; keepalive_requests 1000000; }}");
        let locations = "location /plain/ {
            proxy_pass http://backend/;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $proxy_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
        }";
        Self::start("proxy", folder, &upstream, locations)
    }

    fn start(name: &str, folder: &Path, upstream: &str, locations: &str) -> anyhow::Result<Self> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        let address = free_address();
        let path = folder.join("nginx.conf");
        let own = folder.display();
        fs::write(
            &path,
            format!(
                "worker_processes 2;
                daemon off;
                pid {own}/pid;
                error_log {own}/error.log;
                events {{ worker_connections 1024; }}
                http {{
                    access_log off;
                    keepalive_requests 100000000;
                    client_body_temp_path {own}/body;
                    proxy_temp_path {own}/proxy;
                    fastcgi_temp_path {own}/fastcgi;
                    uwsgi_temp_path {own}/uwsgi;
                    scgi_temp_path {own}/scgi;
                    {upstream}
                    server {{ listen {address}; {locations} }}
                }}\n"
            ),
        )?;
        let mut command = Command::new(program()?);
        command.arg("-c").arg(&path).arg("-p").arg(&folder);
        let process = Process::start("nginx", command, &folder.join("log"));
        Ok(Self { address, process })
    }
}

/// The version, as nginx tells it.
pub(crate) fn version() -> anyhow::Result<String> {
    let output = Command::new(program()?).arg("-v").output()?;
    Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn program() -> anyhow::Result<&'static Path> {
    let candidates = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].map(Path::new);
    let found = candidates.into_iter().find(|path| path.is_file());
    let Some(found) = found else {
        bail!("nginx is missing; `./benchmark` installs it (Debian package `nginx`)");
    };
    Ok(found)
}
