//! Measures discovery of a large Kong: the fake one, through the real agent and the real control plane. Prints figures;
//! judges nothing. `./benchmark kong` builds everything and runs it.
#![expect(clippy::print_stdout, reason = "a command that prints a table")]

#[path = "../discovery-bench/memory.rs"]
mod memory;
mod run;
mod seed;

use clap::Parser;
use gatehouse_fake_kong::Database;

use crate::run::World;

/// Measures discoveries with `gatehouse-agent-kong` and `gatehouse serve`. The fake Kong is in this process.
#[derive(Debug, Parser)]
struct Options {
    /// How many services the Kong has, each with one plugin.
    #[arg(long, default_value_t = 1_000)]
    services: usize,
    /// How many routes it has.
    #[arg(long, default_value_t = 5_000)]
    routes: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { services, routes } = Options::parse();
    for (database, name) in [
        (Database::Postgres, "with a database"),
        (Database::Off, "DB-less"),
    ] {
        println!("\nKong {name}: {services} services, {routes} routes, {services} plugins");
        let world = World::start(database, services, routes).await?;
        world.discover("first run").await?;
        world.import().await?;
        world.discover("again, all imported, nothing changed").await?;
        world.change().await?;
        world.discover("again, one service changed").await?;
    }
    Ok(())
}
