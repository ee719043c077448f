//! What canonical words cannot say, in AWS's: fragments of the policy type `native`.
//!
//! The fields of a fragment are `document` (extensions of the whole OpenAPI document), `operation` (the integration and
//! other extensions of the operations where the policy stands) and `stage` (settings of the stage). None of them can
//! take away what a security policy asks for.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{NativePolicy, Policy},
    revision::Operation,
};
use serde_json::{Map, Value};

use super::{Kind, judge::unsupported, scene::Scene};
use crate::config::GATEWAY_TYPE;

/// The extension of an operation that says where its requests go.
pub(super) const INTEGRATION: &str = "x-amazon-apigateway-integration";
/// The extension of an operation that asks callers to sign with AWS's own credentials.
const AUTH: &str = "x-amazon-apigateway-auth";

/// Extensions of the document that a fragment may hold.
const OF_DOCUMENT: [&str; 5] = [
    "x-amazon-apigateway-binary-media-types",
    "x-amazon-apigateway-documentation",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-importexport-version",
    "x-amazon-apigateway-minimum-compression-size",
];
/// Fields of an operation that a fragment may hold.
const OF_OPERATION: [&str; 3] = ["responses", AUTH, INTEGRATION];
/// Fields of an integration.
const OF_INTEGRATION: [&str; 19] = [
    "cacheKeyParameters",
    "cacheNamespace",
    "connectionId",
    "connectionType",
    "contentHandling",
    "credentials",
    "httpMethod",
    "integrationSubtype",
    "integrationTarget",
    "passthroughBehavior",
    "payloadFormatVersion",
    "requestParameters",
    "requestTemplates",
    "responseParameters",
    "responseTransferMode",
    "responses",
    "timeoutInMillis",
    "tlsConfig",
    "type",
];
/// Settings of a stage that a fragment may hold, and whether each is of the right type.
const OF_STAGE: [(&str, fn(&Value) -> bool); 4] = [
    ("cacheClusterSize", Value::is_string),
    ("dataTraceEnabled", Value::is_boolean),
    ("metricsEnabled", Value::is_boolean),
    ("tracingEnabled", Value::is_boolean),
];
/// How much of requests a stage logs.
const LOGGING: (&str, [&str; 3]) = ("loggingLevel", ["ERROR", "INFO", "OFF"]);

/// The fragments of a field at a place, in order.
pub(super) fn fragments<'a>(policies: &[&'a Policy], field: &str) -> Vec<&'a Map<String, Value>> {
    let of = |policy: &&'a Policy| match policy {
        Policy::Native(native) => native.config.get(field)?.as_object(),
        _ => None,
    };
    policies.iter().filter_map(of).collect()
}

/// Puts fragments of an operation over what it is. An integration of another type stands alone.
pub(super) fn merge_operation(operation: &mut Map<String, Value>, fragments: &[&Map<String, Value>]) {
    for (name, value) in fragments.iter().copied().flatten() {
        let ours = operation
            .get(name)
            .and_then(Value::as_object)
            .filter(|_| name == INTEGRATION);
        let merged = match (ours, value.as_object()) {
            (Some(ours), Some(theirs)) if !theirs.contains_key("type") => merged(ours, theirs),
            _ => value.clone(),
        };
        operation.insert(name.clone(), merged);
    }
}

fn merged(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Value {
    let mut all = ours.clone();
    for (name, value) in theirs {
        match (all.get_mut(name), value) {
            (Some(Value::Object(fields)), Value::Object(more)) => fields.extend(more.clone()),
            _ => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(all)
}

/// Whether a fragment is understood: then it is taken as it is.
pub(super) fn of_native(
    scene: Scene<'_>,
    native: &NativePolicy,
    operation: Option<&Operation>,
    before: &[&Policy],
) -> Fidelity {
    if native.gateway_type.to_string() != GATEWAY_TYPE {
        return unsupported("it is a fragment for another gateway");
    }
    match understood(scene, &native.config, operation, before) {
        Ok(()) => Fidelity::Exact,
        Err(reason) => unsupported(reason),
    }
}

fn understood(
    scene: Scene<'_>,
    config: &Map<String, Value>,
    operation: Option<&Operation>,
    before: &[&Policy],
) -> Result<(), String> {
    for (field, value) in config {
        let place = format!("/config/{field}");
        let Value::Object(fields) = value else {
            return Err(format!("`{place}` must be an object"));
        };
        match field.as_str() {
            "document" | "stage" if operation.is_some() => {
                return Err(format!("`{place}` is of the whole API; put the policy there"));
            }
            "document" => only(fields, &place, &OF_DOCUMENT)?,
            "operation" => of_operation(fields, &place, before)?,
            "stage" => of_stage(scene, fields, &place)?,
            _ => return Err(unknown(&place, &["document", "operation", "stage"])),
        }
    }
    Ok(())
}

fn of_operation(fields: &Map<String, Value>, place: &str, before: &[&Policy]) -> Result<(), String> {
    only(fields, place, &OF_OPERATION)?;
    if let Some(integration) = fields.get(INTEGRATION) {
        let place = format!("{place}/{INTEGRATION}");
        let Value::Object(integration) = integration else {
            return Err(format!("`{place}` must be an object"));
        };
        let known: Vec<&str> = OF_INTEGRATION.into_iter().chain(["uri"]).collect();
        only(integration, &place, &known)?;
    }
    let Some(auth) = fields.get(AUTH) else {
        return Ok(());
    };
    if *auth != serde_json::json!({"type": "AWS_IAM"}) {
        return Err(format!(
            "`{place}/{AUTH}` can only be `{{\"type\": \"AWS_IAM\"}}`"
        ));
    }
    let is_authorizer = |policy: &&Policy| matches!(policy, Policy::AuthJwt(_) | Policy::AuthOAuth2(_));
    match before.iter().any(is_authorizer) {
        true => Err(format!(
            "`{place}/{AUTH}` would replace the authorizer of another policy"
        )),
        false => Ok(()),
    }
}

fn of_stage(scene: Scene<'_>, fields: &Map<String, Value>, place: &str) -> Result<(), String> {
    if scene.kind == Kind::Http {
        return Err(format!("`{place}` is known of REST APIs only"));
    }
    let known: Vec<&str> = OF_STAGE
        .iter()
        .map(|(name, _)| *name)
        .chain([LOGGING.0])
        .collect();
    only(fields, place, &known)?;
    for (name, value) in fields {
        let of_type = OF_STAGE
            .iter()
            .find(|(known, _)| known == name)
            .is_none_or(|(_, is)| is(value));
        let is_level = name != LOGGING.0 || value.as_str().is_some_and(|level| LOGGING.1.contains(&level));
        if !of_type || !is_level {
            return Err(format!(
                "`{place}/{name}` has a value that API Gateway does not take"
            ));
        }
    }
    Ok(())
}

fn only(fields: &Map<String, Value>, place: &str, known: &[&str]) -> Result<(), String> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown(&format!("{place}/{name}"), known)),
        None => Ok(()),
    }
}

fn unknown(place: &str, known: &[&str]) -> String {
    format!("`{place}` is not known; there are {}", known.join(", "))
}
