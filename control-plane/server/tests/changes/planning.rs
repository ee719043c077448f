//! Plans: worked out by agents, refused with a text that says what to do, the same ever after.

use gatehouse_control_plane_api::agent::{Task, TaskResult};
use gatehouse_control_plane_store::{NewTask, PlanPart};
use gatehouse_schemas::{descriptor::Fidelity, identity::ExternalRef, observed::Observation, resource::Kind};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    harness::{ControlPlane, api, check, descriptor, now},
    scene::{
        answer, holds, holds_changed, id, plan, planned, planned_with, read_plan, ready, scene, served,
        work_on,
    },
};

fn orders() -> Value {
    json!([{"api": "orders", "environment": "local"}])
}

async fn plan_of(control_plane: &ControlPlane) -> Value {
    plan(control_plane, orders()).await
}

/// The item's state and message.
fn told(plan: &Value, item: usize) -> (String, String) {
    let text = |field: &str| plan["items"][item][field].as_str().unwrap_or_default().to_owned();
    (text("state"), text("message"))
}

#[tokio::test]
async fn a_plan_is_worked_out_by_an_agent_and_says_the_same_ever_after() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let asked = plan(&control_plane, orders()).await;
        assert_eq!(
            (&asked["state"], &asked["createdBy"]),
            (&json!("Pending"), &json!("admin"))
        );
        let position = agent.work(0).await;
        let [task] = position.tasks.as_slice() else {
            panic!("{position:?}")
        };
        assert!(matches!(&task.task, Task::Plan { .. }), "{task:?}");
        answer(&agent, |_| planned(Observation::Absent)).await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(plan["state"], "Ready", "{plan:#}");
        let item = &plan["items"][0];
        assert_eq!(item["plan"]["action"], "create", "{plan:#}");
        assert_eq!(item["toRevision"], 1);
        assert_eq!(item["etaMs"], 1500);
        assert_eq!(item["calls"], json!({"PutRoute": 2}));
        assert!(
            item["plan"]["changes"]
                .as_array()
                .is_some_and(|changes| !changes.is_empty())
        );
        assert!(plan["fingerprint"].is_string());
        assert!(
            agent.work(0).await.tasks.is_empty(),
            "an answered task is not asked again"
        );
        assert_eq!(read_plan(&control_plane, &asked).await, plan);
        let listed = control_plane
            .get("plans?state=Ready&api=orders")
            .await
            .expect(200);
        assert_eq!(listed["items"][0], plan);
        let none = control_plane.get("plans?environment=elsewhere").await.expect(200);
        assert_eq!(none["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn what_the_gateway_holds_already_needs_nothing() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        served(&control_plane, &agent, "orders", "local").await;
        let asked = plan(&control_plane, orders()).await;
        answer(&agent, |task| match task {
            Task::Plan {
                desired: gatehouse_control_plane_api::agent::DesiredState::Present { api },
                ..
            } => planned(holds(api)),
            _ => planned(Observation::Absent),
        })
        .await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(plan["items"][0]["plan"]["action"], "nothing", "{plan:#}");
        let warning = plan["items"][0]["warnings"][0]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(warning, "the gateway holds this already; nothing changes there");
        let applied = crate::scene::apply_plan(&control_plane, &plan).await;
        assert_eq!(applied["items"][0]["state"], "Applied", "{applied:#}");
        control_plane
            .until(&format!("plans/{}", id(&plan)), |plan| plan["state"] == "Applied")
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_plan_says_what_it_would_undo_on_the_gateway() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let work = work_on(&agent, id(&made)).await;
        let asked = plan(&control_plane, orders()).await;
        let seen = holds_changed(crate::scene::desired(&work), |api| {
            api.content.display_name = "Bestellungen".to_owned();
        });
        answer(&agent, |_| planned(seen.clone())).await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(plan["items"][0]["plan"]["action"], "update", "{plan:#}");
        let warning = plan["items"][0]["warnings"][0].as_str().unwrap_or_default();
        assert_eq!(
            warning,
            "the gateway was changed beside Gatehouse since the last deploy: what it holds is overwritten: \
             `/displayName` was \"Bestellungen\"; this plan undoes that"
        );
        let asked = plan_of(&control_plane).await;
        answer(&agent, |_| planned(Observation::Absent)).await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(
            plan["items"][0]["warnings"][0],
            "the gateway was changed beside Gatehouse since the last deploy: what was deployed is not there any more; this \
             plan undoes that"
        );
        let removal = json!([{"action": "undeploy", "api": "orders", "environment": "local"}]);
        let asked = crate::scene::plan(&control_plane, removal).await;
        answer(&agent, |_| planned(seen.clone())).await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(
            plan["items"][0]["warnings"][0],
            "the gateway was changed beside Gatehouse since the last deploy: it holds something else than was deployed; this \
             plan undoes that"
        );
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_what_to_do() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane.with_environment("prod", "read-only").await;
        control_plane.with_api("customers", "/customers").await;
        control_plane.with_api("twin", "/customers").await;
        served(&control_plane, &agent, "customers", "local").await;
        for (item, expected) in [
            (
                json!({"api": "orders", "environment": "prod"}),
                "environment `prod` is read-only and cannot be deployed to; set its mode to `read-write` or `write-only` to deploy",
            ),
            (
                json!({"action": "undeploy", "api": "orders", "environment": "local"}),
                "api `orders` is not deployed in environment `local`; there is nothing to take off",
            ),
            (
                json!({"action": "revert", "api": "orders", "environment": "local"}),
                "api `orders` is not deployed in environment `local`; there is nothing to put back",
            ),
            (
                json!({"action": "adopt", "api": "orders", "environment": "local"}),
                "api `orders` was not imported from environment `local`, so there is nothing to adopt; \
                 discover and import it there first, or deploy it with `gatehouse deploy orders --to local`",
            ),
            (
                json!({"api": "twin", "environment": "local"}),
                "api `twin` and api `customers`, which is deployed in environment `local`, both answer * /customers on \
                 host *; change the base path or host names of one of them, or undeploy `customers` first",
            ),
        ] {
            let plan = plan(&control_plane, json!([item])).await;
            assert_eq!(plan["state"], "Refused", "{plan:#}");
            let (state, message) = told(&plan, 0);
            assert_eq!(state, "Refused");
            assert_eq!(message, expected);
        }
        assert!(
            agent.work(0).await.tasks.is_empty(),
            "nobody is asked about what is refused"
        );
    })
    .await;
}

