//! Measures discovery of an account with many APIs on the fake Amazon API Gateway, through the real agent and the real control
//! plane. Prints figures; judges nothing. `./benchmark aws` builds everything and runs it.
#![expect(clippy::print_stdout, reason = "a command that prints a table")]

#[path = "../discovery-bench/memory.rs"]
mod memory;
mod run;
mod seed;

use clap::Parser;

use crate::run::World;

/// Measures discoveries with `gatehouse-agent-aws` and `gatehouse serve`. The fake is in this process.
#[derive(Debug, Parser)]
struct Options {
    /// How many REST APIs the account has.
    #[arg(long, default_value_t = 600)]
    apis: usize,
    /// How many operations each of them has.
    #[arg(long, default_value_t = 10)]
    operations: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { apis, operations } = Options::parse();
    println!("\nAmazon API Gateway: {apis} REST APIs of {operations} operations");
    let world = World::start(apis, operations).await?;
    world.discover("first run").await?;
    world.import().await?;
    world.discover("again, all imported, nothing changed").await?;
    world.change();
    world.discover("again, one API changed").await
}
