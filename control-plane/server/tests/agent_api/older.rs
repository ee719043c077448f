//! An agent of protocol 1: what it is given, what is kept from it, and who takes over what it began.

use std::time::Duration;

use gatehouse_control_plane_api::agent::{DiscoveryOutcome, SessionRequest};
use gatehouse_control_plane_store::{DeploymentTerms, Desired, Expected, Step, StepState};
use gatehouse_schemas::identity::{DeploymentId, ExternalRef};
use serde_json::{Value, json};

use crate::{
    agent::{Agent, deployed},
    discovering::{classes, discovery, found, lines, told},
    harness::{ControlPlane, PATIENCE, api, check, descriptor},
};

async fn old_agent(control_plane: &ControlPlane) -> Agent {
    let agent = Agent::enroll(control_plane).await;
    speak(&agent, 1).await;
    agent
}

async fn speak(agent: &Agent, protocol: u32) {
    let request = SessionRequest {
        descriptor: descriptor(),
        protocol_min: 1,
        protocol_max: protocol,
    };
    let session = agent.client.session(&agent.token, &request).await;
    assert_eq!(session.expect("a session").protocol, protocol);
}

async fn deployments(agent: &Agent) -> Vec<String> {
    let work = agent.work(0).await;
    let ids = work.deployments.iter().map(|work| work.id.to_string());
    ids.collect()
}

/// A deployment with these terms, as a plan or an adoption records them.
async fn with_terms(control_plane: &ControlPlane, deployment: &Value, terms: DeploymentTerms) {
    let id: DeploymentId = deployment["id"].as_str().expect("an id").parse().expect("an id");
    let mut transaction = control_plane.transaction().await;
    let Some(Desired::Present(desired)) = transaction.desired(id).await.expect("a database") else {
        panic!("nothing is desired");
    };
    let present = transaction
        .deployment(id)
        .await
        .expect("a database")
        .expect("there");
    let new = gatehouse_control_plane_store::NewDeployment {
        desired: *desired,
        phase: present.phase,
        conditions: present.conditions,
        terms,
    };
    transaction.put_deployment(&new).await.expect("written");
    transaction.commit().await.expect("a commit");
}

#[tokio::test]
async fn a_deploy_goes_on_working_with_an_agent_of_protocol_1() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let agent = old_agent(&control_plane).await;
        let made = control_plane.deploy("orders", "local").await.expect(202);
        let work = agent.work(0).await;
        let fencing = work.environments[0].fencing.expect("a lease");
        let [work] = work.deployments.as_slice() else {
            panic!("{work:?}");
        };
        agent
            .try_report(work, fencing, deployed(work))
            .await
            .expect("recorded");
        let path = format!("deployments/{}", made["id"].as_str().expect("an id"));
        assert_eq!(control_plane.get(&path).await.expect(200)["phase"], "Deployed");
    })
    .await;
}

#[tokio::test]
async fn what_protocol_1_would_get_wrong_is_kept_for_a_newer_agent() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let agent = old_agent(&control_plane).await;
        let made = control_plane.deploy("orders", "local").await.expect(202);
        assert_eq!(deployments(&agent).await.len(), 1);
        let cases = [
            DeploymentTerms {
                expected: Some(Expected::Absent),
                ..DeploymentTerms::default()
            },
            DeploymentTerms {
                adopt: Some(ExternalRef("svc-1".to_owned())),
                ..DeploymentTerms::default()
            },
        ];
        for terms in cases {
            with_terms(&control_plane, &made, terms.clone()).await;
            assert_eq!(deployments(&agent).await, Vec::<String>::new(), "{terms:?}");
            speak(&agent, 2).await;
            assert_eq!(deployments(&agent).await.len(), 1, "{terms:?}");
            speak(&agent, 1).await;
        }
        with_terms(&control_plane, &made, DeploymentTerms::default()).await;
        assert_eq!(deployments(&agent).await.len(), 1);
        begin(&control_plane, &made).await;
        assert_eq!(
            deployments(&agent).await,
            Vec::<String>::new(),
            "a step was taken that it would overlook"
        );
    })
    .await;
}

