//! Apply: many documents, all of them or none.

use axum::Json;
use gatehouse_control_plane_api::{
    admin::{ApplyRequest, ApplyResponse},
    problem::Problem,
};

use crate::{
    extract::Body,
    failure::Answer,
    write::{self, Writer},
};

/// Applies documents in one transaction, in any order, or says what that would do.
///
/// Publishers may apply the kinds `Api` and `Policy`; the other kinds need an administrator.
#[utoipa::path(post, path = "/api/v1/apply", operation_id = "apply", tag = "apply",
    request_body(content = ApplyRequest, example = json!({
        "documents": [
            {"kind": "Project", "metadata": {"name": "payments"}},
            {"kind": "Api", "metadata": {"name": "orders", "project": "payments"}, "spec": {
                "basePath": "/orders/v1", "upstreams": {"main": {"url": "https://orders.internal:8443"}}}}
        ],
        "dryRun": true
    })),
    responses(
        (status = 200, description = "What became of each document", body = ApplyResponse),
        (status = 409, description = "Other objects do not allow a change; nothing was changed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn apply(writer: Writer, Body(request): Body<ApplyRequest>) -> Answer<Json<ApplyResponse>> {
    let results = write::many(&writer, request.documents, request.dry_run).await?;
    Ok(Json(ApplyResponse {
        dry_run: request.dry_run,
        results,
    }))
}
