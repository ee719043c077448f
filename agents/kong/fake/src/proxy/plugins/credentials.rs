//! Credentials: finding the one that a request shows, and whose it is.

use std::ops::ControlFlow;

use serde_json::Value;

use crate::configuration::{Configuration, Entity};
use crate::proxy::answer::Answer;
use crate::proxy::exchange::Exchange;
use crate::proxy::router::reference;

/// The credential of a collection whose field has a value.
pub(super) fn find<'a>(
    configuration: &'a Configuration,
    collection: &str,
    field: &str,
    value: &str,
) -> Option<&'a Entity> {
    let mut all = configuration.all(collection).map(|(_, credential)| credential);
    all.find(|credential| credential.get(field).and_then(Value::as_str) == Some(value))
}

/// The consumer that a credential belongs to.
pub(super) fn consumer_of(configuration: &Configuration, credential: &Entity) -> Option<Entity> {
    configuration
        .get("consumers", reference(credential, "consumer")?)
        .cloned()
}

/// Lets a request go on as the anonymous consumer where one is named, else refuses it.
pub(super) fn anonymous_or(
    exchange: &mut Exchange,
    anonymous: Option<&str>,
    refusal: Answer,
) -> ControlFlow<Answer> {
    let Some(name) = anonymous.filter(|name| !name.is_empty()) else {
        return ControlFlow::Break(refusal);
    };
    let configuration = std::sync::Arc::clone(&exchange.configuration);
    let by_name = || find(&configuration, "consumers", "username", name);
    match configuration.get("consumers", name).or_else(by_name) {
        Some(consumer) => {
            exchange.authenticate(consumer.clone(), None);
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(Answer::error(
            500,
            "An unexpected error occurred",
            &exchange.request_id,
        )),
    }
}
