//! How the native gateway runs, and the settings of its environments.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use gatehouse_gateway_core::{
    ClientAddressHeader, GatewayOptions, RedisOptions, TelemetryOptions, TlsOptions,
};
use gatehouse_schemas::policy::Network;
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
    /// The authorities in PEM of which every caller over HTTPS must bring a certificate, if any.
    pub client_authorities_file: Option<PathBuf>,
    /// Whether connections begin with a PROXY protocol header; only those from trusted proxies are then taken.
    pub proxy_protocol: bool,
    /// Whose word about callers' addresses is believed.
    pub trusted_proxies: Vec<Network>,
    /// In which header a trusted proxy says it.
    pub client_address_header: ClientAddressHeader,
    /// Whether another gateway may listen at the same addresses, to take over from this one.
    pub share_ports: bool,
    /// How long a WebSocket may be silent.
    pub websocket_idle: Duration,
    /// How long a WebSocket may live, if there is a limit.
    pub websocket_lifetime: Option<Duration>,
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
    /// How many bytes bodies that are held to be checked may take up together.
    pub held_body_bytes: u64,
    /// How many bytes kept answers may take up together.
    pub cache_bytes: u64,
    /// The folder of modules for `ext.wasm` policies, if there is one.
    pub policy_modules: Option<PathBuf>,
    /// How many bytes calls of modules may take up together.
    pub policy_module_bytes: u64,
    /// The Redis in which limits are counted together with other gateways, if there is one.
    pub redis: Option<RedisOptions>,
    /// Where spans, metrics and the access log are exported to, if anywhere.
    pub telemetry: Option<TelemetryOptions>,
    /// How long requests in flight may take to end when the gateway stops.
    pub grace: Duration,
}

impl NativeOptions {
    /// Options with everything at its default: plain HTTP on an address, state in a folder.
    pub fn new(listen: SocketAddr, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            tls: None,
            client_authorities_file: None,
            proxy_protocol: false,
            trusted_proxies: Vec::new(),
            client_address_header: ClientAddressHeader::default(),
            share_ports: false,
            websocket_idle: Duration::from_secs(60 * 60),
            websocket_lifetime: None,
            admin_listen: None,
            state_dir: state_dir.into(),
            apis_file: None,
            workers: None,
            access_log: false,
            held_body_bytes: GatewayOptions::default().held_body_bytes,
            cache_bytes: GatewayOptions::default().cache_bytes,
            policy_modules: None,
            policy_module_bytes: GatewayOptions::default().policy_module_bytes,
            redis: None,
            telemetry: None,
            grace: Duration::from_secs(10),
        }
    }

    pub(crate) fn gateway(&self) -> GatewayOptions {
        GatewayOptions {
            listen: self.listen,
            tls: self.tls.clone(),
            client_authorities_file: self.client_authorities_file.clone(),
            proxy_protocol: self.proxy_protocol,
            trusted_proxies: self.trusted_proxies.clone(),
            client_address_header: self.client_address_header,
            share_ports: self.share_ports,
            websocket_idle: self.websocket_idle,
            websocket_lifetime: self.websocket_lifetime,
            admin_listen: self.admin_listen,
            state_dir: Some(self.state_dir.clone()),
            worker_threads: self.workers,
            access_log: self.access_log,
            held_body_bytes: self.held_body_bytes,
            cache_bytes: self.cache_bytes,
            policy_modules: self.policy_modules.clone(),
            policy_module_bytes: self.policy_module_bytes,
            redis: self.redis.clone(),
            telemetry: self.telemetry.clone(),
            ..GatewayOptions::default()
        }
    }
}
