//! Tasks: what agents are asked, who may answer, and what is said when nobody does.

use gatehouse_control_plane_api::agent::{CheckFinding, CheckSeverity, Task, TaskReport, TaskResult};
use gatehouse_control_plane_store::{NewTask, Schedule, Scheduled};
use gatehouse_schemas::{
    identity::{FencingNumber, TaskId},
    resource::Kind,
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::{
    agent::{Agent, environment_id, refusal},
    harness::{ControlPlane, check, descriptor, now},
    scene::{answer, id, scene, try_answer},
};

fn checked() -> TaskResult {
    TaskResult::Checked {
        gateway_version: Some("3.9".to_owned()),
        findings: vec![CheckFinding {
            severity: CheckSeverity::Ok,
            message: "the admin API answers".to_owned(),
        }],
    }
}

async fn ask_check(control_plane: &ControlPlane) -> Value {
    control_plane
        .post("environments/local/checks", json!({}))
        .await
        .expect(202)
}

#[tokio::test]
async fn an_environment_is_checked_by_its_agent() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let answer_to = control_plane.post("environments/local/checks", json!({})).await;
        let location = answer_to.header("location").to_owned();
        let asked = answer_to.expect(202);
        assert_eq!(location, format!("/api/v1/tasks/{}", id(&asked)));
        assert_eq!(
            (&asked["state"], &asked["environment"]),
            (&json!("Pending"), &json!("local"))
        );
        answer(&agent, |task| {
            assert_eq!(*task, Task::Check);
            checked()
        })
        .await;
        let read = control_plane
            .get(&format!("tasks/{}", id(&asked)))
            .await
            .expect(200);
        assert_eq!(read["state"], "Answered", "{read:#}");
        assert_eq!(read["result"]["findings"][0]["message"], "the admin API answers");
        let (_, detail) = control_plane
            .post("environments/nowhere/checks", json!({}))
            .await
            .problem(404);
        assert_eq!(detail, "there is no environment `nowhere`");
        control_plane
            .get(&format!("tasks/{}", uuid::Uuid::nil()))
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn what_a_connector_cannot_do_is_not_asked() {
    check(|control_plane| async move {
        control_plane.with_environment("local", "read-write").await;
        let mut descriptor = descriptor();
        descriptor.capabilities.check = false;
        descriptor.capabilities.observe = false;
        descriptor.capabilities.discover = false;
        Agent::start(&control_plane, descriptor).await;
        let request = json!({"environment": "local"});
        for (path, body, refusal) in [
            (
                "environments/local/checks",
                json!({}),
                "environment `local` cannot be checked: its agent `test agent` (gateway type `test`, connector version 1.0.0) does not \
                 declare the capability `check`; the first deploy or discovery shows whether gateway and credential are good",
            ),
            (
                "environments/local/observations",
                json!({}),
                "environment `local` cannot be looked at for drift: its agent `test agent` (gateway type `test`, connector version \
                 1.0.0) does not declare the capability `observe`; deploy again what may have drifted",
            ),
            (
                "discoveries",
                request,
                "environment `local` cannot be discovered: its agent `test agent` (gateway type `test`, connector version 1.0.0) does \
                 not declare the capability `discover`; write its APIs as documents, and give them with `gatehouse apply`",
            ),
        ] {
            let (kind, detail) = control_plane.post(path, body).await.problem(409);
            assert_eq!((kind.as_str(), detail.as_str()), ("capability-lacking", refusal));
        }
    })
    .await;
}

#[tokio::test]
async fn a_task_is_answered_once_by_the_holder_of_the_lease() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        ask_check(&control_plane).await;
        let task = agent.work(0).await.tasks.remove(0);
        let other = Agent::start(&control_plane, descriptor()).await;
        assert!(
            other.work(0).await.tasks.is_empty(),
            "it is not the holder's turn alone"
        );
        let report = |fencing: FencingNumber| TaskReport {
            fencing,
            result: checked(),
        };
        let fencing = agent.fencing().await;
        let without = other
            .client
            .task_result(&other.token, task.id, &report(fencing))
            .await;
        assert_eq!(refusal(without).1, "stale");
        let old = agent
            .client
            .task_result(&agent.token, task.id, &report(FencingNumber(fencing.0 + 1)))
            .await;
        assert_eq!(refusal(old).1, "stale");
        let (status, kind, detail) =
            refusal(try_answer(&agent, &task, TaskResult::Observed { count: 1 }).await);
        assert_eq!((status, kind.as_str()), (409, "wrong-state"));
        assert_eq!(
            detail,
            format!(
                "task `{}` asks to `check`; the answer is to another question, so answer this one",
                task.id
            )
        );
        try_answer(&agent, &task, checked()).await.expect("recorded");
        try_answer(&agent, &task, checked())
            .await
            .expect("the same again");
        let another = TaskResult::Failed {
            reason: "Unavailable".to_owned(),
            message: "it is away".to_owned(),
        };
        let (_, kind, detail) = refusal(try_answer(&agent, &task, another).await);
        assert_eq!(kind, "stale");
        assert_eq!(
            detail,
            format!(
                "task `{}` was answered already, otherwise; the first answer counts",
                task.id
            )
        );
        let nowhere = agent
            .client
            .task_result(&agent.token, TaskId(uuid::Uuid::nil()), &report(fencing))
            .await;
        assert_eq!(refusal(nowhere).0, 404);
    })
    .await;
}

