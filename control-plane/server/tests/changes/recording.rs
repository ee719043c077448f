//! Steps: recorded before they are taken, handed to whoever comes after a crash.

use gatehouse_control_plane_api::{
    agent::{DeploymentWork, Step, StepReport, StepState},
    agent_client::AgentApiError,
};
use gatehouse_schemas::identity::{FencingNumber, Generation};
use reqwest::Method;
use serde_json::json;

use crate::{
    agent::{Agent, refusal},
    harness::{check, descriptor, send},
    scene::{id, scene, serve, work_on},
};

pub(crate) fn step(work: &DeploymentWork, number: u32, object: Option<&str>) -> Step {
    Step {
        generation: work.generation,
        number,
        of: Some(3),
        description: "create the API".to_owned(),
        object: object.map(str::to_owned),
        state: StepState::Intended,
    }
}

pub(crate) async fn record(
    agent: &Agent,
    work: &DeploymentWork,
    number: u32,
    object: Option<&str>,
) -> Result<(), AgentApiError> {
    let report = StepReport {
        fencing: agent.fencing().await,
        step: step(work, number, object),
        remaining_ms: Some(700),
    };
    agent.client.step(&agent.token, work.id, &report).await
}

#[tokio::test]
async fn recorded_steps_come_back_until_a_generation_is_carried_out() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = control_plane.deploy("orders", "local").await.expect(202);
        let first = work_on(&agent, id(&made)).await;
        record(&agent, &first, 1, Some("api-1")).await.expect("recorded");
        record(&agent, &first, 1, Some("api-1"))
            .await
            .expect("recorded again");
        record(&agent, &first, 2, None).await.expect("recorded");
        control_plane.with_api("orders", "/orders/v2").await;
        control_plane.deploy("orders", "local").await.expect(202);
        let second = work_on(&agent, id(&made)).await;
        let objects: Vec<Option<&str>> = second.steps.iter().map(|step| step.object.as_deref()).collect();
        assert_eq!(
            objects,
            [Some("api-1"), None],
            "what was not finished is handed on"
        );
        assert!(
            second
                .steps
                .iter()
                .all(|step| step.generation == first.generation)
        );
        let (status, kind, detail) = refusal(record(&agent, &first, 3, None).await);
        assert_eq!((status, kind.as_str()), (409, "stale"));
        assert_eq!(
            detail,
            format!(
                "the step belongs to generation {}, but generation {} is desired; do not take it, and ask for work",
                first.generation, second.generation
            )
        );
        record(&agent, &second, 1, Some("api-1")).await.expect("recorded");
        serve(&agent, id(&made)).await;
        assert!(work_on(&agent, id(&made)).await.steps.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_step_under_another_lease_must_not_be_taken() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = control_plane.deploy("orders", "local").await.expect(202);
        let work = work_on(&agent, id(&made)).await;
        let fencing = agent.fencing().await;
        let with = |fencing: FencingNumber| StepReport {
            fencing,
            step: step(&work, 1, None),
            remaining_ms: None,
        };
        let stale = agent
            .client
            .step(&agent.token, work.id, &with(FencingNumber(fencing.0 + 1)))
            .await;
        assert_eq!(refusal(stale).1, "stale");
        let other = Agent::start(&control_plane, descriptor()).await;
        let stale = other.client.step(&other.token, work.id, &with(fencing)).await;
        assert_eq!(refusal(stale).1, "stale", "it holds no lease");
        let mut foreign = descriptor();
        foreign.gateway_type = "test".parse().expect("a name");
        control_plane
            .delete(&format!("agents/{}", agent.id))
            .await
            .expect(204);
        let gone = agent.client.step(&agent.token, work.id, &with(fencing)).await;
        assert_eq!(refusal(gone).0, 401);
        assert!(work_on(&other, id(&made)).await.steps.is_empty());
    })
    .await;
}

#[tokio::test]
async fn steps_have_bounds() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = control_plane.deploy("orders", "local").await.expect(202);
        let work = work_on(&agent, id(&made)).await;
        let (status, _, detail) = refusal(record(&agent, &work, 0, None).await);
        assert_eq!(status, 422);
        assert_eq!(detail, "/step/number: steps are numbered from 1");
        let long = "x".repeat(1001);
        let (_, _, detail) = refusal(record(&agent, &work, 1, Some(&long)).await);
        assert_eq!(detail, "/step/object: it has more than 1000 characters");
        let token = secrecy::ExposeSecret::expose_secret(&agent.token).to_owned();
        let path = format!("/agent/v1/deployments/{}/steps", work.id);
        let body = json!({"fencing": 1, "step": {"generation": Generation(1), "number": 1,
            "description": "x".repeat(100_000), "state": "intended"}});
        let answer = send(
            control_plane
                .anonymous(Method::POST, &path)
                .bearer_auth(token)
                .json(&body),
        )
        .await;
        assert_eq!(answer.problem(413).0, "too-large");
        let nowhere = DeploymentWork {
            id: gatehouse_schemas::identity::DeploymentId(uuid::Uuid::nil()),
            ..work
        };
        assert_eq!(refusal(record(&agent, &nowhere, 1, None).await).0, 404);
    })
    .await;
}
