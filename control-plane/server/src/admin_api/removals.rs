//! What gateways do not show any more: how it stands, and a person's approval that it counts as removed.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    admin::{ApproveRemovalsRequest, MissingApi, MissingState, Page},
    problem::{FieldError, Problem, ProblemKind},
};
use gatehouse_control_plane_store::{
    InventoryEntry, InventoryFilter, MAX_PAGE_SIZE, PageRequest, Resource, Transaction,
};
use gatehouse_schemas::{
    identity::{ApiId, ExternalRef, ResourceName},
    removal::Missing,
    resource::Kind,
    time::Timestamp,
};
use serde_json::json;

use super::paging::{self, PageQuery};
use crate::{
    extract::{Body, Path, Query},
    failure::{Answer, Failure},
    missing::{of_entry, settle},
    state::AppState,
    write::{
        Writer,
        deploy::{environment_spec, find},
    },
};

/// Lists what an environment's gateway does not show any more, by the gateway's own identity: what waits, what needs
/// approval, and what counts as removed.
#[utoipa::path(get, path = "/api/v1/environments/{name}/missing", operation_id = "listMissing", tag = "discoveries",
    params(("name" = ResourceName, Path, description = "Which environment"), PageQuery),
    responses(
        (status = 200, description = "A page of what is missing", body = Page<MissingApi>),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Path(name): Path<ResourceName>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<MissingApi>>> {
    let request = query.request()?;
    let environment = state.store.resource(Kind::Environment, &name).await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", &name))?;
    let found = state
        .store
        .inventory(
            environment.environment_id(),
            InventoryFilter::MissingOrRemoved,
            &request,
        )
        .await?;
    let items = views(&state, &name, found.items).await?;
    Ok(Json(paging::page(items, found.next_cursor)))
}

/// Approves that APIs which are missing count as removed. Those that are due do at once, the others when they are. The
/// catalog keeps them in any case.
#[utoipa::path(post, path = "/api/v1/environments/{name}/removal-approvals", operation_id = "approveRemovals", tag = "discoveries",
    params(("name" = ResourceName, Path, description = "Which environment")),
    request_body(content = ApproveRemovalsRequest, example = json!({"externalRefs": ["svc-7"]})),
    responses(
        (status = 200, description = "What was approved, as it stands now", body = Page<MissingApi>),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nothing needs approval", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn approve(
    writer: Writer,
    Path(name): Path<ResourceName>,
    Body(request): Body<ApproveRemovalsRequest>,
) -> Answer<Json<Page<MissingApi>>> {
    let mut transaction = writer.begin().await?;
    let environment = find(&mut transaction, Kind::Environment, &name).await?;
    let known = known(&mut transaction, &environment).await?;
    let references = match request.external_refs {
        Some(references) => {
            are_missing(&name, &known, &references)?;
            references
        }
        None => need_approval(&name, &known)?,
    };
    let id = environment.environment_id();
    transaction.approve_removals(id, &references).await?;
    carry_out(&mut transaction, &environment, &known, &references).await?;
    let details = json!({"externalRefs": references});
    transaction
        .audit("environment.removals-approved", &environment.object(), &details)
        .await?;
    let now = transaction.inventory_entries(id, &references).await?;
    transaction.commit().await?;
    let items = views(&writer.state, &name, now.into_values().collect()).await?;
    Ok(Json(paging::page(items, None)))
}

/// What is approved and due counts as removed now. About the others, the next complete discovery decides.
async fn carry_out(
    transaction: &mut Transaction,
    environment: &Resource,
    known: &BTreeMap<ExternalRef, InventoryEntry>,
    references: &[ExternalRef],
) -> Answer<()> {
    let approved = references.iter().filter_map(|reference| known.get(reference));
    let missing: Vec<Missing> = approved
        .filter_map(of_entry)
        .map(|missing| Missing {
            approved: true,
            ..missing
        })
        .collect();
    let mut names = BTreeMap::new();
    for entry in references.iter().filter_map(|reference| known.get(reference)) {
        let Some(id) = entry.api_id else {
            continue;
        };
        let api = transaction.resource_by_id(Kind::Api, id.0).await?;
        names.extend(api.map(|api| (id, api.metadata.name)));
    }
    let discovery = environment_spec(environment)?.discovery;
    let rules = discovery.map(|discovery| discovery.removal).unwrap_or_default();
    let around = (&environment.metadata.name, environment.environment_id(), &rules);
    let name = |id: ApiId| names.get(&id).cloned();
    settle(transaction, around, known, &missing, name).await?;
    Ok(())
}

async fn known(
    transaction: &mut Transaction,
    environment: &Resource,
) -> Answer<BTreeMap<ExternalRef, InventoryEntry>> {
    let mut known = BTreeMap::new();
    let mut request = PageRequest {
        limit: Some(MAX_PAGE_SIZE),
        cursor: None,
    };
    loop {
        let page = transaction
            .inventory(environment.environment_id(), InventoryFilter::Known, &request)
            .await?;
        let entries = page.items.into_iter();
        known.extend(entries.map(|entry| (entry.external_ref.clone(), entry)));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return Ok(known);
        }
    }
}

