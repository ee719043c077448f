//! `request-transformer`: other headers, another query, another path or method for the upstream.
//!
//! Bodies are left as they are.

use std::ops::ControlFlow;

use axum::http::Method;
use serde::Deserialize;

use super::steps::{Steps, parts};
use super::{Plugin, template};
use crate::proxy::answer::{Answer, append, set};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;
use crate::proxy::query::{self, Pair};

/// Settings of `request-transformer`.
#[derive(Debug, Deserialize)]
pub(super) struct RequestTransformer {
    http_method: Option<String>,
    #[serde(flatten)]
    steps: Steps,
}

impl Plugin for RequestTransformer {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        match self.transform(exchange) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Answer::error(
                500,
                "An unexpected error occurred",
                &exchange.request_id,
            )),
        }
    }
}

impl RequestTransformer {
    fn transform(&self, exchange: &mut Exchange) -> Result<(), String> {
        self.transform_uri(exchange)?;
        self.transform_headers(exchange)?;
        self.transform_query(exchange)?;
        if let Some(method) = &self.http_method {
            let method = Method::from_bytes(method.to_uppercase().as_bytes());
            exchange.upstream.method = method.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn transform_uri(&self, exchange: &mut Exchange) -> Result<(), String> {
        if let Some(uri) = self.steps.replace.uri.as_ref().filter(|uri| !uri.is_empty()) {
            exchange.upstream.path = template::rendered(uri, exchange)?;
        }
        Ok(())
    }

    fn transform_headers(&self, exchange: &mut Exchange) -> Result<(), String> {
        for (name, _) in parts(&self.steps.remove.headers) {
            exchange.upstream.headers.remove(name);
        }
        for (old, new) in rendered(&self.steps.rename.headers, exchange)? {
            if let Some(value) = exchange.upstream.headers.remove(&old) {
                set(
                    &mut exchange.upstream.headers,
                    &new,
                    value.to_str().unwrap_or_default(),
                );
            }
        }
        for (name, value) in rendered(&self.steps.replace.headers, exchange)? {
            if exchange.upstream.headers.contains_key(&name) || name.eq_ignore_ascii_case("host") {
                set(&mut exchange.upstream.headers, &name, &value);
            }
        }
        for (name, value) in rendered(&self.steps.add.headers, exchange)? {
            if !exchange.upstream.headers.contains_key(&name) && !name.eq_ignore_ascii_case("host") {
                set(&mut exchange.upstream.headers, &name, &value);
            }
        }
        for (name, value) in rendered(&self.steps.append.headers, exchange)? {
            append(&mut exchange.upstream.headers, &name, &value);
        }
        Ok(())
    }

    fn transform_query(&self, exchange: &mut Exchange) -> Result<(), String> {
        if self.steps.all().iter().all(|step| step.querystring.is_empty()) {
            return Ok(());
        }
        let mut pairs = query::pairs(exchange.upstream.query.as_deref().unwrap_or_default());
        for (name, _) in parts(&self.steps.remove.querystring) {
            pairs.retain(|(key, _)| key != name);
        }
        for (old, new) in rendered(&self.steps.rename.querystring, exchange)? {
            pairs
                .iter_mut()
                .filter(|(key, _)| *key == old)
                .for_each(|(key, _)| key.clone_from(&new));
        }
        for (name, value) in rendered(&self.steps.replace.querystring, exchange)? {
            if has(&pairs, &name) {
                pairs.retain(|(key, _)| *key != name);
                pairs.push((name, Some(value)));
            }
        }
        for (name, value) in rendered(&self.steps.add.querystring, exchange)? {
            if !has(&pairs, &name) {
                pairs.push((name, Some(value)));
            }
        }
        let appended = rendered(&self.steps.append.querystring, exchange)?;
        pairs.extend(appended.into_iter().map(|(name, value)| (name, Some(value))));
        exchange.upstream.query = Some(query::written(&pairs)).filter(|query| !query.is_empty());
        Ok(())
    }
}

fn has(pairs: &[Pair], name: &str) -> bool {
    pairs.iter().any(|(key, _)| key == name)
}

fn rendered(entries: &[String], exchange: &Exchange) -> Result<Vec<(String, String)>, String> {
    let render = |(name, value): (&str, &str)| Ok((name.to_owned(), template::rendered(value, exchange)?));
    parts(entries).map(render).collect()
}
