//! `crash-matrix`: every crash of every kind of work, one after another. Prints what it found; fails if anything broke.
#![expect(clippy::print_stdout, reason = "it says what it found")]

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use futures_util::{StreamExt as _, stream};
use gatehouse_integration_tests::{
    crash_matrix::{
        boundary::Crash,
        case::{Verdict, carry_out, cases},
        scenario::Scenario,
    },
    database::Database,
};

/// Kills each process before and after every message of every kind of work, and checks what must hold.
#[derive(Debug, Parser)]
struct Options {
    /// On PostgreSQL (`GATEHOUSE_TEST_POSTGRES`) instead of SQLite.
    #[arg(long)]
    postgres: bool,
    /// How many cases run side by side.
    #[arg(long, default_value_t = 3)]
    side_by_side: usize,
    /// Only cases whose description contains this text.
    #[arg(long, default_value = "")]
    only: String,
}

/// What a kind of work came to.
#[derive(Debug, Default)]
struct Count {
    held: usize,
    not_reached: usize,
    broken: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let database = if options.postgres {
        Database::Postgres
    } else {
        Database::Sqlite
    };
    let began = Instant::now();
    let mut broken = 0;
    for scenario in Scenario::ALL {
        let all = cases(scenario, database).await;
        let chosen: Vec<Crash> = all
            .into_iter()
            .filter(|crash| format!("{scenario:?}: {crash}").contains(&options.only))
            .collect();
        let count = run(scenario, chosen, database, options.side_by_side).await;
        println!(
            "{scenario:?}: {} held, {} not reached, {} broken",
            count.held, count.not_reached, count.broken
        );
        broken += count.broken;
    }
    println!("{broken} broken, in {:.0?}", began.elapsed());
    if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn run(scenario: Scenario, crashes: Vec<Crash>, database: Database, side_by_side: usize) -> Count {
    let mut count = Count::default();
    let mut verdicts = stream::iter(crashes)
        .map(|crash| async move {
            // In a task of its own, so that one that gives up is a broken case and not the end of all.
            let case = crash.clone();
            let verdict = tokio::spawn(async move { carry_out(scenario, &case, database).await }).await;
            (crash, verdict)
        })
        .buffer_unordered(side_by_side);
    while let Some((crash, verdict)) = verdicts.next().await {
        match verdict {
            Ok(Verdict::Held) => count.held += 1,
            Ok(Verdict::NotReached) => {
                count.not_reached += 1;
                println!("  {scenario:?}: {crash}: not reached");
            }
            Ok(Verdict::Broken(reasons)) => {
                count.broken += 1;
                println!("  {scenario:?}: {crash}: BROKEN\n    {}", reasons.join("\n    "));
            }
            Err(_) => {
                count.broken += 1;
                println!("  {scenario:?}: {crash}: BROKEN: it gave up waiting, see above");
            }
        }
    }
    count
}
