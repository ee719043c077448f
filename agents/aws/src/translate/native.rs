//! What canonical words cannot say, in AWS's: which fragments of the policy type `native` are understood.
//!
//! Their fields are those that [`read`](crate::read::native) keeps. A fragment that is not understood is left out as a
//! whole and told as unsupported; one that guards callers stops the deploy, since nobody can accept an open API.

mod guards;
mod laid;

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{NativePolicy, Policy},
    revision::Operation,
};
use serde_json::{Map, Value, json};

pub(super) use self::guards::is_open;
pub(super) use self::laid::{
    AUTH, GATEWAY_RESPONSES, INTEGRATION, document, field, is_signed, operation, scheme,
};
use super::{Kind, judge::unsupported, scene::Scene};
use crate::config::GATEWAY_TYPE;

/// What the names of AWS's extensions begin with.
const EXTENSION: &str = "x-amazon-apigateway-";
/// Extensions that other fields or policies write, and that may not be replaced behind their back.
const TAKEN: [&str; 12] = [
    "any-method",
    "api-key-source",
    "auth",
    "authorizer",
    "authtype",
    "cors",
    "endpoint-configuration",
    "gateway-responses",
    "integration",
    "policy",
    "request-validator",
    "request-validators",
];
/// Fields of a fragment that are of the whole API.
const OF_API: [&str; 8] = [
    "cors",
    "document",
    "domainNames",
    "extensions",
    "resourcePolicy",
    "stage",
    "stageSettings",
    "usagePlans",
];
/// Fields of an integration.
const OF_INTEGRATION: [&str; 20] = [
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
    "uri",
];

/// Whether a value is of the right kind.
type Is = fn(&Value) -> bool;

const OF_METHODS: [(&str, Is); 3] = [
    ("dataTraceEnabled", Value::is_boolean),
    ("loggingLevel", is_level),
    ("metricsEnabled", Value::is_boolean),
];
const OF_STAGE: [(&str, Is); 6] = [
    ("accessLogSettings", is_log),
    ("cacheClusterSize", Value::is_string),
    ("dataTraceEnabled", Value::is_boolean),
    ("loggingLevel", is_level),
    ("metricsEnabled", Value::is_boolean),
    ("tracingEnabled", Value::is_boolean),
];
const OF_AUTHORIZER: [(&str, Is); 3] = [
    ("name", Value::is_string),
    ("scheme", Value::is_object),
    ("scopes", is_texts),
];

fn is_texts(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().all(Value::is_string))
}

fn is_level(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|level| ["ERROR", "INFO", "OFF"].contains(&level))
}

fn is_log(value: &Value) -> bool {
    let text = |name: &str| value.get(name).is_some_and(Value::is_string);
    value.as_object().is_some_and(|fields| fields.len() == 2) && text("destinationArn") && text("format")
}

/// Whether a fragment is understood: then it is taken as it is.
pub(super) fn of_native(
    scene: Scene<'_>,
    native: &NativePolicy,
    at: Option<&Operation>,
    before: &[&Policy],
) -> Fidelity {
    if native.gateway_type.to_string() != GATEWAY_TYPE {
        return unsupported("it is a fragment for another gateway");
    }
    for (name, value) in &native.config {
        let place = format!("/config/{name}");
        if let Err(reason) = understood(scene, (name, value), &place, at, before) {
            return unsupported(reason);
        }
    }
    Fidelity::Exact
}

fn understood(
    scene: Scene<'_>,
    (name, value): (&str, &Value),
    place: &str,
    at: Option<&Operation>,
    before: &[&Policy],
) -> Result<(), String> {
    if at.is_some() && OF_API.contains(&name) {
        return Err(format!("`{place}` is of the whole API; put the policy there"));
    }
    match name {
        "operation" => {
            of_operation(fields(value, place)?, place, before)?;
            of_mode(scene, value, place)
        }
        "document" => of_rest(scene, place).and_then(|()| of_document(fields(value, place)?, place)),
        "authorizer" => of_authorizer(value, place).and_then(|()| alone(place, before)),
        "apiKeyRequired" => match (value, scene.kind) {
            (Value::Bool(true), Kind::Rest) => Ok(()),
            _ => Err(format!("`{place}` can only be `true`, of a REST API")),
        },
        "methodSettings" => {
            of_rest(scene, place).and_then(|()| only(fields(value, place)?, place, &OF_METHODS))
        }
        "extensions" => extensions(fields(value, place)?, place),
        "stage" => of_rest(scene, place).and_then(|()| only(fields(value, place)?, place, &OF_STAGE)),
        "resourcePolicy" => of_rest(scene, place).and_then(|()| of_callers(scene, value, place)),
        "cors" => of_origins(scene, value, place),
        "requestValidator" => Err(format!(
            "`{place}` does not say what is checked; write it as `request.validate`"
        )),
        "usagePlans" => Err(format!(
            "`{place}` says what keys may that are not the API's own; write it as `auth.apiKey`, `ratelimit` and `quota`"
        )),
        "stageSettings" => Err(format!("`{place}` is not set by deploys; set it on AWS")),
        "domainNames" => Err(format!(
            "`{place}` is of a domain name, not of the API; set it up there"
        )),
        _ => Err(format!("`{place}` is not known")),
    }
}

