//! Discoveries: pages from the connector go to the control plane as they come, in bounded memory.

mod listing;
mod pages;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatehouse_control_plane_api::agent::{
    DiscoveryCompletion, DiscoveryOutcome, DiscoveryWork, Priority, ResumePosition,
};
use gatehouse_schemas::identity::{DiscoveryId, ExternalRef};
use listing::Listing;
use pages::PageSender;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, info, info_span, warn};

use super::{
    Tuning,
    connection::{Connection, ConnectionError},
    environments::{Environments, Lease},
    report::{Answer, Delivery, ask, deliver},
};
use crate::{
    connector::Connector,
    error::{Error, chain},
};

/// The discoveries this agent runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Discoveries {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connector: Arc<dyn Connector>,
    connection: Arc<Connection>,
    environments: Arc<Environments>,
    tuning: Tuning,
    /// Running, or finished and possibly listed once more by an answer that was under way.
    known: Mutex<Known>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct Known {
    running: HashSet<DiscoveryId>,
    finished: HashSet<DiscoveryId>,
}

impl Discoveries {
    pub(super) fn new(
        connector: Arc<dyn Connector>,
        connection: Arc<Connection>,
        environments: Arc<Environments>,
        tuning: Tuning,
    ) -> Self {
        let shared = Shared {
            connector,
            connection,
            environments,
            tuning,
            known: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes in all discoveries that wait; starts those that are not running. Says whether any was new.
    pub(super) fn take(&self, waiting: Vec<DiscoveryWork>) -> bool {
        let fresh = self.shared.fresh(waiting);
        let any = !fresh.is_empty();
        for (work, lease) in fresh {
            let shared = self.shared.clone();
            let environment = &lease.assignment.name;
            let span = info_span!("discovery", environment.name = %environment, discovery.id = %work.id);
            let discovery = async move { shared.carry_out(&work, &lease).await };
            self.shared.tasks.spawn(discovery.instrument(span));
        }
        any
    }

    /// Stops between two pages.
    pub(super) async fn stop(&self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        let _ = tokio::time::timeout(self.shared.tuning.grace, self.shared.tasks.wait()).await;
    }
}

impl Shared {
    fn fresh(&self, waiting: Vec<DiscoveryWork>) -> Vec<(DiscoveryWork, Arc<Lease>)> {
        let mut known = self.lock();
        known
            .finished
            .retain(|id| waiting.iter().any(|work| work.id == *id));
        let mut fresh = Vec::new();
        for work in waiting {
            if known.finished.contains(&work.id) || known.running.contains(&work.id) {
                continue;
            }
            if let Some(lease) = self.environments.lease(work.environment_id) {
                known.running.insert(work.id);
                fresh.push((work, lease));
            }
        }
        fresh
    }

    async fn carry_out(&self, work: &DiscoveryWork, lease: &Lease) {
        let mut sender = PageSender::new(self, work);
        let delivery = match self.list(work, lease, &mut sender).await {
            Ending::Stopped => Delivery::Stopped,
            Ending::Listed => self.complete(work, lease, sender.pages, None).await,
            Ending::BrokenOff(error) => match sender.flush().await {
                Err(Ending::Stopped) => Delivery::Stopped,
                // What was found until then is worth seeing; why the listing broke off comes before why the
                // rest of it could not be sent.
                _ => self.complete(work, lease, sender.pages, Some(error)).await,
            },
        };
        let mut known = self.lock();
        known.running.remove(&work.id);
        // Under a lease that moved it has not ended; it may come back to this agent.
        if !matches!(delivery, Delivery::Stopped | Delivery::Stale) {
            known.finished.insert(work.id);
        }
    }

    async fn list(&self, work: &DiscoveryWork, lease: &Lease, sender: &mut PageSender<'_>) -> Ending {
        // Everything was listed before, and only the completion is missing.
        if let Some(ResumePosition {
            position: None,
            pages,
        }) = work.resume
            && pages > 0
        {
            return Ending::Listed;
        }
        let context = match lease.context(&self.connection, Priority::Background).await {
            Ok(context) => context,
            Err(error) => return Ending::BrokenOff(error),
        };
        let Some(known) = self.known_versions(work, lease).await else {
            return Ending::Stopped;
        };
        if let Some(resume) = &work.resume {
            let environment = &lease.assignment.name;
            info!(environment.name = %environment, discovery.id = %work.id, pages = resume.pages, "Going on with the discovery of `{environment}` after {} pages", resume.pages);
        }
        Listing::new(self, work, lease, known).run(&context, sender).await
    }

    /// The versions that the control plane knows; none known costs calls and nothing else. None at all if there was
    /// no time to ask.
    async fn known_versions(
        &self,
        work: &DiscoveryWork,
        lease: &Lease,
    ) -> Option<BTreeMap<ExternalRef, String>> {
        if !self.connection.has_tasks() {
            return Some(BTreeMap::new());
        }
        let what = format!("what is known of environment `{}`", lease.assignment.name);
        let id = work.environment_id;
        let send = || {
            self.connection
                .call(|client, token| async move { client.inventory(&token, id).await })
        };
        let (connection, backoff) = (&self.connection, self.tuning.reconnect);
        match ask(connection, backoff, &self.stopping, &what, send).await {
            Answer::Given(inventory) => {
                let versions = inventory.versions.into_iter();
                Some(versions.map(|(id, version)| (ExternalRef(id), version)).collect())
            }
            Answer::None(Delivery::Stopped) => None,
            Answer::None(_) => Some(BTreeMap::new()),
        }
    }

    async fn complete(
        &self,
        work: &DiscoveryWork,
        lease: &Lease,
        pages: u32,
        error: Option<Error>,
    ) -> Delivery {
        let environment = &lease.assignment.name;
        let outcome = match (&error, pages) {
            (None, _) => DiscoveryOutcome::Complete,
            (Some(_), 0) => DiscoveryOutcome::Failed,
            (Some(_), _) => DiscoveryOutcome::Partial,
        };
        match &error {
            None => {
                info!(environment.name = %environment, discovery.id = %work.id, pages, "Discovered what is in `{environment}`");
            }
            Some(error) => {
                warn!(environment.name = %environment, discovery.id = %work.id, pages, error = %chain(error), "The discovery of `{environment}` broke off");
            }
        }
        let completion = &DiscoveryCompletion {
            fencing: lease.fencing,
            outcome,
            pages,
            message: error.map(|error| error.message().to_owned()),
        };
        self.deliver(work.id, || {
            self.connection.call(|client, token| async move {
                client.complete_discovery(&token, work.id, completion).await
            })
        })
        .await
    }

    async fn deliver<F>(&self, id: DiscoveryId, send: impl Fn() -> F) -> Delivery
    where
        F: Future<Output = Result<(), ConnectionError>>,
    {
        let what = format!("discovery `{id}`");
        deliver(
            &self.connection,
            self.tuning.reconnect,
            &self.stopping,
            &what,
            send,
        )
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a listing ended.
enum Ending {
    Listed,
    BrokenOff(Error),
    Stopped,
}
