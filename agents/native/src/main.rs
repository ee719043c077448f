//! `gatehouse-gateway`: the native gateway with its agent, on a machine of its own.

use std::{
    env, fs,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use gatehouse_agents_native::{GATEWAY_TYPE, NativeGateway, NativeOptions};
use gatehouse_connector_sdk::runtime::{
    AgentArguments, AgentOptions, RunError, parse_arguments, start_logging, stop_signal,
};
use gatehouse_gateway_core::{
    ClientAddressHeader, RedisOptions, TelemetryOptions, TlsOptions, TraceContextFrom,
};
use gatehouse_schemas::policy::Network;
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Most of what a request costs beside the system's calls is taking and giving back small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The native gateway of Gatehouse with its agent.
///
/// It serves what it served last as soon as it starts, and goes on without the control plane.
#[derive(Debug, Parser)]
#[command(name = "gatehouse-gateway", version)]
struct Arguments {
    #[command(flatten)]
    agent: AgentArguments,
    /// Where plain HTTP is served.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "GATEHOUSE_GATEWAY_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    listen: SocketAddr,
    /// Where HTTPS is served.
    #[arg(long, value_name = "ADDRESS", requires_all = ["tls_certificate", "tls_key"])]
    tls_listen: Option<SocketAddr>,
    /// The certificate chain in PEM, the gateway's own first. It is for callers that name no host, or one that no
    /// certificate in the folder is for.
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_certificate: Option<PathBuf>,
    /// The private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_key: Option<PathBuf>,
    /// A folder of more certificates: NAME.crt or NAME.pem with NAME.key beside it. Callers get the one for the host
    /// they name. Files may change at any time; SIGHUP has them read at once.
    #[arg(long, value_name = "FOLDER", requires = "tls_listen")]
    tls_certificates: Option<PathBuf>,
    /// Authorities in PEM of which every caller over HTTPS must bring a certificate; others are refused in the handshake.
    /// It may change at any time.
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_client_authorities: Option<PathBuf>,
    /// Networks of proxies whose word about callers' addresses is believed, separated by commas [default: nobody's].
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',')]
    trusted_proxies: Vec<Network>,
    /// The header in which trusted proxies say whose request they pass on.
    #[arg(
        long,
        value_name = "HEADER",
        value_enum,
        default_value = "x-forwarded-for",
        requires = "trusted_proxies"
    )]
    client_address_header: AddressHeader,
    /// Expect a PROXY protocol header (version 1 or 2) at the start of each connection, and take only connections of
    /// trusted proxies.
    #[arg(long, requires = "trusted_proxies")]
    proxy_protocol: bool,
    /// Let another gateway of the same user listen at the same addresses, to take over before this one ends.
    #[arg(long)]
    share_ports: bool,
    /// How long requests in flight, event streams and WebSockets may go on when the gateway is told to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    drain_seconds: u32,
    /// How long a WebSocket may be silent in both directions.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    websocket_idle_seconds: u32,
    /// How long a WebSocket may live [default: no limit].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    websocket_lifetime_seconds: Option<u32>,
    /// Where health and metrics are served.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "GATEHOUSE_GATEWAY_ADMIN_LISTEN",
        default_value = "127.0.0.1:9094"
    )]
    admin_listen: SocketAddr,
    /// A file of Api resources to serve beside what the control plane deploys.
    #[arg(long, value_name = "FILE")]
    apis: Option<PathBuf>,
    /// Threads that carry traffic [default: one per core].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
    /// Log every request of routes without a `log` policy of their own.
    #[arg(long)]
    access_log: bool,
    /// What request bodies that are held to be checked may take up together, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    held_bodies: u32,
    /// What kept answers may take up together, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    cache: u32,
    /// The folder of WebAssembly modules that `ext.wasm` policies name.
    #[arg(long, value_name = "FOLDER", env = "GATEHOUSE_GATEWAY_POLICY_MODULES")]
    policy_modules: Option<PathBuf>,
    /// What calls of modules may take up together, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, requires = "policy_modules")]
    policy_module_memory: u32,
    #[command(flatten)]
    redis: RedisArguments,
    #[command(flatten)]
    telemetry: TelemetryArguments,
}

