//! Who asks.

use axum::Json;
use gatehouse_control_plane_api::admin::WhoAmI;

use crate::authentication::Caller;

/// Says whose token this is and what it may do.
#[utoipa::path(get, path = "/api/v1/whoami", operation_id = "whoAmI", tag = "access", responses(
    (status = 200, description = "Who asks", body = WhoAmI),
))]
pub(crate) async fn whoami(caller: Caller) -> Json<WhoAmI> {
    Json(WhoAmI {
        name: caller.name,
        role: caller.role,
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
