//! The end of a discovery: its findings are compared with the catalog, and the inventory is what it saw.

use std::collections::BTreeSet;

use axum::extract::State;
use gatehouse_control_plane_api::{
    agent::{DiscoveryCompletion, DiscoveryOutcome},
    problem::Problem,
};
use gatehouse_control_plane_store::{Discovery, DiscoveryState, Transaction};
use gatehouse_schemas::{
    environment::EnvironmentSpec,
    identity::{DiscoveryId, ExternalRef},
    removal::RemovalRules,
    resource::Kind,
};
use http::StatusCode;
use serde_json::json;
use tracing::{info, warn};

use super::{
    absence,
    caller::Caller,
    catalog::Catalog,
    comparison::{Compared, compare},
    discovery::{of_caller, wrong_state},
    leases::check_fencing,
};
use crate::{
    extract::{Body, Path},
    failure::{Answer, Failure},
    state::AppState,
};

/// How many of the APIs that count as removed an audit event names.
const NAMED: usize = 100;

/// Finishes a discovery. The same completion may be sent again.
///
/// Findings are compared with the catalog now. Only a complete listing without a filter says anything about
/// absence: after any other, nothing is `gone`.
#[utoipa::path(post, path = "/agent/v1/discoveries/{id}/completion", operation_id = "completeDiscovery", tag = "agent",
    params(("id" = DiscoveryId, Path, description = "Which discovery")),
    request_body(content = DiscoveryCompletion),
    responses(
        (status = 204, description = "Finished"),
        (status = 404, description = "There is no such discovery for this agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A page is missing, the lease is another's, or it ended otherwise", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn complete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<DiscoveryId>,
    Body(completion): Body<DiscoveryCompletion>,
) -> Answer<StatusCode> {
    let ending = Ending {
        caller: &caller,
        id,
        completion: &completion,
        state: state_of(completion.outcome),
    };
    let Some((mut transaction, discovery)) = ending.begin().await? else {
        return Ok(StatusCode::NO_CONTENT);
    };
    transaction.keep_last_findings(id).await?;
    transaction.commit().await?;
    let catalog = Catalog::read(&state.store, discovery.environment_id).await?;
    let compared = compare(&state.store, &caller, &discovery, &catalog).await?;
    if catalog
        .known()
        .any(|(reference, _)| !compared.seen.contains(reference))
    {
        catalog.read_names(&state.store).await?;
    }
    ending.finish(&catalog, compared).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A discovery that comes to its end.
struct Ending<'a> {
    caller: &'a Caller,
    id: DiscoveryId,
    completion: &'a DiscoveryCompletion,
    state: DiscoveryState,
}

impl Ending<'_> {
    /// The discovery, with exactly the pages that count; none if it ended like this before.
    async fn begin(&self) -> Answer<Option<(Transaction, Discovery)>> {
        let mut transaction = self.caller.begin().await?;
        let (discovery, leases) = of_caller(&mut transaction, self.caller, self.id).await?;
        if discovery.state.is_final() {
            return ended_before(&discovery, self.state).map(|()| None);
        }
        check_fencing(&leases, self.caller, self.completion.fencing)?;
        has_all_pages(&mut transaction, self.id, self.completion.pages).await?;
        transaction.keep_pages(self.id, self.completion.pages).await?;
        Ok(Some((transaction, discovery)))
    }

    /// Writes down what was seen and what was not, in one transaction. The same completion may have come twice, and be
    /// done by now.
    async fn finish(&self, catalog: &Catalog, mut compared: Compared) -> Answer<()> {
        let Some((mut transaction, discovery)) = self.begin().await? else {
            return Ok(());
        };
        let unbroken = compared.earlier.is_still_last(&mut transaction).await?;
        transaction.take_stock(discovery.environment_id, self.id).await?;
        let removed = self
            .take_note(&mut transaction, &discovery, catalog, &mut compared)
            .await?;
        self.write(&mut transaction, &discovery, &compared, unbroken)
            .await?;
        let message = self.completion.message.as_deref();
        transaction
            .finish_discovery(self.id, self.state, message, compared.counts)
            .await?;
        let details =
            json!({"environment": discovery.environment, "state": self.state, "counts": compared.counts});
        transaction
            .audit("discovery.finished", &format!("discovery/{}", self.id), &details)
            .await?;
        transaction.commit().await?;
        info!(environment.name = %discovery.environment, discovery.id = %self.id, "Discovery of `{}` ended: {:?}", discovery.environment, self.state);
        if !removed.is_empty() {
            warn!(environment.name = %discovery.environment, "{} APIs count as removed from the gateway of `{}`", removed.len(), discovery.environment);
        }
        Ok(())
    }

    /// Writes down what no page brought, unless the run before has just that.
    async fn write(
        &self,
        transaction: &mut Transaction,
        discovery: &Discovery,
        compared: &Compared,
        unbroken: bool,
    ) -> Answer<()> {
        match compared.same_as_before().filter(|_| unbroken) {
            Some(findings) => transaction.share_findings(self.id, findings).await?,
            None => transaction.add_later_findings(self.id, &compared.later).await?,
        }
        // What broke off and brought nothing leaves the inventory as the run before left it.
        if self.state == DiscoveryState::Complete || compared.has_rows {
            let catalog = compared.earlier.compared_with().filter(|_| unbroken);
            transaction
                .note_run(discovery.environment_id, self.id, catalog)
                .await?;
        }
        Ok(())
    }

    /// What a filter keeps out was not looked for, and what broke off did not look everywhere: neither says anything
    /// about absence.
    async fn take_note(
        &self,
        transaction: &mut Transaction,
        discovery: &Discovery,
        catalog: &Catalog,
        compared: &mut Compared,
    ) -> Answer<Vec<ExternalRef>> {
        if self.state != DiscoveryState::Complete || !discovery.filter.is_empty() {
            absence::take_note_of_seen(transaction, discovery, compared).await?;
            return Ok(Vec::new());
        }
        let rules = removal_rules(transaction, discovery).await?;
        let settled = absence::take_note(transaction, discovery, &rules, catalog, compared).await?;
        if !settled.removed.is_empty() {
            audit_removals(transaction, discovery, &settled.removed).await?;
        }
        Ok(settled.removed)
    }
}

