use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn reference(number: usize) -> ExternalRef {
    ExternalRef(format!("svc-{number:03}"))
}

fn missing(number: usize, complete_runs: u32, hours: i64, approved: bool) -> Missing {
    Missing {
        external_ref: reference(number),
        complete_runs,
        since: Timestamp(-hours * HOUR_MS),
        approved,
    }
}

fn check(missing: &[Missing], known: usize, rules: &RemovalRules, expected: [usize; 3]) {
    let removals = removals(missing, known, rules, Timestamp(0));
    let found = [&removals.remove, &removals.wait, &removals.need_approval].map(Vec::len);
    assert_eq!(
        found, expected,
        "removed, waiting, needing approval of {missing:?}"
    );
}

#[test]
fn an_api_goes_after_three_complete_runs_and_a_day() {
    let rules = RemovalRules::default();
    check(&[], 100, &rules, [0, 0, 0]);
    check(&[missing(1, 3, 24, false)], 100, &rules, [1, 0, 0]);
    check(&[missing(1, 2, 48, false)], 100, &rules, [0, 1, 0]);
    check(&[missing(1, 9, 23, false)], 100, &rules, [0, 1, 0]);
    check(&[missing(1, 0, 0, true)], 100, &rules, [0, 1, 0]);
}

#[test]
fn more_than_the_share_needs_a_person() {
    let rules = RemovalRules::default();
    let due =
        |count: usize| -> Vec<Missing> { (0..count).map(|number| missing(number, 3, 24, false)).collect() };
    check(&due(10), 100, &rules, [10, 0, 0]);
    check(&due(11), 100, &rules, [0, 0, 11]);
    // Of few, one may go.
    check(&due(1), 1, &rules, [1, 0, 0]);
    check(&due(2), 5, &rules, [0, 0, 2]);
    let none = RemovalRules {
        max_share_percent: 0,
        ..rules.clone()
    };
    check(&due(1), 1000, &none, [0, 0, 1]);
    let all = RemovalRules {
        max_share_percent: 100,
        ..rules
    };
    check(&due(100), 100, &all, [100, 0, 0]);
}

#[test]
fn what_was_approved_goes_when_it_is_due_and_does_not_count_toward_the_share() {
    let rules = RemovalRules::default();
    let mut all: Vec<Missing> = (0..50).map(|number| missing(number, 3, 24, true)).collect();
    all.extend((50..60).map(|number| missing(number, 3, 24, false)));
    check(&all, 100, &rules, [60, 0, 0]);
    all.push(missing(60, 3, 24, false));
    check(&all, 100, &rules, [50, 0, 11]);
    check(&[missing(1, 2, 24, true)], 100, &rules, [0, 1, 0]);
}

fn set(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<ExternalRef> {
    numbers.into_iter().map(reference).collect()
}

#[test]
fn a_complete_run_counts_what_it_did_not_see_and_forgets_what_it_saw() {
    let before = [
        missing(1, 2, 5, true),
        missing(2, 1, 5, false),
        missing(3, 1, 5, false),
    ];
    let after = after_run(&before, &set([1, 2, 4, 5]), &set([2, 4]), true, Timestamp(7));
    let counted = Missing {
        complete_runs: 3,
        ..before[0].clone()
    };
    let new = Missing {
        since: Timestamp(7),
        ..missing(5, 1, 0, false)
    };
    // The third is not known any more: it counts as removed already.
    assert_eq!(after, [counted, new]);
}

#[test]
fn any_other_run_changes_nothing() {
    let before = [missing(1, 2, 5, true), missing(2, 1, 5, false)];
    assert_eq!(
        after_run(&before, &set(0..100), &set([1]), false, Timestamp(7)),
        before
    );
}

fn any_rules() -> impl Strategy<Value = RemovalRules> {
    (1_u32..5, 0_u64..200_000, 0_u8..=100).prop_map(|(complete_runs, grace_seconds, max_share_percent)| {
        RemovalRules {
            complete_runs,
            grace_seconds,
            max_share_percent,
        }
    })
}

fn any_missing() -> impl Strategy<Value = Vec<Missing>> {
    let one = (0_u32..6, 0_i64..60, prop::bool::weighted(0.2));
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let api = |(number, (runs, hours, approved)): (usize, (u32, i64, bool))| {
            missing(number, runs, hours, approved)
        };
        all.into_iter().enumerate().map(api).collect()
    })
}

/// One run: which of 20 APIs it saw, how it ended, how long after the one before.
fn any_runs() -> impl Strategy<Value = Vec<(BTreeSet<usize>, bool, i64)>> {
    let seen = prop::collection::btree_set(0_usize..20, 0..=20);
    prop::collection::vec((seen, prop::bool::ANY, 0_i64..30), 0..12)
}

proptest! {
    #[test]
    fn nothing_goes_before_its_time_nor_more_than_the_share_without_a_person(
        missing in any_missing(), others in 0_usize..500, rules in any_rules()
    ) {
        let known = missing.len() + others;
        let removals = removals(&missing, known, &rules, Timestamp(0));
        let by_reference: BTreeMap<&ExternalRef, &Missing> = missing.iter().map(|api| (&api.external_ref, api)).collect();
        let removed: Vec<&Missing> = removals.remove.iter().map(|reference| by_reference[reference]).collect();
        for api in &removed {
            prop_assert!(api.complete_runs >= rules.complete_runs);
            prop_assert!(-api.since.0 >= i64::try_from(rules.grace_seconds).unwrap() * 1000);
        }
        let unapproved = removed.iter().filter(|api| !api.approved).count();
        let share = known * usize::from(rules.max_share_percent) / 100;
        prop_assert!(unapproved <= share.max(1));
        prop_assert!(rules.max_share_percent > 0 || unapproved == 0);
        // Everything is told once.
        let told = removals.remove.len() + removals.wait.len() + removals.need_approval.len();
        prop_assert_eq!(told, missing.len());
    }

    #[test]
    fn counters_are_the_complete_runs_since_it_was_last_seen_in_one(runs in any_runs()) {
        let known = set(0..20);
        let mut missing = Vec::new();
        let mut now = 0;
        for (seen, complete, hours) in &runs {
            now += hours * HOUR_MS;
            let before = missing.clone();
            missing = after_run(&missing, &known, &set(seen.iter().copied()), *complete, Timestamp(now));
            prop_assert!(*complete || missing == before);
        }
        let complete: Vec<&BTreeSet<usize>> = runs.iter().filter(|run| run.1).map(|run| &run.0).collect();
        for number in 0..20 {
            let expected = complete.iter().rev().take_while(|seen| !seen.contains(&number)).count();
            let found = missing.iter().find(|api| api.external_ref == reference(number));
            prop_assert_eq!(found.map_or(0, |api| api.complete_runs as usize), expected);
        }
    }

    #[test]
    fn without_complete_runs_nothing_ever_goes(runs in any_runs(), rules in any_rules()) {
        let mut missing = Vec::new();
        for (seen, _, hours) in &runs {
            let seen = set(seen.iter().copied());
            missing = after_run(&missing, &set(0..20), &seen, false, Timestamp(hours * HOUR_MS));
            prop_assert_eq!(removals(&missing, 20, &rules, Timestamp(i64::MAX)), Removals::default());
        }
    }
}
