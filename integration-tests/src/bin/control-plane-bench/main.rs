//! Measures the control plane with many agents: how fast a deploy reaches them, how they come back after it was
//! killed, and what they cost while nothing happens. Prints figures; judges nothing. `./benchmark control-plane`
//! builds everything and runs it.
#![expect(clippy::print_stdout, reason = "a command that prints a table")]

mod agent;
mod connection;
mod figures;
mod fleet;
mod layouts;
#[path = "../gateway-bench/process_cost.rs"]
mod process_cost;
mod rounds;

use clap::{Parser, ValueEnum};
use gatehouse_integration_tests::database::Database;

use crate::{layouts::Layout, rounds::Rounds};

/// Measures `gatehouse serve` with many agents that speak the Agent API as real ones do.
#[derive(Debug, Parser)]
struct Options {
    /// How many agents there are.
    #[arg(long, default_value_t = 1_000)]
    agents: usize,
    /// Deploys whose way to the agents is timed, in each layout.
    #[arg(long, default_value_t = 20)]
    deploys: usize,
    /// Seconds without work in which the cost of waiting is measured.
    #[arg(long, default_value_t = 15)]
    idle_seconds: u64,
    /// The database; PostgreSQL is the one at `GATEHOUSE_TEST_POSTGRES`, which `./benchmark` starts.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    database: Engine,
    /// Only this layout. Default: both.
    #[arg(long, value_enum)]
    layout: Option<Layout>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let database = match options.database {
        Engine::Sqlite => Database::Sqlite,
        Engine::Postgres => Database::Postgres,
    };
    for layout in [Layout::OneEnvironment, Layout::OneEach] {
        if options.layout.is_some_and(|wanted| wanted != layout) {
            continue;
        }
        println!("\n{} agents, {}, {database:?}", options.agents, layout.describe());
        let mut rounds = Rounds::begin(layout, database, options.agents).await?;
        rounds.idle(options.idle_seconds).await?;
        rounds.deploys(options.deploys).await?;
        rounds.restart().await?;
    }
    Ok(())
}
