//! Looking at deployments: what differs from what is desired is told as it is found, a bounded number at a time.

use futures_util::{StreamExt as _, stream};
use gatehouse_control_plane_api::agent::{DeploymentObservation, ObservationsReport, Priority};
use gatehouse_schemas::{identity::DeploymentId, observed::Observation};

use super::Shared;
use crate::{
    connector::ApiReference,
    context::Context,
    error::{Error, ErrorKind, Result},
    runtime::{
        deployments::HeldDeployment,
        environments::Lease,
        report::{Delivery, deliver},
    },
};

/// How many observations are told at once.
const BATCH: usize = 100;
/// How large a batch may grow, in bytes.
const BATCH_BYTES: usize = 1 << 20;
/// How many deployments are looked at at the same time.
const CONCURRENCY: usize = 4;

impl Shared {
    /// Looks at deployments: all of the environment, or these. What cannot be seen is told as unknown. Says how many
    /// there were.
    pub(super) async fn observe(
        &self,
        what: &str,
        lease: &Lease,
        deployments: Option<&[DeploymentId]>,
        priority: Priority,
    ) -> Result<u64> {
        let context = &self.context(lease, priority).await?;
        let held = self.tools.deployments.held(lease.assignment.id, deployments);
        let mut seen = stream::iter(held)
            .map(|deployment| self.see(context, deployment))
            .buffer_unordered(CONCURRENCY);
        let (mut count, mut batch, mut bytes) = (0, Vec::new(), 0);
        while let Some(item) = seen.next().await {
            count += 1;
            bytes += serde_json::to_vec(&item).map_or(0, |json| json.len());
            batch.push(item);
            if batch.len() >= BATCH || bytes >= BATCH_BYTES {
                self.tell(what, lease, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.tell(what, lease, batch).await?;
        }
        Ok(count)
    }

    async fn see(&self, context: &Context, deployment: HeldDeployment) -> DeploymentObservation {
        let is_active = || self.tools.deployments.is_active(deployment.id);
        let observation = match is_active() {
            true => None,
            // A deploy that begins meanwhile would be seen half done.
            false => Some(self.look(context, &deployment).await).filter(|_| !is_active()),
        };
        let observation = observation
            .unwrap_or_else(|| unknown("it is being deployed, or waits to be tried again".to_owned()));
        let differs = (!deployment.is_as_desired(&observation)).then_some(observation);
        DeploymentObservation {
            deployment_id: deployment.id,
            generation: deployment.generation,
            differs,
        }
    }

    /// Not being able to look is not knowing.
    async fn look(&self, context: &Context, deployment: &HeldDeployment) -> Observation {
        let api = ApiReference {
            external_ref: deployment.external_ref.clone(),
            mark: deployment.mark.clone(),
        };
        let result = self.tools.connector.observe(context, &api).await;
        result.unwrap_or_else(|error| unknown(error.message().to_owned()))
    }

    async fn tell(&self, what: &str, lease: &Lease, items: Vec<DeploymentObservation>) -> Result<()> {
        let report = &ObservationsReport {
            fencing: lease.fencing,
            items,
        };
        let id = lease.assignment.id;
        let (connection, backoff) = (&self.tools.connection, self.tools.tuning.reconnect);
        let send =
            || connection.call(|client, token| async move { client.observations(&token, id, report).await });
        match deliver(connection, backoff, &self.stopping, what, send).await {
            Delivery::Acknowledged => Ok(()),
            Delivery::Stale | Delivery::Stopped | Delivery::Refused => Err(Error::new(
                ErrorKind::Unexpected,
                "the control plane did not take what was observed; see the agent's log, and look again",
            )),
        }
    }
}

fn unknown(reason: String) -> Observation {
    Observation::Unknown { reason }
}
