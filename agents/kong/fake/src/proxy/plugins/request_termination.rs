//! `request-termination`: an answer in the upstream's place.

use std::ops::ControlFlow;

use serde::Deserialize;

use super::Plugin;
use crate::proxy::answer::Answer;
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;
use crate::proxy::query;

/// Settings of `request-termination`.
#[derive(Debug, Deserialize)]
pub(super) struct RequestTermination {
    #[serde(default = "unavailable")]
    status_code: u16,
    message: Option<String>,
    content_type: Option<String>,
    body: Option<String>,
    trigger: Option<String>,
}

fn unavailable() -> u16 {
    503
}

impl Plugin for RequestTermination {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        if self
            .trigger
            .as_ref()
            .is_some_and(|trigger| !is_there(exchange, trigger))
        {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(self.given())
    }
}

impl RequestTermination {
    fn given(&self) -> Answer {
        if let Some(body) = &self.body {
            let content_type = self
                .content_type
                .as_deref()
                .unwrap_or("application/json; charset=utf-8");
            return Answer::new(self.status_code, content_type, body.clone());
        }
        match self
            .message
            .as_deref()
            .or_else(|| usual_message(self.status_code))
        {
            Some(message) => Answer::message(self.status_code, message),
            None => Answer::empty(self.status_code),
        }
    }
}

fn is_there(exchange: &Exchange, trigger: &str) -> bool {
    let pairs = query::pairs(exchange.asked_query.as_deref().unwrap_or_default());
    exchange.asked_headers.contains_key(trigger) || pairs.iter().any(|(key, _)| key == trigger)
}

fn usual_message(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("Unauthorized"),
        404 => Some("Not found"),
        405 => Some("Method not allowed"),
        500 => Some("An unexpected error occurred"),
        502 => Some("Bad Gateway"),
        503 => Some("Service unavailable"),
        _ => None,
    }
}
