//! The state of deployments: gathers what it follows from, and leaves the telling to
//! [`gatehouse_schemas::status`].

use std::collections::BTreeMap;

use gatehouse_control_plane_api::agent::DeploymentOutcome;
use gatehouse_control_plane_store::{
    self as store, Agent, AgentFilter, Deployment, DeploymentFilter, Desired, KnownAgent, PageRequest,
    PlanState, Transaction,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    condition::{Condition, ConditionStatus, ConditionType, Phase},
    drift::{DriftState, drift},
    environment::{EnvironmentSpec, Mode},
    identity::{
        AgentId, DeploymentId, EnvironmentId, ExternalRef, GatewayType, Generation, ResourceName,
        RevisionNumber,
    },
    observed::Observation,
    resource::Kind,
    status::{AgentReport, DeploymentFacts, DeploymentStatus, Report, ReportOutcome, deployment_status},
    time::Timestamp,
};
use serde_json::json;

use crate::{
    failure::{Answer, Failure},
    health::PHASES,
    metrics::Counts,
    state::AppState,
};

/// The deployment whose state is asked for, as it is or is about to be.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Which; none if it is about to be made.
    pub(crate) id: Option<DeploymentId>,
    /// The API's name.
    pub(crate) api: ResourceName,
    /// The environment's name.
    pub(crate) environment: ResourceName,
    /// The desired revision.
    pub(crate) revision: RevisionNumber,
    /// The generation of the desired state.
    pub(crate) generation: Generation,
    /// When it was made; none if it is about to be.
    pub(crate) created_at: Option<Timestamp>,
    /// The fingerprint of what is desired; none if nothing is.
    pub(crate) desired: Option<Fingerprint>,
    /// The conditions so far.
    pub(crate) previous: Vec<Condition>,
}

/// What deployments share with the others of their environment.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    gateway_type: GatewayType,
    mode: Mode,
    replicated: bool,
    /// Fields that may differ on the gateway.
    ignore: Vec<String>,
    agents: Vec<Seen>,
}

/// An agent, and when it was last heard of.
#[derive(Debug, Clone)]
struct Seen {
    id: AgentId,
    name: String,
    online: bool,
    last_seen_at: Option<Timestamp>,
}

/// A request for work that began this long before a deployment was made may have been answered with it: the
/// longest wait, twice.
const LONGEST_REQUEST_MS: i64 = 120_000;

impl Surroundings {
    /// The agents of an environment's gateway type; online are those heard of since `online_since`.
    pub(crate) async fn of(
        transaction: &mut Transaction,
        environment: &EnvironmentSpec,
        online_since: Timestamp,
    ) -> Answer<Self> {
        let gateway_type = environment.gateway_type.clone();
        let descriptor = transaction.descriptor(&gateway_type).await?;
        let agents = transaction.known_agents(&gateway_type).await?;
        let agent = |agent: KnownAgent| Seen {
            id: agent.id,
            name: agent.name,
            online: agent.last_seen_at.is_some_and(|seen| seen >= online_since),
            last_seen_at: agent.last_seen_at,
        };
        Ok(Self {
            mode: environment.mode,
            ignore: environment
                .drift
                .as_ref()
                .map(|drift| drift.ignore.clone())
                .unwrap_or_default(),
            replicated: descriptor.is_some_and(|descriptor| descriptor.capabilities.replicated),
            agents: agents.into_iter().map(agent).collect(),
            gateway_type,
        })
    }
}

/// Whether an agent may work and was heard of within the time of a lease.
pub(crate) fn is_online(agent: &Agent, online_since: Timestamp) -> bool {
    agent.revoked_at.is_none() && agent.last_seen_at.is_some_and(|seen| seen >= online_since)
}

