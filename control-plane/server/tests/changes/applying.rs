//! Carrying out plans: exactly what was approved, or nothing.

use gatehouse_control_plane_api::agent::{DesiredState, ExpectedState, Priority, Task};
use gatehouse_schemas::observed::Observation;
use serde_json::{Value, json};

use crate::{
    harness::check,
    scene::{
        answer, apply_plan, failed, holds, id, plan, planned, read_plan, ready, report, scene, serve, served,
        work_on,
    },
};

fn orders() -> Value {
    json!([{"api": "orders", "environment": "local"}])
}

#[tokio::test]
async fn an_approved_plan_is_carried_out_once() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = ready(&control_plane, &agent, orders()).await;
        let path = format!("plans/{}/apply", id(&plan));
        let other =
            json!({"fingerprint": "sha256:0000000000000000000000000000000000000000000000000000000000000000"});
        let (kind, detail) = control_plane.post(&path, other).await.problem(409);
        assert_eq!(kind, "plan-void");
        assert_eq!(
            detail,
            format!(
                "plan `{}` has the fingerprint {}, but sha256:{} was approved; look at the plan again, or make a new one",
                id(&plan),
                plan["fingerprint"].as_str().unwrap_or_default(),
                "0".repeat(64)
            )
        );
        let approved = json!({"fingerprint": plan["fingerprint"]});
        let applying = control_plane.post(&path, approved).await.expect(202);
        assert_eq!(
            (&applying["state"], &applying["appliedBy"]),
            (&json!("Applying"), &json!("admin"))
        );
        assert_eq!(applying["fingerprint"], plan["fingerprint"]);
        let deployment = applying["items"][0]["deploymentId"]
            .as_str()
            .expect("a deployment")
            .to_owned();
        let work = work_on(&agent, &deployment).await;
        assert_eq!(work.expected, Some(ExpectedState::Absent));
        assert!(!work.confirmed);
        let (kind, detail) = control_plane.post(&path, json!({})).await.problem(409);
        assert_eq!(kind, "wrong-state");
        let at = applying["appliedAt"].as_str().unwrap_or_default();
        assert_eq!(
            detail,
            format!(
                "plan `{}` was applied already, by token/admin at {at}; make a new plan to change more",
                id(&plan)
            )
        );
        serve(&agent, &deployment).await;
        let done = control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| plan["state"] == "Applied")
            .await;
        assert_eq!(done["items"][0]["state"], "Applied", "{done:#}");
        assert_eq!(done["items"][0]["plan"], plan["items"][0]["plan"]);
        assert!(work_on(&agent, &deployment).await.confirmed);
        let history = control_plane
            .get(&format!("deployments/{deployment}/history"))
            .await
            .expect(200);
        assert_eq!(history["items"][0]["revision"], 1, "{history:#}");
        assert_eq!(history["items"][0]["requestedBy"], "token/admin");
        let events = control_plane
            .get(&format!("audit-events?object=plan/{}", id(&plan)))
            .await
            .expect(200);
        let actions: Vec<&str> = events["items"]
            .as_array()
            .expect("events")
            .iter()
            .filter_map(|event| event["action"].as_str())
            .collect();
        assert_eq!(
            actions,
            ["plan.applied", "plan.applying", "plan.ready", "plan.requested"]
        );
    })
    .await;
}

#[tokio::test]
async fn a_plan_is_void_once_its_deployment_moved() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let first = ready(&control_plane, &agent, orders()).await;
        let second = ready(&control_plane, &agent, orders()).await;
        // Two plans on the same deployment: the first to be applied voids the other.
        let applied = apply_plan(&control_plane, &first).await;
        let before = applied["items"][0]["deploymentId"].as_str().expect("an id").to_owned();
        let work = work_on(&agent, &before).await;
        let path = format!("plans/{}/apply", id(&second));
        let (kind, detail) = control_plane.post(&path, json!({})).await.problem(409);
        assert_eq!(kind, "plan-void");
        let expected = format!(
            "plan `{}` is void and nothing was changed: api `orders` in environment `local` was not deployed when the plan was made and is at generation {} now; make a new plan",
            id(&second),
            work.generation
        );
        assert_eq!(detail, expected);
        assert_eq!(work_on(&agent, &before).await, work, "nothing moved");
        let void = read_plan(&control_plane, &second).await;
        assert_eq!((&void["state"], &void["items"][0]["state"]), (&json!("Void"), &json!("Void")));
        let (kind, _) = control_plane.post(&path, json!({})).await.problem(409);
        assert_eq!(kind, "plan-void");
    })
    .await;
}

