//! The conformance suite, with REST APIs and with HTTP APIs.

use gatehouse_connector_conformance::{Level, Report, run};

use crate::under_test::{AwsUnderTest, Place};

async fn report(place: Place, level: Level) -> Report {
    run(level, async || {
        AwsUnderTest::start(place).await.expect("the fake is there")
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_with_rest_apis() {
    let report = report(Place::FakeRest, Level::Extended).await;
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
}

/// HTTP APIs know no API keys, with which the suite guards an API; that is refused before anything is touched.
const WITH_KEYS: [&str; 3] = [
    "never_reachable_without_security",
    "requests_are_answered_by_the_new_revision",
    "the_newest_desired_state_is_reached",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_with_http_apis() {
    let report = report(Place::FakeHttp, Level::Extended).await;
    let mut failed: Vec<String> = report.failures().map(|(tested, _)| tested.id.clone()).collect();
    failed.sort();
    let failures: Vec<_> = report.failures().collect();
    assert_eq!(failed, WITH_KEYS, "{failures:#?}");
}
