//! `response-transformer`: other headers for the consumer. Bodies are left as they are.

use std::ops::ControlFlow;

use serde::Deserialize;

use super::request_transformer::parts;
use super::{Plugin, or_default};
use crate::proxy::answer::{Answer, append, set};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;

/// Settings of `response-transformer`.
#[derive(Debug, Deserialize)]
pub(super) struct ResponseTransformer {
    #[serde(default, deserialize_with = "or_default")]
    remove: Step,
    #[serde(default, deserialize_with = "or_default")]
    rename: Step,
    #[serde(default, deserialize_with = "or_default")]
    replace: Step,
    #[serde(default, deserialize_with = "or_default")]
    add: Step,
    #[serde(default, deserialize_with = "or_default")]
    append: Step,
}

/// What one step does, as `name` or `name:value`.
#[derive(Debug, Default, Deserialize)]
struct Step {
    #[serde(default, deserialize_with = "or_default")]
    headers: Vec<String>,
}

impl Plugin for ResponseTransformer {
    fn access(&self, _exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        ControlFlow::Continue(())
    }

    fn answer(&self, _exchange: &Exchange, answer: &mut Answer) {
        let headers = &mut answer.headers;
        for (name, _) in parts(&self.remove.headers) {
            headers.remove(name);
        }
        for (old, new) in parts(&self.rename.headers) {
            if let Some(value) = headers.remove(old) {
                set(headers, new, value.to_str().unwrap_or_default());
            }
        }
        for (name, value) in parts(&self.replace.headers) {
            if headers.contains_key(name) {
                set(headers, name, value);
            }
        }
        for (name, value) in parts(&self.add.headers) {
            if !headers.contains_key(name) {
                set(headers, name, value);
            }
        }
        for (name, value) in parts(&self.append.headers) {
            append(headers, name, value);
        }
    }
}