#[tokio::test]
async fn two_plans_on_one_deployment_cannot_both_be_applied_at_once() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let first = ready(&control_plane, &agent, orders()).await;
        let second = ready(&control_plane, &agent, orders()).await;
        let path = |plan: &Value| format!("plans/{}/apply", id(plan));
        let (one, two) = (path(&first), path(&second));
        let (one, two) = tokio::join!(
            control_plane.post(&one, json!({})),
            control_plane.post(&two, json!({}))
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 409]);
    })
    .await;
}

#[tokio::test]
async fn reading_a_plan_notices_that_it_is_void() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = ready(&control_plane, &agent, orders()).await;
        control_plane.deploy("orders", "local").await.expect(202);
        let read = read_plan(&control_plane, &plan).await;
        assert_eq!(read["state"], "Void", "{read:#}");
        let message = read["items"][0]["message"].as_str().unwrap_or_default();
        assert!(message.ends_with(" now; make a new plan"), "{message}");
        assert_eq!(read["fingerprint"], plan["fingerprint"], "what it said stays");
        control_plane.delete("environments/local").await.problem(409);
    })
    .await;
}

#[tokio::test]
async fn a_plan_is_void_once_policies_change_what_it_would_deploy() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = ready(&control_plane, &agent, orders()).await;
        control_plane
            .apply(json!([{"kind": "Policy", "metadata": {"name": "open"}, "spec": {
                "targets": [{"environment": "local"}],
                "policies": [{"type": "cors", "with": {"allowOrigins": ["https://a.example"]}}]}}]))
            .await;
        let path = format!("plans/{}/apply", id(&plan));
        let (kind, detail) = control_plane.post(&path, json!({})).await.problem(409);
        assert_eq!(kind, "plan-void");
        assert!(
            detail.ends_with(
                "what api `orders` becomes in environment `local` changed since the plan was made (its policies, labels, \
                 secrets, or what it was imported from); make a new plan"
            ),
            "{detail}"
        );
        let listed = control_plane.get("deployments").await.expect(200);
        assert_eq!(listed["items"], json!([]), "nothing was deployed");
    })
    .await;
}

