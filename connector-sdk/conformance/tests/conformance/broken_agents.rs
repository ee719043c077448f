//! Each duty of agents broken on purpose: a liar stands between the suite and an agent that keeps all of them, so that what
//! the agent does looks like what a broken one would do. The suite must see it, or it proves nothing.

mod connector;
mod gateway;
mod liar;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::{StreamExt as _, stream};
use gatehouse_connector_conformance::{Behaviour, Operation, Outcome, behaviours, test};

use self::{gateway::LiarsGateway, liar::Breach};

/// So many breaches are looked at side by side: what they fail with is mostly waiting.
const AT_ONCE: usize = 5;

/// A breach, and the one test that it breaks.
const BREACHES: [(Breach, &str); 17] = [
    (
        Breach::ReadOnlyIsOverlooked,
        "a_read_only_environment_is_not_changed",
    ),
    (
        Breach::WriteOnlyIsOverlooked,
        "nothing_is_discovered_in_a_write_only_environment",
    ),
    (Breach::LeaseIsAssumed, "without_a_lease_nothing_is_done"),
    (
        Breach::LeaseOutlivesItsTime,
        "when_the_lease_ran_out_nothing_is_changed",
    ),
    (Breach::WhatIsNotListedIsRemoved, "what_is_not_listed_stays"),
    (Breach::PlanIsOverlooked, "a_void_plan_is_not_carried_out"),
    (Breach::ConfirmationIsOverlooked, "drift_is_told_and_left"),
    (
        Breach::DriftPolicyIsOverlooked,
        "drift_is_put_right_where_people_want_it",
    ),
    (Breach::SecurityIsOverlooked, "no_security_is_lost"),
    (Breach::LossIsAccepted, "nothing_is_lost_that_nobody_accepted"),
    (Breach::FailuresAreFinal, "what_can_succeed_later_is_tried_again"),
    (Breach::PaceIsOverlooked, "the_gateway_says_when"),
    (
        Breach::ReportsAreSentOnce,
        "reports_are_sent_until_they_are_taken",
    ),
    (Breach::CrashesAreForgotten, "nothing_is_done_twice_after_a_crash"),
    (Breach::TokensAreKept, "a_refused_token_is_replaced"),
    (
        Breach::PositionIsKept,
        "after_a_position_too_old_everything_is_taken",
    ),
    (Breach::StaleIsSentAgain, "the_newest_desired_state_is_reached"),
];

fn duties() -> impl Iterator<Item = Behaviour> {
    behaviours()
        .into_iter()
        .filter(|behaviour| behaviour.operation == Operation::Agent)
}

/// What fails, and why.
async fn failures(breach: Option<Breach>) -> BTreeMap<&'static str, String> {
    let mut failed = BTreeMap::new();
    for behaviour in duties() {
        match test(&behaviour, Arc::new(LiarsGateway::new(breach))).await {
            Outcome::Passed => {}
            Outcome::Failed { reason } | Outcome::Skipped { reason } => {
                failed.insert(behaviour.id, reason);
            }
        }
    }
    failed
}

#[tokio::test]
async fn each_breach_is_caught_by_the_test_it_breaks_and_by_no_other() {
    let runs = BREACHES.map(|(breach, target)| async move {
        let failed = failures(Some(breach)).await;
        let is_caught = failed.keys().eq([&target]);
        (!is_caught).then(|| format!("{breach:?} should fail {target} and failed {failed:#?}"))
    });
    let runs = stream::iter(runs).buffer_unordered(AT_ONCE);
    let wrong: Vec<_> = runs.collect::<Vec<_>>().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn without_a_breach_every_duty_is_seen_to_be_done() {
    let failed = failures(None).await;
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_duty_has_a_breach() {
    let broken: BTreeSet<&str> = BREACHES.into_iter().map(|(_, target)| target).collect();
    let all: BTreeSet<&str> = duties().map(|behaviour| behaviour.id).collect();
    assert_eq!(broken, all);
}
