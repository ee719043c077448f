//! Discoveries: pages as they come, and what follows from a listing that is whole, broken off or unreadable.

use gatehouse_control_plane_api::agent::{DiscoveryCompletion, DiscoveryOutcome};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{DiscoveryId, ExternalRef},
    observed::{DiscoveredItem, ObservedApi},
    revision::RevisionContent,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    agent::{Agent, deployed, refusal},
    harness::{ControlPlane, check, descriptor, environment, send},
};

pub(crate) fn content(base_path: &str) -> RevisionContent {
    serde_json::from_value(json!({
        "displayName": "An API", "version": "v1", "type": "rest", "direction": "ingress", "basePath": base_path,
        "upstreams": {"main": {"url": "http://127.0.0.1:9", "timeoutMs": 30000, "connectTimeoutMs": 5000}}
    }))
    .expect("content")
}

pub(crate) fn found(reference: &str, name: &str, base_path: &str) -> DiscoveredItem {
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

pub(crate) fn unreadable(reference: &str) -> DiscoveredItem {
    DiscoveredItem::Unreadable {
        external_ref: ExternalRef(reference.to_owned()),
        name: reference.to_owned(),
        reason: "it is odd".to_owned(),
    }
}

pub(crate) fn lines(items: &[DiscoveredItem]) -> Vec<u8> {
    let lines: Vec<String> = items
        .iter()
        .map(|item| serde_json::to_string(item).expect("JSON"))
        .collect();
    lines.join("\n").into_bytes()
}

pub(crate) async fn discovery(control_plane: &ControlPlane) -> DiscoveryId {
    discovery_of(control_plane, "local").await
}

pub(crate) async fn discovery_of(control_plane: &ControlPlane, environment: &str) -> DiscoveryId {
    let made = control_plane
        .post("discoveries", json!({"environment": environment}))
        .await
        .expect(202);
    made["id"].as_str().expect("an id").parse().expect("a UUID")
}

async fn started(control_plane: &ControlPlane) -> (Agent, DiscoveryId) {
    control_plane.with_environment("local", "read-write").await;
    let agent = Agent::start(control_plane, descriptor()).await;
    let id = discovery(control_plane).await;
    let work = agent.work(0).await;
    assert_eq!(
        work.discoveries.iter().map(|work| work.id).collect::<Vec<_>>(),
        [id]
    );
    (agent, id)
}

impl Agent {
    pub(crate) async fn page(&self, id: DiscoveryId, number: u32, items: &[DiscoveredItem]) {
        self.client
            .discovery_page(&self.token, id, number, lines(items))
            .await
            .expect("recorded");
    }

    pub(crate) async fn try_complete(
        &self,
        id: DiscoveryId,
        pages: u32,
        outcome: DiscoveryOutcome,
    ) -> Result<(), gatehouse_control_plane_api::agent_client::AgentApiError> {
        let completion = DiscoveryCompletion {
            fencing: self.fencing().await,
            outcome,
            pages,
            message: None,
        };
        self.client.complete_discovery(&self.token, id, &completion).await
    }

    pub(crate) async fn complete(&self, id: DiscoveryId, pages: u32, outcome: DiscoveryOutcome) {
        self.try_complete(id, pages, outcome).await.expect("finished");
    }
}

pub(crate) async fn classes(control_plane: &ControlPlane, id: DiscoveryId) -> Vec<(String, String)> {
    let items = control_plane
        .get(&format!("discoveries/{id}/items"))
        .await
        .expect(200);
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let mut classes: Vec<_> = items["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| (text(item, "externalRef"), text(item, "class")))
        .collect();
    classes.sort();
    classes
}

pub(crate) fn told(classes: &[(String, String)]) -> Vec<(&str, &str)> {
    classes
        .iter()
        .map(|(reference, class)| (reference.as_str(), class.as_str()))
        .collect()
}

#[tokio::test]
async fn findings_are_compared_with_the_catalog() {
    check(|control_plane| async move {
        let (agent, id) = started(&control_plane).await;
        control_plane.with_api("users", "/users").await;
        agent
            .page(id, 1, &[found("a", "Orders", "/orders"), unreadable("b")])
            .await;
        agent
            .page(id, 1, &[found("a", "Orders", "/orders"), unreadable("b")])
            .await;
        agent.page(id, 2, &[found("c", "Users", "/elsewhere")]).await;
        assert_eq!(
            control_plane.get(&format!("discoveries/{id}")).await.expect(200)["state"],
            "Running"
        );
        agent.complete(id, 2, DiscoveryOutcome::Complete).await;
        agent.complete(id, 2, DiscoveryOutcome::Complete).await;
        let read = control_plane.get(&format!("discoveries/{id}")).await.expect(200);
        assert_eq!(read["state"], "Complete");
        assert_eq!(
            read["counts"],
            json!({"new": 1, "changed": 0, "unchanged": 0, "gone": 0, "conflict": 1, "ignored": 0, "error": 1})
        );
        let classes = classes(&control_plane, id).await;
        assert_eq!(told(&classes), [("a", "new"), ("b", "error"), ("c", "conflict")]);
        assert!(agent.work(0).await.discoveries.is_empty());
    })
    .await;
}

#[tokio::test]
async fn only_a_whole_listing_says_that_something_is_gone() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        control_plane.deploy("orders", "local").await.expect(202);
        let work = agent.work(0).await.deployments.remove(0);
        agent.report(&work, deployed(&work)).await;

        let partial = discovery(&control_plane).await;
        agent.page(partial, 1, &[found("x", "Other", "/other")]).await;
        agent.complete(partial, 1, DiscoveryOutcome::Partial).await;
        assert_eq!(told(&classes(&control_plane, partial).await), [("x", "new")]);
        let failed = discovery(&control_plane).await;
        agent.complete(failed, 0, DiscoveryOutcome::Failed).await;
        assert!(classes(&control_plane, failed).await.is_empty());

        let odd = discovery(&control_plane).await;
        agent.page(odd, 1, &[unreadable("svc-1")]).await;
        agent.complete(odd, 1, DiscoveryOutcome::Complete).await;
        assert_eq!(
            told(&classes(&control_plane, odd).await),
            [("svc-1", "error")],
            "unreadable is not gone"
        );

        let mut filtering = environment("local", "read-write");
        filtering["spec"]["discovery"] = json!({"filter": {"tags": ["public"]}});
        control_plane.apply(json!([filtering])).await;
        let filtered = discovery(&control_plane).await;
        agent.complete(filtered, 0, DiscoveryOutcome::Complete).await;
        assert!(
            classes(&control_plane, filtered).await.is_empty(),
            "what a filter keeps out is not gone"
        );
        control_plane.with_environment("local", "read-write").await;

        // Somebody took our mark away and changed the rest: it is ours all the same, and no import takes that over.
        let edited = discovery(&control_plane).await;
        agent
            .page(edited, 1, &[found("svc-1", "Orders", "/edited")])
            .await;
        agent.complete(edited, 1, DiscoveryOutcome::Complete).await;
        let items = control_plane
            .get(&format!("discoveries/{edited}/items"))
            .await
            .expect(200);
        assert_eq!(
            (&items["items"][0]["class"], &items["items"][0]["managed"]),
            (&json!("changed"), &json!(true)),
            "{items:#}"
        );
        let import = control_plane
            .post(&format!("discoveries/{edited}/imports"), json!({}))
            .await
            .expect(201);
        assert_eq!(import["results"][0]["action"], "skipped", "{import:#}");

        let whole = discovery(&control_plane).await;
        agent.complete(whole, 0, DiscoveryOutcome::Complete).await;
        assert_eq!(told(&classes(&control_plane, whole).await), [("svc-1", "gone")]);
        let import = control_plane
            .post(
                &format!("discoveries/{whole}/imports"),
                json!({"select": "status=gone"}),
            )
            .await
            .expect(201);
        let message = import["results"][0]["message"].as_str().expect("a message");
        assert!(
            message.starts_with("the gateway does not show it: not seen in 1 complete discovery"),
            "{message}"
        );
        // What is desired stays as it is.
        let all = control_plane.get("deployments").await.expect(200);
        assert_eq!(all["items"][0]["phase"], "Deployed");
    })
    .await;
}

