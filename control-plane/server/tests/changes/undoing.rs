//! Putting back: what a gateway that moved, or another item's failure, undoes.

use gatehouse_control_plane_api::agent::{DesiredState, Priority};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    harness::{ControlPlane, check, condition},
    scene::{
        answer, apply_plan, desired, failed, holds, id, plan, planned, read_plan, ready, report, scene,
        serve, served, work_on,
    },
};

/// `orders` is served at revision 1, and a plan for revision 2 is being carried out.
async fn upgrading(control_plane: &ControlPlane, agent: &Agent) -> (String, Value) {
    let made = served(control_plane, agent, "orders", "local").await;
    control_plane.with_api("orders", "/orders/v2").await;
    let there = holds(desired(&work_on(agent, id(&made)).await));
    let asked = plan(control_plane, json!([{"api": "orders", "environment": "local"}])).await;
    answer(agent, |_| planned(there.clone())).await;
    let plan = read_plan(control_plane, &asked).await;
    apply_plan(control_plane, &plan).await;
    (id(&made).to_owned(), plan)
}

#[tokio::test]
async fn a_gateway_that_moved_voids_the_plan_and_the_former_state_is_desired_again() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let (deployment, plan) = upgrading(&control_plane, &agent).await;
        let work = work_on(&agent, &deployment).await;
        report(
            &agent,
            &work,
            failed("PlanVoid", "somebody changed `/displayName`", false),
        )
        .await;
        let void = control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| plan["state"] == "Void")
            .await;
        assert_eq!(void["items"][0]["state"], "Void", "{void:#}");
        let message = void["items"][0]["message"].as_str().unwrap_or_default();
        assert_eq!(
            message,
            "the gateway moved since the plan was made, and nothing was changed there: somebody changed `/displayName`; make a \
             new plan"
        );
        let read = control_plane
            .get(&format!("deployments/{deployment}"))
            .await
            .expect(200);
        assert_eq!(
            (&read["revision"], &read["phase"]),
            (&json!(1), &json!("Deployed")),
            "{read:#}"
        );
        assert_eq!(condition(&read, "Deployed")["status"], "True");
        let back = work_on(&agent, &deployment).await;
        assert!(back.confirmed && back.expected.is_none(), "{back:?}");
        assert!(back.generation > work.generation);
        assert_eq!(desired(&back).content.base_path, "/orders");
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_moved_makes_a_new_deployment_forgotten() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = ready(
            &control_plane,
            &agent,
            json!([{"api": "orders", "environment": "local"}]),
        )
        .await;
        let applying = apply_plan(&control_plane, &plan).await;
        let deployment = applying["items"][0]["deploymentId"]
            .as_str()
            .expect("an id")
            .to_owned();
        let work = work_on(&agent, &deployment).await;
        report(&agent, &work, failed("PlanVoid", "something is there now", false)).await;
        control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| plan["state"] == "Void")
            .await;
        control_plane
            .get(&format!("deployments/{deployment}"))
            .await
            .problem(404);
        assert!(agent.work(0).await.deployments.is_empty());
    })
    .await;
}

