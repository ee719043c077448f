//! What plans never take away: objects that were there before, changes that somebody made on the gateway, the places of
//! other APIs.

use gatehouse_control_plane_api::agent::{
    DeploymentWork, DesiredState, ExpectedState, StepReport, StepState, Task,
};
use gatehouse_control_plane_store::ApiSource;
use gatehouse_schemas::{
    identity::{ApiId, ExternalRef},
    observed::Observation,
};
use serde_json::{Value, json};

use crate::{
    agent::{Agent, environment_id},
    harness::{ControlPlane, api, check, environment},
    recording::step,
    scene::{
        answer, apply_plan, desired, failed, holds, holds_changed, id, observe, plan, planned, read_plan,
        ready, report, scene, serve, served, work_on,
    },
};

fn deployment(plan: &Value, item: usize) -> String {
    let id = plan["items"][item]["deploymentId"].as_str();
    id.expect("a deployment").to_owned()
}

fn message(plan: &Value, item: usize) -> &str {
    plan["items"][item]["message"].as_str().unwrap_or_default()
}

/// `orders` was imported from the object `svc-1` of `local`.
async fn imported(control_plane: &ControlPlane) {
    let uid = control_plane.get("apis/orders").await.expect(200)["metadata"]["uid"].clone();
    let source = ApiSource {
        api_id: ApiId(uid.as_str().expect("a uid").parse().expect("a UUID")),
        environment_id: environment_id(control_plane, "local").await,
        external_ref: ExternalRef("svc-1".to_owned()),
        name: None,
        imported: None,
    };
    let mut transaction = control_plane.transaction().await;
    transaction.set_api_source(&source, None).await.expect("a source");
    transaction.commit().await.expect("a commit");
}

/// A plan to adopt `orders` and to deploy `customers`, both or none.
async fn adopting(control_plane: &ControlPlane, agent: &Agent) -> Value {
    imported(control_plane).await;
    control_plane.with_api("customers", "/customers").await;
    let body = json!({"strategy": "all-or-nothing", "items": [
        {"action": "adopt", "api": "orders", "environment": "local"},
        {"api": "customers", "environment": "local"}]});
    let asked = control_plane.post("plans", body).await.expect(202);
    answer(agent, |task| match task {
        Task::Plan {
            desired: DesiredState::Present { api },
            adopt: Some(_),
            ..
        } => planned(holds_changed(api, |there| there.mark = None)),
        _ => planned(Observation::Absent),
    })
    .await;
    let plan = read_plan(control_plane, &asked).await;
    assert_eq!(plan["state"], "Ready", "{plan:#}");
    apply_plan(control_plane, &plan).await
}

#[tokio::test]
async fn what_was_adopted_is_not_deleted_because_another_item_failed() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = adopting(&control_plane, &agent).await;
        serve(&agent, &deployment(&plan, 0)).await;
        let customers = work_on(&agent, &deployment(&plan, 1)).await;
        report(&agent, &customers, failed("UpstreamInvalid", "no", false)).await;
        // What else was begun is put back.
        control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| {
                plan["items"][0]["state"] == "Failed"
            })
            .await;
        let orders = work_on(&agent, &deployment(&plan, 0)).await;
        assert!(
            matches!(orders.desired, DesiredState::Present { .. }),
            "{orders:?}"
        );
        let ended = control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| {
                plan["state"] == "Incomplete"
            })
            .await;
        let told = message(&ended, 0);
        assert_eq!(
            told,
            "another item failed, but api `orders` took over `svc-1` of environment `local`, which was there before; it stays \
             deployed, since taking it off would delete that; deploy another revision to change it"
        );
    })
    .await;
}

