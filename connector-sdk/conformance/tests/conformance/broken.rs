//! Each behaviour broken on purpose: the suite must see it, or it proves nothing.

mod connector;
mod gateway;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gatehouse_connector_conformance::{Behaviour, Level, Operation, Outcome, behaviours, run, test};

use self::{connector::Breach, gateway::BrokenGateway};

/// A breach, the test it breaks, and the tests that cannot but fail with it.
type Row = (Breach, &'static str, &'static [&'static str]);

const BREACHES: [Row; 32] = [
    (Breach::CheckLeavesSomethingBehind, "a_check_changes_nothing", &[]),
    (
        Breach::CheckTakesOutageForFinding,
        "an_unreachable_gateway_is_no_failed_check",
        &[],
    ),
    (
        Breach::CheckOverlooksMissingPermission,
        "a_missing_permission_is_named",
        &[],
    ),
    (
        Breach::CheckOverlooksPermissionTooMany,
        "a_permission_too_many_is_a_warning",
        &[],
    ),
    (
        Breach::PagesOverlap,
        "every_api_is_listed_exactly_once",
        &[
            "an_unreadable_api_is_told_and_the_listing_goes_on",
            "more_than_a_thousand_are_listed",
            "another_process_goes_on_with_a_listing",
        ],
    ),
    (
        Breach::ListingEndsAtTenPages,
        "more_than_a_thousand_are_listed",
        &[],
    ),
    (
        Breach::UnreadableIsLeftOut,
        "an_unreadable_api_is_told_and_the_listing_goes_on",
        &[],
    ),
    (Breach::OutageIsEmptyPage, "an_unreadable_page_is_an_error", &[]),
    (Breach::KnownIsReadAgain, "what_did_not_change_costs_nothing", &[]),
    (
        Breach::SelectorIsOverlooked,
        "a_filter_leaves_out_what_it_does_not_let_through",
        &[],
    ),
    (
        Breach::PositionsAreOfOneProcess,
        "another_process_goes_on_with_a_listing",
        &["a_position_that_is_not_taken_begins_anew"],
    ),
    (
        Breach::StrangePositionIsUnexpected,
        "a_position_that_is_not_taken_begins_anew",
        &[],
    ),
    (
        Breach::ListingLeavesSomethingBehind,
        "a_listing_changes_nothing",
        &["what_did_not_change_costs_nothing"],
    ),
    (
        Breach::ObservationForgetsRevisions,
        "what_was_deployed_is_observed",
        &[
            "after_a_failure_the_old_revision_serves",
            "an_edit_meanwhile_is_told",
        ],
    ),
    (
        Breach::NothingIsUnknown,
        "absent_is_what_the_gateway_says",
        &["removing_what_is_gone_succeeds"],
    ),
    (Breach::UnknownIsAbsent, "what_cannot_be_asked_is_not_absent", &[]),
    (
        Breach::IdentityIsOverlooked,
        "the_identity_comes_before_the_mark",
        &["what_is_not_ours_stays_untouched"],
    ),
    (Breach::LookPutsRight, "a_look_changes_nothing", &[]),
    (
        Breach::TranslationCounts,
        "translations_are_the_same_at_every_call",
        &[],
    ),
    (Breach::ReportIsEmpty, "every_policy_is_reported", &[]),
    (Breach::EstimateIsEmpty, "no_more_calls_than_estimated", &[]),
    (Breach::DeployAlwaysWrites, "deploying_again_changes_nothing", &[]),
    (
        Breach::UpdateHasNoEffect,
        "requests_are_answered_by_the_new_revision",
        &["what_was_deployed_is_observed", "an_edit_meanwhile_is_told"],
    ),
    (
        Breach::UpdateRemovesFirst,
        "no_request_meets_a_mixture",
        &[
            "no_more_calls_than_estimated",
            "after_a_failure_the_old_revision_serves",
        ],
    ),
    (Breach::SecurityComesLast, "never_reachable_without_security", &[]),
    (
        Breach::TakesOverWhatIsInTheWay,
        "what_is_not_ours_stays_untouched",
        &[],
    ),
    (
        Breach::FailureRemovesTheApi,
        "after_a_failure_the_old_revision_serves",
        &["leftovers_of_other_generations_are_removed"],
    ),
    (
        Breach::DraftsHaveRandomNames,
        "there_is_never_a_second_one",
        &[
            "cut_off_anywhere_the_next_attempt_puts_it_right",
            "steps_are_recorded_before_they_are_taken",
            "leftovers_of_other_generations_are_removed",
            "what_is_unfinished_is_removed",
        ],
    ),
    (
        Breach::RefusedRecordsAreOverlooked,
        "steps_are_recorded_before_they_are_taken",
        &[],
    ),
    (
        Breach::RecordsAreForgotten,
        "leftovers_of_other_generations_are_removed",
        &["what_is_unfinished_is_removed"],
    ),
    (
        Breach::TellsWhatWasAskedFor,
        "what_is_told_is_what_the_gateway_holds",
        &["an_edit_meanwhile_is_told"],
    ),
    (Breach::TroubleIsUnexpected, "trouble_is_told_by_its_kind", &[]),
];

const MORE_BREACHES: [Row; 10] = [
    (Breach::SecretIsTold, "no_secret_is_told", &[]),
    (
        Breach::GoneIsNotFound,
        "removing_what_is_gone_succeeds",
        &["what_is_unfinished_is_removed", "others_are_not_removed"],
    ),
    (Breach::UnfinishedStays, "what_is_unfinished_is_removed", &[]),
    (Breach::RemovesWhatTheIdentityNames, "others_are_not_removed", &[]),
    (
        Breach::CutOffLeavesADraft,
        "cut_off_anywhere_the_next_attempt_puts_it_right",
        &[],
    ),
    (Breach::RivalsMakeTwo, "attempts_at_once_leave_one_object", &[]),
    (Breach::EditMeanwhileIsHidden, "an_edit_meanwhile_is_told", &[]),
    (Breach::ErrorsAreVague, "errors_say_what_they_are_about", &[]),
    (Breach::SecretIsLogged, "no_secret_is_told", &[]),
    (
        Breach::RefusalsForTheRateAreKeptBack,
        "trouble_is_told_by_its_kind",
        &[],
    ),
];

fn breaches() -> impl Iterator<Item = Row> {
    BREACHES.into_iter().chain(MORE_BREACHES)
}

/// What connectors owe; agents are broken elsewhere.
fn behaviours_of_connectors() -> impl Iterator<Item = Behaviour> {
    behaviours()
        .into_iter()
        .filter(|behaviour| behaviour.operation != Operation::Agent)
}

/// A thousand APIs take their time; whether they are all listed is the business of breaches of the listing alone.
fn is_worth_it(behaviour: &Behaviour, expected: &BTreeSet<&str>) -> bool {
    behaviour.id != "more_than_a_thousand_are_listed" || expected.contains(behaviour.id)
}

#[tokio::test]
async fn each_breach_is_caught_by_the_tests_it_breaks_and_by_no_other() {
    let mut wrong = Vec::new();
    for (breach, target, others) in breaches() {
        let expected: BTreeSet<&str> = others.iter().copied().chain([target]).collect();
        let mut failed = BTreeMap::new();
        for behaviour in behaviours_of_connectors().filter(|it| is_worth_it(it, &expected)) {
            let outcome = test(&behaviour, Arc::new(BrokenGateway::new(Some(breach)))).await;
            if let Outcome::Failed { reason } = outcome {
                failed.insert(behaviour.id, reason);
            }
        }
        if failed.keys().copied().collect::<BTreeSet<_>>() != expected {
            wrong.push(format!(
                "{breach:?} should fail {expected:?} and failed {failed:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn without_a_breach_everything_passes() {
    let report = run(Level::Extended, async || BrokenGateway::new(None)).await;
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
}

#[tokio::test]
async fn calls_may_be_made_again_in_their_turn() {
    let mut behaviours = behaviours().into_iter();
    let trouble = behaviours.find(|behaviour| behaviour.id == "trouble_is_told_by_its_kind");
    let gateway = BrokenGateway::new(Some(Breach::WaitsForItsTurn));
    let outcome = test(&trouble.expect("a behaviour"), Arc::new(gateway)).await;
    assert_eq!(outcome, Outcome::Passed);
}

#[test]
fn every_behaviour_has_a_breach() {
    let broken: BTreeSet<&str> = breaches().map(|(_, target, _)| target).collect();
    let all: BTreeSet<&str> = behaviours_of_connectors().map(|behaviour| behaviour.id).collect();
    assert_eq!(broken, all);
}
