//! Plans that wait: for whom, why, and not for ever.

use gatehouse_control_plane_api::agent::{DesiredState, Task};
use gatehouse_control_plane_store::PlanUpdate;
use gatehouse_schemas::{identity::PlanId, observed::Observation, time::Timestamp};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    harness::{ControlPlane, check},
    scene::{
        answer, apply_plan, desired, failed, holds, id, planned, read_plan, ready, report, scene, serve,
        served, work_on,
    },
};

/// As if whatever the plan's items wait for had begun eleven minutes earlier.
async fn eleven_minutes_pass(control_plane: &ControlPlane, plan: &Value) {
    let id: PlanId = id(plan).parse().expect("an id");
    let mut transaction = control_plane.transaction().await;
    let row = transaction.plan(id).await.expect("a read").expect("a plan");
    let mut internals = transaction
        .plan_internals(id)
        .await
        .expect("a read")
        .expect("internals");
    for item in internals.as_array_mut().expect("a list") {
        if let Some(since) = item.pointer_mut("/trouble/since") {
            let began: Timestamp = serde_json::from_value(since.clone()).expect("a time");
            *since = json!(Timestamp(began.0 - 11 * 60 * 1000));
        }
    }
    let update = PlanUpdate {
        state: row.state,
        items: row.items,
        internals: Some(internals),
        fingerprint: row.fingerprint,
        applied: false,
    };
    assert!(
        transaction
            .update_plan(id, row.state, &update)
            .await
            .expect("written")
    );
    transaction.commit().await.expect("a commit");
}

fn message(plan: &Value, item: usize) -> &str {
    plan["items"][item]["message"].as_str().unwrap_or_default()
}

/// Whether a message says this, in which `{}` stands for anything.
fn says(message: &str, pattern: &str) -> bool {
    let mut rest = message;
    pattern.split("{}").all(|part| {
        let found = rest.find(part);
        rest = found.map_or("", |at| &rest[at + part.len()..]);
        found.is_some()
    })
}

async fn until_told(control_plane: &ControlPlane, plan: &Value, item: usize, parts: &[&str]) -> Value {
    let path = format!("plans/{}", id(plan));
    let told = |plan: &Value| parts.iter().all(|part| says(message(plan, item), part));
    control_plane.until(&path, told).await
}

/// `orders` is served in `local` and `remote`; a plan for its next revision in both, or in none, is carried out in
/// `local`, which is read-only from then on, and fails in `remote`.
async fn half_done(control_plane: &ControlPlane, agent: &Agent) -> (Value, Value) {
    control_plane.with_environment("remote", "read-write").await;
    let local = served(control_plane, agent, "orders", "local").await;
    let remote = served(control_plane, agent, "orders", "remote").await;
    let there = [
        work_on(agent, id(&local)).await,
        work_on(agent, id(&remote)).await,
    ];
    control_plane.with_api("orders", "/orders/v2").await;
    let body = json!({"strategy": "all-or-nothing", "items": [
        {"api": "orders", "environment": "local"}, {"api": "orders", "environment": "remote"}]});
    let asked = control_plane.post("plans", body).await.expect(202);
    answer(agent, |task| {
        let Task::Plan {
            desired: DesiredState::Present { api },
            ..
        } = task
        else {
            panic!("{task:?} is no plan");
        };
        let here = there
            .iter()
            .find(|work| work.environment_id == api.mark.environment_id);
        planned(holds(desired(here.expect("a place"))))
    })
    .await;
    let plan = read_plan(control_plane, &asked).await;
    apply_plan(control_plane, &plan).await;
    serve(agent, id(&local)).await;
    let path = format!("plans/{}", id(&plan));
    control_plane
        .until(&path, |plan| plan["items"][0]["state"] == "Applied")
        .await;
    control_plane.with_environment("local", "read-only").await;
    let work = work_on(agent, id(&remote)).await;
    report(agent, &work, failed("UpstreamInvalid", "no", false)).await;
    (local, plan)
}

