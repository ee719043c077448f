//! `request-transformer`: other headers, another query, another path or method for the upstream.
//!
//! Steps run in Kong's order: remove, rename, replace, add, append. Bodies are left as they are.

use std::ops::ControlFlow;

use axum::http::Method;
use serde::Deserialize;

use super::{Plugin, or_default, template};
use crate::proxy::answer::{Answer, append, set};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;
use crate::proxy::query::{self, Pair};

/// Settings of `request-transformer`.
#[derive(Debug, Deserialize)]
pub(super) struct RequestTransformer {
    http_method: Option<String>,
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
    #[serde(default, deserialize_with = "or_default")]
    querystring: Vec<String>,
    uri: Option<String>,
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
        if let Some(uri) = self.replace.uri.as_ref().filter(|uri| !uri.is_empty()) {
            exchange.upstream.path = template::rendered(uri, exchange)?;
        }
        Ok(())
    }

    fn transform_headers(&self, exchange: &mut Exchange) -> Result<(), String> {
        for (name, _) in parts(&self.remove.headers) {
            exchange.upstream.headers.remove(name);
        }
        for (old, new) in rendered(&self.rename.headers, exchange)? {
            if let Some(value) = exchange.upstream.headers.remove(&old) {
                set(
                    &mut exchange.upstream.headers,
                    &new,
                    value.to_str().unwrap_or_default(),
                );
            }
        }
        for (name, value) in rendered(&self.replace.headers, exchange)? {
            if exchange.upstream.headers.contains_key(&name) || name.eq_ignore_ascii_case("host") {
                set(&mut exchange.upstream.headers, &name, &value);
            }
        }
        for (name, value) in rendered(&self.add.headers, exchange)? {
            if !exchange.upstream.headers.contains_key(&name) && !name.eq_ignore_ascii_case("host") {
                set(&mut exchange.upstream.headers, &name, &value);
            }
        }
        for (name, value) in rendered(&self.append.headers, exchange)? {
            append(&mut exchange.upstream.headers, &name, &value);
        }
        Ok(())
    }

    fn transform_query(&self, exchange: &mut Exchange) -> Result<(), String> {
        let steps = [&self.remove, &self.rename, &self.replace, &self.add, &self.append];
        if steps.iter().all(|step| step.querystring.is_empty()) {
            return Ok(());
        }
        let mut pairs = query::pairs(exchange.upstream.query.as_deref().unwrap_or_default());
        for (name, _) in parts(&self.remove.querystring) {
            pairs.retain(|(key, _)| key != name);
        }
        for (old, new) in rendered(&self.rename.querystring, exchange)? {
            pairs
                .iter_mut()
                .filter(|(key, _)| *key == old)
                .for_each(|(key, _)| key.clone_from(&new));
        }
        for (name, value) in rendered(&self.replace.querystring, exchange)? {
            if has(&pairs, &name) {
                pairs.retain(|(key, _)| *key != name);
                pairs.push((name, Some(value)));
            }
        }
        for (name, value) in rendered(&self.add.querystring, exchange)? {
            if !has(&pairs, &name) {
                pairs.push((name, Some(value)));
            }
        }
        let appended = rendered(&self.append.querystring, exchange)?;
        pairs.extend(appended.into_iter().map(|(name, value)| (name, Some(value))));
        exchange.upstream.query = Some(query::written(&pairs)).filter(|query| !query.is_empty());
        Ok(())
    }
}

fn has(pairs: &[Pair], name: &str) -> bool {
    pairs.iter().any(|(key, _)| key == name)
}

/// The name and the rest of each `name:value`.
pub(super) fn parts(entries: &[String]) -> impl Iterator<Item = (&str, &str)> {
    entries
        .iter()
        .map(|entry| entry.split_once(':').unwrap_or((entry, "")))
}

fn rendered(entries: &[String], exchange: &Exchange) -> Result<Vec<(String, String)>, String> {
    let render = |(name, value): (&str, &str)| Ok((name.to_owned(), template::rendered(value, exchange)?));
    parts(entries).map(render).collect()
}
