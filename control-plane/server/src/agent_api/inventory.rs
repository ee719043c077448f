//! The versions of APIs that are known: what has the same version need not be read again.

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{agent::InventoryResponse, problem::Problem};
use gatehouse_schemas::identity::EnvironmentId;

use super::{caller::Caller, leases};
use crate::{extract::Path, failure::Answer, state::AppState};

/// Reads the versions of an environment's APIs that are known.
///
/// A discovery that finds an API with the same version sends it as `Unchanged`, without reading it again.
#[utoipa::path(get, path = "/agent/v1/environments/{id}/inventory", operation_id = "inventory", tag = "agent",
    params(("id" = EnvironmentId, Path, description = "Which environment")),
    responses(
        (status = 200, description = "The versions, by the gateway's own identity", body = InventoryResponse),
        (status = 404, description = "There is no such environment for this agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The agent does not hold a lease of the environment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn inventory(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<EnvironmentId>,
) -> Answer<Json<InventoryResponse>> {
    caller.serves(state.store.environment_state(id).await?, id)?;
    leases::own(&state.store.leases_in(id).await?, &caller)?;
    let versions = state.store.inventory_versions(id).await?;
    Ok(Json(InventoryResponse { versions }))
}