#[tokio::test]
async fn a_plan_is_void_once_the_mode_forbids_it() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = ready(&control_plane, &agent, orders()).await;
        control_plane.with_environment("local", "read-only").await;
        let path = format!("plans/{}/apply", id(&plan));
        let (kind, detail) = control_plane.post(&path, json!({})).await.problem(409);
        assert_eq!(kind, "plan-void");
        assert!(detail.contains("`local` is read-only"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_is_not_worked_out_cannot_be_applied() {
    check(|control_plane| async move {
        scene(&control_plane).await;
        let plan = plan(&control_plane, orders()).await;
        let path = format!("plans/{}/apply", id(&plan));
        let (kind, detail) = control_plane.post(&path, json!({})).await.problem(409);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            format!(
                "plan `{}` is still being worked out; wait until it is `Ready`",
                id(&plan)
            )
        );
        let nowhere = format!("plans/{}/apply", uuid::Uuid::nil());
        let (_, detail) = control_plane.post(&nowhere, json!({})).await.problem(404);
        assert!(detail.starts_with("there is no plan"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn a_rollback_goes_first_and_brings_the_revision_before() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        served(&control_plane, &agent, "orders", "local").await;
        control_plane.with_api("orders", "/orders/v2").await;
        let second = served(&control_plane, &agent, "orders", "local").await;
        let item = json!([{"action": "rollback", "api": "orders", "environment": "local"}]);
        let asked = plan(&control_plane, item).await;
        let now_there = holds(crate::scene::desired(&work_on(&agent, id(&second)).await));
        answer(&agent, |_| planned(now_there.clone())).await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(
            (&plan["items"][0]["fromRevision"], &plan["items"][0]["toRevision"]),
            (&json!(2), &json!(1)),
            "{plan:#}"
        );
        apply_plan(&control_plane, &plan).await;
        let work = work_on(&agent, id(&second)).await;
        assert_eq!(work.priority, Priority::Rollback);
        assert!(
            matches!(&work.expected, Some(ExpectedState::Present { .. })),
            "{work:?}"
        );
        serve(&agent, id(&second)).await;
        control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| plan["state"] == "Applied")
            .await;
        let history = control_plane
            .get(&format!("deployments/{}/history", id(&second)))
            .await
            .expect(200);
        let revisions: Vec<&Value> = history["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|it| &it["revision"])
            .collect();
        assert_eq!(revisions, [&json!(1), &json!(2), &json!(1)]);
    })
    .await;
}

#[tokio::test]
async fn an_undeploy_is_planned_and_carried_out() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let there = holds(crate::scene::desired(&work_on(&agent, id(&made)).await));
        let item = json!([{"action": "undeploy", "api": "orders", "environment": "local"}]);
        let asked = plan(&control_plane, item).await;
        answer(&agent, |task| {
            assert!(matches!(
                task,
                Task::Plan {
                    desired: DesiredState::Absent { .. },
                    ..
                }
            ));
            planned(there.clone())
        })
        .await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(plan["items"][0]["plan"]["action"], "remove", "{plan:#}");
        apply_plan(&control_plane, &plan).await;
        serve(&agent, id(&made)).await;
        control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| plan["state"] == "Applied")
            .await;
        control_plane
            .get(&format!("deployments/{}", id(&made)))
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn items_that_fail_leave_the_others_when_that_was_asked_for() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane.with_api("customers", "/customers").await;
        let both = json!([
            {"api": "orders", "environment": "local"}, {"api": "customers", "environment": "local"}]);
        let plan = ready(&control_plane, &agent, both).await;
        let applying = apply_plan(&control_plane, &plan).await;
        let deployment = |item: usize| {
            applying["items"][item]["deploymentId"]
                .as_str()
                .expect("an id")
                .to_owned()
        };
        serve(&agent, &deployment(0)).await;
        let work = work_on(&agent, &deployment(1)).await;
        report(&agent, &work, failed("Unavailable", "the gateway is away", true)).await;
        let path = format!("plans/{}", id(&plan));
        // What the agent tries again is under way, and says what is wrong meanwhile.
        let waiting = control_plane
            .until(&path, |plan| plan["items"][0]["state"] == "Applied")
            .await;
        assert_eq!(waiting["state"], "Applying", "{waiting:#}");
        let message = waiting["items"][1]["message"].as_str().unwrap_or_default();
        assert!(message.contains("the gateway is away"), "{waiting:#}");
        report(
            &agent,
            &work,
            failed("UpstreamInvalid", "the upstream cannot be used", false),
        )
        .await;
        let ended = control_plane
            .until(&path, |plan| plan["state"] == "Incomplete")
            .await;
        assert_eq!(ended["items"][1]["state"], "Failed", "{ended:#}");
        let message = ended["items"][1]["message"].as_str().unwrap_or_default();
        assert!(message.contains("the upstream cannot be used"), "{message}");
    })
    .await;
}

#[tokio::test]
async fn progress_and_a_gateway_nobody_serves_are_shown() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = ready(&control_plane, &agent, orders()).await;
        let applying = apply_plan(&control_plane, &plan).await;
        let deployment = applying["items"][0]["deploymentId"]
            .as_str()
            .expect("an id")
            .to_owned();
        let work = work_on(&agent, &deployment).await;
        crate::recording::record(&agent, &work, 1, Some("api-1"))
            .await
            .expect("recorded");
        let read = read_plan(&control_plane, &plan).await;
        let progress = &read["items"][0]["progress"];
        assert_eq!(progress["step"]["description"], "create the API", "{read:#}");
        assert_eq!(progress["remainingMs"], 700);
        control_plane
            .delete(&format!("agents/{}", agent.id))
            .await
            .expect(204);
        let alone = control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| {
                plan["items"][0]["message"]
                    .as_str()
                    .is_some_and(|message| message.contains("is connected"))
            })
            .await;
        assert_eq!(alone["state"], "Applying", "{alone:#}");
        let _ = Observation::Absent;
    })
    .await;
}