#[tokio::test]
async fn two_items_of_a_plan_cannot_take_one_place_but_can_change_places() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane.with_api("twin", "/orders").await;
        let both = json!([
            {"api": "orders", "environment": "local"}, {"api": "twin", "environment": "local"}]);
        let refused = plan(&control_plane, both).await;
        answer(&agent, |_| planned(Observation::Absent)).await;
        let refused = read_plan(&control_plane, &refused).await;
        assert_eq!(refused["state"], "Refused", "{refused:#}");
        served(&control_plane, &agent, "orders", "local").await;
        let exchange = json!([
            {"action": "undeploy", "api": "orders", "environment": "local"},
            {"api": "twin", "environment": "local"}]);
        let asked = plan(&control_plane, exchange).await;
        answer(&agent, |_| planned(Observation::Absent)).await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(plan["state"], "Ready", "{plan:#}");
    })
    .await;
}

#[tokio::test]
async fn security_that_cannot_be_enforced_stops_a_plan_whatever_is_accepted() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let mut document = api("orders", "/orders");
        document["spec"]["policies"] = json!([{"type": "auth.jwt", "with": {
            "issuer": "https://idp", "audiences": ["orders"], "jwksUri": "https://idp/jwks"}}]);
        control_plane.apply(json!([document])).await;
        let body = json!({"items": orders(), "acceptLoss": true});
        let asked = control_plane.post("plans", body).await.expect(202);
        let unsupported = Fidelity::Unsupported {
            reason: "it knows no tokens".to_owned(),
        };
        answer(&agent, |task| {
            planned_with(task, Observation::Absent, &unsupported)
        })
        .await;
        let plan = read_plan(&control_plane, &asked).await;
        assert_eq!(plan["state"], "Refused", "{plan:#}");
        let (_, message) = told(&plan, 0);
        let reason = "api `orders` asks for the security policy `auth.jwt`, which gateways of type `test` cannot enforce (it \
                      knows no tokens); environment `local` would serve it unprotected, so it is not deployed there; protect \
                      it with a policy that this gateway can enforce, or deploy it to another";
        assert_eq!(message, reason);
        assert_eq!(plan["items"][0]["fidelity"][0]["policy"], "auth.jwt");
        let path = format!("plans/{}/apply", id(&plan));
        let (kind, detail) = control_plane.post(&path, json!({})).await.problem(409);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            format!(
                "plan `{}` cannot be carried out: {reason}; remove the cause, and make a new plan",
                id(&plan)
            )
        );
    })
    .await;
}

