//! Parameters of integrations: where their values come from.

use serde_json::Value;

use super::exchange::Exchange;
use crate::place::{Entity, text};

/// The value of a mapping expression: `'text'`, `method.request.path.id`, `context.requestId`, `stageVariables.host`.
pub(crate) fn value(exchange: &Exchange, stage: &Entity, expression: &str) -> Option<String> {
    if expression.len() >= 2 && expression.starts_with('\'') && expression.ends_with('\'') {
        return Some(expression[1..expression.len() - 1].to_owned());
    }
    let (kind, rest) = expression.split_once('.')?;
    match kind {
        "context" => context(exchange, rest),
        "stageVariables" => variable(stage, rest),
        _ => request(exchange, rest.strip_prefix("request.")?),
    }
}

fn request(exchange: &Exchange, place: &str) -> Option<String> {
    if place == "body" {
        return String::from_utf8(exchange.body.to_vec()).ok();
    }
    let (kind, name) = place.split_once('.')?;
    match kind {
        "path" => exchange.variable(name).map(str::to_owned),
        "querystring" | "multivaluequerystring" => exchange.argument(name),
        "header" | "multivalueheader" => exchange.header(name).map(str::to_owned),
        _ => None,
    }
}

/// What is known of a request beside itself.
pub(crate) fn context(exchange: &Exchange, name: &str) -> Option<String> {
    let known = match name {
        "requestId" | "extendedRequestId" => exchange.request_id.clone(),
        "apiId" => exchange.api.clone(),
        "stage" => exchange.stage.clone(),
        "httpMethod" => exchange.method.to_string(),
        "path" => format!("/{}{}", exchange.stage, exchange.path),
        "resourcePath" => exchange.resource.clone(),
        "identity.sourceIp" => exchange.peer.ip().to_string(),
        "identity.userAgent" => exchange.header("user-agent")?.to_owned(),
        "protocol" => "HTTP/1.1".to_owned(),
        _ => return None,
    };
    Some(known)
}

fn variable(stage: &Entity, name: &str) -> Option<String> {
    let variables = stage.get("variables").or_else(|| stage.get("stageVariables"))?;
    variables.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The URI of an integration, with the stage variables that it names.
pub(crate) fn with_stage_variables(uri: &str, stage: &Entity) -> String {
    let mut parts = uri.split("${stageVariables.");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((name, rest)) => {
                whole.push_str(&variable(stage, name).unwrap_or_default());
                whole.push_str(rest);
            }
            None => whole.push_str(part),
        }
    }
    whole
}

/// The mappings of an integration to one kind of place: name and expression.
pub(crate) fn mappings<'a>(
    integration: &'a Entity,
    place: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let all = crate::place::object(integration, "requestParameters")
        .into_iter()
        .flatten();
    all.filter_map(move |(to, from)| {
        let to = to.strip_prefix("integration.request.")?.strip_prefix(place)?;
        Some((to.strip_prefix('.')?, from.as_str()?))
    })
}

/// The time that an integration may take.
pub(crate) fn timeout(integration: &Entity, usual_ms: u64) -> std::time::Duration {
    let said = integration.get("timeoutInMillis").and_then(Value::as_u64);
    std::time::Duration::from_millis(said.unwrap_or(usual_ms))
}

/// Whether an integration passes requests on as they are.
pub(crate) fn is_http_proxy(integration: &Entity) -> bool {
    text(integration, "type") == "HTTP_PROXY"
}
