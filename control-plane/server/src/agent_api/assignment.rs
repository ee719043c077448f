//! From rows to what agents read.

use gatehouse_control_plane_api::agent::{
    DeploymentWork, DesiredState, DiscoveryWork, EnvironmentAssignment, ExpectedState, Priority,
    ResumePosition, Step, StepState, TaskWork, WorkResponse,
};
use gatehouse_control_plane_store::{
    self as store, AssignedEnvironment, Desired, PendingDiscovery, PendingTask, Work, WorkDeployment,
};

/// An environment as its agent reads it.
pub(super) fn environment(row: AssignedEnvironment) -> EnvironmentAssignment {
    let deleted = row.spec.is_none();
    // A deleted environment has nothing but its identity left.
    let (mode, settings, credentials, endpoints, drift_policy) =
        row.spec.map_or_else(Default::default, |spec| {
            (
                spec.mode,
                spec.settings,
                spec.credentials,
                spec.endpoints,
                spec.drift_policy,
            )
        });
    EnvironmentAssignment {
        id: row.id,
        name: row.name,
        mode,
        settings,
        credentials,
        endpoints,
        drift_policy,
        generation: row.generation,
        fencing: row.fencing,
        deleted,
    }
}

fn deployment(row: WorkDeployment) -> DeploymentWork {
    DeploymentWork {
        id: row.id,
        environment_id: row.environment_id,
        generation: row.generation,
        desired: desired_state(row.desired),
        external_ref: row.external_ref,
        confirmed: row.confirmed,
        expected: row.terms.expected.map(expected),
        adopt: row.terms.adopt,
        accept_loss: row.terms.accept_loss,
        priority: priority(row.terms.priority),
        steps: row.steps.into_iter().map(step).collect(),
    }
}

/// What should be there, as agents read it.
pub(crate) fn desired_state(desired: Desired) -> DesiredState {
    match desired {
        Desired::Present(api) => DesiredState::Present { api },
        Desired::Absent(mark) => DesiredState::Absent { mark },
    }
}

fn expected(expected: store::Expected) -> ExpectedState {
    match expected {
        store::Expected::Present(fingerprint) => ExpectedState::Present { fingerprint },
        store::Expected::Absent => ExpectedState::Absent,
    }
}

fn priority(priority: store::Priority) -> Priority {
    match priority {
        store::Priority::Background => Priority::Background,
        store::Priority::Normal => Priority::Normal,
        store::Priority::Rollback => Priority::Rollback,
    }
}

/// A recorded step as agents and people read it.
pub(crate) fn step(step: store::Step) -> Step {
    Step {
        generation: step.generation,
        number: step.number,
        of: step.of,
        description: step.description,
        object: step.object,
        state: match step.state {
            store::StepState::Intended => StepState::Intended,
            store::StepState::Done => StepState::Done,
        },
    }
}

pub(super) fn discovery(row: PendingDiscovery) -> DiscoveryWork {
    DiscoveryWork {
        id: row.discovery.id,
        environment_id: row.discovery.environment_id,
        filter: row.discovery.filter,
        resume: row.discovery.resume.map(|resume| ResumePosition {
            pages: resume.pages,
            position: resume.position,
        }),
    }
}

/// A task that this build cannot read was asked by a newer one; it ends by itself.
fn task(row: PendingTask) -> Option<TaskWork> {
    Some(TaskWork {
        id: row.task.id,
        environment_id: row.task.environment_id,
        task: serde_json::from_value(row.task.task).ok()?,
    })
}

/// Takes away what the environments' modes forbid. A change of mode hands out what was withheld.
pub(super) fn permitted(mut work: Work) -> Work {
    work.deployments.retain(|deployment| deployment.mode.may_write());
    work.discoveries.retain(|pending| pending.mode.may_read());
    work
}

/// Work as the agent reads it.
pub(super) fn response(work: Work) -> WorkResponse {
    WorkResponse {
        generation: work.generation,
        environments: work.environments.into_iter().map(environment).collect(),
        deployments: work.deployments.into_iter().map(deployment).collect(),
        discoveries: work.discoveries.into_iter().map(discovery).collect(),
        tasks: work.tasks.into_iter().filter_map(task).collect(),
    }
}
