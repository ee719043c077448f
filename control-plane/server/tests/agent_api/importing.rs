//! Imports of what agents found: choosing, keeping what people edited, renames, definitions, duplicates; and findings
//! that the gateway says it did not change.

use gatehouse_control_plane_api::agent::DiscoveryOutcome;
use gatehouse_schemas::{
    canonical::{Fingerprint, canonical_json},
    identity::{DiscoveryId, ExternalRef},
    observed::{DiscoveredItem, ObservedApi},
    openapi,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    agent::{Agent, environment_id},
    discovering::{classes, discovery, discovery_of, found, lines, told, unreadable},
    harness::{ControlPlane, check, descriptor, send},
};

/// An API that the gateway holds, as a test would like it.
pub(crate) fn observed(
    reference: &str,
    name: &str,
    base_path: &str,
    change: impl FnOnce(&mut ObservedApi),
) -> DiscoveredItem {
    let DiscoveredItem::Api(mut api) = found(reference, name, base_path) else {
        panic!("an API");
    };
    api.content.display_name = name.to_owned();
    change(&mut api);
    api.fingerprint = Fingerprint::of(&api.content).expect("a fingerprint");
    DiscoveredItem::Api(api)
}

pub(crate) fn at_version(item: DiscoveredItem, version: &str) -> DiscoveredItem {
    match item {
        DiscoveredItem::Api(mut api) => {
            api.version = Some(version.to_owned());
            DiscoveredItem::Api(api)
        }
        other => other,
    }
}

pub(crate) fn tagged(item: DiscoveredItem, tag: &str) -> DiscoveredItem {
    match item {
        DiscoveredItem::Api(mut api) => {
            api.tags = vec![tag.to_owned()];
            DiscoveredItem::Api(api)
        }
        other => other,
    }
}

pub(crate) fn unchanged(reference: &str, name: &str) -> DiscoveredItem {
    DiscoveredItem::Unchanged {
        external_ref: ExternalRef(reference.to_owned()),
        name: name.to_owned(),
    }
}

pub(crate) async fn whole(
    control_plane: &ControlPlane,
    agent: &Agent,
    items: &[DiscoveredItem],
) -> DiscoveryId {
    let id = discovery(control_plane).await;
    agent.page(id, 1, items).await;
    agent.complete(id, 1, DiscoveryOutcome::Complete).await;
    id
}

pub(crate) async fn import(control_plane: &ControlPlane, id: DiscoveryId, request: Value) -> Vec<Value> {
    let import = control_plane
        .post(&format!("discoveries/{id}/imports"), request)
        .await
        .expect(201);
    import["results"].as_array().expect("results").clone()
}

async fn api(control_plane: &ControlPlane, name: &str) -> Value {
    control_plane.get(&format!("apis/{name}")).await.expect(200)
}

pub(crate) async fn started(control_plane: &ControlPlane) -> Agent {
    control_plane.with_environment("local", "read-write").await;
    Agent::start(control_plane, descriptor()).await
}

