//! The conformance suite, with REST APIs and with HTTP APIs.

use expect_test::{ExpectFile, expect_file};
use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Level, Report, run};
use gatehouse_connector_sdk::{connector::Connector as _, schemas::settings_form::page};

use crate::under_test::{AwsUnderTest, Place};

async fn report(place: Place, level: Level) -> Report {
    run(level, async || {
        AwsUnderTest::start(place).await.expect("the fake is there")
    })
    .await
}

fn is_checked_in(report: Report, file: &ExpectFile) {
    let report = report.reproduced_by("cargo test -p gatehouse-agent-aws --test aws conformance");
    file.assert_eq(&report.to_yaml().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_with_rest_apis() {
    let report = report(Place::FakeRest, Level::Extended).await;
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
    // What the descriptor declares and no behaviour has shown.
    assert_eq!(report.unproven(), []);
    is_checked_in(report, &expect_file!["../../../../docs/conformance/aws.yaml"]);
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

#[test]
fn the_reference_page_is_current() {
    let connector = AwsConnector::new();
    expect_file!["../../../../docs/reference/connectors/aws.md"].assert_eq(&page(connector.descriptor()));
}
