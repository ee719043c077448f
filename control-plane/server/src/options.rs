//! What a server is started with.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Where the Admin API and the Agent API listen. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` listen; without it, nowhere.
    pub admin_listen: Option<SocketAddr>,
    /// The database: `sqlite:///var/lib/gatehouse/gatehouse.db` or `postgres://user:password@host/name`.
    pub database_url: String,
    /// The folder of the key file (`key`) and of the first admin token (`admin-token`).
    pub data_dir: PathBuf,
    /// How long an agent that says nothing keeps its lease.
    pub lease: Duration,
}

impl ServerOptions {
    /// The lease unless something else is asked for.
    pub const DEFAULT_LEASE: Duration = Duration::from_secs(30);
}
