//! Carrying out cases: one crash each, in a world of its own.

use std::time::Duration;

use super::{
    boundary::{Crash, Hop, Message, Victim, crashes},
    proxy::{Fate, SetTrap},
    scenario::Scenario,
    world::World,
};
use crate::database::Database;

/// How long a message is waited for that may not come in this run, since it depends on timing.
const REACHED_WITHIN: Duration = Duration::from_secs(20);

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that must hold did.
    Held,
    /// The message did not come; everything that must hold did.
    NotReached,
    /// These did not hold.
    Broken(Vec<String>),
}

/// The cases of a kind of work: a run without a crash lists its messages.
pub async fn cases(scenario: Scenario, database: Database) -> Vec<Crash> {
    let mut world = World::start(database).await;
    scenario.prepare(&mut world).await;
    world.count();
    scenario.act(&world).await;
    scenario.settle(&world).await;
    let broken = scenario.check(&world).await;
    assert!(
        broken.is_empty(),
        "{scenario:?} fails without any crash: {broken:#?}"
    );
    crashes(&unique(world.messages()))
}

fn unique(mut messages: Vec<Message>) -> Vec<Message> {
    messages.sort();
    messages.dedup();
    messages
}

/// Carries out one case.
pub async fn carry_out(scenario: Scenario, crash: &Crash, database: Database) -> Verdict {
    let mut world = World::start(database).await;
    scenario.prepare(&mut world).await;
    world.count();
    let mut trap = world.set_trap(&crash.message, crash.side);
    let reached = {
        let acting = async {
            scenario.act(&world).await;
            scenario.settle(&world).await;
        };
        tokio::pin!(acting);
        tokio::select! {
            () = trap.reached() => true,
            () = &mut acting => false,
            () = tokio::time::sleep(REACHED_WITHIN) => false,
        }
    };
    if reached {
        crash_now(&mut world, crash, &trap).await;
    } else {
        trap.release(Fate::GoesOn);
    }
    // Whoever asked and got no answer asks again, as people and pipelines do.
    scenario.act(&world).await;
    scenario.settle(&world).await;
    let broken = scenario.check(&world).await;
    match (broken.is_empty(), reached) {
        (true, true) => Verdict::Held,
        (true, false) => Verdict::NotReached,
        (false, _) => Verdict::Broken(broken),
    }
}

async fn crash_now(world: &mut World, crash: &Crash, trap: &SetTrap) {
    match crash.victim {
        Victim::Agent => world.agent.kill(),
        Victim::ControlPlane => world.control_plane.kill(),
    }
    trap.release(fate(crash));
    match crash.victim {
        Victim::Agent => world.agent.restart(),
        Victim::ControlPlane => world.control_plane.restart().await,
    }
}

/// A message whose sender or receiver died is lost; one between the others goes on.
fn fate(crash: &Crash) -> Fate {
    match (crash.message.hop, crash.victim) {
        (Hop::Vendor, Victim::ControlPlane) => Fate::GoesOn,
        _ => Fate::Lost,
    }
}
