//! Who may act: one agent, the next one after it, or all of them where each is a gateway.

use std::time::Duration;

use gatehouse_control_plane_api::agent::DeploymentOutcome;
use serde_json::json;

use crate::{
    agent::{Agent, LONG, deployed, refusal, replicated},
    discovering::discovery,
    harness::{check, check_leasing, condition, descriptor},
};

#[tokio::test]
async fn one_of_two_agents_acts_and_the_other_takes_over() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let first = Agent::start(&control_plane, descriptor()).await;
        let second = Agent::start(&control_plane, descriptor()).await;
        control_plane.deploy("orders", "local").await.expect(202);
        let (work, held) = first.all().await;
        let held = held.expect("a lease");
        let (standby, none) = second.all().await;
        assert_eq!(none, None);
        assert_eq!(
            standby.deployments.len(),
            1,
            "it knows the desired state, and waits"
        );
        let deployment = &work.deployments[0];
        let (status, kind, detail) = refusal(second.try_report(deployment, held, deployed(deployment)).await);
        assert_eq!((status, kind.as_str()), (409, "stale"));
        assert_eq!(
            detail,
            "agent `test agent` does not hold a lease of this environment; another agent acts there, or none asked for work \
             since it was freed"
        );

        // The first is not heard of any more.
        let won = second.try_work(standby.generation.0, LONG).await.expect("work");
        let taken = won.environments[0].fencing.expect("the lease");
        assert!(taken > held);
        let (status, kind, _) = refusal(first.try_report(deployment, held, deployed(deployment)).await);
        assert_eq!((status, kind.as_str()), (409, "stale"));
        let lost = first.work(work.generation.0).await;
        assert_eq!(lost.environments[0].fencing, None);
        second
            .try_report(deployment, taken, deployed(deployment))
            .await
            .expect("recorded");
        let (_, _, detail) = refusal(second.try_report(deployment, held, deployed(deployment)).await);
        assert_eq!(
            detail,
            format!("the fencing number is {held}, the lease has number {taken}; ask for work to learn it")
        );
        // Back again, it is not the first's turn until the second is gone.
        assert_eq!(first.all().await.1, None);
    })
    .await;
}

#[tokio::test]
async fn who_asks_has_the_lease_however_long_the_answer_takes() {
    check_leasing(Duration::from_millis(1), |control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        let id = discovery(&control_plane).await;
        for _ in 0..10 {
            let work = agent.work(0).await;
            assert!(work.environments[0].fencing.is_some(), "{:?}", work.environments);
            assert_eq!(work.discoveries.first().map(|it| it.id), Some(id));
        }
    })
    .await;
}

#[tokio::test]
async fn an_environment_says_since_when_nobody_serves_it() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let agent = Agent::start(&control_plane, descriptor()).await;
        agent.fencing().await;
        let offline = control_plane
            .until("environments/local", |it| {
                condition(it, "Connected")["reason"] == "AgentOffline"
            })
            .await;
        let told = condition(&offline, "Connected")["message"].clone();
        let told = told.as_str().expect("a message");
        let (before, after) = (
            format!("agent {} has not been heard of since ", agent.id),
            "; start it again",
        );
        assert!(told.starts_with(&before) && told.ends_with(after), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_waiting_agent_keeps_its_lease() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let first = Agent::start(&control_plane, descriptor()).await;
        let second = Agent::start(&control_plane, descriptor()).await;
        let position = first.work(0).await.generation.0;
        // Twice as long as a lease.
        let wait = Duration::from_secs(4);
        let (held, refused) = tokio::join!(first.try_work(position, wait), second.try_work(position, wait));
        assert!(held.expect("work").environments.is_empty());
        assert!(refused.expect("work").environments.is_empty());
        assert!(first.all().await.1.is_some());
        assert_eq!(second.all().await.1, None);
    })
    .await;
}

#[tokio::test]
async fn where_every_agent_is_a_gateway_all_of_them_act() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let first = Agent::start(&control_plane, replicated()).await;
        let second = Agent::start(&control_plane, replicated()).await;
        let made = control_plane.deploy("orders", "local").await.expect(202);
        let path = format!("deployments/{}", made["id"].as_str().expect("an id"));
        let ((work, one), (_, other)) = (first.all().await, second.all().await);
        assert!(one.is_some() && other.is_some() && one != other);
        let deployment = &work.deployments[0];
        first.report(deployment, deployed(deployment)).await;
        assert_eq!(control_plane.get(&path).await.expect(200)["phase"], "Deploying");
        // Each speaks for itself, under its own number.
        let (status, kind, _) = refusal(
            second
                .try_report(deployment, one.expect("a lease"), deployed(deployment))
                .await,
        );
        assert_eq!((status, kind.as_str()), (409, "stale"));
        second.report(deployment, deployed(deployment)).await;
        assert_eq!(control_plane.get(&path).await.expect(200)["phase"], "Deployed");

        control_plane.delete(&path).await.expect(202);
        let removal = first.work(work.generation.0).await;
        first
            .report(&removal.deployments[0], DeploymentOutcome::Removed)
            .await;
        assert_eq!(control_plane.get(&path).await.expect(200)["phase"], "Removing");
        second
            .report(&removal.deployments[0], DeploymentOutcome::Removed)
            .await;
        control_plane.get(&path).await.problem(404);
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_is_gone_for_good_is_not_waited_for_once_it_is_revoked() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let first = Agent::start(&control_plane, replicated()).await;
        let gone = Agent::start(&control_plane, replicated()).await;
        let made = control_plane.deploy("orders", "local").await.expect(202);
        let path = format!("deployments/{}", made["id"].as_str().expect("an id"));
        let (work, _) = first.all().await;
        for agent in [&first, &gone] {
            agent
                .report(&work.deployments[0], deployed(&work.deployments[0]))
                .await;
        }
        control_plane.delete(&path).await.expect(202);
        let removal = first.work(work.generation.0).await;
        first
            .report(&removal.deployments[0], DeploymentOutcome::Removed)
            .await;
        assert_eq!(control_plane.get(&path).await.expect(200)["phase"], "Removing");
        control_plane
            .delete(&format!("agents/{}", gone.id))
            .await
            .expect(204);
        control_plane
            .until(&path, |answer| answer["status"] == json!(404))
            .await;
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_dies_while_it_waits_loses_its_lease() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let first = Agent::start(&control_plane, descriptor()).await;
        let second = Agent::start(&control_plane, descriptor()).await;
        let position = first.work(0).await.generation.0;
        second.work(0).await;
        // Giving up closes its connection, as dying does.
        let died = tokio::time::timeout(Duration::from_secs(1), first.try_work(position, LONG)).await;
        assert!(died.is_err(), "it was still waiting");
        let won = second.try_work(position, LONG / 2).await.expect("work");
        assert!(won.environments[0].fencing.is_some());
    })
    .await;
}
