//! What the tests of safe change have in common: an agent that answers what it is asked, and what it may say.

use gatehouse_control_plane_api::agent::{
    DeploymentObservation, DeploymentOutcome, DeploymentWork, DesiredState, ObservationsReport, Task,
    TaskReport, TaskResult, TaskWork,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    descriptor::Fidelity,
    desired::DesiredApi,
    fidelity::PolicyFidelity,
    identity::ExternalRef,
    observed::{Observation, ObservedApi},
};
use serde_json::{Value, json};

use crate::{
    agent::{Agent, deployed},
    harness::{ControlPlane, descriptor},
};

/// An environment `local`, an API `orders`, and an agent that holds the lease.
pub(crate) async fn scene(control_plane: &ControlPlane) -> Agent {
    control_plane.with_environment("local", "read-write").await;
    control_plane.with_api("orders", "/orders").await;
    let agent = Agent::start(control_plane, descriptor()).await;
    agent.work(0).await;
    agent
}

/// Deploys an API and reports that the gateway serves it.
pub(crate) async fn served(control_plane: &ControlPlane, agent: &Agent, api: &str, place: &str) -> Value {
    let made = control_plane.deploy(api, place).await.expect(202);
    serve(agent, id(&made)).await;
    control_plane
        .get(&format!("deployments/{}", id(&made)))
        .await
        .expect(200)
}

/// The agent carries out what is desired of a deployment.
pub(crate) async fn serve(agent: &Agent, deployment: &str) {
    let work = work_on(agent, deployment).await;
    let outcome = match &work.desired {
        DesiredState::Present { .. } => deployed(&work),
        DesiredState::Absent { .. } => DeploymentOutcome::Removed,
    };
    report(agent, &work, outcome).await;
}

pub(crate) async fn work_on(agent: &Agent, deployment: &str) -> DeploymentWork {
    let work = agent.work(0).await;
    let mut deployments = work.deployments.into_iter();
    let found = deployments.find(|work| work.id.to_string() == deployment);
    found.unwrap_or_else(|| panic!("{deployment} is no work"))
}

/// Reports under the lease of the deployment's environment.
pub(crate) async fn report(agent: &Agent, work: &DeploymentWork, outcome: DeploymentOutcome) {
    let all = agent.work(0).await;
    let mut environments = all.environments.into_iter();
    let environment = environments.find(|environment| environment.id == work.environment_id);
    let fencing = environment.and_then(|environment| environment.fencing);
    agent
        .try_report(work, fencing.expect("a lease"), outcome)
        .await
        .expect("recorded");
}

pub(crate) fn failed(reason: &str, message: &str, retrying: bool) -> DeploymentOutcome {
    DeploymentOutcome::Failed {
        reason: reason.to_owned(),
        message: message.to_owned(),
        retrying,
    }
}

pub(crate) fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

/// Asks for a plan of these items.
pub(crate) async fn plan(control_plane: &ControlPlane, items: Value) -> Value {
    control_plane
        .post("plans", json!({"items": items}))
        .await
        .expect(202)
}

pub(crate) async fn read_plan(control_plane: &ControlPlane, plan: &Value) -> Value {
    control_plane
        .get(&format!("plans/{}", id(plan)))
        .await
        .expect(200)
}

/// A plan of these items, worked out over a gateway that holds nothing.
pub(crate) async fn ready(control_plane: &ControlPlane, agent: &Agent, items: Value) -> Value {
    let asked = plan(control_plane, items).await;
    answer(agent, |_| planned(Observation::Absent)).await;
    let plan = read_plan(control_plane, &asked).await;
    assert_eq!(plan["state"], "Ready", "{plan:#}");
    plan
}

pub(crate) async fn apply_plan(control_plane: &ControlPlane, plan: &Value) -> Value {
    control_plane
        .post(&format!("plans/{}/apply", id(plan)), json!({}))
        .await
        .expect(202)
}

/// Answers every open task.
pub(crate) async fn answer(agent: &Agent, say: impl Fn(&Task) -> TaskResult) {
    let work = agent.work(0).await;
    for task in &work.tasks {
        let result = say(&task.task);
        try_answer(agent, task, result).await.expect("recorded");
    }
}

