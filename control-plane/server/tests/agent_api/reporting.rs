//! Reports: what is believed, and what is refused.

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DeploymentReport, DeploymentWork};
use gatehouse_schemas::identity::{DeploymentId, FencingNumber, Generation};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    agent::{Agent, deployed, refusal},
    harness::{ControlPlane, check, condition, descriptor},
};

async fn one_deployment(control_plane: &ControlPlane) -> (Agent, DeploymentWork, String) {
    control_plane.with_environment("local", "read-write").await;
    control_plane.with_api("orders", "/orders").await;
    let agent = Agent::start(control_plane, descriptor()).await;
    let made = control_plane.deploy("orders", "local").await.expect(202);
    let work = agent.work(0).await.deployments.remove(0);
    (
        agent,
        work,
        format!("deployments/{}", made["id"].as_str().expect("an id")),
    )
}

#[tokio::test]
async fn a_report_of_an_older_generation_changes_nothing() {
    check(|control_plane| async move {
        let (agent, old, path) = one_deployment(&control_plane).await;
        control_plane.with_api("orders", "/orders/v2").await;
        control_plane.deploy("orders", "local").await.expect(202);
        let fencing = agent.fencing().await;
        let (status, kind, detail) = refusal(agent.try_report(&old, fencing, deployed(&old)).await);
        assert_eq!((status, kind.as_str()), (409, "stale"));
        let wanted = agent.work(0).await.deployments.remove(0).generation;
        assert_eq!(
            detail,
            format!(
                "the report speaks of generation {}, but generation {wanted} is desired; ask for work to get it",
                old.generation
            )
        );
        let future = DeploymentWork {
            generation: Generation(old.generation.0 + 1_000),
            ..old.clone()
        };
        assert_eq!(
            refusal(agent.try_report(&future, fencing, deployed(&old)).await).0,
            409
        );
        assert_eq!(control_plane.get(&path).await.expect(200)["phase"], "Pending");
    })
    .await;
}

#[tokio::test]
async fn the_same_report_twice_is_one() {
    check(|control_plane| async move {
        let (agent, work, path) = one_deployment(&control_plane).await;
        agent.report(&work, deployed(&work)).await;
        let before: Value = control_plane.get(&path).await.expect(200)["conditions"].clone();
        agent.report(&work, deployed(&work)).await;
        assert_eq!(control_plane.get(&path).await.expect(200)["conditions"], before);
        let events = control_plane.get("audit-events").await.expect(200);
        let deployed = events["items"]
            .as_array()
            .expect("events")
            .iter()
            .filter(|event| event["action"] == "deployment.deployed");
        assert_eq!(deployed.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_told_to_people() {
    check(|control_plane| async move {
        let (agent, work, path) = one_deployment(&control_plane).await;
        let outcome = DeploymentOutcome::Failed {
            reason: "UpstreamInvalid".to_owned(),
            message: "the gateway does not take the upstream".to_owned(),
            retrying: true,
        };
        agent.report(&work, outcome).await;
        let read = control_plane.get(&path).await.expect(200);
        assert_eq!(read["phase"], "Failed");
        assert_eq!(condition(&read, "Deployed")["reason"], "UpstreamInvalid");
        agent.report(&work, deployed(&work)).await;
        assert_eq!(control_plane.get(&path).await.expect(200)["phase"], "Deployed");
    })
    .await;
}

#[tokio::test]
async fn a_report_that_contradicts_what_is_desired_is_refused() {
    check(|control_plane| async move {
        let (agent, work, path) = one_deployment(&control_plane).await;
        let fencing = agent.fencing().await;
        let (status, kind, detail) =
            refusal(agent.try_report(&work, fencing, DeploymentOutcome::Removed).await);
        assert_eq!((status, kind.as_str()), (409, "wrong-state"));
        assert_eq!(
            detail,
            format!(
                "`orders` is desired to be there in generation {}; the report says the opposite",
                work.generation
            )
        );
        control_plane.delete(&path).await.expect(202);
        let removal = agent.work(0).await.deployments.remove(0);
        let (status, kind, _) = refusal(agent.try_report(&removal, fencing, deployed(&work)).await);
        assert_eq!((status, kind.as_str()), (409, "wrong-state"));
    })
    .await;
}

#[tokio::test]
async fn reports_on_what_is_not_the_agents_are_refused() {
    check(|control_plane| async move {
        let (agent, work, _) = one_deployment(&control_plane).await;
        let nowhere = DeploymentWork {
            id: DeploymentId(Uuid::now_v7()),
            ..work.clone()
        };
        let (status, kind, _) = refusal(
            agent
                .try_report(&nowhere, FencingNumber(1), deployed(&work))
                .await,
        );
        assert_eq!((status, kind.as_str()), (404, "not-found"));
        let standby = Agent::enroll(&control_plane).await;
        let report = DeploymentReport {
            generation: work.generation,
            fencing: FencingNumber(1),
            outcome: DeploymentOutcome::Deploying,
        };
        let (status, kind, _) = refusal(standby.client.report(&standby.token, work.id, &report).await);
        assert_eq!((status, kind.as_str()), (409, "stale"));
    })
    .await;
}
