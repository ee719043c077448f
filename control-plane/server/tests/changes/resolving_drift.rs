//! Resolving drift: putting back what was applied, or making what the gateway holds a revision; by hand and by policy.

use gatehouse_schemas::observed::Observation;
use serde_json::{Value, json};

use crate::{
    harness::{ControlPlane, api, check},
    scene::{desired, holds_changed, id, observe, renamed, scene, serve, served, work_on},
};

async fn resolve(control_plane: &ControlPlane, deployment: &str, resolution: &str) -> crate::harness::Answer {
    let path = format!("deployments/{deployment}/drift-resolution");
    control_plane.post(&path, json!({"resolution": resolution})).await
}

async fn with_policy(control_plane: &ControlPlane, policy: &str) {
    let applied = control_plane
        .apply(json!([{"kind": "Environment", "metadata": {"name": "local"},
            "spec": {"gatewayType": "test", "driftPolicy": policy}}]))
        .await;
    assert!(applied["results"][0]["warnings"].is_null(), "{applied:#}");
}

#[tokio::test]
async fn reverting_desires_the_same_under_a_new_generation() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = renamed(&control_plane, &agent).await;
        let resolved = resolve(&control_plane, &work.id.to_string(), "revert")
            .await
            .expect(202);
        assert_eq!(resolved["revision"], 1);
        let again = work_on(&agent, &work.id.to_string()).await;
        assert!(
            again.generation > work.generation && !again.confirmed,
            "{again:?}"
        );
        assert_eq!(desired(&again), desired(&work));
        serve(&agent, &work.id.to_string()).await;
        let (kind, detail) = resolve(&control_plane, &work.id.to_string(), "revert")
            .await
            .problem(409);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            "api `orders` in environment `local` was last seen as desired, so there is no drift to resolve; `gatehouse drift \
             local` looks again"
        );
        resolve(&control_plane, &uuid::Uuid::nil().to_string(), "revert")
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn deploying_again_puts_drift_right_too() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = renamed(&control_plane, &agent).await;
        let again = control_plane.deploy("orders", "local").await.expect(202);
        assert!(again["generation"].as_u64() > Some(work.generation.0));
    })
    .await;
}

#[tokio::test]
async fn adopting_makes_what_the_gateway_holds_a_revision() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = renamed(&control_plane, &agent).await;
        let resolved = resolve(&control_plane, &work.id.to_string(), "adopt")
            .await
            .expect(202);
        assert_eq!(resolved["revision"], 2, "{resolved:#}");
        let api = control_plane.get("apis/orders").await.expect(200);
        assert_eq!(api["spec"]["displayName"], "Bestellungen", "{api:#}");
        let new = work_on(&agent, &work.id.to_string()).await;
        assert_eq!(desired(&new).content.display_name, "Bestellungen");
        assert_eq!(desired(&new).mark.revision.0, 2);
        let events = control_plane
            .get(&format!(
                "audit-events?object=deployment/{}&action=drift.adopted",
                work.id
            ))
            .await
            .expect(200);
        assert_eq!(
            events["items"][0]["details"]["fields"],
            json!(["/displayName"]),
            "{events:#}"
        );
    })
    .await;
}

#[tokio::test]
async fn adopting_keeps_what_was_changed_in_the_catalog_elsewhere() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = renamed(&control_plane, &agent).await;
        let mut document = api("orders", "/orders");
        document["spec"]["version"] = json!("v2");
        control_plane.apply(json!([document])).await;
        resolve(&control_plane, &work.id.to_string(), "adopt")
            .await
            .expect(202);
        let api = control_plane.get("apis/orders").await.expect(200);
        assert_eq!(
            (&api["spec"]["version"], &api["spec"]["displayName"]),
            (&json!("v2"), &json!("Bestellungen"))
        );
    })
    .await;
}

#[tokio::test]
async fn the_same_field_changed_on_both_sides_is_for_people() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = renamed(&control_plane, &agent).await;
        let mut document = api("orders", "/orders");
        document["spec"]["displayName"] = json!("Commandes");
        control_plane.apply(json!([document])).await;
        let answer = resolve(&control_plane, &work.id.to_string(), "adopt").await;
        assert_eq!(
            answer.body["errors"],
            json!([{"pointer": "/displayName",
                "detail": "the catalog has \"Commandes\", the gateway \"Bestellungen\""}])
        );
        let (kind, detail) = answer.problem(409);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            "api `orders` was changed in the catalog and on the gateway of environment `local` at the same places: \
             `/displayName`; nothing was changed; make them agree, or put back what was applied with `gatehouse drift resolve \
             orders --env local --revert`"
        );
        let api = control_plane.get("apis/orders").await.expect(200);
        assert_eq!(api["spec"]["displayName"], "Commandes");
    })
    .await;
}