#[tokio::test]
async fn people_keep_what_they_edited_and_the_gateway_leads_in_the_rest() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let first = whole(&control_plane, &agent, &[observed("a", "Orders", "/orders", |_| {})]).await;
        let results = import(&control_plane, first, json!({})).await;
        assert_eq!(results[0]["message"], "api `orders` is in the catalog now");

        // A person gives it another name to show, and other timeouts.
        let mut spec = api(&control_plane, "orders").await["spec"].clone();
        spec["displayName"] = json!("Orders, by us");
        spec["upstreams"]["main"]["timeoutMs"] = json!(1_000);
        control_plane
            .apply(json!([{"kind": "Api", "metadata": {"name": "orders"}, "spec": spec}]))
            .await;

        // The gateway still holds what was imported: nothing changed there.
        let second = whole(&control_plane, &agent, &[observed("a", "Orders", "/orders", |_| {})]).await;
        assert_eq!(told(&classes(&control_plane, second).await), [("a", "unchanged")]);

        // Then it is changed there: the version, and the timeout that the person edited.
        let changed = observed("a", "Orders", "/orders", |api| {
            api.content.version = "v2".to_owned();
            if let Some(main) = api.content.upstreams.get_mut("main") {
                main.timeout_ms = 2_000;
            }
        });
        let third = whole(&control_plane, &agent, std::slice::from_ref(&changed)).await;
        assert_eq!(told(&classes(&control_plane, third).await), [("a", "changed")]);
        let results = import(&control_plane, third, json!({})).await;
        assert_eq!(results[0]["action"], "updated", "{results:#?}");
        assert_eq!(
            results[0]["message"],
            "api `orders` has revision 3 now; taken from the gateway: `/version`; kept as edited here: `/displayName`; \
             changed here and on the gateway, and kept as edited here: `/upstreams/main/timeoutMs`"
        );
        assert_eq!(
            results[0]["conflicts"],
            json!([{"path": "/upstreams/main/timeoutMs", "base": 30_000, "ours": 1_000, "theirs": 2_000}])
        );
        let spec = api(&control_plane, "orders").await["spec"].clone();
        assert_eq!((&spec["displayName"], &spec["version"]), (&json!("Orders, by us"), &json!("v2")));
        assert_eq!(spec["upstreams"]["main"]["timeoutMs"], 1_000);

        // Again writes nothing, and the next discovery finds nothing changed.
        let again = import(&control_plane, third, json!({})).await;
        assert_eq!(again[0]["action"], "unchanged", "{again:#?}");
        assert_eq!(api(&control_plane, "orders").await["status"]["latestRevision"], 3);
        let fourth = whole(&control_plane, &agent, &[changed]).await;
        assert_eq!(told(&classes(&control_plane, fourth).await), [("a", "unchanged")]);
        let same = import(&control_plane, fourth, json!({"select": "status=unchanged"})).await;
        assert_eq!(same[0]["message"], "the catalog says the same already");
    })
    .await;
}

#[tokio::test]
async fn a_rename_is_a_rename() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let first = whole(&control_plane, &agent, &[found("a", "Orders", "/orders")]).await;
        import(&control_plane, first, json!({})).await;
        let second = whole(&control_plane, &agent, &[found("a", "Purchases", "/orders")]).await;
        assert_eq!(told(&classes(&control_plane, second).await), [("a", "changed")]);
        let items = control_plane
            .get(&format!("discoveries/{second}/items"))
            .await
            .expect(200);
        assert_eq!(
            items["items"][0]["changes"],
            json!([{"path": "/name", "before": "Orders", "after": "Purchases"}])
        );
        let results = import(&control_plane, second, json!({})).await;
        assert_eq!(
            (&results[0]["action"], &results[0]["message"]),
            (
                &json!("unchanged"),
                &json!("api `orders` stays as it is; the gateway calls it `Purchases` now")
            )
        );
        assert_eq!(api(&control_plane, "orders").await["status"]["latestRevision"], 1);
        let third = whole(&control_plane, &agent, &[found("a", "Purchases", "/orders")]).await;
        assert_eq!(told(&classes(&control_plane, third).await), [("a", "unchanged")]);
        // Its entry goes away between the look and the import.
        let third = whole(&control_plane, &agent, &[found("a", "Acquisitions", "/orders")]).await;
        control_plane.delete("apis/orders").await.expect(204);
        let results = import(&control_plane, third, json!({})).await;
        assert_eq!(
            results[0]["message"],
            "its catalogue entry was deleted; run the discovery again"
        );
    })
    .await;
}

