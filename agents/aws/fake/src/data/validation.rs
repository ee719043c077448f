//! Request validators: parameters that have to be there. Bodies are looked at only as far as that they are JSON.

use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use super::mapping;
use crate::place::{Definition, Entity, object, text};

/// Why a request is refused by the validator of its method, if it is.
pub(crate) fn refusal(
    definition: &Definition,
    exchange: &Exchange,
    stage: &Entity,
    method: &Entity,
) -> Option<Answer> {
    let validator = definition
        .request_validators
        .get(text(method, "requestValidatorId"))?;
    if validator.get("validateRequestParameters") == Some(&Value::Bool(true)) {
        let missing = missing(exchange, stage, method);
        if !missing.is_empty() {
            let message = format!("Missing required request parameters: [{}]", missing.join(", "));
            return Some(Answer::own(
                "BAD_REQUEST_PARAMETERS",
                400,
                "BadRequestException",
                &message,
            ));
        }
    }
    let checks_body = validator.get("validateRequestBody") == Some(&Value::Bool(true));
    let has_model =
        object(method, "requestModels").is_some_and(|models| models.contains_key("application/json"));
    let is_json = || serde_json::from_slice::<Value>(&exchange.body).is_ok();
    (checks_body && has_model && !is_json()).then(|| {
        Answer::own(
            "BAD_REQUEST_BODY",
            400,
            "BadRequestException",
            "Invalid request body",
        )
    })
}

fn missing<'a>(exchange: &Exchange, stage: &Entity, method: &'a Entity) -> Vec<&'a str> {
    let all = object(method, "requestParameters").into_iter().flatten();
    let required = all.filter(|(_, required)| **required == true);
    let absent = required
        .filter(|(name, _)| mapping::value(exchange, stage, name).is_none_or(|value| value.is_empty()));
    absent
        .filter_map(|(name, _)| name.splitn(4, '.').nth(3))
        .collect()
}
