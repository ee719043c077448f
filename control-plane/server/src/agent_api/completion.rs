//! The end of a discovery: every finding is compared with the catalog, in one transaction.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::{
    agent::{DiscoveryCompletion, DiscoveryOutcome},
    problem::Problem,
};
use gatehouse_control_plane_store::{
    DiscoveredRow, DiscoveredStatus, Discovery, DiscoveryCounts, DiscoveryState, ItemFilter, LaterFinding,
    PageRequest, Transaction,
};
use gatehouse_schemas::{
    identity::{DiscoveredApiId, DiscoveryId, EnvironmentId, ExternalRef},
    observed::{CatalogView, Classification, DiscoveredItem, classify, gone},
};
use http::StatusCode;
use serde_json::json;
use tracing::info;

use super::{
    caller::Caller,
    catalog,
    discovery::{of_caller, wrong_state},
    leases::check_fencing,
};
use crate::{
    extract::{Body, Path},
    failure::Answer,
};

/// How many findings are in memory at once.
const CHUNK: u32 = 200;

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
    caller: Caller,
    Path(id): Path<DiscoveryId>,
    Body(completion): Body<DiscoveryCompletion>,
) -> Answer<StatusCode> {
    let mut transaction = caller.begin().await?;
    let (discovery, leases) = of_caller(&mut transaction, &caller, id).await?;
    let state = state_of(completion.outcome);
    if discovery.state.is_final() {
        return ended_before(&discovery, state);
    }
    check_fencing(&leases, &caller, completion.fencing)?;
    has_all_pages(&mut transaction, id, completion.pages).await?;
    transaction.keep_pages(id, completion.pages).await?;
    let counts = compare(&mut transaction, &discovery, state).await?;
    transaction
        .finish_discovery(id, state, completion.message.as_deref(), counts)
        .await?;
    let details = json!({"environment": discovery.environment, "state": state, "counts": counts});
    transaction
        .audit("discovery.finished", &format!("discovery/{id}"), &details)
        .await?;
    transaction.commit().await?;
    info!(environment.name = %discovery.environment, discovery.id = %id, "Discovery of `{}` ended: {state:?}", discovery.environment);
    Ok(StatusCode::NO_CONTENT)
}

fn state_of(outcome: DiscoveryOutcome) -> DiscoveryState {
    match outcome {
        DiscoveryOutcome::Complete => DiscoveryState::Complete,
        DiscoveryOutcome::Partial => DiscoveryState::Partial,
        DiscoveryOutcome::Failed => DiscoveryState::Failed,
    }
}

/// The answer to the first completion may have been lost.
fn ended_before(discovery: &Discovery, state: DiscoveryState) -> Answer<StatusCode> {
    if discovery.state == state {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(wrong_state(format!(
        "discovery `{}` has ended already: {:?}",
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

async fn compare(
    transaction: &mut Transaction,
    discovery: &Discovery,
    state: DiscoveryState,
) -> Answer<DiscoveryCounts> {
    let catalog = catalog::view(transaction, discovery.environment_id).await?;
    let mut comparison = Comparison {
        catalog: &catalog,
        environment_id: discovery.environment_id,
        seen: transaction.seen_unchanged(discovery.id).await?,
        counts: DiscoveryCounts::default(),
    };
    comparison.counts.unchanged = comparison.seen.len() as u64;
    let mut request = PageRequest {
        limit: Some(CHUNK),
        cursor: None,
    };
    loop {
        let page = transaction
            .discovered_items(discovery.id, &ItemFilter::default(), &request)
            .await?;
        let mut told = Vec::with_capacity(page.items.len());
        for row in page.items {
            told.extend(comparison.add(row));
        }
        transaction.classify_items(&told).await?;
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    // What a filter keeps out was not looked for, so it is not absent.
    let whole = state == DiscoveryState::Complete && discovery.filter.is_empty();
    comparison.add_gone(transaction, discovery.id, whole).await?;
    Ok(comparison.counts)
}

struct Comparison<'a> {
    catalog: &'a CatalogView,
    environment_id: EnvironmentId,
    seen: BTreeSet<ExternalRef>,
    counts: DiscoveryCounts,
}

impl Comparison<'_> {
    fn add(&mut self, row: DiscoveredRow) -> Option<(DiscoveredApiId, DiscoveredStatus)> {
        let item = row.item?;
        let entry = self.catalog.find(&item);
        // An API that our mark identifies was seen, even if the gateway calls it something else now.
        self.seen
            .extend(entry.and_then(|entry| entry.external_ref.clone()));
        self.seen.insert(row.external_ref);
        let status = DiscoveredStatus {
            classification: classify(&item, self.catalog),
            api: entry.map(|entry| (entry.api_id, entry.name.clone())),
            managed: self.is_managed(&item),
        };
        count(&mut self.counts, &status.classification);
        Some((row.id, status))
    }

    fn is_managed(&self, item: &DiscoveredItem) -> bool {
        match item {
            DiscoveredItem::Api(api) => api
                .mark
                .as_ref()
                .is_some_and(|mark| mark.environment_id == self.environment_id),
            DiscoveredItem::Unchanged { .. } | DiscoveredItem::Unreadable { .. } => false,
        }
    }

    async fn add_gone(
        &mut self,
        transaction: &mut Transaction,
        id: DiscoveryId,
        complete: bool,
    ) -> Answer<()> {
        let mut findings = Vec::new();
        for entry in gone(self.catalog, &self.seen, complete) {
            let Some(external_ref) = &entry.external_ref else {
                continue;
            };
            let deployed = transaction
                .deployment_of(entry.api_id, self.environment_id)
                .await?;
            let status = DiscoveredStatus {
                classification: Classification::Gone {
                    message: String::new(),
                },
                api: Some((entry.api_id, entry.name.clone())),
                managed: deployed.is_some(),
            };
            count(&mut self.counts, &status.classification);
            findings.push(LaterFinding {
                external_ref: external_ref.clone(),
                name: entry.name.to_string(),
                in_inventory: false,
                status,
            });
        }
        Ok(transaction.add_later_findings(id, &findings).await?)
    }
}

fn count(counts: &mut DiscoveryCounts, classification: &Classification) {
    let counter = match classification {
        Classification::New { .. } => &mut counts.new,
        Classification::Changed { .. } => &mut counts.changed,
        Classification::Unchanged => &mut counts.unchanged,
        Classification::Ignored { .. } => &mut counts.ignored,
        Classification::Gone { .. } => &mut counts.gone,
        Classification::Conflict { .. } => &mut counts.conflict,
        Classification::Error { .. } => &mut counts.error,
    };
    *counter += 1;
}