#[tokio::test]
async fn other_losses_need_to_be_accepted_by_the_plan_or_the_environment() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let mut document = api("orders", "/orders");
        document["spec"]["policies"] =
            json!([{"type": "cors", "with": {"allowOrigins": ["https://a.example"]}}]);
        control_plane.apply(json!([document])).await;
        let nearly = Fidelity::Approximated {
            difference: "preflight answers cannot be cached".to_owned(),
        };
        let planned_once = async |accept: bool| {
            let body = json!({"items": orders(), "acceptLoss": accept});
            let asked = control_plane.post("plans", body).await.expect(202);
            answer(&agent, |task| planned_with(task, Observation::Absent, &nearly)).await;
            read_plan(&control_plane, &asked).await
        };
        let refused = planned_once(false).await;
        assert_eq!(refused["state"], "Refused", "{refused:#}");
        let (_, message) = told(&refused, 0);
        assert_eq!(
            message,
            "the gateway of environment `local` cannot express all of api `orders`: `cors` is approximated (preflight answers \
             cannot be cached); accept that with `--accept-loss` (`acceptLoss`) or for the whole environment with \
             `spec.acceptLoss`, or change the policies"
        );
        let accepted = planned_once(true).await;
        assert_eq!(accepted["state"], "Ready", "{accepted:#}");
        let warning = accepted["items"][0]["warnings"][0].as_str().unwrap_or_default();
        assert_eq!(
            warning,
            "not expressed exactly: 1 of 1 policies; the fidelity report says what differs"
        );
        control_plane
            .apply(json!([{"kind": "Environment", "metadata": {"name": "local"},
                "spec": {"gatewayType": "test", "acceptLoss": true}}]))
            .await;
        assert_eq!(planned_once(false).await["state"], "Ready");
    })
    .await;
}

