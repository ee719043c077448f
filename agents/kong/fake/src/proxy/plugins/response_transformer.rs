//! `response-transformer`: other headers for the consumer. Bodies are left as they are.

use std::ops::ControlFlow;

use serde::Deserialize;

use super::Plugin;
use super::steps::{Steps, parts};
use crate::proxy::answer::{Answer, append, set};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;

/// Settings of `response-transformer`.
#[derive(Debug, Deserialize)]
pub(super) struct ResponseTransformer {
    #[serde(flatten)]
    steps: Steps,
}

impl Plugin for ResponseTransformer {
    fn access(&self, _exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        ControlFlow::Continue(())
    }

    fn answer(&self, _exchange: &Exchange, answer: &mut Answer) {
        let headers = &mut answer.headers;
        for (name, _) in parts(&self.steps.remove.headers) {
            headers.remove(name);
        }
        for (old, new) in parts(&self.steps.rename.headers) {
            if let Some(value) = headers.remove(old) {
                set(headers, new, value.to_str().unwrap_or_default());
            }
        }
        for (name, value) in parts(&self.steps.replace.headers) {
            if headers.contains_key(name) {
                set(headers, name, value);
            }
        }
        for (name, value) in parts(&self.steps.add.headers) {
            if !headers.contains_key(name) {
                set(headers, name, value);
            }
        }
        for (name, value) in parts(&self.steps.append.headers) {
            append(headers, name, value);
        }
    }
}
