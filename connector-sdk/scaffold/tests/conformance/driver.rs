//! `test-gateway`: does to the gateway under test what `gatehouse connector test` asks for. See `test.yaml`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod gateway;

use gateway::GatewayUnderTest;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    gatehouse_connector_conformance::driver::serve(GatewayUnderTest::start).await
}