fn need_approval(
    environment: &ResourceName,
    known: &BTreeMap<ExternalRef, InventoryEntry>,
) -> Answer<Vec<ExternalRef>> {
    let needs = |entry: &&InventoryEntry| entry.missing.is_some_and(|missing| missing.needs_approval);
    let references: Vec<ExternalRef> = known
        .values()
        .filter(needs)
        .map(|entry| entry.external_ref.clone())
        .collect();
    if !references.is_empty() {
        return Ok(references);
    }
    let detail = format!(
        "nothing in environment `{environment}` needs approval; what is missing there either waits or counts as removed \
         already"
    );
    Err(Failure::new(ProblemKind::WrongState, detail))
}

fn are_missing(
    environment: &ResourceName,
    known: &BTreeMap<ExternalRef, InventoryEntry>,
    references: &[ExternalRef],
) -> Answer<()> {
    let is_missing =
        |reference: &ExternalRef| known.get(reference).is_some_and(|entry| entry.missing.is_some());
    let others = references
        .iter()
        .enumerate()
        .filter(|(_, reference)| !is_missing(reference));
    let error = |(index, reference): (usize, &ExternalRef)| FieldError {
        document: None,
        pointer: format!("/externalRefs/{index}"),
        detail: format!(
            "`{reference}` is not missing from environment `{environment}`; `gatehouse discoveries missing {environment}` \
             lists what is"
        ),
    };
    let errors: Vec<FieldError> = others.map(error).collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(errors))
    }
}

async fn views(
    state: &AppState,
    environment: &ResourceName,
    entries: Vec<InventoryEntry>,
) -> Answer<Vec<MissingApi>> {
    let mut views = Vec::with_capacity(entries.len());
    for entry in entries {
        let api = match entry.api_id {
            Some(id) => state.store.resource_by_id(Kind::Api, id.0).await?,
            None => None,
        };
        views.push(view(environment, entry, api.map(|api| api.metadata.name)));
    }
    Ok(views)
}

fn view(environment: &ResourceName, entry: InventoryEntry, api: Option<ResourceName>) -> MissingApi {
    let missing = entry.missing;
    MissingApi {
        environment: environment.clone(),
        external_ref: entry.external_ref,
        name: entry.name,
        api,
        state: match missing {
            _ if entry.removed_at.is_some() => MissingState::Removed,
            Some(missing) if missing.needs_approval => MissingState::NeedsApproval,
            _ => MissingState::Waiting,
        },
        complete_runs: missing.map(|missing| missing.complete_runs).unwrap_or_default(),
        since: missing.map_or(Timestamp(0), |missing| missing.since),
        message: entry.message.unwrap_or_default(),
    }
}
