//! Policies attached from outside: deployments follow at once, and only those that are covered.

use serde_json::{Value, json};

use crate::harness::{ControlPlane, api, check, descriptor};

fn limits(target: &Value, requests: u32) -> Value {
    json!({"kind": "Policy", "metadata": {"name": "limits"}, "spec": {
        "targets": [target],
        "policies": [{"type": "ratelimit", "with": {"limits": [{"requests": requests, "per": "second"}]}}]}})
}

async fn generation(control_plane: &ControlPlane, api: &str) -> u64 {
    let page = control_plane
        .get(&format!("deployments?api={api}"))
        .await
        .expect(200);
    page["items"][0]["generation"].as_u64().expect("a generation")
}

/// Two APIs in one environment, `public` with a label.
async fn two_deployed(control_plane: &ControlPlane) {
    control_plane.with_environment("local", "read-write").await;
    let mut public = api("public", "/public");
    public["metadata"]["labels"] = json!({"tier": "public"});
    control_plane.apply(json!([public, api("inner", "/inner")])).await;
    control_plane.deploy("public", "local").await.expect(202);
    control_plane.deploy("inner", "local").await.expect(202);
}

#[tokio::test]
async fn a_policy_reaches_the_deployments_it_covers_and_no_others() {
    check(|control_plane| async move {
        two_deployed(&control_plane).await;
        let (public, inner) = (
            generation(&control_plane, "public").await,
            generation(&control_plane, "inner").await,
        );
        let target = json!({"labels": {"tier": "public"}});
        control_plane.apply(json!([limits(&target, 5)])).await;
        let attached = generation(&control_plane, "public").await;
        assert!(attached > public);
        assert_eq!(generation(&control_plane, "inner").await, inner);
        assert_eq!(
            control_plane.get("policies/limits").await.expect(200)["status"]["deployments"],
            1
        );
        // The same again is no change.
        control_plane.apply(json!([limits(&target, 5)])).await;
        assert_eq!(generation(&control_plane, "public").await, attached);
        // A label that comes and goes moves the API in and out of the policy's reach.
        let mut labelled = api("inner", "/inner");
        labelled["metadata"]["labels"] = json!({"tier": "public"});
        control_plane.apply(json!([labelled])).await;
        assert!(generation(&control_plane, "inner").await > inner);
        control_plane.delete("policies/limits").await.expect(204);
        assert!(generation(&control_plane, "public").await > attached);
    })
    .await;
}

#[tokio::test]
async fn a_new_label_without_a_policy_changes_no_deployment() {
    check(|control_plane| async move {
        two_deployed(&control_plane).await;
        let before = generation(&control_plane, "inner").await;
        let mut labelled = api("inner", "/inner");
        labelled["metadata"]["labels"] = json!({"team": "a"});
        control_plane.apply(json!([labelled])).await;
        assert_eq!(generation(&control_plane, "inner").await, before);
    })
    .await;
}

#[tokio::test]
async fn a_new_value_of_a_secret_is_a_new_desired_state() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let secret = |value: &str, labels: Value| json!({"kind": "Secret", "metadata": {"name": "key", "labels": labels}, "spec": {"value": value}});
        let mut orders = api("orders", "/orders");
        orders["spec"]["policies"] =
            json!([{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "key"}]}}]);
        control_plane.apply(json!([secret("one", json!({})), orders, api("other", "/other")])).await;
        control_plane.deploy("orders", "local").await.expect(202);
        control_plane.deploy("other", "local").await.expect(202);
        let (orders, other) = (generation(&control_plane, "orders").await, generation(&control_plane, "other").await);
        control_plane.apply(json!([secret("one", json!({"team": "a"}))])).await;
        assert_eq!(generation(&control_plane, "orders").await, orders);
        control_plane.apply(json!([secret("two", json!({"team": "a"}))])).await;
        assert!(generation(&control_plane, "orders").await > orders);
        assert_eq!(generation(&control_plane, "other").await, other);
    })
    .await;
}

#[tokio::test]
async fn attaching_what_a_gateway_cannot_enforce_is_refused() {
    check(|control_plane| async move {
        two_deployed(&control_plane).await;
        control_plane.with_agent(&descriptor()).await;
        let before = generation(&control_plane, "public").await;
        let body = json!({"metadata": {"name": "login"}, "spec": {
            "targets": [{"environment": "local"}],
            "policies": [{"type": "auth.jwt", "with": {
                "issuer": "https://idp", "audiences": ["a"], "jwksUri": "https://idp/jwks"}}]}});
        let (kind, _) = control_plane.post("policies", body).await.problem(409);
        assert_eq!(kind, "policy-unsupported");
        control_plane.get("policies/login").await.problem(404);
        assert_eq!(generation(&control_plane, "public").await, before);
    })
    .await;
}
