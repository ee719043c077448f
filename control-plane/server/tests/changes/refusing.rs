//! What people are told when something that a change rests on went away, or cannot be had: what happened, to which
//! object, what to do next.

use gatehouse_control_plane_api::agent::{DesiredState, Task};
use gatehouse_control_plane_store::{ApiSource, NewTask, PlanPart};
use gatehouse_schemas::{
    identity::{ApiId, ExternalRef},
    observed::Observation,
    resource::Kind,
};
use serde_json::{Value, json};

use crate::{
    agent::environment_id,
    harness::{ControlPlane, api, check, now},
    scene::{
        answer, apply_plan, desired, failed, holds_changed, id, observe, plan, planned, read_plan, ready,
        report, scene, serve, served, work_on,
    },
};

fn orders() -> Value {
    json!([{"api": "orders", "environment": "local"}])
}

fn message(plan: &Value, item: usize) -> &str {
    plan["items"][item]["message"].as_str().unwrap_or_default()
}

/// Why it is not known how the one deployment stands.
async fn unknown(control_plane: &ControlPlane) -> Value {
    let drift = control_plane.get("drift").await.expect(200);
    assert_eq!(drift["items"][0]["state"], "unknown", "{drift:#}");
    drift["items"][0]["reason"].clone()
}

#[tokio::test]
async fn how_it_stands_is_not_known_before_somebody_looked() {
    check(|control_plane| async move {
        scene(&control_plane).await;
        control_plane.deploy("orders", "local").await.expect(202);
        assert_eq!(
            unknown(&control_plane).await,
            "it is not deployed yet; the deployment's conditions say how that goes"
        );
    })
    .await;
}

#[tokio::test]
async fn what_the_catalog_cannot_take_over_is_not_adopted() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let work = work_on(&agent, id(&made)).await;
        let path = format!("deployments/{}/drift-resolution", id(&made));
        let adopt = async || {
            let answer = control_plane.post(&path, json!({"resolution": "adopt"})).await;
            answer.problem(409)
        };
        let odd = holds_changed(desired(&work), |api| {
            api.content.base_path = "no-slash".to_owned();
        });
        observe(&agent, &work, Some(odd)).await;
        let (kind, detail) = adopt().await;
        assert_eq!(kind, "wrong-state");
        let (before, after) = (
            "what the gateway holds of api `orders` breaks a rule of the catalog: /spec/basePath: ",
            "; put it back with `gatehouse drift resolve orders --env local --revert`, or change the catalog by hand",
        );
        assert!(
            detail.starts_with(before) && detail.ends_with(after),
            "{detail}"
        );
        let unmarked = holds_changed(desired(&work), |api| api.mark = None);
        observe(&agent, &work, Some(unmarked)).await;
        assert_eq!(
            adopt().await.1,
            "what differs of api `orders` in environment `local` is not a part of the API that the catalog could take over \
             (a mark or the version of a secret); put it back with `gatehouse drift resolve orders --env local --revert`"
        );
    })
    .await;
}

#[tokio::test]
async fn a_plan_is_void_once_its_api_is_gone() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let plan = ready(&control_plane, &agent, orders()).await;
        control_plane.delete("apis/orders").await.expect(204);
        let void = read_plan(&control_plane, &plan).await;
        assert_eq!(void["state"], "Void", "{void:#}");
        assert_eq!(
            message(&void, 0),
            "api `orders` or environment `local` was deleted since the plan was made; make a new plan of what is there"
        );
    })
    .await;
}

#[tokio::test]
async fn what_was_imported_is_adopted_and_not_overwritten() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let uid = control_plane.get("apis/orders").await.expect(200)["metadata"]["uid"].clone();
        let source = ApiSource {
            api_id: ApiId(uid.as_str().expect("a uid").parse().expect("a UUID")),
            environment_id: environment_id(&control_plane, "local").await,
            external_ref: ExternalRef("svc-1".to_owned()),
            name: None,
            imported: None,
        };
        let mut transaction = control_plane.transaction().await;
        transaction.set_api_source(&source, None).await.expect("a source");
        transaction.commit().await.expect("a commit");
        let asked = plan(&control_plane, orders()).await;
        answer(&agent, |task| match task {
            Task::Plan {
                desired: DesiredState::Present { api },
                ..
            } => planned(holds_changed(api, |there| there.mark = None)),
            _ => planned(Observation::Absent),
        })
        .await;
        let refused = read_plan(&control_plane, &asked).await;
        assert_eq!(
            message(&refused, 0),
            "cannot deploy `orders`: it was imported from `svc-1` of environment `local`, which Gatehouse does not manage yet; \
             take it over with `gatehouse adopt orders --env local`"
        );
        served(&control_plane, &agent, "orders", "local").await;
        let adopt = json!([{"action": "adopt", "api": "orders", "environment": "local"}]);
        let refused = plan(&control_plane, adopt).await;
        assert_eq!(
            message(&refused, 0),
            "api `orders` is deployed in environment `local` already, so Gatehouse manages it there; deploy it to change it"
        );
    })
    .await;
}

