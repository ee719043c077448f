//! Measures discovery: many APIs of the simulated vendor, through the real agent and the real control plane. Prints
//! figures; judges nothing. `./benchmark discovery` builds everything and runs it.
#![expect(clippy::print_stdout, reason = "a command that prints a table")]

mod memory;
mod run;
mod written;

use clap::{Parser, ValueEnum};
use gatehouse_integration_tests::database::Database;

use crate::run::World;

/// Measures discoveries with `simulated-vendor`, `gatehouse-agent-simulated` and `gatehouse serve`.
#[derive(Debug, Parser)]
struct Options {
    /// How many APIs the vendor holds, of 5 to 40 operations each.
    #[arg(long, default_value_t = 10_000)]
    apis: u64,
    /// By what the intervals of the published quotas are divided in the throttled run, at the vendor and in the agent.
    #[arg(long, default_value_t = 4)]
    quota_divisor: u32,
    /// Leaves the throttled run out.
    #[arg(long)]
    no_quotas: bool,
    /// Leaves out the import of everything and the run after it.
    #[arg(long)]
    no_import: bool,
    /// The database; PostgreSQL is the one at `GATEHOUSE_TEST_POSTGRES`, which `./benchmark` starts.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    database: Engine,
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
    println!("\n{} APIs, {database:?}, a vendor without quotas", options.apis);
    let world = World::start(database, options.apis, 0).await?;
    let first = world.discover("first run").await?;
    let again = world.discover("again, unchanged").await?;
    println!(
        "  of the first                    {:.1} %",
        again.share_of(&first)
    );
    if !options.no_import {
        world.import().await?;
        let known = world.discover("again, all imported").await?;
        println!(
            "  of the first                    {:.1} %",
            known.share_of(&first)
        );
    }
    drop(world);
    if !options.no_quotas {
        println!(
            "\n{} APIs, {database:?}, the published quotas with their intervals divided by {}",
            options.apis, options.quota_divisor
        );
        let world = World::start(database, options.apis, options.quota_divisor).await?;
        let run = world.discover("first run").await?;
        run.beside_the_floor(options.quota_divisor);
    }
    Ok(())
}