/// How the two headers are called on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AddressHeader {
    XForwardedFor,
    Forwarded,
}

impl From<AddressHeader> for ClientAddressHeader {
    fn from(header: AddressHeader) -> Self {
        match header {
            AddressHeader::XForwardedFor => Self::XForwardedFor,
            AddressHeader::Forwarded => Self::Forwarded,
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

/// Where limits are counted together with other gateways.
///
/// A password is taken from the environment variable `GATEHOUSE_GATEWAY_REDIS_PASSWORD` or from a file.
#[derive(Debug, clap::Args)]
struct RedisArguments {
    /// The Redis in which gateways count rate limits and quotas together: redis://USER@HOST:PORT/DATABASE, or rediss://
    /// with TLS [default: each gateway counts for itself].
    #[arg(long, value_name = "URL", env = "GATEHOUSE_GATEWAY_REDIS")]
    redis: Option<String>,
    /// A file with the password of Redis [default: the environment variable GATEHOUSE_GATEWAY_REDIS_PASSWORD].
    #[arg(
        long,
        value_name = "FILE",
        env = "GATEHOUSE_GATEWAY_REDIS_PASSWORD_FILE",
        requires = "redis"
    )]
    redis_password_file: Option<PathBuf>,
    /// The authorities in PEM that the certificate of Redis may come from [default: those of the system].
    #[arg(
        long,
        value_name = "FILE",
        env = "GATEHOUSE_GATEWAY_REDIS_AUTHORITIES",
        requires = "redis"
    )]
    redis_authorities: Option<PathBuf>,
    /// What keys in Redis begin with; gateways with the same prefix count together.
    #[arg(
        long,
        value_name = "TEXT",
        env = "GATEHOUSE_GATEWAY_REDIS_PREFIX",
        default_value = "gatehouse"
    )]
    redis_prefix: String,
    /// Among how many gateways limits are divided while Redis is away [default: as many as it last saw].
    #[arg(
        long,
        value_name = "NUMBER",
        env = "GATEHOUSE_GATEWAY_REDIS_GATEWAYS",
        requires = "redis"
    )]
    redis_gateways: Option<NonZeroU32>,
}

impl RedisArguments {
    fn options(&self) -> anyhow::Result<Option<RedisOptions>> {
        let Some(url) = &self.redis else {
            return Ok(None);
        };
        Ok(Some(RedisOptions {
            password: self.password()?,
            authorities_file: self.redis_authorities.clone(),
            prefix: self.redis_prefix.clone(),
            gateways: self.redis_gateways,
            ..RedisOptions::new(url)
        }))
    }

    fn password(&self) -> anyhow::Result<Option<SecretString>> {
        if let Some(file) = &self.redis_password_file {
            return read_password(file).map(Some);
        }
        let given = env::var("GATEHOUSE_GATEWAY_REDIS_PASSWORD").ok();
        Ok(given
            .filter(|password| !password.is_empty())
            .map(SecretString::from))
    }
}

/// Where OpenTelemetry gets spans, metrics and the access log.
///
/// Everything else is said by the environment variables that OpenTelemetry defines, headers with tokens among them.
#[derive(Debug, clap::Args)]
struct TelemetryArguments {
    /// Export spans, metrics and the access log to this receiver of OTLP over HTTP, such as http://127.0.0.1:4318
    /// [default: nowhere].
    #[arg(long, value_name = "URL", env = ENDPOINT, hide_env_values = true)]
    otlp_endpoint: Option<String>,
    /// From whom the trace that a request says it belongs to is taken on. For others a new trace begins, which links to
    /// it.
    #[arg(
        long,
        value_name = "WHO",
        env = "GATEHOUSE_GATEWAY_TRACE_CONTEXT_FROM",
        value_enum,
        default_value = "everybody"
    )]
    trace_context_from: ContextFrom,
}

/// The variable by which OpenTelemetry names the receiver.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How those who are believed are called on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ContextFrom {
    Everybody,
    TrustedProxies,
    Nobody,
}

