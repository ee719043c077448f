//! Drift: what a gateway holds, compared field by field with what was applied and what is desired.

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DeploymentWork, Task, TaskResult};
use gatehouse_schemas::{identity::Generation, observed::Observation};
use serde_json::{Value, json};

use crate::{
    agent::{Agent, refusal},
    harness::{ControlPlane, check, condition},
    scene::{answer, desired, holds_changed, id, observe, rename, renamed, report, scene, served, work_on},
};

async fn drift(control_plane: &ControlPlane) -> Value {
    let page = control_plane
        .get("drift?environment=local&api=orders")
        .await
        .expect(200);
    page["items"][0].clone()
}

#[tokio::test]
async fn drift_is_told_field_by_field_and_changes_nothing() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let told = drift(&control_plane).await;
        assert_eq!(told["state"], "inSync", "{told:#}");
        assert!(told["observedAt"].is_string());
        let work = rename(&agent, id(&made)).await;
        let told = drift(&control_plane).await;
        assert_eq!(told["state"], "drifted", "{told:#}");
        let field = &told["fields"][0];
        assert_eq!(field["path"], "/displayName");
        assert_eq!(field["observed"], "Bestellungen");
        assert_eq!(field["applied"], field["desired"]);
        let read = control_plane
            .get(&format!("deployments/{}", id(&made)))
            .await
            .expect(200);
        assert_eq!(read["phase"], "Deployed");
        assert_eq!(condition(&read, "InSync")["status"], "False", "{read:#}");
        assert_eq!(
            read["generation"],
            json!(work.generation),
            "alert changes nothing"
        );
        // It is put right beside Gatehouse.
        observe(&agent, &work, None).await;
        assert_eq!(drift(&control_plane).await["state"], "inSync");
        let read = control_plane
            .get(&format!("deployments/{}", id(&made)))
            .await
            .expect(200);
        assert_eq!(condition(&read, "InSync")["status"], "True", "{read:#}");
    })
    .await;
}

#[tokio::test]
async fn what_is_unknown_changes_nothing() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let work = work_on(&agent, id(&made)).await;
        let path = format!("deployments/{}", id(&made));
        let before = control_plane.get(&path).await.expect(200);
        let unknown = Observation::Unknown {
            reason: "the gateway timed out".to_owned(),
        };
        observe(&agent, &work, Some(unknown.clone())).await;
        assert_eq!(control_plane.get(&path).await.expect(200), before);
        let told = drift(&control_plane).await;
        assert_eq!(
            (&told["state"], &told["reason"]),
            (&json!("unknown"), &json!("the gateway timed out"))
        );
        report(&agent, &work, DeploymentOutcome::Drifted { observation: unknown }).await;
        assert_eq!(control_plane.get(&path).await.expect(200), before);
        for resolution in ["revert", "adopt"] {
            let path = format!("deployments/{}/drift-resolution", id(&made));
            let (kind, detail) = control_plane
                .post(&path, json!({"resolution": resolution}))
                .await
                .problem(409);
            assert_eq!(kind, "wrong-state");
            assert_eq!(
                detail,
                "how api `orders` in environment `local` stands is not known (the gateway timed out); nothing is changed on \
                 that account; look again with `gatehouse drift local`, and resolve what it shows"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_api_that_is_gone_from_the_gateway_is_missing() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let work = work_on(&agent, id(&made)).await;
        report(
            &agent,
            &work,
            DeploymentOutcome::Drifted {
                observation: Observation::Absent,
            },
        )
        .await;
        assert_eq!(drift(&control_plane).await["state"], "missing");
        let read = control_plane
            .get(&format!("deployments/{}", id(&made)))
            .await
            .expect(200);
        assert_eq!(condition(&read, "InSync")["status"], "False", "{read:#}");
    })
    .await;
}

