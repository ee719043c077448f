//! The five kinds of resources: create, read, replace, delete, list.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{api, check, condition, descriptor, environment, send};

#[tokio::test]
async fn a_resource_is_created_read_replaced_and_deleted() {
    check(|control_plane| async move {
        let created = control_plane
            .post("projects", json!({"metadata": {"name": "payments"}}))
            .await;
        assert_eq!(created.header("location"), "/api/v1/projects/payments");
        assert_eq!(created.header("etag"), "\"1\"");
        let created = created.expect(201);
        assert_eq!(created["kind"], "Project");
        assert_eq!(created["apiVersion"], "gatehouse.dev/v1");
        assert_eq!(created["status"], json!({"apis": 0, "environments": 0}));
        let (kind, detail) = control_plane
            .post("projects", json!({"metadata": {"name": "payments"}}))
            .await
            .problem(409);
        assert_eq!(kind, "already-exists");
        assert!(detail.contains("project `payments` exists already"), "{detail}");
        let body = json!({"metadata": {"name": "payments"}, "spec": {"displayName": "Payments"}});
        let replaced = control_plane.put("projects/payments", body.clone()).await;
        assert_eq!(replaced.header("etag"), "\"2\"");
        replaced.expect(200);
        assert_eq!(
            control_plane.put("projects/payments", body).await.header("etag"),
            "\"2\""
        );
        let read = control_plane.get("projects/payments").await.expect(200);
        assert_eq!(read["spec"]["displayName"], "Payments");
        control_plane.delete("projects/payments").await.expect(204);
        control_plane.get("projects/payments").await.problem(404);
        control_plane.delete("projects/payments").await.problem(404);
    })
    .await;
}

