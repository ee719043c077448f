//! CORS of HTTP APIs, which API Gateway answers itself.

use axum::body::Body;
use axum::http::{HeaderMap, Method};
use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use crate::place::Entity;

/// The answer to a preflight request; none if the request is none.
pub(crate) fn preflight(cors: &Entity, exchange: &Exchange) -> Option<Answer> {
    let asks =
        exchange.method == Method::OPTIONS && exchange.header("access-control-request-method").is_some();
    if !asks || exchange.header("origin").is_none() {
        return None;
    }
    let mut answer = Answer {
        status: 204,
        headers: HeaderMap::new(),
        body: Body::empty(),
        own: None,
    };
    let allowed = allow_origin(cors, exchange, &mut answer);
    if allowed {
        for (name, header) in [
            ("allowMethods", "access-control-allow-methods"),
            ("allowHeaders", "access-control-allow-headers"),
        ] {
            let list = words(cors, name);
            if !list.is_empty() {
                answer.set(header, &list.join(","));
            }
        }
        if let Some(age) = cors.get("maxAge").and_then(Value::as_i64) {
            answer.set("access-control-max-age", &age.to_string());
        }
    }
    Some(answer)
}

/// Adds the headers of CORS to an answer, in place of those that the upstream has sent.
pub(crate) fn apply(cors: &Entity, exchange: &Exchange, answer: &mut Answer) {
    let sent: Vec<_> = answer
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in sent {
        answer.headers.remove(name);
    }
    let exposed = words(cors, "exposeHeaders");
    if allow_origin(cors, exchange, answer) && !exposed.is_empty() {
        answer.set("access-control-expose-headers", &exposed.join(","));
    }
}

fn allow_origin(cors: &Entity, exchange: &Exchange, answer: &mut Answer) -> bool {
    let Some(origin) = exchange.header("origin") else {
        return false;
    };
    let origins = words(cors, "allowOrigins");
    let scheme = origin
        .split_once("://")
        .map(|(scheme, _)| format!("{scheme}://*"));
    let allowed = if origins.contains(&"*") {
        "*"
    } else if origins.contains(&origin) || scheme.is_some_and(|all| origins.contains(&all.as_str())) {
        origin
    } else {
        return false;
    };
    answer.set("access-control-allow-origin", allowed);
    if cors.get("allowCredentials") == Some(&Value::Bool(true)) {
        answer.set("access-control-allow-credentials", "true");
    }
    true
}

fn words<'a>(cors: &'a Entity, name: &str) -> Vec<&'a str> {
    let list = cors.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}