#[tokio::test]
async fn fields_that_may_differ_do_not_count() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        control_plane
            .apply(json!([{"kind": "Environment", "metadata": {"name": "local"},
                "spec": {"gatewayType": "test", "drift": {"ignore": ["/displayName"]}}}]))
            .await;
        let work = renamed(&control_plane, &agent).await;
        assert_eq!(drift(&control_plane).await["state"], "inSync");
        let path = format!("deployments/{}", work.id);
        let read = control_plane.get(&path).await.expect(200);
        assert_eq!(condition(&read, "InSync")["status"], "True", "{read:#}");
        let seen = holds_changed(desired(&work), |api| api.content.version = "v9".to_owned());
        observe(&agent, &work, Some(seen)).await;
        assert_eq!(drift(&control_plane).await["fields"][0]["path"], "/version");
    })
    .await;
}

#[tokio::test]
async fn observations_of_other_generations_and_under_other_leases_are_left_out() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let made = served(&control_plane, &agent, "orders", "local").await;
        let work = work_on(&agent, id(&made)).await;
        let older = DeploymentWork {
            generation: Generation(work.generation.0 - 1),
            ..work.clone()
        };
        observe(&agent, &older, Some(Observation::Absent)).await;
        assert_eq!(drift(&control_plane).await["state"], "inSync");
        let other = Agent::start(&control_plane, crate::harness::descriptor()).await;
        let body = gatehouse_control_plane_api::agent::ObservationsReport {
            fencing: agent.fencing().await,
            items: Vec::new(),
        };
        let stale = other
            .client
            .observations(&other.token, work.environment_id, &body)
            .await;
        assert_eq!(refusal(stale).1, "stale");
        let item = gatehouse_control_plane_api::agent::DeploymentObservation {
            deployment_id: work.id,
            generation: work.generation,
            differs: None,
        };
        let many = gatehouse_control_plane_api::agent::ObservationsReport {
            items: vec![item; 101],
            ..body
        };
        let (status, _, detail) = refusal(
            agent
                .client
                .observations(&agent.token, work.environment_id, &many)
                .await,
        );
        assert_eq!(status, 422);
        assert!(
            detail.contains("there are 101 observations; send at most 100 at a time"),
            "{detail}"
        );
        control_plane.with_api("orders", "/orders/v2").await;
        control_plane.deploy("orders", "local").await.expect(202);
        let new = work_on(&agent, id(&made)).await;
        let early = DeploymentOutcome::Drifted {
            observation: Observation::Absent,
        };
        let (_, kind, detail) = refusal(agent.try_report(&new, agent.fencing().await, early).await);
        assert_eq!(kind, "wrong-state");
        assert_eq!(
            detail,
            format!(
                "generation {} of `orders` was not carried out yet, so it cannot have drifted; carry it out",
                new.generation
            )
        );
    })
    .await;
}

#[tokio::test]
async fn a_look_is_asked_for_and_told() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let asked = control_plane
            .post("environments/local/observations", json!({}))
            .await
            .expect(202);
        answer(&agent, |task| {
            assert_eq!(*task, Task::Observe { deployments: None });
            TaskResult::Observed { count: 0 }
        })
        .await;
        let read = control_plane
            .get(&format!("tasks/{}", id(&asked)))
            .await
            .expect(200);
        assert_eq!(read["result"], json!({"kind": "observed", "count": 0}));
        let page = control_plane.get("drift?environment=nowhere").await.expect(200);
        assert_eq!(page["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn drift_and_plans_are_counted() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        renamed(&control_plane, &agent).await;
        let item = json!([{"api": "orders", "environment": "local"}]);
        crate::scene::plan(&control_plane, item).await;
        let http = reqwest::Client::new();
        let metrics = crate::harness::send(http.get(control_plane.admin_url("/metrics")))
            .await
            .expect(200);
        let text = metrics.as_str().expect("text").to_owned();
        for line in [
            "gatehouse_deployments_drifted 1",
            r#"gatehouse_plans_open{state="Pending"} 1"#,
            "gatehouse_tasks_open 1",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    })
    .await;
}
