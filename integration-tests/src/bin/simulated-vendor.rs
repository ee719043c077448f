//! `simulated-vendor`: a closed cloud API manager for tests, as a process of its own.
#![expect(clippy::print_stdout, reason = "it says where it is reached")]

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use gatehouse_integration_tests::simulated_vendor::{Addresses, SimulatedVendor};

/// A simulated cloud API manager, for tests.
#[derive(Debug, Parser)]
struct Options {
    /// Where its API listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where `/simulation/...` listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    simulation: SocketAddr,
    /// A file that holds what it holds; written at the end and on `POST /simulation/save`.
    #[arg(long)]
    file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let addresses = Addresses {
        api: options.listen,
        simulation: options.simulation,
    };
    let vendor = SimulatedVendor::start(addresses, options.file).await?;
    let addresses = vendor.addresses();
    println!(
        "api=http://{} simulation=http://{}",
        addresses.api, addresses.simulation
    );
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
