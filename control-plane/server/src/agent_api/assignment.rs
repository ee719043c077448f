//! From rows to what agents read.

use gatehouse_control_plane_api::agent::{
    DeploymentWork, DesiredState, DiscoveryWork, EnvironmentAssignment, WorkResponse,
};
use gatehouse_control_plane_store::{AssignedEnvironment, Desired, PendingDiscovery, Work, WorkDeployment};

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
        desired: match row.desired {
            Desired::Present(api) => DesiredState::Present { api },
            Desired::Absent(mark) => DesiredState::Absent { mark },
        },
        external_ref: row.external_ref,
        confirmed: false,
        expected: None,
        adopt: None,
        accept_loss: false,
        priority: gatehouse_control_plane_api::agent::Priority::Normal,
        steps: Vec::new(),
    }
}

fn discovery(row: PendingDiscovery) -> DiscoveryWork {
    DiscoveryWork {
        id: row.discovery.id,
        environment_id: row.discovery.environment_id,
        filter: row.discovery.filter,
        resume: None,
    }
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
        tasks: Vec::new(),
    }
}
