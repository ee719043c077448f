//! Measures the native gateway beside nginx, the start of the control plane, and the way from a deploy to the first
//! request that it serves. Prints figures; judges nothing. `./benchmark` builds everything and runs it.
#![expect(clippy::print_stdout, reason = "a command that prints a table")]

mod deploys;
mod nginx;
mod process_cost;
mod proxying;
mod report;
mod starts;
mod wrk;

use std::path::PathBuf;

use clap::Parser;

use crate::report::Report;

/// Measures the native gateway beside nginx, `gatehouse serve`, and deploys.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds of load per measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Rounds; in each, every candidate is measured once, in rotating order.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Deploys whose way to the gateway is timed.
    #[arg(long, default_value_t = 200)]
    deploys: usize,
    /// Routes that are deployed beside.
    #[arg(long, default_value_t = 500)]
    routes: usize,
    /// Starts of `gatehouse serve`.
    #[arg(long, default_value_t = 10)]
    starts: usize,
    /// Also writes the figures to a file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut report = Report::begin()?;
    println!("Start of `gatehouse serve` ...");
    report.starts = Some(starts::measure(options.starts).await?);
    println!("Deploys ...");
    report.deploys = Some(deploys::measure(options.deploys, options.routes).await?);
    println!("Proxying ...");
    let load = wrk::Load {
        seconds: options.seconds,
        connections: options.connections,
    };
    report.proxying = proxying::measure(&load, options.rounds).await?;
    report.print();
    if let Some(path) = options.json {
        report.write(&path)?;
        println!("\nWritten to {}", path.display());
    }
    Ok(())
}