#[tokio::test]
async fn all_or_nothing_puts_the_others_back() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane.with_api("customers", "/customers").await;
        control_plane.with_api("parcels", "/parcels").await;
        let old = served(&control_plane, &agent, "orders", "local").await;
        control_plane.with_api("orders", "/orders/v2").await;
        let gone = served(&control_plane, &agent, "parcels", "local").await;
        let (orders, parcels) = (
            holds(desired(&work_on(&agent, id(&old)).await)),
            holds(desired(&work_on(&agent, id(&gone)).await)),
        );
        let body = json!({"strategy": "all-or-nothing", "items": [
            {"api": "orders", "environment": "local"},
            {"api": "customers", "environment": "local"},
            {"action": "undeploy", "api": "parcels", "environment": "local"}]});
        let asked = control_plane.post("plans", body).await.expect(202);
        answer(&agent, |task| {
            let text = format!("{task:?}");
            planned(if text.contains("customers") {
                gatehouse_schemas::observed::Observation::Absent
            } else if text.contains("parcels") {
                parcels.clone()
            } else {
                orders.clone()
            })
        })
        .await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(plan["state"], "Ready", "{plan:#}");
        let applying = apply_plan(&control_plane, &plan).await;
        serve(&agent, id(&old)).await;
        serve(&agent, id(&gone)).await;
        let path = format!("plans/{}", id(&plan));
        control_plane
            .until(&path, |plan| {
                plan["items"][0]["state"] == "Applied" && plan["items"][2]["state"] == "Applied"
            })
            .await;
        let new = applying["items"][1]["deploymentId"]
            .as_str()
            .expect("an id")
            .to_owned();
        let work = work_on(&agent, &new).await;
        report(
            &agent,
            &work,
            failed("UpstreamInvalid", "the upstream cannot be used", false),
        )
        .await;
        let compensating = control_plane
            .until(&path, |plan| plan["state"] == "Compensating")
            .await;
        let states: Vec<&Value> = compensating["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| &item["state"])
            .collect();
        assert_eq!(
            states,
            ["Compensating", "Failed", "Compensating"],
            "{compensating:#}"
        );
        let back = work_on(&agent, id(&old)).await;
        assert_eq!(
            (back.priority, desired(&back).content.base_path.as_str()),
            (Priority::Rollback, "/orders")
        );
        assert!(!back.confirmed && back.expected.is_none());
        let removal = work_on(&agent, &new).await;
        assert!(
            matches!(removal.desired, DesiredState::Absent { .. }),
            "{removal:?}"
        );
        let again = compensating["items"][2]["deploymentId"]
            .as_str()
            .expect("an id")
            .to_owned();
        for deployment in [id(&old), &new, &again] {
            serve(&agent, deployment).await;
        }
        let ended = control_plane
            .until(&path, |plan| plan["state"] == "Compensated")
            .await;
        let states: Vec<&Value> = ended["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| &item["state"])
            .collect();
        assert_eq!(states, ["Compensated", "Failed", "Compensated"], "{ended:#}");
        control_plane
            .get(&format!("deployments/{new}"))
            .await
            .problem(404);
        let orders = control_plane
            .get(&format!("deployments/{}", id(&old)))
            .await
            .expect(200);
        assert_eq!(
            (&orders["revision"], &orders["phase"]),
            (&json!(1), &json!("Deployed"))
        );
    })
    .await;
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_put_back() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane.with_api("customers", "/customers").await;
        let body = json!({"strategy": "all-or-nothing", "items": [
            {"api": "orders", "environment": "local"}, {"api": "customers", "environment": "local"}]});
        let asked = control_plane.post("plans", body).await.expect(202);
        answer(&agent, |_| {
            planned(gatehouse_schemas::observed::Observation::Absent)
        })
        .await;
        let plan = read_plan(&control_plane, &asked).await;
        let applying = apply_plan(&control_plane, &plan).await;
        let deployment = |item: usize| {
            applying["items"][item]["deploymentId"]
                .as_str()
                .expect("an id")
                .to_owned()
        };
        serve(&agent, &deployment(0)).await;
        let path = format!("plans/{}", id(&plan));
        control_plane
            .until(&path, |plan| plan["items"][0]["state"] == "Applied")
            .await;
        control_plane.with_api("orders", "/orders/v2").await;
        control_plane.deploy("orders", "local").await.expect(202);
        let work = work_on(&agent, &deployment(1)).await;
        report(&agent, &work, failed("UpstreamInvalid", "no", false)).await;
        let ended = control_plane
            .until(&path, |plan| plan["state"] == "Incomplete")
            .await;
        let message = ended["items"][0]["message"].as_str().unwrap_or_default();
        assert_eq!(
            message,
            "another item failed, but api `orders` in environment `local` was changed by somebody else meanwhile; it was left \
             as it is, `gatehouse drift local` shows how it stands"
        );
        let read = control_plane
            .get(&format!("deployments/{}", deployment(0)))
            .await
            .expect(200);
        assert_eq!(read["revision"], 2);
    })
    .await;
}
