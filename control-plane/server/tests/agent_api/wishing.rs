//! Discoveries that agents ask for, since a gateway told of a change.

use gatehouse_control_plane_api::{
    agent::{DiscoveryOutcome, DiscoveryWish, DiscoveryWishAnswer},
    agent_client::AgentApiError,
};
use gatehouse_schemas::identity::{DiscoveryId, FencingNumber};
use serde_json::{Value, json};

use crate::{
    agent::{Agent, environment_id, refusal},
    harness::{ControlPlane, check, descriptor},
};

/// An environment that wants discoveries, or none.
async fn environment(control_plane: &ControlPlane, mode: &str, discovery: Value) {
    let mut spec = json!({"gatewayType": "test", "mode": mode});
    if !discovery.is_null() {
        spec["discovery"] = discovery;
    }
    control_plane
        .apply(json!([{"kind": "Environment", "metadata": {"name": "local"}, "spec": spec}]))
        .await;
}

async fn try_wish(
    control_plane: &ControlPlane,
    agent: &Agent,
    fencing: FencingNumber,
) -> Result<DiscoveryWishAnswer, AgentApiError> {
    let id = environment_id(control_plane, "local").await;
    let wish = DiscoveryWish { fencing };
    agent.client.wish_discovery(&agent.token, id, &wish).await
}

async fn wish(control_plane: &ControlPlane, agent: &Agent) -> Option<u64> {
    let fencing = agent.fencing().await;
    let answer = try_wish(control_plane, agent, fencing).await;
    answer.expect("an answer").ask_again_ms
}

async fn discoveries(control_plane: &ControlPlane) -> Vec<DiscoveryId> {
    let listed = control_plane.get("discoveries").await.expect(200);
    let items = listed["items"].as_array().expect("items").iter();
    items
        .map(|item| item["id"].as_str().expect("an id").parse().expect("a UUID"))
        .collect()
}

#[tokio::test]
async fn one_is_begun_and_the_next_has_to_wait() {
    check(|control_plane| async move {
        environment(
            &control_plane,
            "read-write",
            json!({"filter": {"tags": ["public"]}}),
        )
        .await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        assert_eq!(wish(&control_plane, &agent).await, None, "it begins now");
        let begun = discoveries(&control_plane).await;
        assert_eq!(begun.len(), 1);
        let work = agent.work(0).await;
        assert_eq!(
            work.discoveries[0].filter.tags,
            ["public"],
            "what the environment wants"
        );

        // Somebody who hears of something while it is open may be too late for it.
        let soon = |again: Option<u64>| again.is_some_and(|ms| (1..=300_000).contains(&ms));
        assert!(soon(wish(&control_plane, &agent).await));
        agent.complete(begun[0], 0, DiscoveryOutcome::Failed).await;
        assert!(soon(wish(&control_plane, &agent).await));
        assert_eq!(discoveries(&control_plane).await.len(), 1);

        let events = control_plane.get("audit-events?limit=500").await.expect(200);
        let mut events = events["items"].as_array().expect("items").iter();
        let asked = events.find(|event| event["action"] == "discovery.requested");
        let asked = asked.expect("it is in the audit trail");
        assert_eq!(asked["actor"], json!(format!("agent/{}", agent.id)));
        assert_eq!(asked["details"], json!({"environment": "local", "hint": true}));
    })
    .await;
}

#[tokio::test]
async fn none_is_begun_where_nobody_wants_any() {
    check(|control_plane| async move {
        environment(&control_plane, "read-write", Value::Null).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        for (mode, discovery) in [("read-write", Value::Null), ("write-only", json!({}))] {
            environment(&control_plane, mode, discovery).await;
            assert_eq!(wish(&control_plane, &agent).await, None);
            assert!(discoveries(&control_plane).await.is_empty(), "{mode}");
        }
    })
    .await;
}

#[tokio::test]
async fn only_who_acts_in_an_environment_may_ask() {
    check(|control_plane| async move {
        environment(&control_plane, "read-write", json!({})).await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let fencing = agent.fencing().await;
        let late = try_wish(&control_plane, &agent, FencingNumber(fencing.0 + 1)).await;
        assert_eq!(refusal(late).1, "stale");
        let second = Agent::start(&control_plane, descriptor()).await;
        let without = try_wish(&control_plane, &second, fencing).await;
        assert_eq!(refusal(without).1, "stale", "it has no lease");
        control_plane
            .apply(json!([{"kind": "Environment", "metadata": {"name": "other"}, "spec": {"gatewayType": "another"}}]))
            .await;
        let id = environment_id(&control_plane, "other").await;
        let strange = agent.client.wish_discovery(&agent.token, id, &DiscoveryWish { fencing }).await;
        assert_eq!(refusal(strange).1, "not-found");
        assert!(discoveries(&control_plane).await.is_empty());
    })
    .await;
}