async fn removal_rules(transaction: &mut Transaction, discovery: &Discovery) -> Answer<RemovalRules> {
    let environment = transaction
        .resource_by_id(Kind::Environment, discovery.environment_id.0)
        .await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", &discovery.environment))?;
    let spec: EnvironmentSpec = serde_json::from_value(environment.spec).map_err(Failure::internal)?;
    Ok(spec
        .discovery
        .map(|discovery| discovery.removal)
        .unwrap_or_default())
}

async fn audit_removals(
    transaction: &mut Transaction,
    discovery: &Discovery,
    removed: &[ExternalRef],
) -> Answer<()> {
    let named: Vec<&ExternalRef> = removed.iter().take(NAMED).collect();
    let details =
        json!({"environment": discovery.environment, "count": removed.len(), "externalRefs": named});
    transaction
        .audit(
            "discovery.removed",
            &format!("discovery/{}", discovery.id),
            &details,
        )
        .await?;
    Ok(())
}

fn state_of(outcome: DiscoveryOutcome) -> DiscoveryState {
    match outcome {
        DiscoveryOutcome::Complete => DiscoveryState::Complete,
        DiscoveryOutcome::Partial => DiscoveryState::Partial,
        DiscoveryOutcome::Failed => DiscoveryState::Failed,
    }
}

/// The answer to the first completion may have been lost.
fn ended_before(discovery: &Discovery, state: DiscoveryState) -> Answer<()> {
    if discovery.state == state {
        return Ok(());
    }
    Err(wrong_state(format!(
        "discovery `{}` has ended already: {:?}; ask for work to learn what is to be done",
        discovery.id, discovery.state
    )))
}

async fn has_all_pages(transaction: &mut Transaction, id: DiscoveryId, pages: u32) -> Answer<()> {
    let arrived: BTreeSet<u32> = transaction.discovery_pages(id).await?.into_iter().collect();
    // Counted by what arrived, never by what the agent claims.
    let missing = (1..=pages).find(|number| !arrived.contains(number));
    match missing {
        None => Ok(()),
        Some(number) => Err(wrong_state(format!(
            "page {number} of {pages} has not arrived; send it, then finish the discovery"
        ))),
    }
}
