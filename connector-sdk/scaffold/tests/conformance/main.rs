//! The conformance suite: what the contract promises, seen on a real gateway.

mod gateway;

use gatehouse_connector_conformance::{Level, run};
use gateway::GatewayUnderTest;

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_passes_core_and_extended() {
    let report = run(Level::Extended, async || GatewayUnderTest::start().await).await;
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
    // What the descriptor declares and no behaviour has shown.
    assert_eq!(report.unproven(), []);
}
