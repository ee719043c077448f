//! Discoveries and imports. What an agent would send is written to the database.

use gatehouse_control_plane_store::{
    DiscoveredStatus, DiscoveryCounts, DiscoveryState, PackedFindings, PageEnd, PageRequest,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    diff::Change,
    identity::{DiscoveryId, ExternalRef},
    observed::{Classification, DiscoveredItem, ObservedApi},
    revision::RevisionContent,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{ControlPlane, api, check, descriptor};

fn content(base_path: &str) -> RevisionContent {
    serde_json::from_value(json!({
        "displayName": "Found", "version": "v1", "type": "rest", "direction": "ingress", "basePath": base_path,
        "upstreams": {"main": {"url": "http://127.0.0.1:9", "timeoutMs": 30000, "connectTimeoutMs": 5000}},
    }))
    .expect("a content")
}

fn found(reference: &str, name: &str, base_path: &str) -> DiscoveredItem {
    let content = content(base_path);
    DiscoveredItem::Api(Box::new(ObservedApi {
        version: None,
        tags: Vec::new(),
        definition: None,
        external_ref: ExternalRef(reference.to_owned()),
        name: name.to_owned(),
        mark: None,
        endpoint_urls: Vec::new(),
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        content,
    }))
}

/// A discovery that found these items, classified as given, each as the API of that name if there is one.
async fn discovered(
    control_plane: &ControlPlane,
    findings: Vec<(DiscoveredItem, Classification, Option<&str>)>,
) -> String {
    let created = control_plane
        .post("discoveries", json!({"environment": "local"}))
        .await
        .expect(202);
    let text = created["id"].as_str().expect("an id").to_owned();
    let id: DiscoveryId = text.parse().expect("an id");
    let items: Vec<DiscoveredItem> = findings.iter().map(|(item, ..)| item.clone()).collect();
    let attempt = Uuid::now_v7();
    let mut transaction = control_plane.transaction().await;
    let end = PageEnd {
        items: items.len() as u64,
        ..PageEnd::default()
    };
    let packed = PackedFindings::of(items).await.expect("findings");
    transaction
        .add_items(id, 1, attempt, &packed)
        .await
        .expect("items");
    transaction
        .finish_page(id, 1, attempt, end)
        .await
        .expect("a page");
    let rows = transaction
        .discovered_items(id, &Default::default(), &PageRequest::default())
        .await
        .expect("rows");
    for (row, (_, classification, name)) in rows.items.iter().zip(findings) {
        let api = match name {
            Some(name) => {
                let uid =
                    control_plane.get(&format!("apis/{name}")).await.expect(200)["metadata"]["uid"].clone();
                let id = uid.as_str().expect("a uid").parse().expect("an id");
                Some((id, name.parse().expect("a name")))
            }
            None => None,
        };
        let status = DiscoveredStatus {
            classification,
            api,
            managed: false,
        };
        transaction
            .classify_items(&[(row.id, status)])
            .await
            .expect("a class");
    }
    transaction
        .finish_discovery(id, DiscoveryState::Complete, None, DiscoveryCounts::default())
        .await
        .expect("an end");
    transaction.commit().await.expect("a commit");
    text
}

#[tokio::test]
async fn a_discovery_waits_for_an_agent_and_says_so() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let answer = control_plane
            .post("discoveries", json!({"environment": "local"}))
            .await;
        let location = answer
            .header("location")
            .trim_start_matches("/api/v1/")
            .to_owned();
        let created = answer.expect(202);
        assert_eq!(created["state"], "Pending");
        assert_eq!(
            created["message"],
            "no agent for gateway type `test` is connected; the discovery starts when one is"
        );
        let read = control_plane.get(&location).await.expect(200);
        assert_eq!(read["id"], created["id"]);
        assert_eq!(
            control_plane
                .get("discoveries?environment=local")
                .await
                .expect(200)["items"][0]["id"],
            created["id"]
        );
        let (kind, detail) = control_plane.get(&format!("{location}/items")).await.problem(409);
        assert_eq!(kind, "wrong-state");
        let id = created["id"].as_str().expect("an id");
        assert_eq!(
            detail,
            format!(
                "discovery `{id}` has not ended; its findings are compared with the catalog then, so ask again once `gatehouse \
                 discoveries show {id}` says that it has"
            )
        );
        control_plane
            .post(&format!("{location}/imports"), json!({}))
            .await
            .problem(409);
        control_plane
            .get(&format!("discoveries/{}", Uuid::nil()))
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_discovered_is_refused() {
    check(|control_plane| async move {
        control_plane.with_environment("blind", "write-only").await;
        let (kind, detail) = control_plane
            .post("discoveries", json!({"environment": "blind"}))
            .await
            .problem(409);
        assert_eq!(kind, "mode-forbids");
        assert_eq!(
            detail,
            "environment `blind` is write-only and cannot be discovered; set its mode to `read-write` or `read-only` to \
             discover"
        );
        control_plane
            .post("discoveries", json!({"environment": "nowhere"}))
            .await
            .problem(404);
        let mut shy = descriptor();
        shy.capabilities.discover = false;
        control_plane.with_agent(&shy).await;
        control_plane.with_environment("local", "read-write").await;
        let (kind, _) = control_plane
            .post("discoveries", json!({"environment": "local"}))
            .await
            .problem(409);
        assert_eq!(kind, "capability-lacking");
    })
    .await;
}

#[tokio::test]
async fn findings_are_imported_each_with_its_result() {
    check(|control_plane| async move {
        control_plane
            .apply(json!([{"kind": "Project", "metadata": {"name": "payments"}},
                {"kind": "Environment", "metadata": {"name": "local", "project": "payments"}, "spec": {"gatewayType": "test"}},
                api("orders-api", "/taken"), api("known", "/known")]))
            .await;
        let change = Change { path: "/basePath".to_owned(), before: Some(json!("/known")), after: Some(json!("/new")) };
        let id = discovered(
            &control_plane,
            vec![
                (found("ref-1", "Orders API", "/orders"), Classification::New { duplicates: Vec::new() }, None),
                (found("ref-2", "Known", "/new"), Classification::Changed { changes: vec![change], change_class: Default::default(), consumers: Vec::new() }, Some("known")),
                (found("ref-3", "Same", "/same"), Classification::Unchanged, None),
                (
                    DiscoveredItem::Unreadable {
                        external_ref: ExternalRef("ref-4".to_owned()),
                        name: "Broken".to_owned(),
                        reason: "it has no route".to_owned(),
                    },
                    Classification::Error { reason: "it has no route".to_owned() },
                    None,
                ),
            ],
        )
        .await;
        let items = control_plane.get(&format!("discoveries/{id}/items")).await.expect(200)["items"].clone();
        assert_eq!(items[0]["class"], "new");
        assert_eq!(items[0].get("observed"), None);
        let one = format!("discoveries/{id}/items/{}", items[0]["id"].as_str().expect("an id"));
        assert_eq!(control_plane.get(&one).await.expect(200)["observed"]["content"]["basePath"], "/orders");
        let errors = control_plane.get(&format!("discoveries/{id}/items?class=error")).await.expect(200);
        assert_eq!(errors["items"].as_array().map(Vec::len), Some(1));
        control_plane.get(&format!("discoveries/{id}/items?class=odd")).await.problem(400);

        let all: Vec<&Value> = items.as_array().expect("items").iter().map(|item| &item["id"]).collect();
        let answer = control_plane.post(&format!("discoveries/{id}/imports"), json!({"items": all})).await;
        let location = answer.header("location").trim_start_matches("/api/v1/").to_owned();
        let import = answer.expect(201);
        let actions: Vec<&str> = import["results"].as_array().expect("results").iter()
            .filter_map(|result| result["action"].as_str()).collect();
        // Nobody imported `known` before: what people wrote is not touched, and the difference is told.
        assert_eq!(actions, ["created", "unchanged", "unchanged", "skipped"], "{import:#}");
        let conflicts: Vec<&str> = import["results"][1]["conflicts"].as_array().expect("conflicts").iter()
            .filter_map(|conflict| conflict["path"].as_str()).collect();
        assert_eq!(conflicts, ["/basePath", "/displayName"], "{import:#}");
        assert_eq!(import["results"][0]["api"], "orders-api-2");
        assert_eq!(import["results"][3]["message"], "it has no route");
        assert_eq!(control_plane.get(&location).await.expect(200), import);
        assert_eq!(control_plane.get("imports").await.expect(200)["items"][0]["id"], import["id"]);
        let created = control_plane.get("apis/orders-api-2").await.expect(200);
        assert_eq!(created["metadata"]["project"], "payments");
        assert_eq!(created["status"]["importedFrom"], json!({"environment": "local", "externalRef": "ref-1"}));
        assert_eq!(control_plane.get("apis/known").await.expect(200)["status"]["latestRevision"], 1);

        // Without a choice, all that is new or changed; what was imported meanwhile is not imported again.
        let again = control_plane.post(&format!("discoveries/{id}/imports"), json!({})).await.expect(201);
        let actions: Vec<&str> = again["results"].as_array().expect("results").iter()
            .filter_map(|result| result["action"].as_str()).collect();
        assert_eq!(actions, ["skipped", "unchanged"], "{again:#}");
    })
    .await;
}

#[tokio::test]
async fn a_finding_of_another_discovery_is_refused() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let id = discovered(
            &control_plane,
            vec![(
                found("ref-1", "Orders", "/orders"),
                Classification::New {
                    duplicates: Vec::new(),
                },
                None,
            )],
        )
        .await;
        let answer = control_plane
            .post(
                &format!("discoveries/{id}/imports"),
                json!({"items": [Uuid::nil()]}),
            )
            .await;
        assert_eq!(
            answer.problem(422).1,
            format!("/items/0: discovery `{id}` has no finding `{}`", Uuid::nil())
        );
        control_plane
            .get(&format!("discoveries/{id}/items/{}", Uuid::nil()))
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn what_the_catalog_cannot_express_is_skipped_with_a_reason() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let id = discovered(
            &control_plane,
            vec![
                (
                    found("ref-1", "Odd", "no-slash"),
                    Classification::New {
                        duplicates: Vec::new(),
                    },
                    None,
                ),
                (
                    found("ref-2", "Fine", "/fine"),
                    Classification::New {
                        duplicates: Vec::new(),
                    },
                    None,
                ),
            ],
        )
        .await;
        let import = control_plane
            .post(&format!("discoveries/{id}/imports"), json!({}))
            .await
            .expect(201);
        assert_eq!(import["results"][0]["action"], "skipped");
        let message = import["results"][0]["message"].as_str().expect("a message");
        assert!(
            message.starts_with("it cannot be expressed in the catalog: /spec/basePath: "),
            "{message}"
        );
        assert_eq!(import["results"][1]["action"], "created");
        control_plane.delete("environments/local").await.expect(204);
        let answer = control_plane.post(&format!("discoveries/{id}/imports"), json!({})).await;
        assert_eq!(
            answer.problem(409).1,
            "environment `local` was deleted; its findings cannot be imported; make it again, and discover it anew"
        );
    })
    .await;
}