#[tokio::test]
async fn an_adoption_that_was_refused_leaves_no_removal_behind() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = adopting(&control_plane, &agent).await;
        let orders = work_on(&agent, &deployment(&plan, 0)).await;
        report(&agent, &orders, failed("PolicyUnsupported", "no", false)).await;
        control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| {
                plan["state"] != "Applying"
            })
            .await;
        control_plane
            .get(&format!("deployments/{}", deployment(&plan, 0)))
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn once_an_object_carries_our_mark_no_unmarked_one_may_be_taken_over() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = adopting(&control_plane, &agent).await;
        let orders = deployment(&plan, 0);
        assert_eq!(
            work_on(&agent, &orders).await.adopt,
            Some(ExternalRef("svc-1".to_owned()))
        );
        serve(&agent, &orders).await;
        assert_eq!(work_on(&agent, &orders).await.adopt, None);
        control_plane.with_api("orders", "/orders/v2").await;
        control_plane.deploy("orders", "local").await.expect(202);
        assert_eq!(work_on(&agent, &orders).await.adopt, None);
    })
    .await;
}

/// `orders` is served at revision 1; a plan for the next revision is recorded, and nobody has begun it.
async fn upgrading(control_plane: &ControlPlane, agent: &Agent, there: &DeploymentWork, path: &str) -> Value {
    control_plane.with_api("orders", path).await;
    let asked = plan(control_plane, json!([{"api": "orders", "environment": "local"}])).await;
    answer(agent, |_| planned(holds(desired(there)))).await;
    apply_plan(control_plane, &read_plan(control_plane, &asked).await).await
}

#[tokio::test]
async fn a_plan_that_waits_below_a_void_one_still_rests_on_what_it_saw() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let there = work_on(&agent, id(&made)).await;
        upgrading(&control_plane, &agent, &there, "/orders/v2").await;
        let saw = Some(ExpectedState::Present {
            fingerprint: desired(&there).fingerprint.clone(),
        });
        assert_eq!(work_on(&agent, id(&made)).await.expected, saw);
        let second = upgrading(&control_plane, &agent, &there, "/orders/v3").await;
        let work = work_on(&agent, id(&made)).await;
        report(&agent, &work, failed("PlanVoid", "it moved", false)).await;
        control_plane
            .until(&format!("plans/{}", id(&second)), |plan| plan["state"] == "Void")
            .await;
        let back = work_on(&agent, id(&made)).await;
        assert_eq!(desired(&back).content.base_path, "/orders/v2");
        assert_eq!(
            back.expected, saw,
            "what moved the gateway must not be overwritten"
        );
    })
    .await;
}

/// Attaches a policy set to everything in `local`.
async fn attach(control_plane: &ControlPlane) {
    control_plane
        .apply(
            json!([{"kind": "Policy", "metadata": {"name": "browsers"}, "spec": {
            "targets": [{"environment": "local"}],
            "policies": [{"type": "cors", "with": {"allowOrigins": ["https://shop.example"]}}]}}]),
        )
        .await;
}

#[tokio::test]
async fn policies_written_meanwhile_do_not_keep_a_void_plan_in_force() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let there = work_on(&agent, id(&made)).await;
        let plan = upgrading(&control_plane, &agent, &there, "/orders/v2").await;
        attach(&control_plane).await;
        let work = work_on(&agent, id(&made)).await;
        assert!(work.expected.is_some(), "{work:?}");
        report(&agent, &work, failed("PlanVoid", "it moved", false)).await;
        control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| plan["state"] == "Void")
            .await;
        let back = work_on(&agent, id(&made)).await;
        assert_eq!(desired(&back).content.base_path, "/orders");
        assert_eq!(desired(&back).content.policies.len(), 1, "{back:?}");
    })
    .await;
}

