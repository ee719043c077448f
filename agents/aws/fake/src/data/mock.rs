//! MOCK integrations: an answer out of templates.

use axum::body::Body;
use axum::http::HeaderMap;
use regex::Regex;
use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use super::mapping;
use super::velocity::{Rendered, Scope, render};
use crate::place::{Entity, object, text};

/// What templates may refer to.
struct Known<'a> {
    exchange: &'a Exchange,
    stage: &'a Entity,
}

impl Scope for Known<'_> {
    fn parameter(&self, name: &str) -> String {
        let exchange = self.exchange;
        let found = exchange
            .variable(name)
            .map(str::to_owned)
            .or_else(|| exchange.argument(name));
        let found = found.or_else(|| exchange.header(name).map(str::to_owned));
        found.unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<String> {
        match name {
            "input.body" => mapping::value(self.exchange, self.stage, "method.request.body"),
            name => mapping::value(self.exchange, self.stage, name),
        }
    }
}

/// The answer that the templates of an integration make.
pub(crate) fn answer(exchange: &Exchange, stage: &Entity, integration: &Entity) -> Answer {
    let known = Known { exchange, stage };
    match status(&known, integration) {
        Err(refusal) => *refusal,
        Ok(status) => made(&known, integration, status).unwrap_or_else(Answer::internal_error),
    }
}

/// The status that the request template of the body's type names.
fn status(known: &Known<'_>, integration: &Entity) -> Result<u16, Box<Answer>> {
    let kind = known
        .exchange
        .header("content-type")
        .unwrap_or("application/json");
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let template = object(integration, "requestTemplates").and_then(|all| all.get(kind));
    let said = match template.and_then(Value::as_str) {
        Some(template) => render(template, known).map(|rendered| rendered.body),
        None if text(integration, "passthroughBehavior") == "NEVER" => {
            return Err(Box::new(Answer::own(
                "UNSUPPORTED_MEDIA_TYPE",
                415,
                "BadRequestException",
                "Unsupported Media Type",
            )));
        }
        None => known.value("input.body"),
    };
    let named = said.and_then(|said| serde_json::from_str::<Value>(&said).ok());
    let status = named.and_then(|named| match &named["statusCode"] {
        Value::String(text) => text.parse().ok(),
        number => number.as_u64().and_then(|status| u16::try_from(status).ok()),
    });
    status.ok_or_else(|| Box::new(Answer::internal_error()))
}

fn made(known: &Known<'_>, integration: &Entity, status: u16) -> Option<Answer> {
    let response = response(integration, status)?;
    let template = object(response, "responseTemplates").and_then(|all| all.iter().next());
    let (kind, rendered) = match template {
        Some((kind, template)) => (kind.as_str(), render(template.as_str()?, known)?),
        None => ("application/json", Rendered::default()),
    };
    let said = text(response, "statusCode").parse().unwrap_or(status);
    let mut answer = Answer {
        status: rendered.status.unwrap_or(said),
        headers: HeaderMap::new(),
        body: Body::from(rendered.body),
        own: None,
    };
    answer.set("content-type", kind);
    for (to, from) in object(response, "responseParameters").into_iter().flatten() {
        let name = to.strip_prefix("method.response.header.");
        let value = from
            .as_str()
            .and_then(|from| mapping::value(known.exchange, known.stage, from));
        if let (Some(name), Some(value)) = (name, value) {
            answer.set(name, &value);
        }
    }
    for (name, value) in &rendered.headers {
        answer.set(name, value);
    }
    if answer.status == 204 {
        answer.body = Body::empty();
    }
    Some(answer)
}

/// The response whose pattern the status fits, or the one without a pattern.
fn response(integration: &Entity, status: u16) -> Option<&Entity> {
    let all = object(integration, "integrationResponses")?;
    let responses: Vec<&Entity> = all.values().filter_map(Value::as_object).collect();
    let status = status.to_string();
    let fits = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|it| it.is_match(&status));
    let chosen = responses.iter().find(|it| match text(it, "selectionPattern") {
        "" => false,
        pattern => fits(pattern),
    });
    let usual = || {
        responses
            .iter()
            .find(|it| text(it, "selectionPattern").is_empty())
    };
    chosen.or_else(usual).copied()
}
