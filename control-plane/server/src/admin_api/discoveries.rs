//! Discoveries: what a gateway has, compared with the catalog.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{CreateDiscoveryRequest, DiscoveredApi, Discovery, DiscoveryCounts, DiscoveryState, Page},
    problem::{Problem, ProblemKind},
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::{
    ability::Action,
    identity::{DiscoveredApiId, DiscoveryId, ResourceName},
    observed::{Classification, DiscoveredItem},
    resource::Kind,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{paging, resources::set_location};
use crate::{
    extract::{Body, Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::{
        Writer, abilities,
        deploy::{environment_spec, find},
        obstacles::mode_forbids,
    },
};

/// Which discoveries, and which page of them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiscoveryQuery {
    /// Only those of this environment.
    #[param(value_type = Option<String>)]
    environment: Option<ResourceName>,
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A class of findings.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Class {
    New,
    Changed,
    Unchanged,
    Gone,
    Ignored,
    Conflict,
    Error,
}

impl Class {
    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Gone => "gone",
            Self::Ignored => "ignored",
            Self::Conflict => "conflict",
            Self::Error => "error",
        }
    }
}

/// Which findings, and which page of them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ItemQuery {
    /// Only those of this class.
    #[param(inline)]
    class: Option<Class>,
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Starts a discovery. The answer does not wait for the gateway.
#[utoipa::path(post, path = "/api/v1/discoveries", operation_id = "discover", tag = "discoveries",
    request_body(content = CreateDiscoveryRequest, example = json!({"environment": "local"})),
    responses(
        (status = 202, description = "Recorded; an agent carries it out", body = Discovery, headers(
            ("location" = String, description = "Its path"),
        )),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The environment's mode forbids it, or its gateways cannot be discovered", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(request): Body<CreateDiscoveryRequest>) -> Answer<Response> {
    let mut transaction = writer.begin().await?;
    let environment = find(&mut transaction, Kind::Environment, &request.environment).await?;
    let spec = environment_spec(&environment)?;
    if !spec.mode.may_read() {
        return Err(mode_forbids(&request.environment, spec.mode, "discovered"));
    }
    abilities::able(&mut transaction, &environment, Action::Discover).await?;
    let filter = spec
        .discovery
        .map(|discovery| discovery.filter)
        .unwrap_or_default();
    abilities::filters(&mut transaction, &environment, &filter).await?;
    let created = transaction.create_discovery(&environment, &filter, false).await?;
    let details = json!({"environment": request.environment});
    transaction
        .audit(
            "discovery.requested",
            &format!("discovery/{}", created.id),
            &details,
        )
        .await?;
    transaction.commit().await?;
    let location = format!("/api/v1/discoveries/{}", created.id);
    let mut response = (StatusCode::ACCEPTED, Json(view(&writer.state, created).await?)).into_response();
    set_location(response.headers_mut(), &location);
    Ok(response)
}