/// A plan to upgrade `orders` and to deploy `customers`, both or none; `orders` is upgraded already.
async fn upgraded(control_plane: &ControlPlane, agent: &Agent) -> Value {
    let made = served(control_plane, agent, "orders", "local").await;
    let there = work_on(agent, id(&made)).await;
    control_plane
        .apply(json!([
            api("orders", "/orders/v2"),
            api("customers", "/customers")
        ]))
        .await;
    let body = json!({"strategy": "all-or-nothing", "items": [
        {"api": "orders", "environment": "local"}, {"api": "customers", "environment": "local"}]});
    let asked = control_plane.post("plans", body).await.expect(202);
    answer(agent, |task| match task {
        Task::Plan {
            desired: DesiredState::Present { api },
            ..
        } if api.mark.api_name.as_str() == "orders" => planned(holds(desired(&there))),
        _ => planned(Observation::Absent),
    })
    .await;
    let applying = apply_plan(control_plane, &read_plan(control_plane, &asked).await).await;
    serve(agent, id(&made)).await;
    applying
}

#[tokio::test]
async fn policies_written_meanwhile_are_no_reason_to_leave_an_item_as_it_is() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = upgraded(&control_plane, &agent).await;
        attach(&control_plane).await;
        serve(&agent, &deployment(&plan, 0)).await;
        let customers = work_on(&agent, &deployment(&plan, 1)).await;
        report(&agent, &customers, failed("UpstreamInvalid", "no", false)).await;
        control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| {
                plan["state"] == "Compensating"
            })
            .await;
        let back = work_on(&agent, &deployment(&plan, 0)).await;
        assert_eq!(desired(&back).content.base_path, "/orders");
        assert_eq!(desired(&back).content.policies.len(), 1, "{back:?}");
    })
    .await;
}

#[tokio::test]
async fn what_took_the_former_place_keeps_it() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = upgraded(&control_plane, &agent).await;
        control_plane.with_api("legacy", "/orders").await;
        control_plane.deploy("legacy", "local").await.expect(202);
        let customers = work_on(&agent, &deployment(&plan, 1)).await;
        report(&agent, &customers, failed("UpstreamInvalid", "no", false)).await;
        let path = format!("plans/{}", id(&plan));
        let told = control_plane
            .until(&path, |plan| plan["items"][0]["state"] == "Failed")
            .await;
        let told = message(&told, 0);
        assert_eq!(
            told,
            "what was desired before cannot be put back: api `orders` and api `legacy`, which is deployed in environment \
             `local`, both answer * /orders on host *; change the base path or host names of one of them, or undeploy \
             `legacy` first; then deploy it by hand"
        );
        let stays = work_on(&agent, &deployment(&plan, 0)).await;
        assert_eq!(desired(&stays).content.base_path, "/orders/v2");
    })
    .await;
}

#[tokio::test]
async fn adopting_drift_takes_what_was_seen_and_overwrites_nothing_later() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = crate::scene::renamed(&control_plane, &agent).await;
        let seen = holds_changed(desired(&work), |api| {
            api.content.display_name = "Bestellungen".to_owned();
        });
        let Observation::Present(seen) = seen else {
            panic!("it is there")
        };
        control_plane
            .post(
                &format!("deployments/{}/drift-resolution", work.id),
                json!({"resolution": "adopt"}),
            )
            .await
            .expect(202);
        let new = work_on(&agent, &work.id.to_string()).await;
        let expected = ExpectedState::Present {
            fingerprint: seen.fingerprint,
        };
        assert_eq!(new.expected, Some(expected));
    })
    .await;
}

#[tokio::test]
async fn late_word_of_a_step_is_not_kept_beyond_the_deploy() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = control_plane.deploy("orders", "local").await.expect(202);
        let work = work_on(&agent, id(&made)).await;
        crate::recording::record(&agent, &work, 1, Some("api-1"))
            .await
            .expect("recorded");
        serve(&agent, id(&made)).await;
        let mut done = step(&work, 1, Some("api-1"));
        done.state = StepState::Done;
        let late = StepReport {
            fencing: agent.fencing().await,
            step: done,
            remaining_ms: None,
        };
        agent
            .client
            .step(&agent.token, work.id, &late)
            .await
            .expect("nothing to complain of");
        let steps = work_on(&agent, id(&made)).await.steps;
        assert!(steps.is_empty(), "{steps:?}");
    })
    .await;
}

