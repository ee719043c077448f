//! Audit events: who changed what, and when.

use axum::{Json, extract::State};
use gatehouse_control_plane_api::admin::{AuditEvent, Page};
use gatehouse_control_plane_store as store;
use serde::Deserialize;

use super::paging;
use crate::{extract::Query, failure::Answer, state::AppState};

/// Which audit events, and which page of them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only of this object: `api/orders`, `environment/local`, `token/ci`, …
    object: Option<String>,
    /// Only by this actor: `token/ci`, `agent/ID`, `system`.
    actor: Option<String>,
    /// Only of this action: `api.created`, `deployment.requested`, …
    action: Option<String>,
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists audit events, newest first.
#[utoipa::path(get, path = "/api/v1/audit-events", operation_id = "listAuditEvents", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "A page of audit events", body = Page<AuditEvent>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<AuditQuery>,
) -> Answer<Json<Page<AuditEvent>>> {
    let filter = store::AuditFilter {
        object: query.object,
        actor: query.actor,
        action: query.action,
    };
    let request = paging::request(query.limit, query.cursor)?;
    let found = state.store.audit_events(&filter, &request).await?;
    Ok(Json(paging::mapped(found, view)))
}

fn view(event: store::AuditEvent) -> AuditEvent {
    AuditEvent {
        id: event.id,
        at: event.at,
        actor: event.actor,
        action: event.action,
        object: event.object,
        details: event.details,
        request_id: event.request_id,
    }
}