/// What answers an operation, and what else AWS is told of it.
fn of_operation(fields: &Map<String, Value>, place: &str, before: &[&Policy]) -> Result<(), String> {
    for (name, value) in fields {
        let place = format!("{place}/{name}");
        match name.as_str() {
            INTEGRATION => only(
                self::fields(value, &place)?,
                &place,
                &OF_INTEGRATION.map(|name| (name, any as Is)),
            )?,
            AUTH if *value == json!({"type": "AWS_IAM"}) => alone(&place, before)?,
            AUTH => return Err(format!("`{place}` can only be `{{\"type\": \"AWS_IAM\"}}`")),
            "responses" => self::fields(value, &place).map(drop)?,
            name => extension(name, &place)?,
        }
    }
    Ok(())
}

/// HTTP APIs pass every answer on as a whole.
fn of_mode(scene: Scene<'_>, value: &Value, place: &str) -> Result<(), String> {
    let mode = value
        .get(INTEGRATION)
        .and_then(|it| it.get("responseTransferMode"));
    let is_streamed = mode.is_some_and(|mode| *mode != "BUFFERED");
    match is_streamed {
        true => of_rest(scene, &format!("{place}/{INTEGRATION}/responseTransferMode")),
        false => Ok(()),
    }
}

fn any(_value: &Value) -> bool {
    true
}

fn of_document(fields: &Map<String, Value>, place: &str) -> Result<(), String> {
    fields
        .iter()
        .try_for_each(|(name, value)| match (name.as_str(), value) {
            (GATEWAY_RESPONSES, Value::Object(_)) => Ok(()),
            (name, _) => extension(name, &format!("{place}/{name}")),
        })
}

/// Whether a fragment says who may call.
pub(super) fn asks(native: &NativePolicy) -> bool {
    let signed = native
        .config
        .get("operation")
        .is_some_and(|operation| operation.get(AUTH).is_some());
    signed || native.config.contains_key("authorizer")
}

/// A method has one authorizer.
fn alone(place: &str, before: &[&Policy]) -> Result<(), String> {
    let is_authorizer = |policy: &&Policy| match policy {
        Policy::AuthJwt(_) | Policy::AuthOAuth2(_) => true,
        Policy::Native(native) => asks(native),
        _ => false,
    };
    match before.iter().any(is_authorizer) {
        true => Err(format!(
            "`{place}` would replace the authorizer of another policy"
        )),
        false => Ok(()),
    }
}

fn of_authorizer(value: &Value, place: &str) -> Result<(), String> {
    only(fields(value, place)?, place, &OF_AUTHORIZER)?;
    let authorizer = value
        .get("scheme")
        .and_then(|scheme| scheme.get("x-amazon-apigateway-authorizer"));
    match authorizer
        .and_then(Value::as_object)
        .is_some_and(|fields| fields.contains_key("type"))
    {
        true => Ok(()),
        false => Err(format!("`{place}/scheme` does not say what checks callers")),
    }
}

fn of_callers(scene: Scene<'_>, value: &Value, place: &str) -> Result<(), String> {
    fields(value, place)?;
    let is_filter = |policy: &Policy| matches!(policy, Policy::IpFilter(_));
    match scene.content.policies.iter().any(is_filter) || scene.settings.is_private() {
        true => Err(format!(
            "`{place}` would replace the resource policy that `ip.filter` or a private endpoint needs"
        )),
        false => Ok(()),
    }
}

fn of_origins(scene: Scene<'_>, value: &Value, place: &str) -> Result<(), String> {
    fields(value, place)?;
    let is_cors = |policy: &Policy| matches!(policy, Policy::Cors(_));
    match scene.kind == Kind::Rest || scene.content.policies.iter().any(is_cors) {
        true => Err(format!(
            "`{place}` is known of HTTP APIs without a `cors` policy only"
        )),
        false => Ok(()),
    }
}

fn of_rest(scene: Scene<'_>, place: &str) -> Result<(), String> {
    match scene.kind {
        Kind::Rest => Ok(()),
        Kind::Http => Err(format!("`{place}` is known of REST APIs only")),
    }
}

fn extensions(fields: &Map<String, Value>, place: &str) -> Result<(), String> {
    fields
        .keys()
        .try_for_each(|name| extension(name, &format!("{place}/{name}")))
}

fn extension(name: &str, place: &str) -> Result<(), String> {
    match name
        .strip_prefix(EXTENSION)
        .is_some_and(|name| !TAKEN.contains(&name))
    {
        true => Ok(()),
        false => Err(format!("`{place}` is no extension of AWS's that can be set here")),
    }
}

fn fields<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("`{place}` must be an object"))
}

fn only(fields: &Map<String, Value>, place: &str, known: &[(&str, Is)]) -> Result<(), String> {
    for (name, value) in fields {
        match known.iter().find(|(known, _)| known == name) {
            Some((_, is)) if is(value) => {}
            Some(_) => {
                return Err(format!(
                    "`{place}/{name}` has a value that API Gateway does not take"
                ));
            }
            None => {
                let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "`{place}/{name}` is not known; there are {}",
                    known.join(", ")
                ));
            }
        }
    }
    Ok(())
}