impl From<ContextFrom> for TraceContextFrom {
    fn from(who: ContextFrom) -> Self {
        match who {
            ContextFrom::Everybody => Self::Everybody,
            ContextFrom::TrustedProxies => Self::TrustedProxies,
            ContextFrom::Nobody => Self::Nobody,
        }
    }
}

impl TelemetryArguments {
    fn options(&self) -> anyhow::Result<Option<TelemetryOptions>> {
        let variable = |name: &str| match name {
            ENDPOINT => self.otlp_endpoint.clone(),
            name => env::var(name).ok(),
        };
        let options = TelemetryOptions::from_variables(&variable)?;
        Ok(options.map(|options| TelemetryOptions {
            trace_context: self.trace_context_from.into(),
            ..options
        }))
    }
}

/// Editors end files with a line break, which is not part of the password.
fn read_password(file: &Path) -> anyhow::Result<SecretString> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the password of Redis from `{}`", file.display()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

impl Arguments {
    fn agent_options(&self) -> anyhow::Result<AgentOptions> {
        self.agent.options(&GATEWAY_TYPE.parse()?)
    }

    fn gateway_options(&self, state_dir: PathBuf) -> anyhow::Result<NativeOptions> {
        let tls = self
            .tls_listen
            .zip(self.tls_certificate.clone())
            .zip(self.tls_key.clone())
            .map(|((listen, certificate_file), key_file)| TlsOptions {
                listen,
                certificate_file,
                key_file,
                certificate_dir: self.tls_certificates.clone(),
            });
        Ok(NativeOptions {
            tls,
            client_authorities_file: self.tls_client_authorities.clone(),
            proxy_protocol: self.proxy_protocol,
            trusted_proxies: self.trusted_proxies.clone(),
            client_address_header: self.client_address_header.into(),
            share_ports: self.share_ports,
            websocket_idle: seconds(self.websocket_idle_seconds),
            websocket_lifetime: self.websocket_lifetime_seconds.map(seconds),
            grace: seconds(self.drain_seconds),
            admin_listen: Some(self.admin_listen),
            apis_file: self.apis.clone(),
            workers: self.workers.map(usize::from),
            access_log: self.access_log,
            held_body_bytes: u64::from(self.held_bodies) << 20,
            cache_bytes: u64::from(self.cache) << 20,
            policy_modules: self.policy_modules.clone(),
            policy_module_bytes: u64::from(self.policy_module_memory) << 20,
            redis: self.redis.options()?,
            telemetry: self.telemetry.options()?,
            ..NativeOptions::new(self.listen, state_dir)
        })
    }
}

fn main() -> ExitCode {
    let arguments = match parse_arguments::<Arguments>() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    start_logging(arguments.agent.log_format);
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One thread drives the agent and the slow work; traffic has the gateway's own threads.
#[tokio::main(flavor = "current_thread")]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let stop = stop_signal().context("cannot listen for signals")?;
    let agent = arguments.agent_options()?;
    let gateway = NativeGateway::start(arguments.gateway_options(agent.state_dir.join("gateway"))?).await?;
    info!("Serving on http://{}", gateway.address());
    let result = tokio::select! {
        result = attend(&gateway, agent, &stop) => result,
        error = follow_hangups(&gateway) => Err(error),
    };
    gateway.shutdown().await;
    result
}

/// Reads certificates again at each SIGHUP; ends only if there can be none.
async fn follow_hangups(gateway: &NativeGateway) -> anyhow::Error {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return anyhow::Error::from(error).context("cannot listen for SIGHUP"),
    };
    while hangups.recv().await.is_some() {
        gateway.reload_certificates().await;
        info!("Read the certificates again");
    }
    std::future::pending().await
}

/// Runs the agent. A gateway that the control plane does not accept any more gets no more work and serves
/// what it has until somebody decides; other reasons to end are there from the start, and end the process.
async fn attend(
    gateway: &NativeGateway,
    agent: AgentOptions,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    match gateway.run_agent(agent, stop.clone()).await {
        Err(error @ RunError::Revoked { .. }) => {
            let error = anyhow::Error::from(error);
            error!("{error:#}; the gateway goes on with what it serves");
            stop.cancelled().await;
            Err(error)
        }
        result => Ok(result?),
    }
}
