//! How the native gateway runs, and the settings of its environments.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use gatehouse_gateway_core::{GatewayOptions, RedisOptions, TlsOptions};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The gateway type that the native connector announces.
pub const GATEWAY_TYPE: &str = "native";

/// `Environment.spec.settings` of gateway type `native`: there are none, since the gateway's own command
/// line says where it listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NativeSettings {}

/// How a native gateway is started.
#[derive(Debug, Clone)]
pub struct NativeOptions {
    /// Where plain HTTP is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where HTTPS is served, if at all.
    pub tls: Option<TlsOptions>,
    /// Where health and metrics are served, if at all.
    pub admin_listen: Option<SocketAddr>,
    /// The folder of the last-known-good snapshot.
    pub state_dir: PathBuf,
    /// A file of `Api` resources that are served beside what the control plane deploys.
    pub apis_file: Option<PathBuf>,
    /// Threads that carry traffic. Default: one per core.
    pub workers: Option<usize>,
    /// Whether every request is logged.
    pub access_log: bool,
    /// The Redis in which limits are counted together with other gateways, if there is one.
    pub redis: Option<RedisOptions>,
    /// How long requests in flight may take to end when the gateway stops.
    pub grace: Duration,
}

impl NativeOptions {
    /// Options with everything at its default: plain HTTP on an address, state in a folder.
    pub fn new(listen: SocketAddr, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            tls: None,
            admin_listen: None,
            state_dir: state_dir.into(),
            apis_file: None,
            workers: None,
            access_log: false,
            redis: None,
            grace: Duration::from_secs(10),
        }
    }

    pub(crate) fn gateway(&self) -> GatewayOptions {
        GatewayOptions {
            listen: self.listen,
            tls: self.tls.clone(),
            admin_listen: self.admin_listen,
            state_dir: Some(self.state_dir.clone()),
            worker_threads: self.workers,
            access_log: self.access_log,
            redis: self.redis.clone(),
            ..GatewayOptions::default()
        }
    }
}
