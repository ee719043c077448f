//! Counts, for those who ask, what is true of the environments of one running agent.

use std::sync::Arc;

use gatehouse_schemas::identity::ResourceName;

use super::{deployments::Deployments, environments::Environments};
use crate::{
    layers::Isolation,
    monitor::{Census, EnvironmentCounts},
};

/// What a running agent serves.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) environments: Arc<Environments>,
    pub(super) deployments: Deployments,
    pub(super) isolation: Isolation,
}

impl Census for Served {
    fn environments(&self) -> Vec<(ResourceName, EnvironmentCounts)> {
        let leased = self.environments.leased();
        let counted = leased.into_iter().map(|(id, name)| {
            let (open, failed) = self.deployments.counts(id);
            let counts = EnvironmentCounts {
                open,
                failed,
                hanging: self.isolation.hanging(id),
            };
            (name, counts)
        });
        counted.collect()
    }
}