#[tokio::test]
async fn policies_of_attached_sets_cannot_be_adopted() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane
            .apply(json!([{"kind": "Policy", "metadata": {"name": "edge"}, "spec": {
                "targets": [{"environment": "local"}],
                "policies": [{"type": "cors", "with": {"allowOrigins": ["https://a.example"]}}]}}]))
            .await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let work = work_on(&agent, id(&made)).await;
        let seen = holds_changed(desired(&work), |api| api.content.policies.clear());
        observe(&agent, &work, Some(seen)).await;
        let (kind, detail) = resolve(&control_plane, id(&made), "adopt").await.problem(409);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            "the policy `cors` of api `orders` was changed on the gateway of environment `local`, but it comes from \
             `policy/edge`, which other APIs share, so it cannot be adopted; change it there, or put back what was applied \
             with `gatehouse drift resolve orders --env local --revert`"
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_can_be_put_back_but_not_adopted() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let work = work_on(&agent, id(&made)).await;
        observe(&agent, &work, Some(Observation::Absent)).await;
        let (_, detail) = resolve(&control_plane, id(&made), "adopt").await.problem(409);
        assert_eq!(
            detail,
            "api `orders` is not on the gateway of environment `local` any more, so there is nothing to adopt; put it back \
             with `gatehouse drift resolve orders --env local --revert`, or undeploy it"
        );
        resolve(&control_plane, id(&made), "revert").await.expect(202);
        control_plane
            .delete(&format!("deployments/{}", id(&made)))
            .await
            .expect(202);
        let (_, detail) = resolve(&control_plane, id(&made), "revert").await.problem(409);
        assert_eq!(
            detail,
            "api `orders` is being taken off environment `local`, so there is no drift to resolve; deploy it again to keep it \
             there"
        );
    })
    .await;
}

#[tokio::test]
async fn drift_is_not_resolved_where_the_mode_forbids_it() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let work = renamed(&control_plane, &agent).await;
        control_plane.with_environment("local", "read-only").await;
        let (kind, _) = resolve(&control_plane, &work.id.to_string(), "revert")
            .await
            .problem(409);
        assert_eq!(kind, "mode-forbids");
    })
    .await;
}

async fn audited(control_plane: &ControlPlane, deployment: &str, action: &str) -> Value {
    let path = format!("audit-events?object=deployment/{deployment}&action={action}");
    let events = control_plane
        .until(&path, |events| {
            events["items"].as_array().is_some_and(|items| !items.is_empty())
        })
        .await;
    events["items"][0].clone()
}

#[tokio::test]
async fn a_policy_puts_drift_back_by_itself() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        with_policy(&control_plane, "revert").await;
        let work = renamed(&control_plane, &agent).await;
        let event = audited(&control_plane, &work.id.to_string(), "drift.reverted").await;
        assert_eq!(
            (&event["actor"], &event["details"]["fields"]),
            (&json!("system"), &json!(["/displayName"]))
        );
        let again = work_on(&agent, &work.id.to_string()).await;
        assert!(again.generation > work.generation && !again.confirmed);
        assert_eq!(desired(&again), desired(&work));
    })
    .await;
}

#[tokio::test]
async fn what_comes_back_again_and_again_is_told_and_left() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        with_policy(&control_plane, "revert").await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let mut transaction = control_plane.transaction().await;
        let details = json!({"fields": ["/displayName"]});
        for _ in 0..5 {
            let object = format!("deployment/{}", id(&made));
            transaction
                .audit("drift.reverted", &object, &details)
                .await
                .expect("an event");
        }
        transaction.commit().await.expect("a commit");
        let work = work_on(&agent, id(&made)).await;
        let seen = holds_changed(desired(&work), |api| {
            api.content.display_name = "Bestellungen".to_owned();
        });
        observe(&agent, &work, Some(seen)).await;
        let event = audited(&control_plane, id(&made), "drift.repeated").await;
        assert_eq!(event["details"]["fields"], json!(["/displayName"]), "{event:#}");
        assert_eq!(
            work_on(&agent, id(&made)).await.generation,
            work.generation,
            "it is left"
        );
    })
    .await;
}

#[tokio::test]
async fn a_policy_adopts_drift_by_itself_but_never_a_conflict() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        with_policy(&control_plane, "adopt").await;
        let work = renamed(&control_plane, &agent).await;
        audited(&control_plane, &work.id.to_string(), "drift.adopted").await;
        let api_now = control_plane.get("apis/orders").await.expect(200);
        assert_eq!(api_now["spec"]["displayName"], "Bestellungen");
        serve(&agent, &work.id.to_string()).await;
        let mut document = api("orders", "/orders");
        document["spec"]["displayName"] = json!("Commandes");
        control_plane.apply(json!([document])).await;
        let work = work_on(&agent, &work.id.to_string()).await;
        let seen = holds_changed(desired(&work), |api| {
            api.content.display_name = "Pedidos".to_owned();
        });
        observe(&agent, &work, Some(seen.clone())).await;
        observe(&agent, &work, Some(seen)).await;
        // Another drift that can be adopted passes it: by then the conflict was seen and left.
        control_plane.with_api("customers", "/customers").await;
        let other = served(&control_plane, &agent, "customers", "local").await;
        let other_work = work_on(&agent, id(&other)).await;
        let seen = holds_changed(desired(&other_work), |api| api.content.version = "v3".to_owned());
        observe(&agent, &other_work, Some(seen)).await;
        audited(&control_plane, id(&other), "drift.adopted").await;
        assert_eq!(
            work_on(&agent, &work.id.to_string()).await.generation,
            work.generation
        );
        let api_now = control_plane.get("apis/orders").await.expect(200);
        assert_eq!(api_now["spec"]["displayName"], "Commandes");
    })
    .await;
}
