//! `gatehouse serve`: the control plane alone.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use gatehouse_connector_sdk::runtime::stop_signal;
use gatehouse_control_plane_server::{Server, ServerOptions};
use serde::Serialize;
use tracing_subscriber::filter::LevelFilter;

use crate::{
    data_folder::{self, DataFolder},
    exit::Exit,
    running::{Listen, LogFormat, start_failure, start_log},
    screen::{Format, Screen},
};

/// How long requests under way may take to end when the control plane stops.
const GRACE: Duration = Duration::from_secs(10);

/// Where it listens and keeps its state.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// sqlite:///PATH or postgres://USER:PASSWORD@HOST/NAME; an SQLite database in the data folder unless given
    #[arg(long, value_name = "URL", env = "GATEHOUSE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Where the Admin API and the Agent API listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
    /// Where health and metrics listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9094")]
    admin_listen: SocketAddr,
    /// The folder of the key file, the first admin token and the SQLite database;
    /// $XDG_DATA_HOME/gatehouse/server unless given
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
}

/// What is told once the control plane answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    admin_api: String,
    health: Option<String>,
    docs: String,
    admin_token_file: Option<PathBuf>,
}

pub(super) async fn run(options: ServeArguments, screen: Screen) -> anyhow::Result<Exit> {
    start_log(options.log_format, LevelFilter::INFO);
    let path = match &options.data_dir {
        Some(path) => path.clone(),
        None => data_folder::default("server")?,
    };
    data_folder::make(&path)?;
    let path = path.canonicalize()?;
    let database_url = options
        .database
        .clone()
        .unwrap_or_else(|| data_folder::sqlite_url(&path));
    // Several control planes may share a PostgreSQL database and a key file; an SQLite database has one user.
    let _folder = database_url
        .starts_with("sqlite")
        .then(|| DataFolder::open(&path))
        .transpose()?;
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
    let stop = stop_signal()?;
    let server = Server::start(ServerOptions {
        listen: options.listen,
        admin_listen: Some(options.admin_listen),
        database_url,
        data_dir: path,
        lease: ServerOptions::DEFAULT_LEASE,
    });
    let server = server.await.map_err(|error| start_failure(error, &listens))?;
    tell(&server, screen)?;
    stop.cancelled().await;
    server.shutdown(GRACE).await;
    Ok(Exit::Ok)
}

fn tell(server: &Server, screen: Screen) -> anyhow::Result<()> {
    let ready = Ready {
        admin_api: format!("http://{}", server.address()),
        health: server
            .admin_address()
            .map(|address| format!("http://{address}/healthz")),
        docs: format!("http://{}/docs/", server.address()),
        admin_token_file: server.admin_token_file(),
    };
    if screen.format() == Format::Json {
        return screen.print(&(serde_json::to_string(&ready)? + "\n"));
    }
    let mut lines = vec![
        format!("Admin API: {}", ready.admin_api),
        format!("Docs: {}", ready.docs),
    ];
    lines.extend(ready.health.map(|health| format!("Health: {health}")));
    lines.extend(
        ready
            .admin_token_file
            .map(|file| format!("Admin token: in the file {}", file.display())),
    );
    screen.print(&(lines.join("\n") + "\n"))
}
