//! Imports: findings of a discovery taken into the catalog.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{CreateImportRequest, Import, Page},
    problem::Problem,
};
use gatehouse_control_plane_store as store;
use gatehouse_schemas::identity::{DiscoveryId, ImportId};
use http::StatusCode;

use super::{
    paging::{self, PageQuery},
    resources::set_location,
    revisions::by_whom,
};
use crate::{
    extract::{Body, Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::{Writer, import},
};

/// Takes findings into the catalog, and says what became of each. Fields that people edited stay as they are.
#[utoipa::path(post, path = "/api/v1/discoveries/{id}/imports", operation_id = "import", tag = "discoveries",
    params(("id" = DiscoveryId, Path, description = "Which discovery")),
    request_body(content = CreateImportRequest, example = json!({"select": "status=new,tag=public"})),
    responses(
        (status = 201, description = "What became of each finding", body = Import, headers(
            ("location" = String, description = "Its path"),
        )),
        (status = 404, description = "There is no such discovery", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The discovery has not ended, or its environment is gone", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    writer: Writer,
    Path(id): Path<DiscoveryId>,
    Body(request): Body<CreateImportRequest>,
) -> Answer<Response> {
    let import = view(import::import(&writer, id, &request).await?)?;
    let location = format!("/api/v1/imports/{}", import.id);
    let mut response = (StatusCode::CREATED, Json(import)).into_response();
    set_location(response.headers_mut(), &location);
    Ok(response)
}

/// Lists imports, newest first.
#[utoipa::path(get, path = "/api/v1/imports", operation_id = "listImports", tag = "discoveries", params(PageQuery),
    responses((status = 200, description = "A page of imports", body = Page<Import>))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<Import>>> {
    let found = state.store.imports(&query.request()?).await?;
    let items = found.items.into_iter().map(view).collect::<Answer<_>>()?;
    Ok(Json(paging::page(items, found.next_cursor)))
}

/// Reads an import.
#[utoipa::path(get, path = "/api/v1/imports/{id}", operation_id = "readImport", tag = "discoveries",
    params(("id" = ImportId, Path, description = "Which import")),
    responses(
        (status = 200, description = "The import", body = Import),
        (status = 404, description = "There is no such import", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(id): Path<ImportId>) -> Answer<Json<Import>> {
    let found = state.store.import(id).await?;
    Ok(Json(view(
        found.ok_or_else(|| Failure::not_found("import", id))?,
    )?))
}

fn view(import: store::Import) -> Answer<Import> {
    Ok(Import {
        id: import.id,
        discovery_id: import.discovery_id,
        created_at: import.created_at,
        created_by: by_whom(import.created_by),
        results: serde_json::from_value(import.results).map_err(Failure::internal)?,
    })
}