/// A task whose time is over already.
async fn overdue(control_plane: &ControlPlane) -> TaskId {
    let mut transaction = control_plane.transaction().await;
    let environment = transaction
        .resource(Kind::Environment, &"local".parse().expect("a name"))
        .await
        .expect("a database")
        .expect("the environment");
    let new = NewTask {
        task: serde_json::to_value(Task::Check).expect("JSON"),
        expires_at: now(),
        plan: None,
    };
    let task = transaction.create_task(&environment, &new).await.expect("a task");
    transaction.commit().await.expect("a commit");
    task.id
}

#[tokio::test]
async fn a_task_that_nobody_answers_ends_and_says_why() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let task = overdue(&control_plane).await;
        let path = format!("tasks/{task}");
        let ended = control_plane.until(&path, |task| task["state"] == "Failed").await;
        assert_eq!(ended["result"]["reason"], "NoAnswer");
        let message = ended["result"]["message"].as_str().unwrap_or_default();
        assert_eq!(
            message,
            "an agent for gateway type `test` is connected, but did not answer for environment `local` within 0 seconds; look at \
             the agent's log, then ask again"
        );
        let fencing = agent.fencing().await;
        let report = TaskReport {
            fencing,
            result: checked(),
        };
        let (_, kind, detail) = refusal(agent.client.task_result(&agent.token, task, &report).await);
        assert_eq!(kind, "stale");
        let expires = ended["expiresAt"].as_str().unwrap_or_default();
        assert_eq!(
            detail,
            format!("task `{task}` ended at {expires} without an answer; there is nothing more to answer")
        );
        control_plane
            .delete(&format!("agents/{}", agent.id))
            .await
            .expect(204);
        let task = overdue(&control_plane).await;
        let ended = control_plane
            .until(&format!("tasks/{task}"), |task| task["state"] == "Failed")
            .await;
        let message = ended["result"]["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("none is connected; start one with a token"),
            "{message}"
        );
    })
    .await;
}

#[tokio::test]
async fn drift_is_looked_for_by_schedule() {
    check(|control_plane| async move {
        let agent = scene(&control_plane).await;
        let document = |schedule: &str| {
            json!([{"kind": "Environment", "metadata": {"name": "local"},
                "spec": {"gatewayType": "test", "drift": {"schedule": schedule}}}])
        };
        let answer = control_plane
            .post("apply", json!({"documents": document("every day")}))
            .await;
        answer.problem(422);
        let applied = control_plane.apply(document("0 3 * * *")).await;
        assert!(applied["results"][0]["warnings"].is_null(), "{applied:#}");
        let environment_id = environment_id(&control_plane, "local").await;
        let known = async || {
            control_plane
                .server
                .store()
                .schedules()
                .await
                .expect("a database")
        };
        let mut schedules = known().await;
        while schedules.is_empty() {
            tokio::task::yield_now().await;
            schedules = known().await;
        }
        assert!(schedules[0].due_at > Some(now()), "{schedules:?}");
        assert!(agent.work(0).await.tasks.is_empty());
        let due = Schedule {
            environment_id,
            what: Scheduled::Drift,
            expression: "0 3 * * *".to_owned(),
            due_at: Some(Timestamp(now().0 - 1)),
        };
        let mut transaction = control_plane.transaction().await;
        transaction.put_schedule(&due).await.expect("a schedule");
        transaction.commit().await.expect("a commit");
        let work = agent
            .try_work(agent.work(0).await.generation.0, crate::agent::LONG)
            .await
            .expect("work");
        assert_eq!(work.tasks[0].task, Task::Observe { deployments: None });
        assert!(
            known().await[0].due_at > Some(now()),
            "the next time is worked out"
        );
    })
    .await;
}
