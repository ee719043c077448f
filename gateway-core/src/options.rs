//! Where the gateway listens and what it keeps.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use secrecy::SecretString;

use gatehouse_schemas::policy::Network;

use crate::telemetry::TelemetryOptions;

/// How a gateway is started.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Where plain HTTP is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where HTTPS is served, if at all.
    pub tls: Option<TlsOptions>,
    /// The authorities in PEM of which every caller of an HTTPS listener must bring a certificate: who does not is refused
    /// in the handshake. Read when a listener starts. Without it, only APIs with `auth.mtls` want certificates.
    pub client_authorities_file: Option<PathBuf>,
    /// Whether connections begin with a PROXY protocol header (version 1 or 2), at the listeners of these options.
    /// Only those from `trusted_proxies` are then taken.
    pub proxy_protocol: bool,
    /// Whose word about callers' addresses is believed. Nobody's by default.
    pub trusted_proxies: Vec<Network>,
    /// In which header a trusted proxy says it.
    pub client_address_header: ClientAddressHeader,
    /// Whether another process may listen at the same addresses (`SO_REUSEPORT`), so that a new gateway can start
    /// before the old one ends.
    pub share_ports: bool,
    /// How often the files of certificates are looked at for changes; zero for never.
    pub certificate_check: Duration,
    /// How long a WebSocket may be silent in both directions.
    pub websocket_idle: Duration,
    /// How long a WebSocket may live; no limit by default.
    pub websocket_lifetime: Option<Duration>,
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
    /// The folder in which modules of `ext.wasm` policies are found, as `NAME.wasm`. Without it, APIs with such a policy
    /// are not served.
    pub policy_modules: Option<PathBuf>,
    /// How many bytes of memory all calls of modules that are under way may take together. Calls beyond it wait. Default
    /// 256 MiB.
    pub policy_module_bytes: u64,
    /// The Redis in which rate limits and quotas are counted together with other gateways. Without it, each gateway
    /// counts for itself.
    pub redis: Option<RedisOptions>,
    /// Where spans, metrics and the access log are exported to over OTLP. Nowhere by default; then requests carry the
    /// trace context of their callers on as it is.
    pub telemetry: Option<TelemetryOptions>,
    /// How long a caller may take for a request's head, and between two requests.
    pub head_timeout: Duration,
    /// How long a caller may stop in the middle of a request's body, or take nothing of an answer that is there
    /// for it. Then its connection is closed.
    pub stall_timeout: Duration,
}

impl Default for GatewayOptions {
    /// Loopback on a free port, nothing kept, nothing logged.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            client_authorities_file: None,
            proxy_protocol: false,
            trusted_proxies: Vec::new(),
            client_address_header: ClientAddressHeader::default(),
            share_ports: false,
            certificate_check: Duration::from_secs(10),
            websocket_idle: Duration::from_secs(60 * 60),
            websocket_lifetime: None,
            admin_listen: None,
            state_dir: None,
            worker_threads: None,
            access_log: false,
            held_body_bytes: 64 * 1024 * 1024,
            cache_bytes: 64 * 1024 * 1024,
            policy_modules: None,
            policy_module_bytes: 256 * 1024 * 1024,
            redis: None,
            telemetry: None,
            head_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
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
    /// The certificate chain in PEM, the server's own first. It is shown to callers that name no host, or one that no
    /// certificate is for.
    pub certificate_file: PathBuf,
    /// The private key in PEM.
    pub key_file: PathBuf,
    /// A folder of more certificates: `NAME.crt` or `NAME.pem` with `NAME.key` beside it, in it or in folders directly
    /// in it. Callers get the one for the host they name.
    pub certificate_dir: Option<PathBuf>,
}

/// A listener that is added to a running gateway.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// What is spoken, and where.
    pub protocol: ListenerProtocol,
    /// Whether connections begin with a PROXY protocol header, as in [`GatewayOptions::proxy_protocol`].
    pub proxy_protocol: bool,
}

/// What a listener speaks.
#[derive(Debug, Clone)]
pub enum ListenerProtocol {
    /// Plain HTTP/1.1 and HTTP/2 at this address; port 0 takes a free one.
    Http(SocketAddr),
    /// HTTPS, with HTTP/1.1 and HTTP/2.
    Https(TlsOptions),
}

impl ListenerProtocol {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Http(address) => *address,
            Self::Https(tls) => tls.listen,
        }
    }
}

/// The header in which trusted proxies say whose request they pass on. The other one is then only what a caller
/// wrote, so there is no looking at both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAddressHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}