#[tokio::test]
async fn a_discovery_does_not_end_while_a_page_is_missing() {
    check(|control_plane| async move {
        let (agent, id) = started(&control_plane).await;
        agent.page(id, 2, &[unreadable("b")]).await;
        let (status, kind, detail) = refusal(agent.try_complete(id, 2, DiscoveryOutcome::Complete).await);
        assert_eq!((status, kind.as_str()), (409, "wrong-state"));
        assert_eq!(
            detail,
            "page 1 of 2 has not arrived; send it, then finish the discovery"
        );
        agent.page(id, 1, &[unreadable("a")]).await;
        agent
            .page(id, 3, &[unreadable("left over from a longer listing")])
            .await;
        agent.complete(id, 2, DiscoveryOutcome::Complete).await;
        assert_eq!(
            told(&classes(&control_plane, id).await),
            [("a", "error"), ("b", "error")]
        );
        let late = agent
            .client
            .discovery_page(&agent.token, id, 1, lines(&[unreadable("z")]))
            .await;
        let (_, kind, detail) = refusal(late);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            format!(
                "discovery `{id}` has ended; findings cannot be added to it, so ask for work to learn what is to be done"
            )
        );
        let (_, kind, detail) = refusal(agent.try_complete(id, 2, DiscoveryOutcome::Partial).await);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            format!("discovery `{id}` has ended already: Complete; ask for work to learn what is to be done")
        );
    })
    .await;
}

