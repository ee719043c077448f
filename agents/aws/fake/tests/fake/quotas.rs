//! The published quotas, on a clock that is moved by hand.

use std::time::Duration;

use gatehouse_fake_aws::{Clock, FakeAwsOptions, Quotas};
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test]
async fn calls_that_come_too_fast_are_told_to_come_back() {
    let clock = Clock::moved_by_hand(Duration::from_secs(1_700_000_000));
    let client = Client::with(FakeAwsOptions {
        clock: clock.clone(),
        quotas: Quotas::Published { retry_after: true },
        ..FakeAwsOptions::default()
    })
    .await;
    let regional = json!({ "name": "a", "endpointConfiguration": {"types": ["REGIONAL"]} });
    let api = client.call("POST", "/restapis", regional.clone()).await.id();
    let refused = client.call("POST", "/restapis", regional.clone()).await;
    assert_eq!(
        refused.refusal(),
        (429, "TooManyRequestsException", "Too Many Requests")
    );
    assert_eq!(refused.headers["retry-after"], "3");
    clock.advance(Duration::from_secs(3));
    let other = client.call("POST", "/restapis", regional).await.id();
    client
        .call("DELETE", &format!("/restapis/{api}"), Value::Null)
        .await
        .ok();
    let delete = format!("/restapis/{other}");
    assert_eq!(
        client.call("DELETE", &delete, Value::Null).await.headers["retry-after"],
        "30"
    );
    clock.advance(Duration::from_secs(30));
    assert_eq!(client.call("DELETE", &delete, Value::Null).await.status, 202);
}

#[tokio::test]
async fn an_api_at_the_edge_is_made_more_slowly() {
    let clock = Clock::moved_by_hand(Duration::from_secs(1_700_000_000));
    let client = Client::with(FakeAwsOptions {
        clock: clock.clone(),
        quotas: Quotas::Published { retry_after: false },
        ..FakeAwsOptions::default()
    })
    .await;
    let edge = json!({ "name": "a", "endpointConfiguration": {"types": ["EDGE"]} });
    client.call("POST", "/restapis", edge.clone()).await.ok();
    clock.advance(Duration::from_secs(29));
    let refused = client.call("POST", "/restapis", edge.clone()).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.get("retry-after").is_none());
    clock.advance(Duration::from_secs(1));
    client.call("POST", "/restapis", edge).await.ok();
}