#[tokio::test]
async fn findings_are_chosen_by_what_they_are() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let id = whole(
            &control_plane,
            &agent,
            &[
                tagged(found("a", "Orders", "/a"), "public"),
                tagged(found("b", "Users", "/b"), "private"),
                tagged(found("c", "Orders internal", "/c"), "private"),
                unreadable("d"),
            ],
        )
        .await;
        let refused = |body: Value| {
            control_plane
                .request(Method::POST, &format!("/api/v1/discoveries/{id}/imports"))
                .json(&body)
        };
        let (kind, detail) = send(refused(json!({"select": "status=new,colour=red"})))
            .await
            .problem(422);
        assert_eq!(kind, "invalid");
        assert!(
            detail.starts_with("/select: at character 12 of the selection: "),
            "{detail}"
        );
        let (_, detail) = send(refused(json!({"select": "status=new", "items": []})))
            .await
            .problem(422);
        assert_eq!(
            detail,
            "/select: `items` and `select` are two ways to choose; give one of them"
        );

        let results = import(&control_plane, id, json!({"select": "status=new,tag=public"})).await;
        assert_eq!(
            results
                .iter()
                .map(|result| result["api"].clone())
                .collect::<Vec<_>>(),
            ["orders"]
        );
        let results = import(&control_plane, id, json!({"select": "name=Orders*,status=new"})).await;
        let told: Vec<_> = results
            .iter()
            .map(|result| (result["api"].clone(), result["action"].clone()))
            .collect();
        assert_eq!(
            told,
            [
                (Value::Null, json!("skipped")),
                (json!("orders-internal"), json!("created"))
            ]
        );
        assert_eq!(
            results[0]["message"],
            "it was imported since; run the discovery again to compare it"
        );
        assert!(
            import(&control_plane, id, json!({"select": "status=gone"}))
                .await
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn what_was_edited_on_both_sides_and_does_not_go_together_is_left_to_people() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let with_upstream = |upstream: &str| {
            observed("a", "Orders", "/orders", |api| {
                let mut content = serde_json::to_value(&api.content).expect("JSON");
                for another in ["second", "third"] {
                    content["upstreams"][another] = content["upstreams"]["main"].clone();
                }
                content["operations"] =
                    json!([{"match": {"method": "GET", "path": "/x"}, "upstream": upstream}]);
                api.content = serde_json::from_value(content).expect("content");
            })
        };
        let first = whole(&control_plane, &agent, &[with_upstream("third")]).await;
        import(&control_plane, first, json!({})).await;
        // People take the second upstream away; on the gateway, the operation goes there from now on.
        let mut spec = api(&control_plane, "orders").await["spec"].clone();
        spec["upstreams"]
            .as_object_mut()
            .expect("upstreams")
            .remove("second");
        control_plane
            .apply(json!([{"kind": "Api", "metadata": {"name": "orders"}, "spec": spec}]))
            .await;
        let second = whole(&control_plane, &agent, &[with_upstream("second")]).await;
        let results = import(&control_plane, second, json!({})).await;
        let message = results[0]["message"].as_str().expect("a message");
        let (before, after) = (
            "what was edited here and what the gateway changed do not go together: ",
            "; edit the API, and import again",
        );
        assert!(
            message.starts_with(before) && message.ends_with(after),
            "{message}"
        );
    })
    .await;
}

