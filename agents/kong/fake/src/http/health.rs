//! The health of upstreams: this fake calls no targets, so none is known to be ill.

use axum::http::StatusCode;
use serde_json::Value;

use super::listing::{Filter, page};
use super::{AdminRequest, Answer};
use crate::collections::Collection;
use crate::errors::AdminError;
use crate::kong::Kong;
use crate::store::id_of;

/// `GET /upstreams/{upstream}/health`.
pub(crate) fn of_upstream(kong: &Kong, request: &AdminRequest, upstream: &str) -> Result<Answer, AdminError> {
    let id = upstream_id(kong, upstream)?;
    let targets = Collection::named("targets").ok_or_else(AdminError::not_found)?;
    let filter = Filter {
        within: Some(("upstream".to_owned(), id)),
    };
    let listed = kong.read(|store| page(store, request, targets, &filter))?;
    let mut body: Value = serde_json::from_str(&listed.body).unwrap_or_default();
    body["node_id"] = Value::from(kong.node_id.as_str());
    if let (Some(_), Value::Object(body)) = (request.argument("balancer_health"), &mut body) {
        body.remove("data");
    }
    Ok(Answer::json(StatusCode::OK, body))
}

/// `PUT /upstreams/{upstream}/targets/{target}/healthy` and `…/unhealthy`.
pub(crate) fn set(kong: &Kong, upstream: &str) -> Result<Answer, AdminError> {
    upstream_id(kong, upstream)?;
    Err(AdminError::bad_request(&format!(
        "Upstream {upstream} has no balancer"
    )))
}

fn upstream_id(kong: &Kong, upstream: &str) -> Result<String, AdminError> {
    let upstreams = Collection::named("upstreams").ok_or_else(AdminError::not_found)?;
    let found = kong.read(|store| store.find(upstreams, upstream).and_then(id_of).map(str::to_owned));
    found.ok_or_else(AdminError::not_found)
}
