//! The conformance suite on every kind of Kong.

use expect_test::{ExpectFile, expect_file};
use gatehouse_agent_kong::KongConnector;
use gatehouse_connector_conformance::{Level, Report, run};
use gatehouse_connector_sdk::{connector::Connector as _, schemas::settings_form::page};

use crate::under_test::{Kind, KongUnderTest};

pub(crate) async fn passes(kind: &Kind, level: Level) -> Report {
    let report = run(level, async || KongUnderTest::start(kind).await).await;
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
    report
}

fn is_checked_in(report: Report, variant: &str, file: &ExpectFile) {
    let test = "cargo test -p gatehouse-agent-kong --test kong conformance";
    let report = report.reproduced_by(test).on(variant);
    file.assert_eq(&report.to_yaml().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_with_a_database() {
    let report = passes(&Kind::Database, Level::Extended).await;
    // What the descriptor declares and no behaviour has shown.
    assert_eq!(report.unproven(), []);
    let file = expect_file!["../../../../docs/conformance/kong.yaml"];
    is_checked_in(report, "with a database", &file);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_without_a_database() {
    let report = passes(&Kind::WithoutDatabase, Level::Extended).await;
    let file = expect_file!["../../../../docs/conformance/kong-dbless.yaml"];
    is_checked_in(report, "DB-less", &file);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_where_routes_are_expressions() {
    passes(&Kind::Expressions, Level::Core).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_on_an_older_version() {
    passes(&Kind::Older, Level::Core).await;
}

#[test]
fn the_reference_page_is_current() {
    let connector = KongConnector::new().unwrap();
    expect_file!["../../../../docs/reference/connectors/kong.md"].assert_eq(&page(connector.descriptor()));
}
