//! Measures the native gateway beside nginx, HAProxy and Envoy, and alone with many routes, changes and failures. Prints
//! figures; judges nothing. `./benchmark` installs the peers, builds everything and runs it.
#![expect(clippy::print_stdout, reason = "a command that prints tables")]

mod candidate;
mod data_plane;
mod figures;
mod load;
mod machine;
mod peers;
mod plot;
mod prepare;
mod process_cost;
mod published;
mod scenarios;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Parser;

use crate::{figures::Results, scenarios::Effort};

/// That of the gateway itself, since this program can be its data plane.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the native gateway beside nginx, HAProxy and Envoy.
#[derive(Debug, Parser)]
struct Options {
    /// Only this scenario; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Lists the scenarios and measures nothing.
    #[arg(long)]
    list: bool,
    /// Seconds of each measurement [default: 4 of load, 60 of churn].
    #[arg(long, value_name = "NUMBER")]
    seconds: Option<u32>,
    /// Rounds; in each, every candidate is measured once, in rotating order.
    #[arg(long, default_value_t = 5, value_name = "NUMBER")]
    rounds: usize,
    /// Percent of the routes, changes and certificates: less, to try whether everything runs.
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    share: u32,
    /// Also writes the figures to a file, as JSON. Scenarios that are in it and are not measured now are kept.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also renews the tables and plots of `docs/benchmarks.md`, and `docs/benchmarks/gateway.json` beside them.
    #[arg(long)]
    docs: bool,
    /// Measures nothing; with `--docs`, renews the tables and plots from the figures that are there.
    #[arg(long)]
    render: bool,
}

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some(data_plane::ARGUMENT) {
        return data_plane::serve();
    }
    let options = Options::parse();
    if options.list {
        scenarios::list();
        return Ok(());
    }
    if !options.render {
        prepare::all()?;
    }
    // The load that scenarios make themselves is to take as little from the candidates as it can.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> anyhow::Result<()> {
    for name in &options.only {
        if !scenarios::ALL.iter().any(|scenario| scenario.name == name) {
            bail!("there is no scenario `{name}`; `--list` names them");
        }
    }
    let effort = Effort {
        seconds: options.seconds,
        rounds: options.rounds.max(1),
        share: options.share,
    };
    let mut results = Results::begin()?;
    for scenario in scenarios::ALL {
        let chosen = options.only.is_empty() || options.only.iter().any(|name| name == scenario.name);
        if options.render || !chosen {
            continue;
        }
        println!("\n== {}: {}", scenario.name, scenario.about);
        let outcome = scenarios::measure(scenario.name, &effort).await;
        let outcome = outcome.with_context(|| format!("scenario `{}` could not be measured", scenario.name));
        match outcome {
            Ok(outcome) => {
                table::print(&outcome);
                results.add(scenario.name, outcome);
            }
            // One that fails does not take the others' figures away.
            Err(error) => println!("  FAILED: {error:#}"),
        }
    }
    if let Some(path) = &options.json {
        results.write(path)?;
        println!("\nWritten to {}", path.display());
    }
    if options.docs {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        published::renew(&docs, &results)?;
        println!("\nRenewed {}", docs.join("benchmarks.md").display());
    }
    Ok(())
}