#[tokio::test]
async fn what_was_read_can_be_sent_back() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        for path in ["apis/orders", "environments/local", "projects/default"] {
            let read = control_plane.get(path).await;
            let version = read.header("etag").to_owned();
            let again = control_plane.put(path, read.expect(200)).await;
            assert_eq!(again.header("etag"), version);
            again.expect(200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_write_happens_only_if_its_precondition_holds() {
    check(|control_plane| async move {
        let put = |header: &'static str, value: &'static str| {
            let request = control_plane
                .request(Method::PUT, "/api/v1/apis/orders")
                .header(header, value);
            send(request.json(&api("orders", "/orders")))
        };
        put("if-match", "*").await.problem(412);
        put("if-none-match", "*").await.expect(201);
        let (kind, detail) = put("if-none-match", "*").await.problem(412);
        assert_eq!(kind, "precondition-failed");
        assert!(detail.contains("its ETag is \"1\""), "{detail}");
        put("if-match", "\"2\"").await.problem(412);
        put("if-match", "\"1\"").await.expect(200);
        put("if-match", "1").await.problem(400);
        let delete = |value: &'static str| {
            send(
                control_plane
                    .request(Method::DELETE, "/api/v1/apis/orders")
                    .header("if-match", value),
            )
        };
        delete("\"7\"").await.problem(412);
        delete("\"1\"").await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_document_cannot_go_to_the_path_of_another() {
    check(|control_plane| async move {
        let answer = control_plane.put("apis/orders", api("customers", "/c")).await;
        assert_eq!(answer.body["errors"][0]["pointer"], "/metadata/name");
        answer.problem(422);
        let answer = control_plane
            .post("apis", environment("local", "read-write"))
            .await;
        assert_eq!(answer.body["errors"][0]["pointer"], "/kind");
        answer.problem(422);
        control_plane.post("apis", json!([1])).await.problem(422);
    })
    .await;
}

#[tokio::test]
async fn lists_come_in_pages_by_project_and_label() {
    check(|control_plane| async move {
        control_plane
            .apply(json!([{"kind": "Project", "metadata": {"name": "payments"}}]))
            .await;
        let documents: Vec<Value> = (0..7)
            .map(|number| {
                let mut document = api(&format!("api-{number}"), &format!("/{number}"));
                document["metadata"]["labels"] =
                    json!({"tier": if number % 2 == 0 { "public" } else { "inner" }});
                document["metadata"]["project"] = json!(if number < 5 { "payments" } else { "default" });
                document
            })
            .collect();
        control_plane.apply(json!(documents)).await;
        let names = |page: &Value| -> Vec<String> {
            let items = page["items"].as_array().expect("items").iter();
            items
                .map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let first = control_plane.get("apis?limit=4").await.expect(200);
        assert_eq!(names(&first), ["api-0", "api-1", "api-2", "api-3"]);
        let cursor = first["nextCursor"].as_str().expect("a cursor");
        let second = control_plane
            .get(&format!("apis?limit=4&cursor={cursor}"))
            .await
            .expect(200);
        assert_eq!(names(&second), ["api-4", "api-5", "api-6"]);
        assert_eq!(second.get("nextCursor"), None);
        let public = control_plane
            .get("apis?labelSelector=tier%3Dpublic&project=payments")
            .await
            .expect(200);
        assert_eq!(names(&public), ["api-0", "api-2", "api-4"]);
        control_plane
            .get(&format!("projects?cursor={cursor}"))
            .await
            .problem(400);
        assert_eq!(
            control_plane.get("projects/payments").await.expect(200)["status"]["apis"],
            5
        );
    })
    .await;
}

#[tokio::test]
async fn what_others_depend_on_cannot_be_deleted() {
    check(|control_plane| async move {
        control_plane
            .apply(json!([
                {"kind": "Project", "metadata": {"name": "payments"}},
                {"kind": "Secret", "metadata": {"name": "token", "project": "payments"}, "spec": {"value": "v"}},
                {"kind": "Environment", "metadata": {"name": "local"}, "spec": {
                    "gatewayType": "test", "credentials": {"adminToken": {"secretRef": "token"}}}},
                {"kind": "Policy", "metadata": {"name": "limits"}, "spec": {
                    "targets": [{"environment": "local"}, {"project": "payments"}],
                    "policies": [{"type": "request.size", "with": {"maxBytes": 1000}}]}},
            ]))
            .await;
        let refused = |path: &'static str| {
            let control_plane = control_plane.clone();
            async move { control_plane.delete(path).await.problem(409) }
        };
        let (kind, detail) = refused("projects/payments").await;
        assert_eq!(kind, "in-use");
        assert!(detail.contains("`secret/token`") && detail.contains("`policy/limits`"), "{detail}");
        assert!(refused("secrets/token").await.1.contains("`environment/local`"));
        assert!(refused("environments/local").await.1.contains("`policy/limits`"));
        assert_eq!(
            control_plane.get("secrets/token").await.expect(200)["status"]["usedBy"],
            json!(["environment/local"])
        );
        for path in ["policies/limits", "environments/local", "secrets/token", "projects/payments"] {
            control_plane.delete(path).await.expect(204);
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_never_comes_back() {
    check(|control_plane| async move {
        let secret = |value: &str| json!({"metadata": {"name": "key"}, "spec": {"value": value}});
        let created = control_plane
            .post("secrets", secret("correct-horse"))
            .await
            .expect(201);
        assert_eq!(created["spec"], json!({}));
        control_plane
            .put("secrets/key", secret("battery-staple"))
            .await
            .expect(200);
        let again = control_plane.put("secrets/key", secret("battery-staple")).await;
        assert_eq!(again.header("etag"), "\"2\"");
        let applied = control_plane
            .apply(json!([{"kind": "Secret", "metadata": {"name": "key"}, "spec": {"value": "third"}}]))
            .await;
        assert_eq!(
            applied["results"][0]["changes"],
            json!([{"path": "/spec/value", "before": "(hidden)", "after": "(hidden)"}])
        );
        for path in ["secrets", "secrets/key", "audit-events"] {
            let text = control_plane.get(path).await.expect(200).to_string();
            for value in ["correct-horse", "battery-staple", "third"] {
                assert!(!text.contains(value), "{path} shows {value}");
            }
        }
        let wrong = control_plane
            .post(
                "secrets",
                json!({"metadata": {"name": "other"}, "spec": {"value": 17, "valu": "correct-horse"}}),
            )
            .await;
        assert!(
            !wrong.body.to_string().contains("correct-horse"),
            "{:#}",
            wrong.body
        );
        wrong.problem(422);
    })
    .await;
}

#[tokio::test]
async fn a_reference_to_nothing_is_refused() {
    check(|control_plane| async move {
        let mut document = api("orders", "/orders");
        document["metadata"]["project"] = json!("nowhere");
        let answer = control_plane.post("apis", document).await;
        assert_eq!(answer.body["errors"][0]["pointer"], "/metadata/project");
        let (_, detail) = answer.problem(422);
        assert!(detail.contains("there is no project `nowhere`"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn settings_are_checked_once_a_connector_has_said_what_it_takes() {
    check(|control_plane| async move {
        let document = |settings: Value| {
            json!({"metadata": {"name": "kong"}, "spec": {"gatewayType": "test", "settings": settings}})
        };
        let created = control_plane.post("environments", document(json!({"anything": true}))).await.expect(201);
        assert_eq!(
            condition(&created, "SettingsValid")["message"],
            "no agent for gateway type `test` has said yet which settings it takes"
        );
        assert_eq!(
            condition(&created, "Connected")["message"],
            "no agent for gateway type `test` has served it yet; `gatehouse agent join-token --type test` gives a token to \
             start one with"
        );
        let agent = control_plane.with_agent(&descriptor()).await;
        control_plane.with_lease(agent, "kong").await;
        let read = control_plane.get("environments/kong").await.expect(200);
        assert_eq!(condition(&read, "SettingsValid")["status"], "False");
        assert_eq!(condition(&read, "Connected")["status"], "True");
        assert_eq!(read["status"]["agentId"], agent.to_string());
        let answer = control_plane.put("environments/kong", document(json!({"adminUrl": 1}))).await;
        assert_eq!(answer.body["errors"][0]["pointer"], "/spec/settings/adminUrl");
        answer.problem(422);
        let right = control_plane.put("environments/kong", document(json!({"adminUrl": "http://kong"}))).await;
        assert_eq!(
            condition(&right.expect(200), "SettingsValid")["message"],
            "the settings are what the connector for `test` takes"
        );
    })
    .await;
}

#[tokio::test]
async fn agents_are_listed_and_revoked() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = control_plane.with_agent(&descriptor()).await;
        control_plane.with_lease(agent, "local").await;
        let listed = control_plane.get("agents").await.expect(200);
        let first = &listed["items"][0];
        assert_eq!(first["online"], true);
        assert_eq!(first["environments"], json!(["local"]));
        assert_eq!(first["descriptor"]["displayName"], "Test");
        assert_eq!(
            control_plane.get("agents?gatewayType=kong").await.expect(200)["items"],
            json!([])
        );
        control_plane.delete(&format!("agents/{agent}")).await.expect(204);
        control_plane.delete(&format!("agents/{agent}")).await.expect(204);
        let read = control_plane.get(&format!("agents/{agent}")).await.expect(200);
        assert_eq!(read["revoked"], true);
        assert_eq!(read["online"], false);
        let local = control_plane.get("environments/local").await.expect(200);
        assert_eq!(condition(&local, "Connected")["status"], "False");
        control_plane
            .get(&format!("agents/{}", uuid::Uuid::nil()))
            .await
            .problem(404);
    })
    .await;
}
