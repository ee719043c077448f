//! nginx and HAProxy from Debian's packages, each proxying everything to one upstream and impatient as we are.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

/// A running peer, which ends with the test.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// HTTP/1.1.
    pub(crate) address: SocketAddr,
    /// HTTP/2 without TLS.
    pub(crate) http2: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // nginx takes its workers with it only if it is asked to end, not if it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Both, if they are installed.
pub(crate) async fn start(nginx_to: SocketAddr, haproxy_to: SocketAddr) -> Vec<Peer> {
    let mut running = Vec::new();
    for (name, upstream) in [("nginx", nginx_to), ("haproxy", haproxy_to)] {
        let Some(program) = installed(name) else {
            eprintln!("SKIPPED: answers are not compared with {name}'s; install Debian's package `{name}`");
            continue;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let (address, http2) = (free(), free());
        let file = folder.path().join("configuration");
        let mut command = Command::new(program);
        if name == "nginx" {
            std::fs::write(&file, nginx(&folder, address, http2, upstream)).expect("written");
            command.arg("-c").arg(&file).arg("-p").arg(folder.path());
        } else {
            std::fs::write(&file, haproxy(address, http2, upstream)).expect("written");
            command.arg("-db").arg("-f").arg(&file);
        }
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        until_listening(name, http2).await;
        running.push(Peer {
            name,
            address,
            http2,
            child,
            _folder: folder,
        });
    }
    running
}

fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Below the ports that outgoing connections get.
fn free() -> SocketAddr {
    use std::hash::{BuildHasher as _, Hasher as _};
    loop {
        let random = std::hash::RandomState::new().build_hasher().finish();
        let port = 20_000 + u16::try_from(random % 12_000).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return SocketAddr::from(([127, 0, 0, 1], port));
        }
    }
}

async fn until_listening(name: &str, address: SocketAddr) {
    let began = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "{name} does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn nginx(folder: &TempDir, address: SocketAddr, http2: SocketAddr, upstream: SocketAddr) -> String {
    let own = folder.path().display();
    format!(
        "worker_processes 1;
        daemon off;
        pid {own}/pid;
        error_log {own}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            access_log off;
            client_body_temp_path {own}/body;
            proxy_temp_path {own}/proxy;
            fastcgi_temp_path {own}/fastcgi;
            uwsgi_temp_path {own}/uwsgi;
            scgi_temp_path {own}/scgi;
            client_header_timeout 1s;
            client_body_timeout 1s;
            keepalive_timeout 1s;
            client_max_body_size 0;
            server {{
                listen {address};
                listen {http2} http2;
                location / {{
                    proxy_pass http://{upstream};
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                }}
            }}
        }}\n"
    )
}

fn haproxy(address: SocketAddr, http2: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "defaults
    mode http
    timeout connect 5s
    timeout client 1s
    timeout server 5s
    timeout http-request 1s
    timeout http-keep-alive 1s
frontend callers
    bind {address}
    bind {http2} proto h2
    default_backend upstream
backend upstream
    server upstream {upstream}\n"
    )
}
