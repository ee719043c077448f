//! Following hints: a look at what this agent holds, and a discovery for what nobody holds.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use gatehouse_control_plane_api::{
    agent::{DiscoveryWish, DiscoveryWishAnswer},
    agent_client::AgentApiError,
};
use gatehouse_schemas::identity::{DeploymentId, ExternalRef};
use tokio::time::Instant;
use tracing::{debug, info};

use super::heard::{About, Heard};
use crate::{
    connector::{Connector, Hint},
    error::chain,
    runtime::{
        HintPace,
        connection::{Connection, ConnectionError},
        deployments::{Deployments, HeldDeployment},
        environments::{Environments, Lease},
        tasks::Tasks,
    },
};

/// What hints are heard and followed with.
#[derive(Debug)]
pub(in crate::runtime) struct Following {
    pub(in crate::runtime) connector: Arc<dyn Connector>,
    pub(in crate::runtime) tasks: Tasks,
    pub(in crate::runtime) connection: Arc<Connection>,
    pub(in crate::runtime) environments: Arc<Environments>,
    pub(in crate::runtime) deployments: Deployments,
    pub(in crate::runtime) pace: HintPace,
}

/// What is left to do later in one environment.
#[derive(Debug, Default)]
struct Later {
    /// When to look at everything, and not before.
    wide_from: Option<Instant>,
    /// Whether everything is to be looked at then.
    owes_wide: bool,
    /// When to ask for a discovery.
    wish_at: Option<Instant>,
}

impl Later {
    fn wide_at(&self) -> Option<Instant> {
        self.wide_from.filter(|_| self.owes_wide)
    }
}

impl Following {
    /// Follows what is heard, until the lease ends.
    pub(super) async fn follow(&self, lease: &Lease, heard: &Heard) {
        let mut later = Later::default();
        loop {
            tokio::select! {
                () = heard.wait() => {
                    tokio::time::sleep(self.pace.gather).await;
                    self.round(lease, heard, &mut later).await;
                }
                () = at(later.wide_at()) => {
                    later.owes_wide = false;
                    heard.add([Hint::Something]);
                }
                () = at(later.wish_at) => later.wish_at = self.wish(lease).await,
            }
        }
    }

    /// One look at all that was heard of.
    async fn round(&self, lease: &Lease, heard: &Heard, later: &mut Later) {
        let about = self.due(heard.take(), later);
        if about.is_empty() || !self.connection.has_tasks() {
            return;
        }
        let held = self.deployments.held(lease.assignment.id, None);
        let sorted = Sorted::of(&about, &held, |deployment| {
            self.deployments.is_active(deployment.id)
        });
        // What is at work now is looked at afterwards: now it would be seen half done.
        heard.add(sorted.busy.into_iter().map(Hint::Api));
        if !sorted.look.is_empty() {
            self.look(lease, &sorted.look).await;
        }
        if sorted.is_strange {
            later.wish_at = self.wish(lease).await.or(later.wish_at);
        }
    }

    /// What of it is to be followed now. A look at everything waits for its time.
    fn due(&self, mut about: About, later: &mut Later) -> About {
        if !about.anything {
            return about;
        }
        let now = Instant::now();
        if later.wide_from.is_some_and(|from| now < from) {
            about.anything = false;
            later.owes_wide = true;
        } else {
            later.wide_from = Some(now + self.pace.wide);
        }
        about
    }

    async fn look(&self, lease: &Lease, deployments: &[DeploymentId]) {
        let environment = &lease.assignment.name;
        match self.tasks.look(lease, deployments).await {
            Ok(count) => {
                info!(environment.name = %environment, count, "The gateway of `{environment}` told of changes; looked at {count} deployments");
            }
            Err(error) => {
                info!(environment.name = %environment, error = %chain(&error), "The gateway of `{environment}` told of changes, and could not be looked at; the next scheduled look sees them");
            }
        }
    }

    /// Asks for a discovery; says when to ask again.
    async fn wish(&self, lease: &Lease) -> Option<Instant> {
        if !self.connector.descriptor().capabilities.discover || !self.connection.takes_wishes() {
            return None;
        }
        let (id, wish) = (
            lease.assignment.id,
            &DiscoveryWish {
                fencing: lease.fencing,
            },
        );
        let asked = self
            .connection
            .call(|client, token| async move { client.wish_discovery(&token, id, wish).await });
        match asked.await {
            Ok(DiscoveryWishAnswer { ask_again_ms }) => {
                ask_again_ms.map(|ms| Instant::now() + Duration::from_millis(ms))
            }
            Err(error) => {
                self.refused(lease, &error);
                None
            }
        }
    }

    /// A hint that comes to nothing does no harm.
    fn refused(&self, lease: &Lease, error: &ConnectionError) {
        let environment = &lease.assignment.name;
        let is_missing = |api: &AgentApiError| matches!(api.status(), Some(404 | 405));
        if is_missing(error.api()) {
            self.connection.takes_no_wishes();
        }
        debug!(environment.name = %environment, error = %chain(error.api()), "The discovery of `{environment}` could not be asked for; the next scheduled one sees what changed");
    }
}

/// What hints are about, by what follows from it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sorted {
    /// To be looked at.
    look: Vec<DeploymentId>,
    /// To be looked at later.
    busy: BTreeSet<ExternalRef>,
    /// Whether there may be something that is not deployed here.
    is_strange: bool,
}

impl Sorted {
    fn of(about: &About, held: &[HeldDeployment], is_active: impl Fn(&HeldDeployment) -> bool) -> Self {
        let mut sorted = Self::default();
        let mut strange = about.apis.clone();
        // One that is being made may be what nobody seems to hold.
        let mut is_made = false;
        for deployment in held {
            let known = deployment.external_ref.as_ref();
            let is_meant = known.is_some_and(|known| strange.remove(known)) || about.anything;
            match (is_active(deployment), known) {
                (false, _) if is_meant => sorted.look.push(deployment.id),
                (true, Some(known)) if is_meant => {
                    sorted.busy.insert(known.clone());
                }
                (true, None) => is_made = true,
                _ => {}
            }
        }
        if is_made {
            sorted.busy.extend(strange);
        } else {
            sorted.is_strange = !strange.is_empty();
        }
        sorted
    }
}

/// The end of a wait; without a time, there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
