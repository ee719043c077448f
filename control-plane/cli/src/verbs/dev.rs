//! `gatehouse dev`: everything in one process, useful in the first minute, picked up again by the next start.
//!
//! The agent speaks with the control plane through the real Agent API on loopback, as every agent does.

mod backend;
mod certificate;
mod context;
mod local;
mod sample;
mod welcome;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use gatehouse_agents_native::{NativeError, NativeGateway, NativeOptions};
use gatehouse_connector_sdk::runtime::stop_signal;
use gatehouse_control_plane_api::client::{Client, ClientOptions};
use gatehouse_control_plane_server::{Server, ServerOptions};
use gatehouse_gateway_core::StartError;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;

use self::{backend::Backend, welcome::Welcome};
use crate::{
    data_folder::{self, DataFolder},
    exit::Exit,
    failure::chain,
    running::{Listen, LogFormat, start_failure, start_log},
    screen::{self, Screen},
};

/// The environment of the gateway in this process.
const LOCAL: &str = "local";
/// How long requests under way may take to end when it stops.
const GRACE: Duration = Duration::from_secs(5);

/// Where everything listens and is kept.
#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// The folder of all state, which the next start picks up; $XDG_DATA_HOME/gatehouse/dev unless given
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Where the Admin API and the Agent API listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    gateway_listen: SocketAddr,
    #[command(flatten)]
    tls: TlsArguments,
    /// Where the health and metrics of the control plane listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9094")]
    admin_listen: SocketAddr,
    /// Where the health and metrics of the gateway listen; nowhere unless given
    #[arg(long, value_name = "ADDRESS:PORT")]
    gateway_admin_listen: Option<SocketAddr>,
    /// The folder of WebAssembly modules that `ext.wasm` policies name
    #[arg(long, value_name = "FOLDER")]
    policy_modules: Option<PathBuf>,
    /// Leaves out the sample backend and the sample API
    #[arg(long)]
    no_sample: bool,
}

/// The gateway's TLS.
#[derive(Debug, Args)]
struct TlsArguments {
    /// Where the gateway listens with TLS; nowhere unless given
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:8443")]
    gateway_tls_listen: Option<SocketAddr>,
    /// The gateway's certificate chain in PEM; a self-made one unless given
    #[arg(long, value_name = "FILE", requires_all = ["gateway_tls_listen", "gateway_tls_key"])]
    gateway_tls_certificate: Option<PathBuf>,
    /// The private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "gateway_tls_certificate")]
    gateway_tls_key: Option<PathBuf>,
}

pub(super) async fn run(options: DevArguments, screen: Screen) -> anyhow::Result<Exit> {
    start_log(LogFormat::Text, LevelFilter::WARN);
    let path = match &options.data_dir {
        Some(path) => path.clone(),
        None => data_folder::default("dev")?,
    };
    let folder = DataFolder::open(&path)?;
    let stop = stop_signal()?;
    let server = start_server(&options, &folder).await?;
    let gateway = start_gateway(&options, &folder).await?;
    let control_plane = format!("http://{}", server.address());
    let token = local::admin_token(&server, &control_plane, &folder).await?;
    let in_use = context::write(&control_plane, &token);
    let client = Client::new(ClientOptions::new(&control_plane, Some(token.clone().into())))?;
    local::environment(&client).await?;
    let agent = local::agent(&server, &client, &gateway, &folder, &stop).await?;
    let sample = match options.no_sample {
        true => None,
        false => with_sample(&client, &folder, &stop).await?,
    };
    let welcome = Welcome::new(&server, &gateway, &options.tls, &folder, token, in_use, sample);
    if !stop.is_cancelled() {
        welcome.tell(screen)?;
    }
    stop.cancelled().await;
    // A failed agent has told so; that it ended is all that matters here.
    let _ = agent.await;
    gateway.shutdown().await;
    server.shutdown(GRACE).await;
    Ok(Exit::Ok)
}

async fn start_server(options: &DevArguments, folder: &DataFolder) -> anyhow::Result<Server> {
    let listens = [
        Listen {
            option: "--listen",
            address: options.listen,
        },
        Listen {
            option: "--admin-listen",
            address: options.admin_listen,
        },
    ];
    listens.iter().for_each(Listen::warn_if_open);
    let server = Server::start(ServerOptions {
        listen: options.listen,
        admin_listen: Some(options.admin_listen),
        database_url: folder.database_url(),
        data_dir: folder.path().to_owned(),
        lease: ServerOptions::DEFAULT_LEASE,
    });
    server.await.map_err(|error| start_failure(error, &listens))
}

async fn start_gateway(options: &DevArguments, folder: &DataFolder) -> anyhow::Result<NativeGateway> {
    let native = NativeOptions {
        tls: certificate::tls(&options.tls, &folder.join("tls"))?,
        admin_listen: options.gateway_admin_listen,
        policy_modules: options.policy_modules.clone(),
        grace: GRACE,
        ..NativeOptions::new(options.gateway_listen, folder.join("gateway"))
    };
    let listens = [
        ("--gateway-listen", Some(options.gateway_listen)),
        ("--gateway-tls-listen", options.tls.gateway_tls_listen),
        ("--gateway-admin-listen", options.gateway_admin_listen),
    ];
    NativeGateway::start(native).await.map_err(|error| {
        if let NativeError::Start(StartError::Listen { address, source }) = &error
            && let Some((option, _)) = listens
                .iter()
                .find(|(_, listen)| listen.as_ref() == Some(address))
        {
            return Listen {
                option,
                address: *address,
            }
            .failure(source)
            .into();
        }
        error.into()
    })
}

/// Starts the sample backend, sees to the sample API, and waits until a request comes through. Its URL.
async fn with_sample(
    client: &Client,
    folder: &DataFolder,
    stop: &CancellationToken,
) -> anyhow::Result<Option<String>> {
    let backend = Backend::start(&folder.join("sample-port")).await?;
    let made = folder.join("sample-made");
    if made.exists() {
        sample::keep(client, &backend).await?;
    } else {
        sample::make(client, &backend).await?;
        std::fs::write(
            &made,
            "The sample API was made once; what becomes of it is up to you.\n",
        )?;
    }
    match stop.run_until_cancelled(sample::flowing(client)).await {
        Some(Ok(url)) => Ok(url),
        Some(Err(error)) => {
            // Everything else works; the user can look into it.
            screen::note(&format!("warning: {}", chain(error.as_ref())));
            Ok(None)
        }
        None => Ok(None),
    }
}
