//! Deploying over what was changed by hand on the gateway: nothing is held up, and nothing vanishes unseen.

use gatehouse_control_plane_api::agent::DeploymentWork;
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    harness::{ControlPlane, check},
    scene::{answer, desired, holds_changed, plan, planned, read_plan, renamed, scene, serve, work_on},
};

/// Attaches a policy set to everything in `local`.
async fn attach(control_plane: &ControlPlane, origin: &str) {
    control_plane
        .apply(
            json!([{"kind": "Policy", "metadata": {"name": "browsers"}, "spec": {
            "targets": [{"environment": "local"}],
            "policies": [{"type": "cors", "with": {"allowOrigins": [origin]}}]}}]),
        )
        .await;
}

async fn history(control_plane: &ControlPlane, work: &DeploymentWork) -> Vec<Value> {
    let read = control_plane
        .get(&format!("deployments/{}/history", work.id))
        .await
        .expect(200);
    read["items"].as_array().expect("a list").clone()
}

async fn overwritten(control_plane: &ControlPlane, work: &DeploymentWork) -> Vec<Value> {
    let path = format!(
        "audit-events?object=deployment/{}&action=drift.overwritten",
        work.id
    );
    let read = control_plane.get(&path).await.expect(200);
    let events = read["items"].as_array().expect("a list").iter();
    events
        .map(|event| event["details"]["overwritten"].clone())
        .collect()
}

fn the_name() -> Value {
    json!([{"path": "/displayName", "observed": "Bestellungen"}])
}

async fn over_drift(control_plane: &ControlPlane, agent: &Agent) -> DeploymentWork {
    let work = renamed(control_plane, agent).await;
    attach(control_plane, "https://shop.example").await;
    work
}

#[tokio::test]
async fn a_policy_is_in_force_at_once_and_what_it_overwrites_is_kept() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = over_drift(&control_plane, &agent).await;
        let now = work_on(&agent, &work.id.to_string()).await;
        assert!(
            !now.confirmed && now.expected.is_none(),
            "it is not held up: {now:?}"
        );
        assert_eq!(desired(&now).content.policies.len(), 1);
        assert_eq!(overwritten(&control_plane, &work).await, [the_name()]);
        serve(&agent, &work.id.to_string()).await;
        let entries = history(&control_plane, &work).await;
        assert_eq!(entries[0]["overwritten"], the_name(), "{entries:#?}");
        assert!(entries[1]["overwritten"].is_null(), "{entries:#?}");
        // What comes after it overwrites nothing.
        attach(&control_plane, "https://other.example").await;
        serve(&agent, &work.id.to_string()).await;
        let entries = history(&control_plane, &work).await;
        assert!(entries[0]["overwritten"].is_null(), "{entries:#?}");
        assert_eq!(overwritten(&control_plane, &work).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_overwritten_is_kept_through_generations_that_nobody_carried_out() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = over_drift(&control_plane, &agent).await;
        attach(&control_plane, "https://other.example").await;
        serve(&agent, &work.id.to_string()).await;
        let entries = history(&control_plane, &work).await;
        assert_eq!(entries[0]["overwritten"], the_name(), "{entries:#?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_adopted_is_not_overwritten() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = renamed(&control_plane, &agent).await;
        let path = format!("deployments/{}/drift-resolution", work.id);
        control_plane
            .post(&path, json!({"resolution": "adopt"}))
            .await
            .expect(202);
        serve(&agent, &work.id.to_string()).await;
        let entries = history(&control_plane, &work).await;
        assert_eq!(entries[0]["revision"], 2, "{entries:#?}");
        assert!(entries[0]["overwritten"].is_null(), "{entries:#?}");
        assert!(overwritten(&control_plane, &work).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_plan_names_what_it_overwrites() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = renamed(&control_plane, &agent).await;
        control_plane.with_api("orders", "/orders/v2").await;
        let there = holds_changed(desired(&work), |api| {
            api.content.display_name = "Bestellungen".to_owned();
        });
        let asked = plan(&control_plane, json!([{"api": "orders", "environment": "local"}])).await;
        answer(&agent, |_| planned(there.clone())).await;
        let plan = read_plan(&control_plane, &asked).await;
        let warning = plan["items"][0]["warnings"][0].as_str().unwrap_or_default();
        assert_eq!(
            warning,
            "the gateway was changed beside Gatehouse since the last deploy: what it holds is overwritten: \
             `/displayName` was \"Bestellungen\"; this plan undoes that",
            "{plan:#}"
        );
    })
    .await;
}
