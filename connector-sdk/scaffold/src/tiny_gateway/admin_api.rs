//! The Admin API.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State as Shared},
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use gatehouse_connector_sdk::schemas::canonical::Fingerprint;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Condition, Refused, State};
use crate::client::documents::{Api, Document, Listing, Status};

/// The largest document taken in.
const LARGEST_DOCUMENT: usize = 32 << 20;
/// How many APIs are on a page unless the caller says, and at most.
const LONGEST_PAGE: usize = 100;

type Answer<T> = Result<Json<T>, Refused>;

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/apis", get(list))
        .route("/apis/{id}", get(read).put(write).delete(remove))
        .layer(DefaultBodyLimit::max(LARGEST_DOCUMENT))
        .with_state(state)
}

async fn status(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Answer<Status> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let may_write = may_write(&state, &headers)?;
    Ok(Json(Status { version, may_write }))
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer<Listing> {
    may_write(&state, &headers)?;
    let limit = query
        .get("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(LONGEST_PAGE);
    let position = query.get("position").map(String::as_str);
    let label = query.get("label").and_then(|label| label.split_once('='));
    let listing = state
        .table()
        .list(position, limit.clamp(1, LONGEST_PAGE), label)?;
    Ok(Json(listing))
}

async fn read(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Path(id): Path<String>) -> Answer<Api> {
    may_write(&state, &headers)?;
    Ok(Json(state.table().get(&id)?.clone()))
}

async fn write(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Api> {
    must_write(&state, &headers)?;
    let document: Document = serde_json::from_slice(&body)
        .map_err(|error| Refused::new(400, "invalid", format!("the body is not a document: {error}")))?;
    let condition = condition(&headers);
    Ok(Json(state.change(|table| table.put(&id, document, &condition))?))
}

async fn remove(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    must_write(&state, &headers)?;
    let condition = condition(&headers);
    state.change(|table| table.delete(&id, &condition))?;
    Ok(StatusCode::NO_CONTENT)
}

fn condition(headers: &HeaderMap) -> Condition {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    Condition {
        if_match: text(header::IF_MATCH),
        if_none_match: text(header::IF_NONE_MATCH),
    }
}

fn must_write(state: &State, headers: &HeaderMap) -> Result<(), Refused> {
    match may_write(state, headers)? {
        true => Ok(()),
        false => Err(Refused::new(
            403,
            "may-not-write",
            "this token may look at APIs and not change them",
        )),
    }
}

/// Whether the caller may change things; refused if it may do nothing.
fn may_write(state: &State, headers: &HeaderMap) -> Result<bool, Refused> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let given = given
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let is = |token: &SecretString| same(given, token.expose_secret());
    match (is(&state.admin_token), state.read_token.as_ref().is_some_and(is)) {
        (true, _) => Ok(true),
        (false, true) => Ok(false),
        (false, false) => Err(Refused::new(401, "unknown-token", "this token is not known")),
    }
}

/// Compares digests, so that the time it takes tells nothing of the token.
fn same(given: &str, token: &str) -> bool {
    Fingerprint::of_bytes(given.as_bytes()) == Fingerprint::of_bytes(token.as_bytes())
}
