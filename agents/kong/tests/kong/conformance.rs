//! The conformance suite on every kind of Kong.

use gatehouse_connector_conformance::{Level, Report, run};

use crate::under_test::{Kind, KongUnderTest, Real};

async fn passes(kind: Kind) -> Report {
    let report = run(Level::Extended, async || KongUnderTest::start(&kind).await).await;
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_with_a_database() {
    let report = passes(Kind::Database).await;
    // What the descriptor declares and no behaviour has shown.
    assert_eq!(report.unproven(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_without_a_database() {
    passes(Kind::WithoutDatabase).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_where_routes_are_expressions() {
    passes(Kind::Expressions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_on_an_older_version() {
    passes(Kind::Older).await;
}

/// `KONG_ADMIN_URL=http://127.0.0.1:8001 KONG_PROXY_URL=http://127.0.0.1:8000 cargo nextest run -p gatehouse-agent-kong
/// --run-ignored only`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Kong that may be emptied: set KONG_ADMIN_URL and KONG_PROXY_URL"]
async fn the_connector_passes_on_a_real_kong() {
    let real = Real::from_environment()
        .expect("KONG_ADMIN_URL and KONG_PROXY_URL lead to a Kong that may be emptied");
    passes(Kind::Real(real)).await;
}
