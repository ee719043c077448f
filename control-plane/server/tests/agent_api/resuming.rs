//! Discoveries that are interrupted, and those that nobody asked for.

use std::time::Duration;

use gatehouse_control_plane_api::agent::{DiscoveryOutcome, ResumePosition};
use gatehouse_control_plane_store::{Schedule, Scheduled};
use gatehouse_schemas::{identity::DiscoveryId, time::Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    agent::{Agent, environment_id, refusal},
    discovering::{classes, discovery, found, lines, told},
    harness::{ControlPlane, PATIENCE, check, descriptor, now, send},
};

#[tokio::test]
async fn another_agent_goes_on_where_the_first_was_interrupted() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let first = Agent::start(&control_plane, descriptor()).await;
        let id = discovery(&control_plane).await;
        assert_eq!(first.work(0).await.discoveries[0].resume, None);
        let send_page = async |agent: &Agent, number: u32, position: Option<&str>, name: &str| {
            let item = [found(name, name, &format!("/{name}"))];
            agent
                .client
                .discovery_page_at(&agent.token, id, number, position, lines(&item))
                .await
        };
        send_page(&first, 1, Some("after a"), "a")
            .await
            .expect("recorded");
        send_page(&first, 2, Some("after b & more?"), "b")
            .await
            .expect("recorded");
        let read = control_plane.get(&format!("discoveries/{id}")).await.expect(200);
        assert_eq!((&read["state"], &read["found"]), (&json!("Running"), &json!(2)));

        // The first is not heard of again; its lease ends.
        let second = Agent::start(&control_plane, descriptor()).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let work = loop {
            let work = second.try_work(0, Duration::from_secs(1)).await.expect("work");
            if let Some(work) = work.discoveries.into_iter().next() {
                break work;
            }
            assert!(tokio::time::Instant::now() < deadline, "nobody takes over");
        };
        assert_eq!(work.id, id);
        let goes_on = ResumePosition {
            pages: 2,
            position: Some("after b & more?".to_owned()),
        };
        assert_eq!(work.resume, Some(goes_on));
        assert_eq!(refusal(send_page(&first, 3, None, "late").await).1, "stale");
        // A page that arrived already may come again, and replaces itself.
        send_page(&second, 2, Some("after b & more?"), "b")
            .await
            .expect("recorded");
        send_page(&second, 3, None, "c").await.expect("recorded");
        assert_eq!(
            second.work(0).await.discoveries[0].resume,
            Some(ResumePosition {
                pages: 3,
                position: None
            }),
            "the listing is at its end"
        );
        second.complete(id, 3, DiscoveryOutcome::Complete).await;
        assert_eq!(
            told(&classes(&control_plane, id).await),
            [("a", "new"), ("b", "new"), ("c", "new")]
        );
        assert_eq!(
            control_plane.get(&format!("discoveries/{id}")).await.expect(200)["found"],
            3
        );
    })
    .await;
}

#[tokio::test]
async fn a_position_without_end_is_refused() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        agent.work(0).await;
        let id = discovery(&control_plane).await;
        let token = secrecy::ExposeSecret::expose_secret(&agent.token).to_owned();
        let path = format!(
            "/agent/v1/discoveries/{id}/pages/1?position={}",
            "x".repeat(16 * 1024 + 1)
        );
        let request = control_plane.anonymous(Method::POST, &path).bearer_auth(&token);
        let (kind, detail) = send(request.header("content-type", "application/x-ndjson").body(""))
            .await
            .problem(400);
        assert_eq!(
            (kind.as_str(), detail.as_str()),
            (
                "malformed-request",
                "`position` has 16385 bytes; it must have at most 16384"
            )
        );
    })
    .await;
}

async fn scheduled(control_plane: &ControlPlane, expression: &str) {
    control_plane
        .apply(
            json!([{"kind": "Environment", "metadata": {"name": "local"}, "spec": {"gatewayType": "test",
            "discovery": {"schedule": expression, "filter": {"tags": ["public"]}}}}]),
        )
        .await;
}

async fn schedule(control_plane: &ControlPlane) -> Option<Schedule> {
    let schedules = control_plane
        .server
        .store()
        .schedules()
        .await
        .expect("a database");
    schedules
        .into_iter()
        .find(|schedule| schedule.what == Scheduled::Discovery)
}

async fn until_planned(
    control_plane: &ControlPlane,
    so: impl Fn(Option<&Schedule>) -> bool,
) -> Option<Schedule> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = schedule(control_plane).await;
        if so(found.as_ref()) {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "it stays {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// As if its time had come long ago, many times.
async fn due(control_plane: &ControlPlane, schedule: &Schedule) {
    let mut transaction = control_plane.transaction().await;
    let due = Schedule {
        due_at: Some(Timestamp(now().0 - 86_400_000)),
        ..schedule.clone()
    };
    transaction.put_schedule(&due).await.expect("a schedule");
    transaction.commit().await.expect("a commit");
}

fn ids(discoveries: &Value) -> Vec<DiscoveryId> {
    let items = discoveries["items"].as_array().expect("items").iter();
    items
        .map(|item| item["id"].as_str().expect("an id").parse().expect("a UUID"))
        .collect()
}

#[tokio::test]
async fn discoveries_begin_by_schedule_one_at_a_time() {
    check(|control_plane| async move {
        scheduled(&control_plane, "0 3 * * *").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let planned = until_planned(&control_plane, |found| found.is_some())
            .await
            .expect("a schedule");
        assert_eq!(
            planned.environment_id,
            environment_id(&control_plane, "local").await
        );
        assert!(planned.due_at > Some(now()), "{planned:?}");

        due(&control_plane, &planned).await;
        let listed = control_plane
            .until("discoveries", |listed| !ids(listed).is_empty())
            .await;
        assert_eq!(
            ids(&listed).len(),
            1,
            "missed times are made up for once: {listed:#}"
        );
        let moved_on = until_planned(&control_plane, |found| {
            found.is_some_and(|it| it.due_at > Some(now()))
        })
        .await;
        let work = agent.work(0).await;
        assert_eq!(work.discoveries[0].filter.tags, ["public"]);
        let event = control_plane.get("audit-events?limit=500").await.expect(200);
        let asked = event["items"]
            .as_array()
            .expect("items")
            .iter()
            .find(|event| event["action"] == "discovery.requested");
        assert_eq!(
            asked.map(|event| &event["actor"]),
            Some(&json!("system")),
            "{event:#}"
        );

        // While it is open, no other begins; when it has ended, the next does.
        due(&control_plane, &moved_on.expect("a schedule")).await;
        let again = until_planned(&control_plane, |found| {
            found.is_some_and(|it| it.due_at > Some(now()))
        })
        .await;
        assert_eq!(ids(&control_plane.get("discoveries").await.expect(200)).len(), 1);
        agent.complete(ids(&listed)[0], 0, DiscoveryOutcome::Failed).await;
        due(&control_plane, &again.expect("a schedule")).await;
        control_plane
            .until("discoveries", |listed| ids(listed).len() == 2)
            .await;

        // Another expression is planned anew; without one, there is no schedule.
        scheduled(&control_plane, "30 4 * * *").await;
        until_planned(&control_plane, |found| {
            found.is_some_and(|it| it.expression == "30 4 * * *")
        })
        .await;
        control_plane.with_environment("local", "write-only").await;
        until_planned(&control_plane, |found| found.is_none()).await;
    })
    .await;
}