#[tokio::test]
async fn definitions_of_the_gateway_come_along() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let document = json!({"openapi": "3.0.3", "info": {"title": "Orders", "version": "1"},
            "paths": {"/orders": {"get": {"operationId": "list", "responses": {"200": {"description": "them"}}}}}});
        let read = openapi::read(&document).expect("a definition");
        let fingerprint = Fingerprint::of_bytes(canonical_json(&read.canonical).as_bytes());
        let with_definition = |reference: &str, name: &str, path: &str, definition: Option<Value>| {
            observed(reference, name, path, |api| {
                api.content.definition = Some(
                    serde_json::from_value(json!({"fingerprint": fingerprint, "format": "openapi-3.0", "title": "Orders", "version": "1"}))
                        .expect("a summary"),
                );
                api.content.operations.clone_from(&read.operations);
                api.definition = definition;
            })
        };
        let id = whole(
            &control_plane,
            &agent,
            &[
                with_definition("a", "Without", "/without", None),
                with_definition("b", "Other", "/other", Some(json!({"openapi": "3.0.3", "info": {}, "paths": {}}))),
                with_definition("c", "Broken", "/broken", Some(json!({"no": "definition"}))),
            ],
        )
        .await;
        let results = import(&control_plane, id, json!({})).await;
        let message = |index: usize| results[index]["message"].as_str().expect("a message").to_owned();
        assert!(message(0).ends_with("the gateway's definition was left out: the agent did not send it"), "{}", message(0));
        assert!(message(1).ends_with("it is not the one that its fingerprint names"), "{}", message(1));
        assert!(message(2).contains("not an OpenAPI document"), "{}", message(2));
        assert_eq!(api(&control_plane, "without").await["spec"].get("definition"), None);

        let id = whole(&control_plane, &agent, &[with_definition("d", "Orders", "/orders", Some(document.clone()))]).await;
        import(&control_plane, id, json!({"select": "status=new"})).await;
        let orders = api(&control_plane, "orders").await;
        assert_eq!(orders["spec"]["definition"]["openapi"]["fingerprint"], json!(fingerprint));
        let served = control_plane.get("apis/orders/revisions/1/definition").await.expect(200);
        assert_eq!(served["paths"]["/orders"]["get"]["operationId"], "list");
        let id = whole(&control_plane, &agent, &[with_definition("d", "Orders", "/orders", Some(document.clone()))]).await;
        assert!(told(&classes(&control_plane, id).await).contains(&("d", "unchanged")));

        // One that cannot be read now takes the place of none that could.
        let unknown = observed("d", "Orders", "/orders", |api| {
            api.content.definition = Some(
                serde_json::from_value(json!({"fingerprint": Fingerprint::of_bytes(b"another"), "format": "openapi-3.0", "title": "Orders", "version": "2"}))
                    .expect("a summary"),
            );
        });
        let id = whole(&control_plane, &agent, &[unknown]).await;
        let results = import(&control_plane, id, json!({"select": "status=changed"})).await;
        assert_eq!(results[0]["action"], "skipped", "{results:#?}");
        assert_eq!(
            results[0]["message"],
            "the gateway's definition cannot be taken along: the agent did not send it; the API keeps the one it has, and \
             everything that belongs to it"
        );
        let orders = api(&control_plane, "orders").await;
        assert_eq!(orders["spec"]["definition"]["openapi"]["fingerprint"], json!(fingerprint));
    })
    .await;
}

