//! The in-memory connector, the reference implementation.

use expect_test::expect_file;
use gatehouse_connector_conformance::{Level, MemoryTestGateway, Outcome, Report, run};

#[tokio::test]
async fn the_in_memory_connector_passes_core_and_extended() {
    let report = run(Level::Extended, async || MemoryTestGateway::new()).await;
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
    let skipped: Vec<_> = report
        .behaviours
        .iter()
        .filter(|it| matches!(it.outcome, Outcome::Skipped { .. }))
        .map(|it| it.id.as_str())
        .collect();
    // It answers no requests, its positions are places in an order, and it expresses everything.
    assert_eq!(
        skipped,
        [
            "a_position_that_is_not_taken_begins_anew",
            "requests_are_answered_by_the_new_revision",
            "no_request_meets_a_mixture",
            "never_reachable_without_security",
            "no_security_is_lost",
            "nothing_is_lost_that_nobody_accepted",
        ]
    );
    assert_eq!(report.unproven(), []);
    let report = report.reproduced_by("cargo test -p gatehouse-connector-conformance memory");
    let yaml = report.to_yaml().expect("it can be written");
    assert_eq!(Report::from_yaml(&yaml), Ok(report));
    expect_file!["../../../../docs/conformance/memory.yaml"].assert_eq(&yaml);
}
