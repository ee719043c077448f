//! What an API makes of the answers that are API Gateway's own.

use axum::body::Body;
use serde_json::{Value, json};

use super::answer::Answer;
use super::exchange::Exchange;
use super::mapping;
use crate::place::{Definition, Entity, object, text};

/// An answer as the API would have it: its own type first, then all of 4xx or 5xx.
pub(crate) fn applied(
    definition: &Definition,
    stage: &Entity,
    exchange: &Exchange,
    mut answer: Answer,
) -> Answer {
    let Some((kind, message)) = answer.own.take() else {
        return answer;
    };
    let all = if answer.status < 500 {
        "DEFAULT_4XX"
    } else {
        "DEFAULT_5XX"
    };
    let own = definition.gateway_responses.get(kind);
    let Some(response) = own.or_else(|| definition.gateway_responses.get(all)) else {
        return answer;
    };
    if let Ok(status) = text(response, "statusCode").parse() {
        answer.status = status;
    }
    for (to, from) in object(response, "responseParameters").into_iter().flatten() {
        let name = to.strip_prefix("gatewayresponse.header.");
        let value = from
            .as_str()
            .and_then(|from| mapping::value(exchange, stage, from));
        if let (Some(name), Some(value)) = (name, value) {
            answer.set(name, &value);
        }
    }
    let template = object(response, "responseTemplates").and_then(|all| all.get("application/json"));
    if let Some(template) = template.and_then(Value::as_str) {
        answer.body = Body::from(filled(template, kind, &message, exchange));
    }
    answer
}

fn filled(template: &str, kind: &str, message: &str, exchange: &Exchange) -> String {
    template
        .replace("$context.error.messageString", &json!(message).to_string())
        .replace("$context.error.message", message)
        .replace("$context.error.responseType", kind)
        .replace("$context.requestId", &exchange.request_id)
}
