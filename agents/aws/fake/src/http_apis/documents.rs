//! HTTP APIs by documents: import, import again, export.

use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;

use super::apis::{check_cors, empty, shown};
use super::import::{Imported, import};
use super::parts::too_many_routes;
use super::{changed, export};
use crate::control::{AwsError, Call, Operation, Reply, required, v2};
use crate::openapi::Document;
use crate::place::{Entity, Place, text};
use crate::rest::tags;

pub(super) const OPERATIONS: &[Operation] = &[
    v2(Method::PUT, "/v2/apis", 201, "ImportApi", import_api),
    v2(Method::PUT, "/v2/apis/{apiId}", 201, "ReimportApi", reimport),
    v2(
        Method::GET,
        "/v2/apis/{apiId}/exports/{specification}",
        200,
        "ExportApi",
        export_api,
    ),
];

fn document(call: &Call<'_>) -> Result<Document, AwsError> {
    let given = call.members()?;
    Document::read(required(&given, "body")?.as_bytes())
}

fn imported(call: &Call<'_>, document: &Document, api: &Entity) -> Result<Imported, AwsError> {
    let imported = import(document, api);
    if imported.definition.routes.len() > call.routes_per_http_api {
        return Err(too_many_routes());
    }
    if !imported.errors.is_empty() {
        let all = imported.errors.join("\n\t");
        return Err(AwsError::bad_request(format!(
            "Errors found during import:\n\t{all}"
        )));
    }
    let strict = call.request.argument("failOnWarnings") == Some("true");
    if strict && !imported.warnings.is_empty() {
        let all = imported.warnings.join("\n\t");
        return Err(AwsError::bad_request(format!(
            "Warnings found during import:\n\t{all}"
        )));
    }
    check_cors(&imported.definition.api)?;
    tags::check(&imported.tags)?;
    Ok(imported)
}

fn with_warnings(mut answer: Entity, warnings: &[String]) -> Reply {
    if !warnings.is_empty() {
        answer.insert("warnings".to_owned(), json!(warnings));
    }
    Reply::of(answer)
}

fn import_api(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let mut made = empty(call, "", "HTTP");
    let imported = imported(call, &document(call)?, &made.definition.api)?;
    made.definition = imported.definition;
    made.tags = imported.tags;
    let answer = shown(&made);
    place.http_apis.insert(text(&answer, "apiId").to_owned(), made);
    Ok(with_warnings(answer, &imported.warnings))
}

fn reimport(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let document = document(call)?;
    let api = call.http_api(place)?;
    let imported = imported(call, &document, &api.definition.api)?;
    api.definition = imported.definition;
    api.tags = imported.tags;
    changed(call, api);
    Ok(with_warnings(shown(api), &imported.warnings))
}

/// A stage's snapshot, or what the API is now when no stage is named.
fn export_api(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    if call.label("specification") != "OAS30" {
        return Err(AwsError::bad_request(
            "Invalid specification specified. Must be one of: [OAS30]",
        ));
    }
    let yaml = match call.request.argument("outputType") {
        Some("JSON") => false,
        Some("YAML") => true,
        _ => {
            return Err(AwsError::bad_request(
                "Invalid output type specified. Must be one of: [JSON, YAML]",
            ));
        }
    };
    let stage = call.request.argument("stageName");
    let api = call.http_api(place)?;
    let definition = match stage {
        None => &api.definition,
        Some(name) => {
            let found = api.stages.get(name);
            let found = found.ok_or_else(|| AwsError::not_found("Invalid stage identifier specified"))?;
            let deployment = api.deployments.get(text(found, "deploymentId"));
            &*deployment
                .ok_or_else(|| AwsError::not_found("The stage has no deployment"))?
                .snapshot
        }
    };
    let extensions = call.request.argument("includeExtensions") != Some("false");
    let document = export::export(definition, stage, call.region, extensions);
    let text = if yaml {
        serde_saphyr::to_string(&document).map_err(|error| AwsError::bad_request(error.to_string()))?
    } else {
        document.to_string()
    };
    let kind = if yaml { "yaml" } else { "json" };
    Ok(Reply::Export(
        "application/octet-stream",
        format!("oas30.{kind}"),
        Bytes::from(text),
    ))
}