#[tokio::test]
async fn putting_back_says_whom_it_waits_for_and_ends_without_it() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let (local, plan) = half_done(&control_plane, &agent).await;
        let parts = [
            "environment `local` is read-only; set its mode to `read-write`",
            "; the plan waits for it until {}, then ends without it",
        ];
        let waiting = until_told(&control_plane, &plan, 0, &parts).await;
        assert_eq!(
            (&waiting["state"], &waiting["items"][0]["state"]),
            (&json!("Compensating"), &json!("Compensating"))
        );
        eleven_minutes_pass(&control_plane, &plan).await;
        let path = format!("plans/{}", id(&plan));
        let ended = control_plane
            .until(&path, |plan| plan["state"] == "Incomplete")
            .await;
        assert_eq!(ended["items"][0]["state"], "Failed", "{ended:#}");
        let told = "it could not be put back so far: environment `local` is read-only{}; it stays desired as it was before, and is \
                    put back once the cause is removed";
        assert!(says(message(&ended, 0), told), "{ended:#}");
        control_plane.with_environment("local", "read-write").await;
        let back = work_on(&agent, id(&local)).await;
        assert_eq!(desired(&back).content.base_path, "/orders");
    })
    .await;
}

#[tokio::test]
async fn what_was_waited_for_is_not_said_any_more_once_it_is_there() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let (local, plan) = half_done(&control_plane, &agent).await;
        until_told(&control_plane, &plan, 0, &["is read-only"]).await;
        control_plane.with_environment("local", "read-write").await;
        let path = format!("plans/{}", id(&plan));
        control_plane
            .until(&path, |plan| message(plan, 0).is_empty())
            .await;
        serve(&agent, id(&local)).await;
        control_plane
            .until(&path, |plan| plan["state"] == "Compensated")
            .await;
    })
    .await;
}

#[tokio::test]
async fn all_or_nothing_gives_up_on_an_environment_that_nobody_serves() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane.with_api("customers", "/customers").await;
        let body = json!({"strategy": "all-or-nothing", "items": [
            {"api": "orders", "environment": "local"}, {"api": "customers", "environment": "local"}]});
        let asked = control_plane.post("plans", body).await.expect(202);
        answer(&agent, |_| planned(Observation::Absent)).await;
        let plan = read_plan(&control_plane, &asked).await;
        let applying = apply_plan(&control_plane, &plan).await;
        let first = applying["items"][0]["deploymentId"].as_str().expect("an id");
        serve(&agent, first).await;
        let path = format!("plans/{}", id(&plan));
        control_plane
            .until(&path, |plan| plan["items"][0]["state"] == "Applied")
            .await;
        control_plane
            .delete(&format!("agents/{}", agent.id))
            .await
            .expect(204);
        let parts = [
            "no agent for gateway type `test` is connected",
            "; the plan waits for it until {}, then puts the other items back",
        ];
        until_told(&control_plane, &plan, 1, &parts).await;
        eleven_minutes_pass(&control_plane, &plan).await;
        let back = control_plane
            .until(&path, |plan| plan["items"][0]["state"] == "Compensating")
            .await;
        assert_eq!(back["items"][1]["state"], "Failed", "{back:#}");
        until_told(&control_plane, &plan, 0, &["no agent", "then ends without it"]).await;
        eleven_minutes_pass(&control_plane, &plan).await;
        control_plane
            .until(&path, |plan| plan["state"] == "Incomplete")
            .await;
    })
    .await;
}

#[tokio::test]
async fn best_effort_waits_and_says_for_whom() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let items = json!([{"api": "orders", "environment": "local"}]);
        let plan = ready(&control_plane, &agent, items).await;
        apply_plan(&control_plane, &plan).await;
        control_plane.with_environment("local", "read-only").await;
        let waiting = until_told(&control_plane, &plan, 0, &["`local` is read-only"]).await;
        assert_eq!(waiting["state"], "Applying");
        assert!(!message(&waiting, 0).contains("until"), "{waiting:#}");
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_keeps_failing_is_waited_for_from_its_first_failure() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let items = json!([{"api": "orders", "environment": "local"}]);
        let plan = ready(&control_plane, &agent, items).await;
        let applying = apply_plan(&control_plane, &plan).await;
        let deployment = applying["items"][0]["deploymentId"].as_str().expect("an id");
        // Nothing is wrong yet, so nothing is counted.
        eleven_minutes_pass(&control_plane, &plan).await;
        let work = work_on(&agent, deployment).await;
        report(&agent, &work, failed("Unavailable", "the gateway is away", true)).await;
        let waiting = until_told(&control_plane, &plan, 0, &["the gateway is away"]).await;
        assert_eq!(waiting["items"][0]["state"], "Applying", "{waiting:#}");
        let path = format!("plans/{}", id(&plan));
        loop {
            eleven_minutes_pass(&control_plane, &plan).await;
            if read_plan(&control_plane, &plan).await["state"] == "Incomplete" {
                break;
            }
            tokio::task::yield_now().await;
        }
        let ended = control_plane.get(&path).await.expect(200);
        assert_eq!(ended["items"][0]["state"], "Failed", "{ended:#}");
    })
    .await;
}
