//! Apply: many documents in any order, all of them or none.

use serde_json::{Value, json};

use crate::harness::{api, check, environment};

fn story() -> Value {
    let mut orders = api("orders", "/orders");
    orders["metadata"]["project"] = json!("payments");
    orders["spec"]["policies"] =
        json!([{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}]);
    json!([
        orders,
        {"kind": "Policy", "metadata": {"name": "limits", "project": "payments"}, "spec": {
            "targets": [{"environment": "local"}],
            "policies": [{"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "second"}]}}]}},
        environment("local", "read-write"),
        {"kind": "Secret", "metadata": {"name": "shop-key", "project": "payments"}, "spec": {"value": "v"}},
        {"kind": "Project", "metadata": {"name": "payments"}},
    ])
}

#[tokio::test]
async fn documents_may_come_in_any_order_and_twice() {
    check(|control_plane| async move {
        let first = control_plane.apply(story()).await;
        let results = first["results"].as_array().expect("results");
        let kinds: Vec<&str> = results
            .iter()
            .filter_map(|result| result["kind"].as_str())
            .collect();
        assert_eq!(kinds, ["Api", "Policy", "Environment", "Secret", "Project"]);
        assert!(
            results.iter().all(|result| result["action"] == "created"),
            "{first:#}"
        );
        let again = control_plane.apply(story()).await;
        let results = again["results"].as_array().expect("results");
        assert!(
            results.iter().all(|result| result["action"] == "unchanged"),
            "{again:#}"
        );
        assert!(
            results.iter().all(|result| result["changes"] == json!([])),
            "{again:#}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    check(|control_plane| async move {
        let body = json!({"documents": story(), "dryRun": true});
        let said = control_plane.post("apply", body).await.expect(200);
        assert_eq!(said["dryRun"], true);
        assert_eq!(said["results"][0]["revision"], 1);
        for path in [
            "apis/orders",
            "environments/local",
            "projects/payments",
            "secrets/shop-key",
        ] {
            control_plane.get(path).await.problem(404);
        }
        assert_eq!(
            control_plane
                .get("audit-events?object=api/orders")
                .await
                .expect(200)["items"],
            json!([])
        );
    })
    .await;
}

#[tokio::test]
async fn all_problems_of_all_documents_are_reported_and_nothing_is_written() {
    check(|control_plane| async move {
        let documents = json!([
            api("good", "/good"),
            {"kind": "Api", "metadata": {"name": "bad"}, "spec": {"basePath": "x", "upstreams": {}}},
            {"kind": "Apis", "metadata": {"name": "worse"}, "spec": {}},
            {"kind": "Environment", "metadata": {"name": "local"}, "spec": {"gatewayType": "test", "mod": "read-write"}},
        ]);
        let answer = control_plane.post("apply", json!({"documents": documents})).await;
        let errors = answer.body["errors"].as_array().expect("errors").clone();
        answer.problem(422);
        let of_document = |number: u64| errors.iter().filter(|error| error["document"] == number).count();
        assert_eq!(of_document(0), 0);
        assert!(of_document(1) >= 2, "{errors:#?}");
        assert_eq!((of_document(2), of_document(3)), (1, 1), "{errors:#?}");
        control_plane.get("apis/good").await.problem(404);
    })
    .await;
}

#[tokio::test]
async fn references_to_nothing_undo_everything() {
    check(|control_plane| async move {
        let mut orders = api("orders", "/orders");
        orders["spec"]["policies"] =
            json!([{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "none"}]}}]);
        let documents = json!([{"kind": "Project", "metadata": {"name": "payments"}}, orders]);
        let answer = control_plane.post("apply", json!({"documents": documents})).await;
        assert_eq!(answer.body["errors"][0]["document"], 1);
        answer.problem(422);
        control_plane.get("projects/payments").await.problem(404);
    })
    .await;
}

#[tokio::test]
async fn the_same_resource_twice_is_a_mistake() {
    check(|control_plane| async move {
        let documents = json!([api("orders", "/a"), api("orders", "/b")]);
        let answer = control_plane.post("apply", json!({"documents": documents})).await;
        assert_eq!(answer.body["errors"][0]["document"], 1);
        let (_, detail) = answer.problem(422);
        assert!(detail.contains("twice"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn schedules_and_drift_policies_have_an_effect_and_need_no_warning() {
    check(|control_plane| async move {
        let mut document = environment("local", "read-write");
        document["spec"]["discovery"] = json!({"schedule": "*/15 * * * *"});
        document["spec"]["driftPolicy"] = json!("revert");
        let applied = control_plane.apply(json!([document])).await;
        assert!(applied["results"][0]["warnings"].is_null(), "{applied:#}");
    })
    .await;
}

#[tokio::test]
async fn every_change_leaves_an_audit_event() {
    check(|control_plane| async move {
        control_plane.apply(json!([api("orders", "/orders")])).await;
        control_plane.apply(json!([api("orders", "/orders/v2")])).await;
        control_plane.delete("apis/orders").await.expect(204);
        let events = control_plane
            .get("audit-events?object=api/orders")
            .await
            .expect(200);
        let actions: Vec<&str> = events["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter_map(|event| event["action"].as_str())
            .collect();
        assert_eq!(actions, ["api.deleted", "api.updated", "api.created"]);
        let updated = &events["items"][1];
        assert_eq!(updated["actor"], "token/admin");
        assert_eq!(updated["details"]["changes"][0]["path"], "/spec/basePath");
        assert!(updated["requestId"].is_string());
        let page = control_plane
            .get("audit-events?object=api/orders&limit=1")
            .await
            .expect(200);
        let cursor = page["nextCursor"].as_str().expect("a cursor");
        let next = control_plane
            .get(&format!("audit-events?object=api/orders&limit=1&cursor={cursor}"))
            .await
            .expect(200);
        assert_eq!(next["items"][0]["action"], "api.updated");
    })
    .await;
}
