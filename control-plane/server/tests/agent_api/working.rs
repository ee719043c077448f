//! The stream of work: what is handed out, when, and what is not.

use std::time::{Duration, Instant};

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DesiredState};
use reqwest::Method;
use serde_json::json;

use crate::{
    agent::{Agent, LONG, deployed, refusal},
    harness::{check, condition, descriptor, environment, send},
};

#[tokio::test]
async fn a_deployment_goes_out_comes_back_and_goes_away() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let start = agent.work(0).await;
        assert_eq!(start.environments[0].name.as_str(), "local");
        assert!(start.deployments.is_empty());

        let made = control_plane.deploy("orders", "local").await.expect(202);
        let path = format!("deployments/{}", made["id"].as_str().expect("an id"));
        let news = agent.work(start.generation.0).await;
        assert!(news.environments.is_empty());
        let [work] = news.deployments.as_slice() else {
            panic!("{news:?}")
        };
        let DesiredState::Present { api } = &work.desired else {
            panic!("{work:?}")
        };
        assert_eq!(api.content.base_path, "/orders");
        agent.report(work, DeploymentOutcome::Deploying).await;
        assert_eq!(control_plane.get(&path).await.expect(200)["phase"], "Deploying");
        agent.report(work, deployed(work)).await;
        let read = control_plane.get(&path).await.expect(200);
        assert_eq!(read["phase"], "Deployed");
        assert_eq!(read["endpointUrls"], json!(["http://127.0.0.1:8080/orders"]));
        assert_eq!(read["externalRef"], "svc-1");
        assert_eq!(read["observedGeneration"], json!(work.generation));
        for kind in ["Accepted", "Deployed", "InSync"] {
            assert_eq!(condition(&read, kind)["status"], "True", "{read:#}");
        }
        // A report of what happened is no news for agents.
        assert!(agent.work(news.generation.0).await.deployments.is_empty());

        control_plane.delete(&path).await.expect(202);
        let removal = agent.work(news.generation.0).await;
        let [work] = removal.deployments.as_slice() else {
            panic!("{removal:?}")
        };
        assert!(matches!(&work.desired, DesiredState::Absent { mark } if mark.api_name.as_str() == "orders"));
        assert_eq!(
            work.external_ref.as_ref().map(|reference| reference.0.as_str()),
            Some("svc-1")
        );
        agent.report(work, DeploymentOutcome::Removed).await;
        control_plane.get(&path).await.problem(404);
        agent.report(work, DeploymentOutcome::Removed).await;
        assert!(agent.work(0).await.deployments.is_empty());
        let events = control_plane.get("audit-events").await.expect(200);
        let actions: Vec<_> = events["items"]
            .as_array()
            .expect("events")
            .iter()
            .map(|event| &event["action"])
            .collect();
        for action in ["deployment.deployed", "deployment.removed"] {
            assert!(actions.contains(&&json!(action)), "{actions:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_waiting_request_is_answered_when_there_is_something() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let position = agent.work(0).await.generation.0;
        let began = Instant::now();
        let waiting = tokio::spawn(async move { agent.try_work(position, LONG).await.expect("work") });
        control_plane.deploy("orders", "local").await.expect(202);
        assert_eq!(waiting.await.expect("an answer").deployments.len(), 1);
        assert!(began.elapsed() < LONG / 2, "it was woken, not timed out");
    })
    .await;
}

#[tokio::test]
async fn a_waiting_request_ends_with_nothing_when_its_time_is_up() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let position = agent.work(0).await.generation;
        let nothing = agent
            .try_work(position.0, Duration::from_secs(1))
            .await
            .expect("work");
        assert_eq!(nothing.generation, position);
        assert!(nothing.environments.is_empty() && nothing.deployments.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_position_that_this_database_never_had_is_too_old() {
    check(|control_plane| async move {
        let agent = Agent::start(&control_plane, descriptor()).await;
        for position in [1_000_000, u64::MAX] {
            let (status, kind, _) = refusal(agent.try_work(position, Duration::ZERO).await);
            assert_eq!((status, kind.as_str()), (410, "position-too-old"));
        }
    })
    .await;
}

#[tokio::test]
async fn malformed_requests_for_work_are_refused() {
    check(|control_plane| async move {
        let agent = Agent::start(&control_plane, descriptor()).await;
        let token = secrecy::ExposeSecret::expose_secret(&agent.token).to_owned();
        for query in [
            "after=-1",
            "after=x",
            "waitSeconds=61",
            "waitSeconds=-1",
            "wait=1",
        ] {
            let path = format!("/agent/v1/work?{query}");
            let answer = send(control_plane.anonymous(Method::GET, &path).bearer_auth(&token)).await;
            let (kind, detail) = answer.problem(400);
            assert_eq!(kind, "malformed-request", "{query}");
            if query == "waitSeconds=61" {
                assert_eq!(detail, "`waitSeconds` is 61; it must be at most 60");
            } else {
                assert!(
                    detail.starts_with("the query is not valid: "),
                    "{query}: {detail}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_deployed_where_the_mode_forbids_it() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        control_plane.deploy("orders", "local").await.expect(202);
        control_plane
            .apply(json!([environment("local", "read-only")]))
            .await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let (work, _) = agent.all().await;
        assert!(work.deployments.is_empty(), "{work:?}");
        control_plane
            .apply(json!([environment("local", "read-write")]))
            .await;
        let news = agent.work(work.generation.0).await;
        assert_eq!(news.deployments.len(), 1, "what was withheld is handed out");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_environment_is_told_to_agents() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let position = agent.work(0).await.generation.0;
        control_plane.delete("environments/local").await.expect(204);
        let news = agent.work(position).await;
        assert!(news.environments[0].deleted);
        assert!(agent.session(descriptor()).await.environments.is_empty());
    })
    .await;
}