/// Tells the state of a deployment.
pub(crate) async fn tell(
    transaction: &mut Transaction,
    subject: &Subject,
    surroundings: &Surroundings,
) -> Answer<DeploymentStatus> {
    let mut reports = match subject.id {
        Some(id) => transaction.reports(id).await?,
        None => Vec::new(),
    };
    overlook(transaction, subject, surroundings, &mut reports).await?;
    let handed_out_since = subject
        .created_at
        .map(|moment| Timestamp(moment.0 - LONGEST_REQUEST_MS));
    let by_agent: BTreeMap<AgentId, &store::Report> =
        reports.iter().map(|report| (report.agent_id, report)).collect();
    let agents: Vec<AgentReport> = surroundings
        .agents
        .iter()
        .map(|seen| AgentReport {
            agent: seen.name.clone(),
            online: seen.online,
            heard_since: handed_out_since.is_some_and(|since| seen.last_seen_at >= Some(since)),
            report: by_agent.get(&seen.id).and_then(|told| report(told)),
        })
        .collect();
    let never_handed_out = match handed_out_since {
        Some(since) if subject.desired.is_none() && reports.is_empty() => {
            !transaction.heard_of(&surroundings.gateway_type, since).await?
        }
        _ => false,
    };
    Ok(deployment_status(&DeploymentFacts {
        api: &subject.api,
        revision: subject.revision,
        environment: &subject.environment,
        gateway_type: &surroundings.gateway_type,
        mode: surroundings.mode,
        generation: subject.generation,
        desired: subject.desired.as_ref(),
        replicated: surroundings.replicated,
        agents: &agents,
        never_handed_out,
        previous: &subject.previous,
        now: transaction.now(),
    }))
}

/// What differs only where it may differ is as desired.
async fn overlook(
    transaction: &mut Transaction,
    subject: &Subject,
    surroundings: &Surroundings,
    reports: &mut [store::Report],
) -> Answer<()> {
    let (Some(id), Some(fingerprint)) = (subject.id, &subject.desired) else {
        return Ok(());
    };
    for report in reports {
        let drifted = report.generation == subject.generation && says_drifted(report);
        if surroundings.ignore.is_empty() || !drifted {
            continue;
        }
        let Ok(DeploymentOutcome::Drifted { observation }) = serde_json::from_value(report.outcome.clone())
        else {
            continue;
        };
        let Some(Desired::Present(desired)) = transaction.desired(id).await? else {
            continue;
        };
        let applied = transaction.applied(id).await?.map(|applied| applied.api.content);
        let drift = drift(
            applied.as_ref(),
            &desired,
            Some(&observation),
            &surroundings.ignore,
        );
        if drift.state == DriftState::InSync {
            let outcome = DeploymentOutcome::Deployed {
                external_ref: ExternalRef(String::new()),
                endpoint_urls: Vec::new(),
                observed: fingerprint.clone(),
            };
            report.outcome = serde_json::to_value(&outcome).map_err(Failure::internal)?;
        }
    }
    Ok(())
}

/// Whether an agent says that something else is there than what it carried out.
pub(crate) fn says_drifted(report: &store::Report) -> bool {
    report.outcome["result"] == "drifted"
}

fn report(report: &store::Report) -> Option<Report> {
    let outcome: DeploymentOutcome = serde_json::from_value(report.outcome.clone()).ok()?;
    let outcome = match outcome {
        DeploymentOutcome::Deploying => ReportOutcome::Deploying,
        DeploymentOutcome::Deployed { observed, .. } => ReportOutcome::Deployed { observed },
        DeploymentOutcome::Drifted { observation } => ReportOutcome::Drifted {
            missing: observation == Observation::Absent,
        },
        DeploymentOutcome::Removed => ReportOutcome::Removed,
        DeploymentOutcome::Failed {
            reason,
            message,
            retrying,
        } => ReportOutcome::Failed {
            reason,
            message,
            retrying,
        },
    };
    Some(Report {
        generation: report.generation,
        outcome,
    })
}

/// Tells the state of a deployment as it is in the database.
pub(crate) async fn tell_stored(
    transaction: &mut Transaction,
    deployment: &Deployment,
    surroundings: &Surroundings,
) -> Answer<DeploymentStatus> {
    let desired = match transaction.desired(deployment.id).await? {
        Some(Desired::Present(api)) => Some(api.fingerprint),
        Some(Desired::Absent(_)) | None => None,
    };
    let subject = Subject {
        id: Some(deployment.id),
        api: deployment.api.clone(),
        environment: deployment.environment.clone(),
        revision: deployment.revision,
        generation: deployment.generation,
        created_at: Some(deployment.created_at),
        desired,
        previous: deployment.conditions.clone(),
    };
    tell(transaction, &subject, surroundings).await
}

