//! What should be on the gateways, as little of it as looking for drift needs.

use std::collections::HashMap;

use gatehouse_control_plane_api::agent::{DeploymentOutcome, DeploymentWork, DesiredState};
use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::Mark,
    identity::{DeploymentId, EnvironmentId, ExternalRef, Generation},
    observed::Observation,
};

/// What should be there of one deployment.
#[derive(Debug, Clone)]
pub(in crate::runtime) struct HeldDeployment {
    pub(in crate::runtime) id: DeploymentId,
    pub(in crate::runtime) environment_id: EnvironmentId,
    pub(in crate::runtime) generation: Generation,
    pub(in crate::runtime) external_ref: Option<ExternalRef>,
    pub(in crate::runtime) mark: Mark,
    /// None if nothing should be there.
    fingerprint: Option<Fingerprint>,
}

impl HeldDeployment {
    /// Whether an observation is exactly what is desired.
    pub(in crate::runtime) fn is_as_desired(&self, observation: &Observation) -> bool {
        match (observation, &self.fingerprint) {
            (Observation::Present(observed), Some(fingerprint)) => {
                let mark = observed.mark.as_ref();
                let is_ours = mark.is_some_and(|mark| {
                    (mark.environment_id, mark.api_id, mark.revision)
                        == (self.mark.environment_id, self.mark.api_id, self.mark.revision)
                });
                is_ours && observed.fingerprint == *fingerprint
            }
            (Observation::Absent, None) => true,
            _ => false,
        }
    }
}

/// All deployments that the control plane told of.
#[derive(Debug, Default)]
pub(super) struct Held {
    deployments: HashMap<DeploymentId, HeldDeployment>,
}

impl Held {
    /// Takes in desired state, unless something newer is known.
    pub(super) fn note(&mut self, work: &DeploymentWork) {
        let known = self.deployments.get(&work.id);
        if known.is_some_and(|known| known.generation > work.generation) {
            return;
        }
        let reference = known.and_then(|known| known.external_ref.clone());
        let (mark, fingerprint) = match &work.desired {
            DesiredState::Present { api } => (api.mark.clone(), Some(api.fingerprint.clone())),
            DesiredState::Absent { mark } => (mark.clone(), None),
        };
        let deployment = HeldDeployment {
            id: work.id,
            environment_id: work.environment_id,
            generation: work.generation,
            external_ref: work.external_ref.clone().or(reference),
            mark,
            fingerprint,
        };
        self.deployments.insert(work.id, deployment);
    }

    /// Takes in what became of it.
    pub(super) fn finish(&mut self, work: &DeploymentWork, outcome: &DeploymentOutcome) {
        match outcome {
            DeploymentOutcome::Deployed { external_ref, .. } => {
                if let Some(deployment) = self.deployments.get_mut(&work.id) {
                    deployment.external_ref = Some(external_ref.clone());
                }
            }
            DeploymentOutcome::Removed => {
                self.deployments
                    .retain(|id, known| *id != work.id || known.generation > work.generation);
            }
            _ => {}
        }
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, listed: &[DeploymentId]) {
        let listed: std::collections::HashSet<_> = listed.iter().collect();
        self.deployments.retain(|id, _| listed.contains(id));
    }

    /// Those of an environment: all, or these.
    pub(super) fn of(&self, environment: EnvironmentId, of: Option<&[DeploymentId]>) -> Vec<HeldDeployment> {
        let wanted = |deployment: &&HeldDeployment| {
            deployment.environment_id == environment && of.is_none_or(|ids| ids.contains(&deployment.id))
        };
        let mut deployments: Vec<_> = self.deployments.values().filter(wanted).cloned().collect();
        deployments.sort_by_key(|deployment| deployment.id.0);
        deployments
    }
}