#[tokio::test]
async fn what_the_gateway_did_not_change_is_not_read_again() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let environment = environment_id(&control_plane, "local").await;
        let versions = async || {
            agent
                .client
                .inventory(&agent.token, environment)
                .await
                .expect("versions")
                .versions
        };
        assert!(versions().await.is_empty());
        let items = [
            at_version(tagged(found("a", "Orders", "/orders"), "public"), "1"),
            at_version(found("b", "Users", "/users"), "7"),
        ];
        let first = whole(&control_plane, &agent, &items).await;
        let known = versions().await;
        assert_eq!(
            (known["a"].as_str(), known["b"].as_str(), known.len()),
            ("1", "7", 2)
        );

        // Not imported yet: unchanged there, and still new here; it can be imported from what is known.
        let second = whole(
            &control_plane,
            &agent,
            &[unchanged("a", "Orders"), unchanged("b", "Users")],
        )
        .await;
        assert_eq!(
            told(&classes(&control_plane, second).await),
            [("a", "new"), ("b", "new")]
        );
        let results = import(&control_plane, second, json!({"select": "tag=public"})).await;
        assert_eq!(
            (results.len(), &results[0]["action"]),
            (1, &json!("created")),
            "{results:#?}"
        );
        import(&control_plane, first, json!({})).await;

        // Now the catalog has them, and there is nothing to tell.
        let audit = async || {
            control_plane.get("audit-events?limit=500").await.expect(200)["items"]
                .as_array()
                .map_or(0, Vec::len)
        };
        let before = audit().await;
        let third = whole(
            &control_plane,
            &agent,
            &[unchanged("a", "Orders"), unchanged("b", "Users")],
        )
        .await;
        assert!(classes(&control_plane, third).await.is_empty());
        let counts = control_plane
            .get(&format!("discoveries/{third}"))
            .await
            .expect(200);
        assert_eq!(
            (&counts["counts"]["unchanged"], &counts["found"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(
            audit().await,
            before + 2,
            "only that it was asked for, and that it ended"
        );
        assert_eq!(api(&control_plane, "orders").await["status"]["latestRevision"], 1);

        // An agent that did not read what nobody knows.
        let odd = whole(
            &control_plane,
            &agent,
            &[
                unchanged("a", "Orders"),
                unchanged("b", "Users"),
                unchanged("x", "Odd"),
            ],
        )
        .await;
        let read = control_plane
            .get(&format!("discoveries/{odd}/items"))
            .await
            .expect(200);
        assert_eq!(read["items"][0]["class"], "error");
        assert_eq!(
            read["items"][0]["reason"],
            "the agent did not read it, and nothing is known of it; run the discovery again, and if this stays, report it to \
             the connector's authors"
        );
        let stranger = Agent::start(&control_plane, descriptor()).await;
        let refused = stranger.client.inventory(&stranger.token, environment).await;
        assert_eq!(crate::agent::refusal(refused).1, "stale");
    })
    .await;
}

#[tokio::test]
async fn what_is_ignored_after_it_was_found_is_not_imported() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let items = [found("a", "Orders", "/orders"), found("b", "Users", "/users")];
        let id = whole(&control_plane, &agent, &items).await;
        control_plane
            .post(
                "environments/local/ignored",
                json!({"externalRef": "a", "reason": "theirs"}),
            )
            .await
            .expect(200);
        let results = import(&control_plane, id, json!({})).await;
        let told: Vec<_> = results
            .iter()
            .map(|result| (&result["action"], &result["message"]))
            .collect();
        assert_eq!(
            told,
            [
                (&json!("skipped"), &json!("it is on the ignore list")),
                (&json!("created"), &json!("api `users` is in the catalog now"))
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_ignored_is_told_as_such_until_it_is_not() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let items = [found("a/b c", "Orders", "/orders"), found("b", "Users", "/users")];
        let path = "environments/local/ignored";
        let ignored = control_plane
            .post(path, json!({"externalRef": "a/b c", "reason": "theirs"}))
            .await
            .expect(200);
        assert_eq!(
            (&ignored["environment"], &ignored["reason"], &ignored["createdBy"]),
            (&json!("local"), &json!("theirs"), &json!("admin"))
        );
        control_plane
            .post(path, json!({"externalRef": "a/b c", "reason": "really theirs"}))
            .await
            .expect(200);
        let listed = control_plane.get(path).await.expect(200);
        assert_eq!(
            (
                listed["items"].as_array().map(Vec::len),
                &listed["items"][0]["reason"]
            ),
            (Some(1), &json!("really theirs"))
        );
        let first = whole(&control_plane, &agent, &items).await;
        assert_eq!(
            told(&classes(&control_plane, first).await),
            [("a/b c", "ignored"), ("b", "new")]
        );
        assert_eq!(
            control_plane
                .get(&format!("discoveries/{first}"))
                .await
                .expect(200)["counts"]["ignored"],
            1
        );
        let only = control_plane
            .get(&format!("discoveries/{first}/items?class=ignored"))
            .await
            .expect(200);
        assert_eq!(only["items"][0]["reason"], "really theirs");
        let results = import(&control_plane, first, json!({"items": [only["items"][0]["id"]]})).await;
        assert_eq!(
            (&results[0]["action"], &results[0]["message"]),
            (&json!("skipped"), &json!("it is on the ignore list"))
        );

        control_plane
            .delete("environments/local/ignored?externalRef=a%2Fb%20c")
            .await
            .expect(204);
        let (kind, detail) = control_plane
            .delete("environments/local/ignored?externalRef=a%2Fb%20c")
            .await
            .problem(404);
        assert_eq!(kind, "not-found");
        assert_eq!(
            detail,
            "`a/b c` is not on the ignore list of environment `local`; `gatehouse ignore local` shows what is"
        );
        let second = whole(&control_plane, &agent, &items).await;
        assert_eq!(
            told(&classes(&control_plane, second).await),
            [("a/b c", "new"), ("b", "new")]
        );

        let (_, detail) = control_plane
            .post(path, json!({"externalRef": " "}))
            .await
            .problem(422);
        assert_eq!(
            detail,
            "/externalRef: it is empty; give the gateway's own identity for the API, as findings show it"
        );
        let (_, detail) = control_plane
            .post(path, json!({"externalRef": "a", "reason": "x".repeat(501)}))
            .await
            .problem(422);
        assert_eq!(detail, "/reason: it has 501 characters; it may have 500");
        for answer in [
            control_plane
                .post("environments/nowhere/ignored", json!({"externalRef": "a"}))
                .await,
            control_plane.get("environments/nowhere/ignored").await,
            control_plane
                .delete("environments/nowhere/ignored?externalRef=a")
                .await,
        ] {
            assert_eq!(answer.problem(404).1, "there is no environment `nowhere`");
        }
    })
    .await;
}