/// Tells the state of all deployments of an environment again, and writes down what changed.
pub(crate) async fn refresh_environment(
    transaction: &mut Transaction,
    environment_id: EnvironmentId,
    online_since: Timestamp,
) -> Answer<u64> {
    let Some(environment) = transaction
        .resource_by_id(Kind::Environment, environment_id.0)
        .await?
    else {
        return Ok(0);
    };
    let spec: EnvironmentSpec = serde_json::from_value(environment.spec).map_err(Failure::internal)?;
    let surroundings = Surroundings::of(transaction, &spec, online_since).await?;
    let filter = DeploymentFilter {
        environment_id: Some(environment_id),
        ..DeploymentFilter::default()
    };
    let mut changed = 0;
    for deployment in transaction.all_deployments(&filter).await? {
        changed += u64::from(refresh(transaction, deployment, &surroundings).await?);
    }
    Ok(changed)
}

async fn refresh(
    transaction: &mut Transaction,
    deployment: Deployment,
    surroundings: &Surroundings,
) -> Answer<bool> {
    let told = tell_stored(transaction, &deployment, surroundings).await?;
    if told.removed {
        return removed(transaction, &deployment).await.map(|()| true);
    }
    if told.phase == deployment.phase && told.conditions == deployment.conditions {
        return Ok(false);
    }
    let status = store::DeploymentStatus {
        observed_generation: told.observed_generation,
        phase: told.phase,
        conditions: told.conditions,
        external_ref: deployment.external_ref,
        endpoint_urls: deployment.endpoint_urls,
    };
    transaction.set_deployment_status(deployment.id, &status).await?;
    Ok(true)
}

/// Ends a removal that every gateway that may have had the API has confirmed.
pub(crate) async fn removed(transaction: &mut Transaction, deployment: &Deployment) -> Answer<()> {
    transaction.remove_deployment(deployment.id).await?;
    let details = json!({
        "api": deployment.api, "environment": deployment.environment, "revision": deployment.revision,
        "generation": deployment.generation,
    });
    transaction
        .audit(
            "deployment.removed",
            &format!("deployment/{}", deployment.id),
            &details,
        )
        .await?;
    Ok(())
}

/// Brings the metrics about what is in the database up to date.
pub(crate) async fn count(state: &AppState) -> Answer<()> {
    let deployments = state.store.all_deployments(&DeploymentFilter::default()).await?;
    let of_phase = |phase: Phase| deployments.iter().filter(|it| it.phase == phase).count() as u64;
    let has_drifted = |deployment: &&Deployment| {
        let mut conditions = deployment.conditions.iter();
        conditions.any(|it| it.r#type == ConditionType::InSync && it.status == ConditionStatus::False)
    };
    let plans = state.store.open_plans().await?;
    let in_state = |state: PlanState| plans.iter().filter(|plan| plan.state == state).count() as u64;
    state.metrics.state(&Counts {
        agents_online: online_agents(state).await?,
        deployments: PHASES
            .iter()
            .map(|(phase, name)| (*name, of_phase(*phase)))
            .collect(),
        deployments_drifted: deployments.iter().filter(has_drifted).count() as u64,
        plans_open: vec![
            ("Pending", in_state(PlanState::Pending)),
            ("Applying", in_state(PlanState::Applying)),
            ("Compensating", in_state(PlanState::Compensating)),
        ],
        tasks_open: open_tasks(state).await?,
    });
    Ok(())
}

async fn open_tasks(state: &AppState) -> Answer<u64> {
    let mut open = 0;
    for environment in state.store.all_resources(Kind::Environment).await? {
        open += state.store.open_tasks(environment.environment_id()).await?.len() as u64;
    }
    Ok(open)
}

async fn online_agents(state: &AppState) -> Answer<u64> {
    let online_since = state.online_since();
    let mut online = 0;
    let mut request = PageRequest {
        limit: Some(store::MAX_PAGE_SIZE),
        cursor: None,
    };
    loop {
        let page = state.store.agents(&AgentFilter::default(), &request).await?;
        online += page
            .items
            .iter()
            .filter(|agent| is_online(agent, online_since))
            .count() as u64;
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return Ok(online);
        }
    }
}
