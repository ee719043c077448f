//! REST APIs by documents: import, put, export.

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use super::apis::{empty, shown, shown_when_made};
use crate::control::{AwsError, Call, Operation, Reply, v1};
use crate::openapi::{Document, Export, Imported, Mode, Target, export, import};
use crate::place::{Entity, Place, change_object, text};

pub(super) const OPERATIONS: &[Operation] = &[
    v1(
        Method::POST,
        "/restapis?mode=import",
        201,
        "ImportRestApi",
        import_api,
    ),
    v1(Method::PUT, "/restapis/{restapi_id}", 200, "PutRestApi", put),
    v1(
        Method::GET,
        "/restapis/{restapi_id}/stages/{stage_name}/exports/{export_type}",
        200,
        "GetExport",
        export_stage,
    ),
];

fn target<'a>(call: &Call<'a>) -> Target<'a> {
    Target {
        region: call.region,
        account: call.account,
        resources: call.resources_per_rest_api,
    }
}

fn import_api(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let document = Document::read(&call.request.body)?;
    let mut made = empty(call, "");
    if let Some(types) = call.request.argument("endpointConfigurationTypes") {
        change_object(
            &mut made.definition.api,
            "endpointConfiguration",
            |configuration| {
                configuration.insert("types".to_owned(), json!([types]));
            },
        );
    }
    let imported = import(&document, &made.definition, Mode::Overwrite, target(call))?;
    let warnings = accepted(call, imported, &mut made.definition)?;
    let id = text(&made.definition.api, "id").to_owned();
    let answer = shown_when_made(&made);
    place.rest_apis.insert(id, made);
    Ok(with_warnings(answer, &warnings))
}

/// What is wrong with the body is said before whether there is such an API.
fn put(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let document = Document::read(&call.request.body)?;
    let mode = match call.request.argument("mode") {
        None | Some("merge") => Mode::Merge,
        Some("overwrite") => Mode::Overwrite,
        Some(other) => return Err(AwsError::bad_request(format!("Invalid mode specified: {other}"))),
    };
    let api = call.rest_api(place)?;
    let imported = import(&document, &api.definition, mode, target(call))?;
    let warnings = accepted(call, imported, &mut api.definition)?;
    Ok(with_warnings(shown(api), &warnings))
}

/// The imported definition takes the place of the one that was there, unless a warning is enough to refuse it.
fn accepted(
    call: &Call<'_>,
    imported: Imported,
    definition: &mut crate::place::Definition,
) -> Result<Vec<String>, AwsError> {
    let Imported {
        definition: new,
        warnings,
    } = imported;
    let strict = call.request.argument("failonwarnings") == Some("true");
    if strict && !warnings.is_empty() {
        let all = warnings.join("\n\t");
        return Err(AwsError::bad_request(format!(
            "Warnings found during import:\n\t{all}"
        )));
    }
    *definition = new;
    Ok(warnings)
}

fn with_warnings(mut answer: Entity, warnings: &[String]) -> Reply {
    if !warnings.is_empty() {
        answer.insert("warnings".to_owned(), json!(warnings));
    }
    Reply::of(answer)
}

fn export_stage(call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
    let swagger = match call.label("export_type") {
        "oas30" => false,
        "swagger" => true,
        other => return Err(AwsError::bad_request(format!("Unsupported export type: {other}"))),
    };
    let api = call.rest_api(place)?;
    let stage = super::stages::found(call, api)?;
    let deployment = text(stage, "deploymentId").to_owned();
    let deployment = api.deployments.get(&deployment);
    let snapshot = deployment
        .map(|deployment| &*deployment.snapshot)
        .unwrap_or(&api.definition);
    let wanted: Vec<&str> = call
        .request
        .arguments("extensions")
        .flat_map(|all| all.split(','))
        .map(str::trim)
        .collect();
    let asks = |name: &str| wanted.contains(&name) || wanted.contains(&"apigateway");
    let document = export(&Export {
        definition: snapshot,
        stage: call.label("stage_name"),
        region: call.region,
        swagger,
        integrations: asks("integrations"),
        authorizers: asks("authorizers"),
        all: asks("apigateway"),
    });
    let version = crate::openapi::version(snapshot);
    let name = format!("{}_{version}.json", call.label("export_type"));
    as_wanted(call, &document, name)
}

/// JSON, or YAML for who asks for it.
fn as_wanted(call: &Call<'_>, document: &Value, name: String) -> Result<Reply, AwsError> {
    let accepted = call.request.header("accept").unwrap_or_default();
    if !accepted.contains("yaml") {
        return Ok(Reply::Export(
            "application/octet-stream",
            name,
            Bytes::from(document.to_string()),
        ));
    }
    let yaml = serde_saphyr::to_string(document).map_err(|error| AwsError::bad_request(error.to_string()))?;
    Ok(Reply::Export(
        "application/octet-stream",
        name.replace(".json", ".yaml"),
        Bytes::from(yaml),
    ))
}