#[tokio::test]
async fn what_should_be_there_and_was_never_listed_is_gone() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        control_plane.deploy("orders", "local").await.expect(202);
        let work = agent.work(0).await.deployments.remove(0);
        agent.report(&work, deployed(&work)).await;
        let id = discovery(&control_plane).await;
        agent.complete(id, 0, DiscoveryOutcome::Complete).await;
        let items = control_plane
            .get(&format!("discoveries/{id}/items"))
            .await
            .expect(200);
        assert_eq!(items["items"][0]["class"], "gone", "{items:#}");
        assert_eq!(
            items["items"][0]["message"],
            "it should be on the gateway, and the gateway does not list it; `gatehouse drift` says how it stands"
        );
    })
    .await;
}

#[tokio::test]
async fn what_must_not_be_read_any_more_is_refused() {
    check(|control_plane| async move {
        let (agent, id) = started(&control_plane).await;
        control_plane.with_environment("local", "write-only").await;
        let page = agent
            .client
            .discovery_page(&agent.token, id, 1, lines(&[unreadable("a")]))
            .await;
        let (_, kind, detail) = refusal(page);
        assert_eq!(kind, "mode-forbids");
        assert_eq!(
            detail,
            "environment `local` must not be discovered; set its mode to `read-write` or `read-only` to discover"
        );
    })
    .await;
}

#[tokio::test]
async fn a_page_that_cannot_be_read_counts_for_nothing() {
    check(|control_plane| async move {
        let (agent, id) = started(&control_plane).await;
        let token = secrecy::ExposeSecret::expose_secret(&agent.token).to_owned();
        let path = |number: &str| format!("/agent/v1/discoveries/{id}/pages/{number}");
        let post = |number: &str, content_type: &'static str, body: Vec<u8>| {
            let request = control_plane
                .anonymous(Method::POST, &path(number))
                .bearer_auth(&token);
            send(request.header("content-type", content_type).body(body))
        };
        let good = lines(&[unreadable("a")]);
        let ndjson = "application/x-ndjson";
        let not_json = [good.clone(), b"\n{\"result\":".to_vec()].concat();
        let not_a_finding = [good.clone(), b"\n{\"result\": \"other\"}".to_vec()].concat();
        let (kind, detail) = post("1", "application/json", good.clone()).await.problem(415);
        assert_eq!(kind, "unsupported-media-type");
        assert_eq!(
            detail,
            "the content type is `application/json`; send `content-type: application/x-ndjson`"
        );
        let (kind, detail) = post("0", ndjson, good.clone()).await.problem(400);
        assert_eq!(
            (kind.as_str(), detail.as_str()),
            ("malformed-request", "pages are numbered from 1")
        );
        assert_eq!(
            post("x", ndjson, good.clone()).await.problem(400).0,
            "malformed-request"
        );
        let (kind, detail) = post("1", ndjson, not_json).await.problem(400);
        assert!(
            kind == "malformed-request" && detail.starts_with("line 2 is not a finding: "),
            "{detail}"
        );
        let (kind, detail) = post("1", ndjson, not_a_finding).await.problem(422);
        assert!(kind == "invalid" && detail.contains("line 2"), "{detail}");
        let too_long = vec![b' '; 9 * 1024 * 1024];
        let (kind, detail) = post("1", ndjson, too_long).await.problem(413);
        assert_eq!(
            (kind.as_str(), detail.as_str()),
            ("too-large", "the line is larger than the limit of 8 MiB")
        );
        assert_eq!(
            refusal(agent.try_complete(id, 1, DiscoveryOutcome::Complete).await).1,
            "wrong-state"
        );
        agent.complete(id, 0, DiscoveryOutcome::Partial).await;
        assert!(classes(&control_plane, id).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_page_of_thousands_arrives_whole() {
    check(|control_plane| async move {
        let (agent, id) = started(&control_plane).await;
        let items: Vec<_> = (0..1_001)
            .map(|number| unreadable(&format!("api-{number:04}")))
            .collect();
        agent.page(id, 1, &items).await;
        agent.complete(id, 1, DiscoveryOutcome::Complete).await;
        let read = control_plane.get(&format!("discoveries/{id}")).await.expect(200);
        assert_eq!(read["counts"]["error"], 1_001);
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_does_not_run_the_discovery_is_refused() {
    check(|control_plane| async move {
        let (_holder, id) = started(&control_plane).await;
        let standby = Agent::start(&control_plane, descriptor()).await;
        assert!(standby.work(0).await.discoveries.is_empty());
        let page = standby
            .client
            .discovery_page(&standby.token, id, 1, lines(&[unreadable("a")]))
            .await;
        assert_eq!(refusal(page).1, "stale");
    })
    .await;
}
