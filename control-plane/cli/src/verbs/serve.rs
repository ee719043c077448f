//! `gatehouse serve`: the control plane alone.
use crate::exit::Exit;
use clap::Args;
/// x
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// x
    #[arg(long)]
    listen: Option<std::net::SocketAddr>,
    /// x
    #[arg(long)]
    database: Option<String>,
}
pub(super) async fn run(_options: ServeArguments) -> anyhow::Result<Exit> {
    Ok(Exit::Ok)
}