/// Lists discoveries, newest first.
#[utoipa::path(get, path = "/api/v1/discoveries", operation_id = "listDiscoveries", tag = "discoveries", params(DiscoveryQuery),
    responses((status = 200, description = "A page of discoveries", body = Page<Discovery>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<DiscoveryQuery>,
) -> Answer<Json<Page<Discovery>>> {
    let request = paging::request(query.limit, query.cursor)?;
    let environment = match &query.environment {
        Some(name) => match state.store.resource(Kind::Environment, name).await? {
            Some(found) => Some(found.environment_id()),
            None => return Ok(Json(paging::page(Vec::new(), None))),
        },
        None => None,
    };
    let filter = store::DiscoveryQuery {
        environment_id: environment,
    };
    let found = state.store.discoveries(&filter, &request).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for discovery in found.items {
        items.push(view(&state, discovery).await?);
    }
    Ok(Json(paging::page(items, found.next_cursor)))
}

/// Reads a discovery.
#[utoipa::path(get, path = "/api/v1/discoveries/{id}", operation_id = "readDiscovery", tag = "discoveries",
    params(("id" = DiscoveryId, Path, description = "Which discovery")),
    responses(
        (status = 200, description = "The discovery", body = Discovery),
        (status = 404, description = "There is no such discovery", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    Path(id): Path<DiscoveryId>,
) -> Answer<Json<Discovery>> {
    let found = find_discovery(&state, id).await?;
    Ok(Json(view(&state, found).await?))
}

/// Lists the findings of a discovery in the order of their arrival, without what the gateway holds. What the gateway did
/// not change since it was last read, and the catalog has, is counted and not listed.
#[utoipa::path(get, path = "/api/v1/discoveries/{id}/items", operation_id = "listFindings", tag = "discoveries",
    params(("id" = DiscoveryId, Path, description = "Which discovery"), ItemQuery),
    responses(
        (status = 200, description = "A page of findings", body = Page<DiscoveredApi>),
        (status = 404, description = "There is no such discovery", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The discovery has not ended; findings are compared then", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn items(
    State(state): State<AppState>,
    Path(id): Path<DiscoveryId>,
    Query(query): Query<ItemQuery>,
) -> Answer<Json<Page<DiscoveredApi>>> {
    let request = paging::request(query.limit, query.cursor)?;
    finished(&find_discovery(&state, id).await?)?;
    let filter = store::ItemFilter {
        class: query.class.map(|class| class.as_str().to_owned()),
    };
    let found = state.store.discovered_items(id, &filter, &request).await?;
    Ok(Json(paging::mapped(found, |row| finding(row, false))))
}

/// Reads a finding with what the gateway holds.
#[utoipa::path(get, path = "/api/v1/discoveries/{id}/items/{item}", operation_id = "readFinding", tag = "discoveries",
    params(
        ("id" = DiscoveryId, Path, description = "Which discovery"),
        ("item" = DiscoveredApiId, Path, description = "Which finding"),
    ),
    responses(
        (status = 200, description = "The finding", body = DiscoveredApi),
        (status = 404, description = "There is no such discovery or finding", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The discovery has not ended; findings are compared then", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn item(
    State(state): State<AppState>,
    Path((id, item)): Path<(DiscoveryId, DiscoveredApiId)>,
) -> Answer<Json<DiscoveredApi>> {
    let discovery = find_discovery(&state, id).await?;
    finished(&discovery)?;
    let found = state
        .store
        .discovered_item(item)
        .await?
        .filter(|found| found.discovery_id == discovery.findings());
    Ok(Json(finding(
        found.ok_or_else(|| Failure::not_found("finding", item))?,
        true,
    )))
}

async fn find_discovery(state: &AppState, id: DiscoveryId) -> Answer<store::Discovery> {
    let found = state.store.discovery(id).await?;
    found.ok_or_else(|| Failure::not_found("discovery", id))
}

/// Refuses a discovery whose findings have not been compared with the catalog yet.
pub(crate) fn finished(discovery: &store::Discovery) -> Answer<()> {
    if discovery.state.is_final() {
        return Ok(());
    }
    let detail = format!(
        "discovery `{}` has not ended; its findings are compared with the catalog then, so ask again once `gatehouse \
         discoveries show {}` says that it has",
        discovery.id, discovery.id
    );
    Err(Failure::new(ProblemKind::WrongState, detail))
}

async fn view(state: &AppState, discovery: store::Discovery) -> Answer<Discovery> {
    let message = match discovery.message {
        None if discovery.state == store::DiscoveryState::Pending => {
            waiting(state, &discovery.environment).await?
        }
        message => message,
    };
    let counts = discovery.counts;
    Ok(Discovery {
        id: discovery.id,
        environment: discovery.environment,
        state: match discovery.state {
            store::DiscoveryState::Pending => DiscoveryState::Pending,
            store::DiscoveryState::Running => DiscoveryState::Running,
            store::DiscoveryState::Complete => DiscoveryState::Complete,
            store::DiscoveryState::Partial => DiscoveryState::Partial,
            store::DiscoveryState::Failed => DiscoveryState::Failed,
        },
        message,
        found: discovery.found,
        counts: DiscoveryCounts {
            new: counts.new,
            changed: counts.changed,
            unchanged: counts.unchanged,
            gone: counts.gone,
            conflict: counts.conflict,
            ignored: counts.ignored,
            error: counts.error,
        },
        created_at: discovery.created_at,
        finished_at: discovery.finished_at,
    })
}

/// Why nothing happens, if nobody is there to make it happen.
async fn waiting(state: &AppState, environment: &ResourceName) -> Answer<Option<String>> {
    let Some(found) = state.store.resource(Kind::Environment, environment).await? else {
        return Ok(Some(format!("environment `{environment}` was deleted")));
    };
    let now = state.now();
    let leases = state.store.leases_in(found.environment_id()).await?;
    if leases.iter().any(|lease| lease.is_live(now)) {
        return Ok(None);
    }
    let gateway_type = environment_spec(&found)?.gateway_type;
    Ok(Some(format!(
        "no agent for gateway type `{gateway_type}` is connected; the discovery starts when one is"
    )))
}

fn finding(row: store::DiscoveredRow, with_content: bool) -> DiscoveredApi {
    let (classification, api, managed) = match row.status {
        Some(status) => (
            status.classification,
            status.api.map(|(_, name)| name),
            status.managed,
        ),
        // Only what arrived after the discovery ended, which nobody compared.
        None => (
            Classification::Error {
                reason: "it was not compared with the catalog; run the discovery again".to_owned(),
            },
            None,
            false,
        ),
    };
    DiscoveredApi {
        id: row.id,
        external_ref: row.external_ref,
        name: row.name,
        classification,
        api,
        managed,
        observed: match row.item {
            Some(DiscoveredItem::Api(observed)) if with_content => Some(observed),
            _ => None,
        },
    }
}
