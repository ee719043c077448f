//! `/healthz`, `/readyz` and `/metrics`, on a listener of their own, without credentials.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use gatehouse_schemas::condition::Phase;
use http::{StatusCode, header};

use crate::{
    failure::{Answer, Failure},
    state::AppState,
};

/// The routes for those who operate the server.
pub(crate) fn router() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready means: not shutting down, and the database answers.
async fn ready(State(state): State<AppState>) -> Answer<Response> {
    if state.shutdown.is_cancelled() {
        return Ok((StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response());
    }
    state.store.ping().await?;
    Ok("ready\n".into_response())
}

async fn metrics(State(state): State<AppState>) -> Answer<Response> {
    crate::status::count(&state).await?;
    let text = state.metrics.text().map_err(Failure::internal)?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

/// The phases, in the order they are told in.
pub(crate) const PHASES: [(Phase, &str); 5] = [
    (Phase::Pending, "Pending"),
    (Phase::Deploying, "Deploying"),
    (Phase::Deployed, "Deployed"),
    (Phase::Failed, "Failed"),
    (Phase::Removing, "Removing"),
];