#[tokio::test]
async fn what_agents_cannot_plan_over_is_refused() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let unknown = Observation::Unknown {
            reason: "the gateway timed out".to_owned(),
        };
        let foreign = |task: &Task| match task {
            Task::Plan {
                desired: gatehouse_control_plane_api::agent::DesiredState::Present { api },
                ..
            } => planned(holds_changed(api, |observed| {
                observed.mark = None;
                observed.external_ref = ExternalRef("theirs".to_owned());
            })),
            other => panic!("{other:?}"),
        };
        let cannot = TaskResult::Failed {
            reason: "Forbidden".to_owned(),
            message: "the credential may not read APIs; give it the permission".to_owned(),
        };
        for (say, expected) in [
            (
                &(|_: &Task| planned(unknown.clone())) as &(dyn Fn(&Task) -> TaskResult + Sync),
                "cannot plan `orders` in `local`: what the gateway holds is unknown (the gateway timed out); remove the cause, \
                 and plan again",
            ),
            (
                &foreign,
                "cannot deploy `orders`: `theirs` on the gateway was not created by Gatehouse; remove or rename it there, or \
                 choose another place for `orders`",
            ),
            (
                &|_: &Task| cannot.clone(),
                "the credential may not read APIs; give it the permission",
            ),
        ] {
            let asked = plan(&control_plane, orders()).await;
            answer(&agent, say).await;
            let plan = read_plan(&control_plane, &asked).await;
            assert_eq!(plan["state"], "Refused", "{plan:#}");
            assert_eq!(told(&plan, 0).1, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn what_no_agent_answers_is_refused_and_says_which_agent_is_missing() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let asked = plan(&control_plane, orders()).await;
        let plan_id = id(&asked).parse().expect("an id");
        // The same question again, with a time that is over already.
        let mut transaction = control_plane.transaction().await;
        let environment = transaction
            .resource(Kind::Environment, &"local".parse().expect("a name"))
            .await
            .expect("a database")
            .expect("the environment");
        let open = transaction
            .plan_tasks(plan_id)
            .await
            .expect("a database")
            .remove(0);
        let overdue = NewTask {
            task: open.task,
            expires_at: now(),
            plan: Some(PlanPart { plan_id, item: 0 }),
        };
        transaction
            .create_task(&environment, &overdue)
            .await
            .expect("a task");
        transaction.commit().await.expect("a commit");
        let path = format!("plans/{plan_id}");
        let plan = control_plane
            .until(&path, |plan| plan["state"] == "Refused")
            .await;
        let (_, message) = told(&plan, 0);
        let expected = "no agent for gateway type `test` answered for environment `local` within 0 seconds, since none is \
                        connected; start one with a token from `gatehouse agent join-token --type test`, then ask again";
        assert_eq!(message, expected);
    })
    .await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let problem = async |items: Value, status: u16| {
            control_plane
                .post("plans", json!({"items": items}))
                .await
                .problem(status)
                .1
        };
        let detail = problem(json!([]), 422).await;
        assert_eq!(detail, "/items: there are 0 items; a plan has 1 to 100");
        let twice =
            json!([{"api": "orders", "environment": "local"}, {"api": "orders", "environment": "local"}]);
        let detail = problem(twice, 422).await;
        assert_eq!(
            detail,
            "/items/1: api `orders` in environment `local` is in this plan twice; keep one"
        );
        let detail = problem(
            json!([{"action": "undeploy", "api": "orders", "environment": "local", "revision": 1}]),
            422,
        )
        .await;
        assert_eq!(
            detail,
            "/items/0/revision: only `deploy`, `rollback` and `adopt` take a revision; leave it out"
        );
        let detail = problem(json!([{"api": "orders", "environment": "nowhere"}]), 404).await;
        assert_eq!(detail, "there is no environment `nowhere`");
        let detail = problem(
            json!([{"api": "orders", "environment": "local", "revision": 7}]),
            404,
        )
        .await;
        assert_eq!(detail, "api `orders` has no revision 7; the newest is 1");
        served(&control_plane, &agent, "orders", "local").await;
        let detail = problem(
            json!([{"action": "rollback", "api": "orders", "environment": "local"}]),
            409,
        )
        .await;
        assert_eq!(
            detail,
            "api `orders` has no earlier revision in environment `local` to go back to; name one with `--to-revision` \
             (`revision`), or deploy another revision"
        );
        control_plane
            .get(&format!("plans/{}", uuid::Uuid::nil()))
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn another_agent_works_out_what_a_revoked_one_was_asked() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let asked = plan(&control_plane, orders()).await;
        assert_eq!(agent.work(0).await.tasks.len(), 1);
        control_plane
            .delete(&format!("agents/{}", agent.id))
            .await
            .expect(204);
        let other = Agent::start(&control_plane, descriptor()).await;
        answer(&other, |_| planned(Observation::Absent)).await;
        assert_eq!(read_plan(&control_plane, &asked).await["state"], "Ready");
        let _ = ready(&control_plane, &other, orders()).await;
    })
    .await;
}
