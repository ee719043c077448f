//! `gatehouse dev`
use crate::exit::Exit;
use clap::Args;
/// x
#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// x
    #[arg(long)]
    listen: Option<std::net::SocketAddr>,
    /// x
    #[arg(long)]
    data_dir: Option<std::path::PathBuf>,
    /// x
    #[arg(long)]
    no_sample: bool,
}
pub(super) async fn run(_options: DevArguments) -> anyhow::Result<Exit> {
    Ok(Exit::Ok)
}
