//! MOCK integrations: an answer out of templates.

use axum::body::Body;
use axum::http::HeaderMap;
use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use super::mapping;
use crate::faults::fits;
use crate::place::{Entity, object, text};

/// The answer that the templates of an integration make.
pub(crate) fn answer(exchange: &Exchange, stage: &Entity, integration: &Entity) -> Answer {
    let Some(status) = status(integration) else {
        return Answer::internal_error();
    };
    let Some(response) = response(integration, status) else {
        return Answer::internal_error();
    };
    let said = text(response, "statusCode").parse().unwrap_or(status);
    let template = object(response, "responseTemplates").and_then(|all| all.values().next());
    let body = template.and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut answer = Answer {
        status: said,
        headers: HeaderMap::new(),
        body: Body::from(body),
        own: None,
    };
    answer.set("content-type", "application/json");
    for (to, from) in object(response, "responseParameters").into_iter().flatten() {
        let name = to.strip_prefix("method.response.header.");
        let value = from
            .as_str()
            .and_then(|from| mapping::value(exchange, stage, from));
        if let (Some(name), Some(value)) = (name, value) {
            answer.set(name, &value);
        }
    }
    answer
}

/// The status that the request template names.
fn status(integration: &Entity) -> Option<u16> {
    let templates = object(integration, "requestTemplates")?;
    let template = templates.get("application/json").and_then(Value::as_str)?;
    let said: Value = serde_json::from_str(template).ok()?;
    let status = said.get("statusCode")?;
    status
        .as_u64()
        .and_then(|status| u16::try_from(status).ok())
        .or_else(|| status.as_str()?.parse().ok())
}

/// The response whose pattern the status fits, or the one without a pattern.
fn response(integration: &Entity, status: u16) -> Option<&Entity> {
    let all = object(integration, "integrationResponses")?;
    let responses: Vec<&Entity> = all.values().filter_map(Value::as_object).collect();
    let status = status.to_string();
    let chosen = responses.iter().find(|response| {
        let pattern = text(response, "selectionPattern");
        !pattern.is_empty() && fits(&pattern.replace(".*", "*").replace("\\d{2}", "*"), &status)
    });
    let usual = || {
        responses
            .iter()
            .find(|response| text(response, "selectionPattern").is_empty())
    };
    chosen.or_else(usual).copied()
}