#[tokio::test]
async fn an_item_that_somebody_else_overtook_says_so() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let removed = ready(&control_plane, &agent, orders()).await;
        let applying = apply_plan(&control_plane, &removed).await;
        let deployment = applying["items"][0]["deploymentId"].as_str().expect("an id");
        let path = format!("deployments/{deployment}");
        control_plane.delete(&path).await.expect(202);
        serve(&agent, deployment).await;
        let ended = control_plane
            .until(&format!("plans/{}", id(&removed)), |plan| {
                plan["state"] == "Incomplete"
            })
            .await;
        let told = message(&ended, 0);
        let taken_off = "api `orders` was taken off environment `local` meanwhile; if it should be there, make a new plan";
        let changed = "something else was asked for meanwhile: api `orders` in environment `local` is at generation ";
        assert!(told == taken_off || told.starts_with(changed), "{told}");

        let changed_plan = ready(&control_plane, &agent, orders()).await;
        let applying = apply_plan(&control_plane, &changed_plan).await;
        assert_eq!(applying["state"], "Applying", "{applying:#}");
        control_plane.with_api("orders", "/orders/v2").await;
        let other = control_plane.deploy("orders", "local").await.expect(202);
        let ended = control_plane
            .until(&format!("plans/{}", id(&changed_plan)), |plan| {
                plan["state"] == "Incomplete"
            })
            .await;
        assert_eq!(
            message(&ended, 0),
            format!(
                "something else was asked for meanwhile: api `orders` in environment `local` is at generation {} now; make a \
                 new plan to change that",
                other["generation"]
            )
        );
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_put_back_says_why() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane.with_api("customers", "/customers").await;
        served(&control_plane, &agent, "orders", "local").await;
        control_plane.apply(json!([api("orders", "/orders/v2")])).await;
        let body = json!({"strategy": "all-or-nothing", "items": [
            {"api": "orders", "environment": "local"}, {"api": "customers", "environment": "local"}]});
        let asked = control_plane.post("plans", body).await.expect(202);
        answer(&agent, |_| planned(Observation::Absent)).await;
        let plan = read_plan(&control_plane, &asked).await;
        let applying = apply_plan(&control_plane, &plan).await;
        let deployment = |item: usize| {
            let id = applying["items"][item]["deploymentId"].as_str();
            id.expect("an id").to_owned()
        };
        serve(&agent, &deployment(0)).await;
        let customers = work_on(&agent, &deployment(1)).await;
        report(&agent, &customers, failed("UpstreamInvalid", "no", false)).await;
        let path = format!("plans/{}", id(&plan));
        control_plane
            .until(&path, |plan| plan["state"] == "Compensating")
            .await;
        let back = work_on(&agent, &deployment(0)).await;
        let refused = failed("UpstreamInvalid", "the old upstream is gone", false);
        report(&agent, &back, refused).await;
        serve(&agent, &deployment(1)).await;
        let ended = control_plane
            .until(&path, |plan| plan["state"] == "Incomplete")
            .await;
        let told = message(&ended, 0);
        let (before, after) = (
            "it could not be put back: ",
            "the old upstream is gone (agent `test agent`; deploy again once the cause is removed)",
        );
        assert!(told.starts_with(before) && told.ends_with(after), "{told}");
    })
    .await;
}

#[tokio::test]
async fn what_was_asked_of_an_environment_that_goes_away_ends_and_says_so() {
    check(|control_plane| async move {
        scene(&control_plane).await;
        let asked = plan(&control_plane, orders()).await;
        let plan_id = id(&asked).parse().expect("an id");
        let mut transaction = control_plane.transaction().await;
        let environment = transaction
            .resource(Kind::Environment, &"local".parse().expect("a name"))
            .await
            .expect("a database")
            .expect("the environment");
        let mut open = transaction.plan_tasks(plan_id).await.expect("a database");
        drop(transaction);
        control_plane.delete("environments/local").await.expect(204);
        // Their time is over, too.
        let mut transaction = control_plane.transaction().await;
        let checking = NewTask {
            task: serde_json::to_value(Task::Check).expect("JSON"),
            expires_at: now(),
            plan: None,
        };
        let planning = NewTask {
            task: open.remove(0).task,
            expires_at: now(),
            plan: Some(PlanPart { plan_id, item: 0 }),
        };
        let checking = transaction.create_task(&environment, &checking).await;
        let checking = checking.expect("a task");
        let planning = transaction.create_task(&environment, &planning).await;
        planning.expect("a task");
        transaction.commit().await.expect("a commit");
        let ended = control_plane
            .until(&format!("tasks/{}", checking.id), |task| task["state"] == "Failed")
            .await;
        assert_eq!(
            ended["result"],
            json!({"kind": "failed", "reason": "EnvironmentDeleted",
                "message": "environment `local` was deleted before an agent answered; make it again, then ask again"})
        );
        let refused = control_plane
            .until(&format!("plans/{plan_id}"), |plan| plan["state"] == "Refused")
            .await;
        assert_eq!(
            message(&refused, 0),
            "environment `local` was deleted before this was worked out; plan for one that is there"
        );
    })
    .await;
}
