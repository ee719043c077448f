//! Where the gateway listens and what it keeps.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// How a gateway is started.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Where plain HTTP is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where HTTPS is served, if at all.
    pub tls: Option<TlsOptions>,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, if at all.
    pub admin_listen: Option<SocketAddr>,
    /// The folder of the last-known-good snapshot. Without it, a restart begins empty.
    pub state_dir: Option<PathBuf>,
    /// Threads that carry traffic. Default: one per core.
    pub worker_threads: Option<usize>,
    /// Whether every request leaves an event with the target `gateway_access`.
    pub access_log: bool,
    /// How many bytes all bodies that are held in memory may take up together: those that are checked before they go
    /// on, and answers on their way into the cache. Requests beyond it are answered 503. Default 64 MiB.
    pub held_body_bytes: u64,
    /// How many bytes all kept answers of `cache` policies take up together at most. Default 64 MiB.
    pub cache_bytes: u64,
    /// How long a caller may take for a request's head, and between two requests.
    pub head_timeout: Duration,
}

impl Default for GatewayOptions {
    /// Loopback on a free port, nothing kept, nothing logged.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            admin_listen: None,
            state_dir: None,
            worker_threads: None,
            access_log: false,
            held_body_bytes: 64 * 1024 * 1024,
            cache_bytes: 64 * 1024 * 1024,
            head_timeout: Duration::from_secs(60),
        }
    }
}

/// Where HTTPS is served, and as whom.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The certificate chain in PEM, the server's own first.
    pub certificate_file: PathBuf,
    /// The private key in PEM.
    pub key_file: PathBuf,
}