/// Another agent recorded a step of the deployment, and is gone.
async fn begin(control_plane: &ControlPlane, deployment: &Value) {
    let id: DeploymentId = deployment["id"].as_str().expect("an id").parse().expect("an id");
    let mut transaction = control_plane.transaction().await;
    let present = transaction
        .deployment(id)
        .await
        .expect("a database")
        .expect("there");
    let step = Step {
        generation: present.generation,
        number: 1,
        of: None,
        description: "create the API".to_owned(),
        object: Some("api-1".to_owned()),
        state: StepState::Intended,
    };
    assert!(
        transaction
            .record_step(id, &step, None)
            .await
            .expect("a database")
    );
    transaction.commit().await.expect("a commit");
}

#[tokio::test]
async fn words_that_protocol_1_does_not_have_never_reach_its_agents() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        control_plane.with_api("orders", "/orders").await;
        let mut signed = api("signed", "/signed");
        signed["spec"]["policies"] = json!([{"type": "retry", "with": {"attempts": 2}}]);
        control_plane.apply(json!([signed])).await;
        let agent = old_agent(&control_plane).await;
        let (kind, detail) = control_plane.deploy("signed", "local").await.problem(409);
        assert_eq!(
            (kind.as_str(), detail.as_str()),
            (
                "capability-lacking",
                "environment `local` cannot take api `signed`: its agent `test agent` (gateway type `test`, connector version \
                 1.0.0) speaks protocol 1, which has no words for what is at `/content/policies/0` of it; update the agent"
            )
        );
        // Attached later, by somebody who knows nothing of the agent: the deployment waits, and the rest goes on.
        control_plane.deploy("orders", "local").await.expect(202);
        assert_eq!(deployments(&agent).await.len(), 1);
        control_plane
            .apply(json!([{"kind": "Policy", "metadata": {"name": "again"}, "spec": {
                "targets": [{"environment": "local"}],
                "policies": [{"type": "retry", "with": {"attempts": 2}}]}}]))
            .await;
        assert_eq!(deployments(&agent).await, Vec::<String>::new());
        control_plane
            .post("apply", json!({"documents": [{"kind": "Environment", "metadata": {"name": "local"}, "spec": {
                "gatewayType": "test", "discovery": {"filter": {"names": ["a*"]}}}}]}))
            .await
            .expect(200);
        let (_, detail) = control_plane
            .post("discoveries", json!({"environment": "local"}))
            .await
            .problem(409);
        assert_eq!(
            detail,
            "environment `local` cannot be discovered with this filter: its agent `test agent` (gateway type `test`, connector \
             version 1.0.0) speaks protocol 1, which filters by tags alone; update the agent, or leave the rest out of \
             `spec.discovery.filter`"
        );
    })
    .await;
}

#[tokio::test]
async fn pages_of_protocol_1_are_nothing_that_another_agent_goes_on_from() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let first = old_agent(&control_plane).await;
        let id = discovery(&control_plane).await;
        first.work(0).await;
        let page = async |agent: &Agent, number: u32, position: Option<&str>, name: &str| {
            let item = [found(name, name, &format!("/{name}"))];
            let sent = agent
                .client
                .discovery_page_at(&agent.token, id, number, position, lines(&item))
                .await;
            sent.expect("recorded");
        };
        page(&first, 1, None, "a").await;
        page(&first, 2, None, "b").await;
        let second = Agent::start(&control_plane, descriptor()).await;
        let resume = until_taken_over(&second).await;
        assert_eq!(
            resume, None,
            "a page without a position is not the end of the listing"
        );
        page(&second, 1, Some("after a"), "a").await;
        let work = second.work(0).await;
        let resume = work.discoveries[0].resume.clone().expect("a position");
        assert_eq!(
            (resume.pages, resume.position.as_deref()),
            (1, Some("after a")),
            "the pages after it are of the listing that broke off"
        );
        page(&second, 2, None, "c").await;
        second.complete(id, 2, DiscoveryOutcome::Complete).await;
        let seen = classes(&control_plane, id).await;
        assert_eq!(told(&seen), [("a", "new"), ("c", "new")]);
    })
    .await;
}

async fn until_taken_over(agent: &Agent) -> Option<gatehouse_control_plane_api::agent::ResumePosition> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let work = agent.try_work(0, Duration::from_secs(1)).await.expect("work");
        if let Some(work) = work.discoveries.into_iter().next() {
            return work.resume;
        }
        assert!(tokio::time::Instant::now() < deadline, "nobody takes over");
    }
}
