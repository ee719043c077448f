//! Adopting drift while somebody goes on changing the gateway: nothing is done, and the deployment says how things are.

use gatehouse_control_plane_api::agent::{DeploymentWork, ExpectedState, Task};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    harness::{ControlPlane, check, condition},
    scene::{desired, failed, holds_changed, observe, renamed, report, scene, work_on},
};

/// `orders` was renamed on the gateway; that was to be adopted, and somebody renamed it once more.
async fn voided(control_plane: &ControlPlane, agent: &Agent) -> (DeploymentWork, Value) {
    let before = renamed(control_plane, agent).await;
    let path = format!("deployments/{}", before.id);
    control_plane
        .post(
            &format!("{path}/drift-resolution"),
            json!({"resolution": "adopt"}),
        )
        .await
        .expect(202);
    let work = work_on(agent, &before.id.to_string()).await;
    assert!(
        matches!(work.expected, Some(ExpectedState::Present { .. })),
        "{work:?}"
    );
    report(
        agent,
        &work,
        failed("PlanVoid", "the gateway holds something else", false),
    )
    .await;
    let back = control_plane.until(&path, |read| read["revision"] == 1).await;
    (before, back)
}

#[tokio::test]
async fn a_void_adoption_leaves_the_deployment_as_it_was_seen() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let (before, back) = voided(&control_plane, &agent).await;
        assert_eq!(back["phase"], "Deployed", "{back:#}");
        let in_sync = condition(&back, "InSync");
        assert_eq!(
            (&in_sync["status"], &in_sync["reason"]),
            (&json!("False"), &json!("Drifted")),
            "{back:#}"
        );
        let work = work_on(&agent, &before.id.to_string()).await;
        assert!(work.confirmed && work.expected.is_none(), "{work:?}");
        assert_eq!(desired(&work), desired(&before), "nothing is to be changed there");
        let path = format!(
            "audit-events?object=deployment/{}&action=drift.adoption-void",
            before.id
        );
        let told = control_plane.get(&path).await.expect(200);
        let message = told["items"][0]["details"]["message"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(
            message,
            "revision 2 was not carried out, since the gateway was changed again after it was looked at (the gateway holds \
             something else); nothing was changed there, revision 1 is desired as before, and the gateway is looked at again"
        );
    })
    .await;
}

#[tokio::test]
async fn after_a_void_adoption_the_gateway_is_looked_at_again() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let (before, _) = voided(&control_plane, &agent).await;
        let asked = agent.work(0).await.tasks;
        let look = Task::Observe {
            deployments: Some(vec![before.id]),
        };
        assert!(asked.iter().any(|task| task.task == look), "{asked:?}");
        let work = work_on(&agent, &before.id.to_string()).await;
        let seen = holds_changed(desired(&work), |api| {
            api.content.display_name = "Pedidos".to_owned();
        });
        observe(&agent, &work, Some(seen)).await;
        let drift = control_plane.get("drift?environment=local").await.expect(200);
        assert!(drift.to_string().contains("Pedidos"), "{drift:#}");
        observe(&agent, &work, None).await;
        let read = control_plane
            .get(&format!("deployments/{}", before.id))
            .await
            .expect(200);
        assert_eq!(condition(&read, "InSync")["status"], "True", "{read:#}");
    })
    .await;
}

#[tokio::test]
async fn policies_written_meanwhile_are_in_force_after_a_void_adoption() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let before = renamed(&control_plane, &agent).await;
        let path = format!("deployments/{}", before.id);
        control_plane
            .post(
                &format!("{path}/drift-resolution"),
                json!({"resolution": "adopt"}),
            )
            .await
            .expect(202);
        control_plane
            .apply(
                json!([{"kind": "Policy", "metadata": {"name": "browsers"}, "spec": {
                "targets": [{"environment": "local"}],
                "policies": [{"type": "cors", "with": {"allowOrigins": ["https://shop.example"]}}]}}]),
            )
            .await;
        let work = work_on(&agent, &before.id.to_string()).await;
        report(&agent, &work, failed("PlanVoid", "it moved", false)).await;
        control_plane.until(&path, |read| read["revision"] == 1).await;
        let back = work_on(&agent, &before.id.to_string()).await;
        assert!(!back.confirmed && back.expected.is_none(), "{back:?}");
        assert_eq!(desired(&back).content.policies.len(), 1, "{back:?}");
        let path = format!(
            "audit-events?object=deployment/{}&action=drift.overwritten",
            before.id
        );
        let kept = control_plane.get(&path).await.expect(200);
        assert_eq!(
            kept["items"][0]["details"]["overwritten"],
            json!([{"path": "/displayName", "observed": "Bestellungen"}]),
            "{kept:#}"
        );
    })
    .await;
}
