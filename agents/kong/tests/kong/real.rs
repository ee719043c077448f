//! The same on a real Kong: conformance, every policy there and back, and traffic.

use gatehouse_connector_conformance::Level;

use crate::{
    conformance::passes,
    round_trip::every_policy_reads_back,
    traffic,
    under_test::{Kind, Real},
};

/// `KONG_ADMIN_URL=http://127.0.0.1:8001 KONG_PROXY_URL=http://127.0.0.1:8000 cargo test -p gatehouse-agent-kong --test kong
/// -- --ignored --nocapture`, and `KONG_ADMIN_TOKEN` if it wants one. With or without a database; Kong must reach this
/// machine's loopback, where the upstreams of the tests are.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Kong that may be emptied: set KONG_ADMIN_URL and KONG_PROXY_URL"]
async fn a_real_kong_is_deployed_to_and_discovered() {
    let real = Real::from_environment();
    let kind =
        Kind::Real(real.expect("KONG_ADMIN_URL and KONG_PROXY_URL lead to a Kong that may be emptied"));
    every_policy_reads_back(&kind).await;
    println!("every policy reads back");
    traffic::everything(&kind).await;
    println!("policies are enforced");
    let report = passes(&kind, Level::Extended).await;
    println!("conformance, extended: {}", report.summary());
}
