//! Audit events: who changed what. Written in the transaction that makes the change, never apart from it.

use gatehouse_schemas::{identity::AuditEventId, time::Timestamp};
use serde_json::Value;
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    cursor::{Page, PageRequest, page},
    error::Result,
    row::{Columns as _, each, limit, storable, to_json},
    transaction::{Transaction, reads},
};

/// One change somebody made.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// Which; rises with time.
    pub id: AuditEventId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What: `api.created`.
    pub action: String,
    /// To what: `api/orders`.
    pub object: String,
    /// Particulars, without secret values.
    pub details: Value,
    /// The request it came with.
    pub request_id: Option<String>,
}

/// Which audit events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only of this object.
    pub object: Option<String>,
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only of this action.
    pub action: Option<String>,
}

impl Transaction {
    /// Adds an audit event; actor, time and request are the transaction's.
    pub async fn audit(&mut self, action: &str, object: &str, details: &Value) -> Result<AuditEventId> {
        let id = AuditEventId(Uuid::now_v7());
        let (at, actor) = (self.now.0, storable(&self.actor));
        let request_id = self.request_id.as_deref().map(storable);
        sqlx::query(
            "INSERT INTO audit_events (id, at, actor, action, object, details, request_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id.to_string())
        .bind(at)
        .bind(actor)
        .bind(action.to_owned())
        .bind(storable(object))
        .bind(to_json(details)?)
        .bind(request_id)
        .execute(self.connection())
        .await?;
        Ok(id)
    }
}

reads! {
    /// Audit events, newest first.
    audit_events(filter: &AuditFilter, request: &PageRequest) -> Page<AuditEvent> = list;
}

async fn list(
    connection: &mut AnyConnection,
    filter: &AuditFilter,
    request: &PageRequest,
) -> Result<Page<AuditEvent>> {
    let before = request.after("audit")?;
    let rows = sqlx::query(
        "SELECT * FROM audit_events \
         WHERE ($1 IS NULL OR id < $1) AND ($2 IS NULL OR object = $2) \
           AND ($3 IS NULL OR actor = $3) AND ($4 IS NULL OR action = $4) \
         ORDER BY id DESC LIMIT $5",
    )
    .bind(before)
    .bind(filter.object.as_deref().map(storable))
    .bind(filter.actor.as_deref().map(storable))
    .bind(filter.action.as_deref().map(storable))
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let events = each(rows, event)?;
    Ok(page("audit", request, events, |event| event.id.to_string()))
}

fn event(row: &AnyRow) -> Result<AuditEvent> {
    Ok(AuditEvent {
        id: row.parsed("id")?,
        at: row.time("at")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        object: row.text("object")?,
        details: row.json("details")?,
        request_id: row.optional_text("request_id")?,
    })
}
