//! Where the gateway listens and what it keeps.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use secrecy::SecretString;

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
    /// The Redis in which rate limits and quotas are counted together with other gateways. Without it, each gateway
    /// counts for itself.
    pub redis: Option<RedisOptions>,
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
            redis: None,
            head_timeout: Duration::from_secs(60),
        }
    }
}

/// A Redis (5 or newer, or one that speaks like it) that several gateways share; not a cluster.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://USER@HOST:PORT/DATABASE`, or `rediss://…` with TLS, whose certificate is always verified. No password.
    pub url: String,
    /// The password, if one is asked for.
    pub password: Option<SecretString>,
    /// The authorities in PEM that its certificate may come from. Default: those that the system trusts.
    pub authorities_file: Option<PathBuf>,
    /// How long a request waits for it at most; later answers count for nothing, and the gateway decides alone.
    pub budget: Duration,
    /// What its keys begin with: gateways count together if theirs is the same.
    pub prefix: String,
    /// Among how many gateways limits are divided while Redis is away. Default: as many as Redis last saw.
    pub gateways: Option<NonZeroU32>,
}

impl RedisOptions {
    /// The Redis at this URL, with everything else at its default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: None,
            authorities_file: None,
            budget: Duration::from_millis(20),
            prefix: "gatehouse".to_owned(),
            gateways: None,
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
