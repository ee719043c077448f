//! The conformance suite, with REST APIs and with HTTP APIs.

use std::sync::Arc;

use expect_test::{ExpectFile, expect_file};
use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Level, Outcome, Report, behaviours, run, test};
use gatehouse_connector_sdk::{connector::Connector as _, schemas::settings_form::page};
use gatehouse_fake_aws::emulators::Emulator;

use crate::{
    endpoint::EndpointUnderTest,
    under_test::{AwsUnderTest, Place},
};

async fn report(place: Place, level: Level) -> Report {
    run(level, async || AwsUnderTest::start(place).await).await
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

/// An account has at most 600 REST APIs by default, and no emulator has pages.
const TOO_MANY: &str = "more_than_a_thousand_are_listed";

/// Every behaviour but some, where nothing is the project's own.
async fn passes(but: &[&str], fresh: impl AsyncFn() -> EndpointUnderTest) {
    let mut failed = Vec::new();
    for behaviour in behaviours().iter().filter(|it| !but.contains(&it.id)) {
        let outcome = test(behaviour, Arc::new(fresh().await)).await;
        println!("{}: {outcome:?}", behaviour.id);
        if let Outcome::Failed { reason } = outcome {
            failed.push((behaviour.sentence, reason));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_on_localstack() {
    if let Some(localstack) = Emulator::LocalStack.start().await.unwrap() {
        passes(&[TOO_MANY], async || {
            EndpointUnderTest::localstack(&localstack).await
        })
        .await;
    }
}

/// `AWS_ENDPOINT_URL=… AWS_DATA_PLANE_URL=…/{api}/{stage} AWS_REGION=… cargo test -p gatehouse-agent-aws --test aws -- --ignored
/// any_endpoint --test-threads 1`, with credentials in the environment. Without an endpoint it is AWS itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API Gateway: set AWS_ENDPOINT_URL, AWS_DATA_PLANE_URL, AWS_REGION and credentials"]
async fn the_connector_passes_at_any_endpoint() {
    passes_at_endpoint(&[TOO_MANY], false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API Gateway: set AWS_ENDPOINT_URL, AWS_DATA_PLANE_URL, AWS_REGION and credentials"]
async fn the_connector_passes_with_http_apis_at_any_endpoint() {
    let but: Vec<&str> = WITH_KEYS.into_iter().chain([TOO_MANY]).collect();
    passes_at_endpoint(&but, true).await;
}

async fn passes_at_endpoint(but: &[&str], with_http_apis: bool) {
    match EndpointUnderTest::takes_definitions(with_http_apis).await {
        Ok(()) => {
            passes(but, async || {
                EndpointUnderTest::of_environment(with_http_apis).await
            })
            .await;
        }
        Err(reason) => println!("SKIPPED: the endpoint makes no APIs of this kind of definitions: {reason}"),
    }
}

#[test]
fn the_reference_page_is_current() {
    let connector = AwsConnector::new();
    expect_file!["../../../../docs/reference/connectors/aws.md"].assert_eq(&page(connector.descriptor()));
}
