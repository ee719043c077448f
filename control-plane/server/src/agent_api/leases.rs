//! Holding leases: an agent that asks for work keeps what it has and takes what is free.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatehouse_control_plane_store::{AgentSeen, Claim, Lease, WorkView};
use gatehouse_schemas::{
    identity::{EnvironmentId, FencingNumber, Generation},
    time::Timestamp,
};
use tracing::info;

use super::caller::{Caller, revoked};
use crate::{
    failure::{Answer, Failure},
    state::AppState,
};

/// Keeps the leases of one agent while its request lasts.
pub(super) struct LeaseHolder<'a> {
    state: &'a AppState,
    caller: &'a Caller,
    replicated: bool,
}

/// What an agent sees that holds what it can.
pub(super) struct Held {
    /// What there is since a position.
    pub(super) view: Arc<WorkView>,
    /// The moment for which the leases in it were looked at and renewed. By the time of the answer they may be over in
    /// the view, and live in the database.
    pub(super) at: Timestamp,
    /// When to look at the leases again.
    pub(super) look_again: Instant,
}

impl<'a> LeaseHolder<'a> {
    pub(super) fn new(state: &'a AppState, caller: &'a Caller) -> Self {
        let descriptor = caller.agent.descriptor.as_ref();
        Self {
            state,
            caller,
            replicated: descriptor.is_some_and(|descriptor| descriptor.capabilities.replicated),
        }
    }

    /// The same, for a connector whose descriptor is not stored yet.
    pub(super) fn replicated(mut self, replicated: bool) -> Self {
        self.replicated = replicated;
        self
    }

    /// Renews and claims; most of the time there is nothing to write.
    pub(super) async fn hold(&self, after: Generation) -> Answer<Held> {
        let gateway_type = &self.caller.agent.gateway_type;
        let mut view = self.state.store.resting_view(gateway_type, after).await?;
        let seen = self.caller.seen_in(&view).await?;
        let now = self.state.now();
        let mut is_outdated = false;
        let free: Vec<_> = view
            .environments()
            .filter(|environment| environment.deleted_at.is_none())
            .map(|environment| environment.id)
            .filter(|id| self.may_claim(view.leases(*id), now))
            .collect();
        if !free.is_empty() {
            self.claim(&free).await?;
            is_outdated = true;
        }
        if self.is_due(&view, seen, now) {
            self.state
                .store
                .renew_leases(self.caller.id(), now, self.end(now))
                .await?;
            is_outdated |= self.mine(&view).any(|lease| !lease.is_live(now));
        }
        if is_outdated {
            view = self.state.store.work_view(gateway_type, after).await?;
        }
        Ok(Held {
            look_again: self.look_again(&view, now),
            view,
            at: now,
        })
    }

    fn may_claim(&self, here: &[Lease], now: Timestamp) -> bool {
        let mut same_sort = here.iter().filter(|lease| lease.replicated == self.replicated);
        !same_sort.any(|lease| lease.agent_id == self.caller.id() || !self.replicated && lease.is_live(now))
    }

    fn mine<'v>(&self, view: &'v WorkView) -> impl Iterator<Item = &'v Lease> + use<'v> {
        let id = self.caller.id();
        let here = view
            .environments()
            .flat_map(|environment| view.leases(environment.id));
        here.filter(move |lease| lease.agent_id == id)
    }

    /// Renewed when a sixth of the lease has passed, so that requests in quick succession write once.
    fn is_due(&self, view: &WorkView, seen: AgentSeen, now: Timestamp) -> bool {
        let sixth = self.lease_ms() / 6;
        let fresh = self.lease_ms() - sixth;
        let unheard = seen.last_seen_at.is_none_or(|seen| now.0 - seen.0 > sixth);
        unheard || self.mine(view).any(|lease| lease.expires_at.0 - now.0 < fresh)
    }

    async fn claim(&self, environments: &[EnvironmentId]) -> Answer<()> {
        let mut transaction = self.caller.begin().await?;
        let agent = transaction.agent(self.caller.id()).await?;
        if let Some(agent) = agent.filter(|agent| agent.revoked_at.is_some()) {
            return Err(revoked(&agent));
        }
        let now = transaction.now();
        for environment_id in environments {
            let claim = Claim {
                environment_id: *environment_id,
                agent_id: self.caller.id(),
                replicated: self.replicated,
                expires_at: self.end(now),
            };
            if let Some(fencing) = transaction.claim_lease(&claim).await? {
                info!(environment.id = %environment_id, agent.id = %self.caller.id(), %fencing, "Agent `{}` acts in environment `{environment_id}`", self.caller.agent.name);
            }
        }
        Ok(transaction.commit().await?)
    }

    fn look_again(&self, view: &WorkView, now: Timestamp) -> Instant {
        let all = view
            .environments()
            .flat_map(|environment| view.leases(environment.id));
        let others = all.filter(|lease| lease.agent_id != self.caller.id() && !self.replicated);
        let next_end = others
            .map(|lease| lease.expires_at.0 - now.0)
            .filter(|left| *left > 0)
            .min();
        let third = self.lease_ms() / 3;
        let wait = next_end.map_or(third, |left| left.min(third)).max(1);
        Instant::now() + Duration::from_millis(u64::try_from(wait).unwrap_or_default())
    }

    fn end(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add(self.lease_ms()))
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.state.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The agent's own lease among those of an environment; without one it may not act there.
pub(super) fn own<'a>(leases: &'a [Lease], caller: &Caller) -> Answer<&'a Lease> {
    leases.iter().find(|lease| lease.agent_id == caller.id()).ok_or_else(|| {
        stale(format!(
            "agent `{}` does not hold a lease of this environment; another agent acts there, or none asked for work since it was freed",
            caller.agent.name
        ))
    })
}

/// Refuses what was done under an older lease.
pub(super) fn check_fencing(leases: &[Lease], caller: &Caller, fencing: FencingNumber) -> Answer<()> {
    let lease = own(leases, caller)?;
    if lease.fencing == fencing {
        return Ok(());
    }
    Err(stale(format!(
        "the fencing number is {fencing}, the lease has number {}; ask for work to learn it",
        lease.fencing
    )))
}

/// The report speaks of an older state.
pub(super) fn stale(detail: String) -> Failure {
    Failure::new(gatehouse_control_plane_api::problem::ProblemKind::Stale, detail)
}
