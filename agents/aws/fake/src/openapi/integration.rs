//! `x-amazon-apigateway-integration`: what a method leads to.

use serde_json::{Value, json};

use super::import::plain;
use crate::place::{Entity, change_object, entity, object, text};

/// The longest that API Gateway waits for an upstream whose answer it passes on as a whole.
const LONGEST_MS: i64 = 29_000;
/// The longest that it takes for one that it passes on as it comes.
const LONGEST_STREAM_MS: i64 = 900_000;

/// The integration that a document says, or why it cannot be.
pub(super) fn integration(said: &Value, method: &Entity) -> Result<Entity, String> {
    let word = |name: &str| said.get(name).and_then(Value::as_str);
    let kind = word("type").unwrap_or_default().to_uppercase();
    if !["HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY", "MOCK"].contains(&kind.as_str()) {
        return Err("Invalid integration type specified".to_owned());
    }
    let passthrough = word("passthroughBehavior").unwrap_or("when_no_match");
    let mut made = entity(json!({
        "type": kind, "passthroughBehavior": passthrough.to_uppercase(), "timeoutInMillis": LONGEST_MS,
        "cacheKeyParameters": [],
    }));
    for (from, to) in [
        ("httpMethod", "httpMethod"),
        ("uri", "uri"),
        ("connectionId", "connectionId"),
        ("credentials", "credentials"),
        ("requestParameters", "requestParameters"),
        ("requestTemplates", "requestTemplates"),
        ("timeoutInMillis", "timeoutInMillis"),
        ("cacheNamespace", "cacheNamespace"),
        ("cacheKeyParameters", "cacheKeyParameters"),
        ("tlsConfig", "tlsConfig"),
        ("integrationTarget", "integrationTarget"),
    ] {
        if let Some(value) = said.get(from).filter(|value| !value.is_null()) {
            made.insert(to.to_owned(), value.clone());
        }
    }
    for name in ["connectionType", "contentHandling", "responseTransferMode"] {
        if let Some(value) = word(name) {
            made.insert(name.to_owned(), Value::from(value.to_uppercase()));
        }
    }
    responses(said, &mut made);
    check_upstream(&made)?;
    check_mode(&made)?;
    check_time(&made)?;
    check_mappings(&made, method)?;
    Ok(made)
}

/// Responses are kept by their status; the pattern that chooses them is a member.
fn responses(said: &Value, made: &mut Entity) {
    let all = said.get("responses").and_then(Value::as_object);
    for (pattern, response) in all.into_iter().flatten() {
        let status = response.get("statusCode").map_or_else(|| "200".to_owned(), plain);
        let mut kept = entity(json!({ "statusCode": status }));
        if pattern != "default" {
            kept.insert("selectionPattern".to_owned(), Value::from(pattern.as_str()));
        }
        for name in ["responseParameters", "responseTemplates"] {
            if let Some(value) = response.get(name).filter(|value| value.is_object()) {
                kept.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(handling) = response.get("contentHandling").and_then(Value::as_str) {
            kept.insert("contentHandling".to_owned(), Value::from(handling.to_uppercase()));
        }
        change_object(made, "integrationResponses", |all| {
            all.insert(status, Value::Object(kept));
        });
    }
}

fn check_upstream(made: &Entity) -> Result<(), String> {
    let kind = text(made, "type");
    if kind == "MOCK" {
        return Ok(());
    }
    if text(made, "httpMethod").is_empty() {
        return Err("Enumeration value for HttpMethod must be non-empty".to_owned());
    }
    let uri = text(made, "uri");
    let over_http =
        uri.starts_with("http://") || uri.starts_with("https://") || uri.starts_with("${stageVariables.");
    match kind {
        "HTTP" | "HTTP_PROXY" if !over_http => Err("Invalid HTTP endpoint specified for URI".to_owned()),
        "AWS" | "AWS_PROXY" if !uri.starts_with("arn:") => {
            Err("Invalid ARN specified in the request".to_owned())
        }
        _ if text(made, "connectionType") == "VPC_LINK" && text(made, "connectionId").is_empty() => {
            Err("VpcLink integration requires a connectionId".to_owned())
        }
        _ => Ok(()),
    }
}

/// Only what proxies pass on can be passed on as it comes.
fn check_mode(made: &Entity) -> Result<(), String> {
    match (text(made, "responseTransferMode"), text(made, "type")) {
        ("" | "BUFFERED", _) | ("STREAM", "HTTP_PROXY" | "AWS_PROXY") => Ok(()),
        ("STREAM", _) => Err("Response transfer mode STREAM needs a proxy integration".to_owned()),
        _ => Err("Invalid response transfer mode specified".to_owned()),
    }
}

fn check_time(made: &Entity) -> Result<(), String> {
    let longest = match text(made, "responseTransferMode") {
        "STREAM" => LONGEST_STREAM_MS,
        _ => LONGEST_MS,
    };
    let time = made.get("timeoutInMillis").and_then(Value::as_i64);
    match time {
        Some(time) if (50..=longest).contains(&time) => Ok(()),
        _ => Err(format!("Timeout should be between 50 ms and {longest} ms")),
    }
}

/// What is mapped from the request has to be a parameter of the method.
fn check_mappings(made: &Entity, method: &Entity) -> Result<(), String> {
    let declared = object(method, "requestParameters");
    let known = |from: &str| declared.is_some_and(|declared| declared.contains_key(from));
    let mappings = object(made, "requestParameters").into_iter().flatten();
    let mut wrong = Vec::new();
    for (to, from) in mappings {
        let from = from.as_str().unwrap_or_default();
        let to_a_place = ["path", "querystring", "header"]
            .iter()
            .any(|place| to.starts_with(&format!("integration.request.{place}.")));
        let is_static = from.len() >= 2 && from.starts_with('\'') && from.ends_with('\'');
        let anything =
            from.starts_with("method.request.body") || from.starts_with("method.request.multivalue");
        let fits = is_static
            || from.starts_with("context.")
            || from.starts_with("stageVariables.")
            || anything
            || (from.starts_with("method.request.") && known(from));
        if !to_a_place {
            wrong.push(format!("Invalid mapping expression specified: {to}"));
        } else if !fits {
            wrong.push(format!("Invalid mapping expression parameter specified: {from}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [{}]",
        wrong.join(", ")
    ))
}