#[tokio::test]
async fn the_same_api_on_another_gateway_is_offered_and_never_merged() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        control_plane.with_environment("other", "read-write").await;
        let with_operations = |reference: &str, name: &str, path: &str| {
            observed(reference, name, path, |api| {
                api.content.operations = serde_json::from_value(json!([
                    {"match": {"method": "GET", "path": "/items"}}, {"match": {"method": "GET", "path": "/items/{id}"}},
                    {"match": {"method": "POST", "path": "/items"}}, {"match": {"method": "DELETE", "path": "/items/{id}"}},
                ]))
                .expect("operations");
            })
        };
        let id = whole(&control_plane, &agent, &[with_operations("a", "Shop", "/shop")]).await;
        import(&control_plane, id, json!({})).await;

        let place = environment_id(&control_plane, "other").await;
        let work = agent.work(0).await;
        let fencing = work.environments.iter().find(|it| it.id == place).and_then(|it| it.fencing).expect("a lease");
        let id = discovery_of(&control_plane, "other").await;
        agent.client.discovery_page(&agent.token, id, 1, lines(&[with_operations("z", "Shop EU", "/shop-eu")])).await.expect("recorded");
        let completion = gatehouse_control_plane_api::agent::DiscoveryCompletion {
            fencing, outcome: DiscoveryOutcome::Complete, pages: 1, message: None,
        };
        agent.client.complete_discovery(&agent.token, id, &completion).await.expect("finished");
        let items = control_plane.get(&format!("discoveries/{id}/items")).await.expect(200);
        assert_eq!(items["items"][0]["class"], "new");
        assert_eq!(items["items"][0]["duplicates"][0]["api"], "shop", "{items:#}");
        let results = import(&control_plane, id, json!({})).await;
        assert_eq!(results[0]["api"], "shop-eu");
        let message = results[0]["message"].as_str().expect("a message");
        assert!(message.contains("it may be another place of api `shop` (same 4 operations"), "{message}");
        assert_eq!(api(&control_plane, "shop").await["status"]["latestRevision"], 1);
    })
    .await;
}
