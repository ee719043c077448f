//! What a complete run did not see: it is missing, and one day it may count as removed. Whatever another run did not
//! see says nothing.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_control_plane_store::{
    DiscoveredStatus, Discovery, InventoryEntry, InventoryFilter, LaterFinding, MAX_PAGE_SIZE, PageRequest,
    Transaction,
};
use gatehouse_schemas::{
    identity::{ApiId, ExternalRef},
    observed::Classification,
    removal::{Missing, RemovalRules, after_run},
};

use super::{
    catalog::Catalog,
    comparison::{Compared, count},
};
use crate::{
    failure::Answer,
    missing::{Settled, settle},
};

/// Takes note of what a run did not see. Nothing is written where nothing changed.
pub(super) async fn take_note(
    transaction: &mut Transaction,
    discovery: &Discovery,
    rules: &RemovalRules,
    catalog: &Catalog,
    compared: &mut Compared,
) -> Answer<Settled> {
    let environment_id = discovery.environment_id;
    let known = inventory(transaction, discovery).await?;
    let (mut unseen, mut back) = (Vec::new(), Vec::new());
    for (reference, entry) in &known {
        if !compared.seen.contains(reference) {
            unseen.push(reference.clone());
        } else if entry.missing.is_some() {
            back.push(reference.clone());
        }
    }
    if !back.is_empty() {
        transaction.mark_seen(environment_id, &back).await?;
    }
    let settled = if unseen.is_empty() {
        Settled::default()
    } else {
        transaction.mark_missing(environment_id, &unseen).await?;
        let missing = missing_now(&known, &compared.seen, transaction.now());
        let name = |id: ApiId| catalog.named(id).map(|(_, name)| name);
        let around = (&discovery.environment, environment_id, rules);
        settle(transaction, around, &known, &missing, name).await?
    };
    add_gone(&known, &settled, catalog, compared);
    Ok(settled)
}

/// Takes note of what a run saw that says nothing about absence: what is there is not missing.
pub(super) async fn take_note_of_seen(
    transaction: &mut Transaction,
    discovery: &Discovery,
    compared: &Compared,
) -> Answer<()> {
    let mut request = page_of_all();
    loop {
        let page = transaction
            .inventory(discovery.environment_id, InventoryFilter::Missing, &request)
            .await?;
        let references = page.items.into_iter().map(|entry| entry.external_ref);
        let back: Vec<ExternalRef> = references
            .filter(|reference| compared.seen.contains(reference))
            .collect();
        if !back.is_empty() {
            transaction.mark_seen(discovery.environment_id, &back).await?;
        }
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return Ok(());
        }
    }
}

async fn inventory(
    transaction: &mut Transaction,
    discovery: &Discovery,
) -> Answer<BTreeMap<ExternalRef, InventoryEntry>> {
    let mut known = BTreeMap::new();
    let mut request = page_of_all();
    loop {
        let page = transaction
            .inventory(discovery.environment_id, InventoryFilter::Known, &request)
            .await?;
        let entries = page.items.into_iter();
        known.extend(entries.map(|entry| (entry.external_ref.clone(), entry)));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return Ok(known);
        }
    }
}

fn page_of_all() -> PageRequest {
    PageRequest {
        limit: Some(MAX_PAGE_SIZE),
        cursor: None,
    }
}

fn missing_now(
    known: &BTreeMap<ExternalRef, InventoryEntry>,
    seen: &BTreeSet<ExternalRef>,
    now: gatehouse_schemas::time::Timestamp,
) -> Vec<Missing> {
    let before: Vec<Missing> = known.values().filter_map(crate::missing::of_entry).collect();
    let references: BTreeSet<ExternalRef> = known.keys().cloned().collect();
    after_run(&before, &references, seen, true, now)
}

/// The APIs of the catalog that come from this gateway or should be there, and were not seen.
fn add_gone(
    known: &BTreeMap<ExternalRef, InventoryEntry>,
    settled: &Settled,
    catalog: &Catalog,
    compared: &mut Compared,
) {
    for (reference, api) in catalog.known() {
        if compared.seen.contains(reference) {
            continue;
        }
        let message = settled.messages.get(reference).cloned();
        let classification = Classification::Gone {
            message: message.unwrap_or_else(|| NEVER_SEEN.to_owned()),
        };
        count(&mut compared.counts, &classification);
        let named = catalog.named(api.api_id);
        let name = known.get(reference).map(|entry| entry.name.clone());
        compared.later.push(LaterFinding {
            external_ref: reference.clone(),
            name: name.unwrap_or_else(|| reference.0.clone()),
            in_inventory: false,
            status: DiscoveredStatus {
                classification,
                api: named,
                managed: api.deployment.is_some(),
            },
        });
    }
}

const NEVER_SEEN: &str =
    "it should be on the gateway, and the gateway does not list it; `gatehouse drift` says how it stands";
