//! The Agent API, `/agent/v1`: how work reaches gateways.

use utoipa_axum::router::OpenApiRouter;

use crate::state::AppState;

/// The routes of the Agent API.
pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
}
