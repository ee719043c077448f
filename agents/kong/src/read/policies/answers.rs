//! Answers that Kong gives itself: fixed ones, and kept ones.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::policy::{CachePolicy, Policy, RespondPolicy};
use serde_json::json;

use super::config::Config;
use crate::entities::Entity;

/// A fixed answer: a body with its type, or else a message in JSON.
pub(super) fn respond(plugin: &Entity) -> Result<Policy, String> {
    let config = Config::of(plugin);
    let body = config.text("body");
    let said = match body {
        Some(_) => ["status_code", "body", "content_type"],
        None => ["status_code", "message", "status_code"],
    };
    config.says_only(&said, &json!({}))?;
    let status = u16::try_from(config.number("status_code").unwrap_or(503)).unwrap_or(0);
    if !(200..=599).contains(&status) {
        return Err(format!("status {status} is no final answer"));
    }
    let message = config.text("message").or_else(|| usual_message(status));
    let (content_type, body) = match (body, message) {
        (Some(body), _) => {
            let content = Some(body.to_owned()).filter(|body| !body.is_empty());
            (config.text("content_type"), content)
        }
        (None, Some(message)) => (
            Some("application/json; charset=utf-8"),
            Some(json!({"message": message}).to_string()),
        ),
        (None, None) => (None, None),
    };
    let content_type = content_type.map(|it| ("content-type".to_owned(), it.to_owned()));
    let headers: BTreeMap<_, _> = content_type.into_iter().collect();
    Ok(Policy::Respond(RespondPolicy {
        status,
        headers,
        body,
        redirect: None,
        example: None,
        expanded: None,
    }))
}

/// What Kong says where nobody wrote a message.
fn usual_message(status: u16) -> Option<&'static str> {
    Some(match status {
        401 => "Unauthorized",
        404 => "Not found",
        405 => "Method not allowed",
        500 => "An unexpected error occurred",
        502 => "Bad Gateway",
        503 => "Service unavailable",
        _ => return None,
    })
}

/// Answers of 200 to GET and HEAD that are kept, for each consumer.
pub(super) fn cache(plugin: &Entity, notes: &mut Vec<String>) -> Result<Policy, String> {
    let config = Config::of(plugin);
    let said = ["cache_ttl", "vary_query_params", "vary_headers", "request_method"];
    let defaults = json!({
        "strategy": "memory",
        "memory": {"dictionary_name": "kong_db_cache"},
        "response_code": [200],
        "content_type": ["*/*"],
        "response_headers": {"age": true, "X-Cache-Status": true, "X-Cache-Key": true},
    });
    config.says_only(&said, &defaults)?;
    let mut methods = config.list("request_method");
    methods.sort_unstable();
    if !methods.is_empty() && methods != ["GET", "HEAD"] {
        return Err("it keeps answers to other methods than GET and HEAD".to_owned());
    }
    if config.flag("cache_control", false) {
        return Err("answers say how long they are kept".to_owned());
    }
    notes.push(
        "answers are kept also where they say they must not be; elsewhere than on Kong, those are not"
            .to_owned(),
    );
    let ttl = u32::try_from(config.number("cache_ttl").unwrap_or(300)).unwrap_or(0);
    if !(1..=31_536_000).contains(&ttl) {
        return Err("`cache_ttl` is beyond reach".to_owned());
    }
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    Ok(Policy::Cache(CachePolicy {
        ttl_seconds: ttl,
        vary_query: Some(owned(config.list("vary_query_params"))).filter(|names| !names.is_empty()),
        vary_headers: owned(config.list("vary_headers")),
        per_consumer: true,
    }))
}
