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