pub(crate) async fn try_answer(
    agent: &Agent,
    task: &TaskWork,
    result: TaskResult,
) -> Result<(), gatehouse_control_plane_api::agent_client::AgentApiError> {
    let work = agent.work(0).await;
    let mut environments = work.environments.into_iter();
    let environment = environments.find(|environment| environment.id == task.environment_id);
    let fencing = environment.and_then(|it| it.fencing).expect("a lease");
    let report = TaskReport { fencing, result };
    agent.client.task_result(&agent.token, task.id, &report).await
}

/// The answer to a plan of a gateway that expresses everything exactly.
pub(crate) fn planned(observation: Observation) -> TaskResult {
    TaskResult::Planned {
        observation,
        fidelity: Vec::new(),
        notes: Vec::new(),
        warnings: Vec::new(),
        calls: [("PutRoute".to_owned(), 2)].into(),
        eta_ms: 1500,
    }
}

/// The answer to a plan, with how faithfully each policy of the API is expressed.
pub(crate) fn planned_with(task: &Task, observation: Observation, fidelity: &Fidelity) -> TaskResult {
    let Task::Plan {
        desired: DesiredState::Present { api },
        ..
    } = task
    else {
        return planned(observation);
    };
    let policies = api.content.policies.iter().enumerate();
    let report = policies.map(|(index, policy)| PolicyFidelity {
        pointer: format!("/policies/{index}"),
        policy: policy.type_name().to_string(),
        operation: None,
        fidelity: fidelity.clone(),
    });
    TaskResult::Planned {
        observation,
        fidelity: report.collect(),
        notes: Vec::new(),
        warnings: Vec::new(),
        calls: Default::default(),
        eta_ms: 0,
    }
}

/// What a gateway shows that holds exactly this.
pub(crate) fn holds(api: &DesiredApi) -> Observation {
    Observation::Present(Box::new(observed(api)))
}

fn observed(api: &DesiredApi) -> ObservedApi {
    ObservedApi {
        external_ref: ExternalRef("svc-1".to_owned()),
        name: api.mark.api_name.to_string(),
        version: None,
        tags: Vec::new(),
        mark: Some(api.mark.clone()),
        endpoint_urls: Vec::new(),
        content: api.content.clone(),
        definition: None,
        fingerprint: api.fingerprint.clone(),
    }
}

/// What a gateway shows on which somebody changed the API.
pub(crate) fn holds_changed(api: &DesiredApi, change: impl Fn(&mut ObservedApi)) -> Observation {
    let mut changed = observed(api);
    change(&mut changed);
    changed.fingerprint = Fingerprint::of(&changed.content).expect("JSON");
    Observation::Present(Box::new(changed))
}

pub(crate) fn desired(work: &DeploymentWork) -> &DesiredApi {
    match &work.desired {
        DesiredState::Present { api } => api,
        DesiredState::Absent { .. } => panic!("{work:?} is to be removed"),
    }
}

/// The agent tells what it saw of a deployment.
pub(crate) async fn observe(agent: &Agent, work: &DeploymentWork, differs: Option<Observation>) {
    let fencing = agent.fencing().await;
    let report = ObservationsReport {
        fencing,
        items: vec![DeploymentObservation {
            deployment_id: work.id,
            generation: work.generation,
            differs,
        }],
    };
    agent
        .client
        .observations(&agent.token, work.environment_id, &report)
        .await
        .expect("recorded");
}

/// The deployment of `orders` in `local` is served, and somebody gave it another name on the gateway.
pub(crate) async fn renamed(control_plane: &ControlPlane, agent: &Agent) -> DeploymentWork {
    let made = served(control_plane, agent, "orders", "local").await;
    rename(agent, id(&made)).await
}

/// Somebody gives a deployed API another name on the gateway.
pub(crate) async fn rename(agent: &Agent, deployment: &str) -> DeploymentWork {
    let work = work_on(agent, deployment).await;
    let seen = holds_changed(desired(&work), |api| {
        api.content.display_name = "Bestellungen".to_owned();
    });
    observe(agent, &work, Some(seen)).await;
    work
}
