//! `request-size-limiting`: no bodies beyond a size.

use std::ops::ControlFlow;

use axum::http::header::CONTENT_LENGTH;
use serde::Deserialize;

use super::{Plugin, or_default};
use crate::proxy::answer::{Answer, text};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;

/// Settings of `request-size-limiting`.
#[derive(Debug, Deserialize)]
pub(super) struct RequestSizeLimiting {
    #[serde(default = "megabytes_128")]
    allowed_payload_size: u64,
    #[serde(default, deserialize_with = "or_default")]
    size_unit: String,
    #[serde(default, deserialize_with = "or_default")]
    require_content_length: bool,
}

fn megabytes_128() -> u64 {
    128
}

impl Plugin for RequestSizeLimiting {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        let refuse =
            |status, message| ControlFlow::Break(Answer::error(status, message, &exchange.request_id));
        if self.require_content_length && !exchange.asked_headers.contains_key(CONTENT_LENGTH) {
            return refuse(411, "A valid Content-Length header is required");
        }
        if exchange.body.len() as u64 <= self.bytes() {
            return ControlFlow::Continue(());
        }
        let waiting = text(&exchange.asked_headers, "expect")
            .is_some_and(|word| word.eq_ignore_ascii_case("100-continue"));
        refuse(if waiting { 417 } else { 413 }, "Request size limit exceeded")
    }
}

impl RequestSizeLimiting {
    fn bytes(&self) -> u64 {
        let unit = match self.size_unit.as_str() {
            "bytes" => 1,
            "kilobytes" => 1 << 10,
            _ => 1 << 20,
        };
        self.allowed_payload_size.saturating_mul(unit)
    }
}