#[tokio::test]
async fn a_policy_never_adopts_that_protection_is_gone() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane
            .apply(json!([
                {"kind": "Secret", "metadata": {"name": "partner-key"}, "spec": {"value": "s3cret"}},
                {"kind": "Api", "metadata": {"name": "orders"}, "spec": {
                    "basePath": "/orders",
                    "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
                    "policies": [{"type": "auth.apiKey", "with": {"keys": [{"consumer": "partner", "secretRef": "partner-key"}]}}]}},
                {"kind": "Environment", "metadata": {"name": "local"},
                    "spec": {"gatewayType": "test", "driftPolicy": "adopt"}},
                api("parcels", "/parcels")]))
            .await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let other = served(&control_plane, &agent, "parcels", "local").await;
        let work = work_on(&agent, id(&made)).await;
        assert_eq!(desired(&work).content.policies.len(), 1);
        let open = holds_changed(desired(&work), |api| api.content.policies.clear());
        observe(&agent, &work, Some(open)).await;
        // Another drift that can be adopted passes it: by then the other was seen and left.
        crate::scene::rename(&agent, id(&other)).await;
        control_plane
            .until(&format!("deployments/{}", id(&other)), |it| it["revision"] == 2)
            .await;
        let api = control_plane.get("apis/orders").await.expect(200);
        assert_eq!(api["spec"]["policies"].as_array().map(Vec::len), Some(1), "{api:#}");
        // People may.
        let path = format!("deployments/{}/drift-resolution", id(&made));
        control_plane
            .post(&path, json!({"resolution": "adopt"}))
            .await
            .expect(202);
    })
    .await;
}

#[tokio::test]
async fn an_environment_that_leads_elsewhere_voids_what_was_planned_for_it() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let items = json!([{"api": "orders", "environment": "local"}]);
        let same = ready(&control_plane, &agent, items.clone()).await;
        let mut document = environment("local", "read-write");
        document["metadata"]["labels"] = json!({"team": "one"});
        control_plane.apply(json!([document.clone()])).await;
        assert_eq!(read_plan(&control_plane, &same).await["state"], "Ready");
        document["spec"]["settings"] = json!({"adminUrl": "http://127.0.0.1:7"});
        control_plane.apply(json!([document])).await;
        let answer = control_plane
            .post(&format!("plans/{}/apply", id(&same)), json!({}))
            .await;
        let (kind, detail) = answer.problem(409);
        assert_eq!(kind, "plan-void");
        assert!(
            detail.ends_with(
                "environment `local` leads to another gateway than when the plan was made (its settings or credentials were \
                 changed); make a new plan"
            ),
            "{detail}"
        );
    })
    .await;
}

#[tokio::test]
async fn what_nobody_can_answer_ends_soon() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let path = "environments/local/checks";
        let wait = |task: &Value| {
            let time = |field: &str| task[field].as_str().unwrap_or_default().to_owned();
            (time("createdAt"), time("expiresAt"))
        };
        let alone = control_plane.post(path, json!({})).await.expect(202);
        let (created, expires) = wait(&alone);
        let seconds = |text: &str| -> i64 {
            let seconds: i64 = text[17..19].parse().expect("seconds");
            let minutes: i64 = text[14..16].parse().expect("minutes");
            minutes * 60 + seconds
        };
        let between = |created: &str, expires: &str| (seconds(expires) - seconds(created)).rem_euclid(3600);
        assert!(between(&created, &expires) <= 5, "{alone:#}");
        let agent = Agent::start(&control_plane, crate::harness::descriptor()).await;
        agent.work(0).await;
        let attended = control_plane.post(path, json!({})).await.expect(202);
        let (created, expires) = wait(&attended);
        assert!(between(&created, &expires) >= 59, "{attended:#}");
    })
    .await;
}
