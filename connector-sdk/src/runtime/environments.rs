//! The environments this agent may act in right now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatehouse_control_plane_api::agent::{EnvironmentAssignment, Priority};
use gatehouse_schemas::{
    environment::CredentialSource,
    identity::{EnvironmentId, FencingNumber, ResourceName},
};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::{connection::Connection, secrets};
use crate::{
    context::{Context, EnvironmentContext},
    error::Result,
    journal::NoJournal,
    scheduler::Scheduler,
};

/// The right to act in one environment, with its settings as they are under this right.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) assignment: EnvironmentAssignment,
    pub(super) fencing: FencingNumber,
    /// Cancelled when the right ends or the environment changes.
    pub(super) ended: CancellationToken,
    scheduler: Arc<Scheduler>,
    context: AsyncMutex<Option<Arc<EnvironmentContext>>>,
}

impl Lease {
    fn new(assignment: EnvironmentAssignment, fencing: FencingNumber, scheduler: Arc<Scheduler>) -> Self {
        Self {
            assignment,
            fencing,
            ended: CancellationToken::new(),
            scheduler,
            context: AsyncMutex::new(None),
        }
    }

    /// What the connector is told. Credentials are resolved at the first use and kept.
    pub(super) async fn context(&self, connection: &Arc<Connection>, priority: Priority) -> Result<Context> {
        let resolver = secrets::ControlPlaneSecrets {
            connection: connection.clone(),
            environment_id: self.assignment.id,
            environment: self.assignment.name.clone(),
        };
        let mut held = self.context.lock().await;
        let environment = match held.as_ref() {
            Some(environment) => environment.clone(),
            None => held.insert(self.resolve(&resolver).await?).clone(),
        };
        let cancellation = self.ended.child_token();
        let (id, settings) = (self.assignment.id, &self.assignment.settings);
        Ok(Context {
            environment,
            secrets: Arc::new(resolver),
            journal: Arc::new(NoJournal),
            quotas: self
                .scheduler
                .quotas(id, settings, priority, cancellation.clone()),
            cancellation,
        })
    }

    /// Forgets the credentials, since the gateway refused them: they may have been changed.
    pub(super) async fn forget_credentials(&self) {
        *self.context.lock().await = None;
    }

    async fn resolve(&self, resolver: &secrets::ControlPlaneSecrets) -> Result<Arc<EnvironmentContext>> {
        let assignment = &self.assignment;
        let credentials = secrets::credentials(&assignment.name, &assignment.credentials, resolver).await?;
        Ok(Arc::new(EnvironmentContext {
            id: assignment.id,
            name: assignment.name.clone(),
            mode: assignment.mode,
            settings: assignment.settings.clone(),
            credentials,
            endpoints: assignment.endpoints.clone(),
        }))
    }
}

/// What news of an environment means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The agent may act there now, or its settings changed: everything there needs another look.
    Look,
    /// The agent may not act there (any more).
    Lost,
}

/// All leases.
#[derive(Debug)]
pub(super) struct Environments {
    leases: Mutex<HashMap<EnvironmentId, Arc<Lease>>>,
    scheduler: Arc<Scheduler>,
}

impl Environments {
    /// No leases yet; work under all of them shares the scheduler.
    pub(super) fn new(scheduler: Arc<Scheduler>) -> Self {
        Self {
            leases: Mutex::default(),
            scheduler,
        }
    }

    /// The lease of an environment, if this agent has it.
    pub(super) fn lease(&self, environment: EnvironmentId) -> Option<Arc<Lease>> {
        self.lock().get(&environment).cloned()
    }

    /// All environments that this agent may act in.
    pub(super) fn leased(&self) -> Vec<(EnvironmentId, ResourceName)> {
        let leases = self.lock();
        let named = leases.values().map(|lease| &lease.assignment);
        named
            .map(|assignment| (assignment.id, assignment.name.clone()))
            .collect()
    }

    /// Takes in what the control plane says of an environment.
    pub(super) fn apply(&self, assignment: EnvironmentAssignment) -> Change {
        let mut leases = self.lock();
        let id = assignment.id;
        let Some(fencing) = assignment.fencing.filter(|_| !assignment.deleted) else {
            return end(leases.remove(&id));
        };
        if leases
            .get(&id)
            .is_some_and(|held| is_same(&held.assignment, &assignment))
        {
            return Change::None;
        }
        let lease = Lease::new(assignment, fencing, self.scheduler.clone());
        end(leases.insert(id, Arc::new(lease)));
        Change::Look
    }

    /// Ends the leases of all environments that are not listed.
    pub(super) fn retain(&self, listed: &[EnvironmentAssignment]) {
        self.lock().retain(|id, lease| {
            let keep = listed.iter().any(|assignment| assignment.id == *id);
            if !keep {
                lease.ended.cancel();
            }
            keep
        });
    }

    /// Ends all leases; says whether there were any.
    pub(super) fn end_all(&self) -> bool {
        let mut leases = self.lock();
        let any = !leases.is_empty();
        for (_, lease) in leases.drain() {
            lease.ended.cancel();
        }
        any
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EnvironmentId, Arc<Lease>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(lease: Option<Arc<Lease>>) -> Change {
    if let Some(lease) = lease {
        lease.ended.cancel();
    }
    Change::Lost
}

/// Whether nothing that matters here differs. A generation may rise without it, but with credentials that
/// the control plane keeps it may mean that one of them has another value.
fn is_same(held: &EnvironmentAssignment, told: &EnvironmentAssignment) -> bool {
    let keeps_credential = |source: &CredentialSource| matches!(source, CredentialSource::SecretRef(_));
    if held.generation != told.generation && told.credentials.values().any(keeps_credential) {
        return false;
    }
    let at_the_same = EnvironmentAssignment {
        generation: told.generation,
        ..held.clone()
    };
    at_the_same == *told
}
