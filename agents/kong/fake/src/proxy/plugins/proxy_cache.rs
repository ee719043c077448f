//! `proxy-cache`: answers from memory for a while.
//!
//! A content type with parameters is another one than that without, as Kong's documentation of the plugin says.

use std::ops::ControlFlow;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, Bytes};
use serde::Deserialize;

use super::{Plugin, hexadecimal, or_default};
use crate::proxy::answer::{Answer, set, text};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::{Kept, Memory};
use crate::proxy::query;

/// Settings of `proxy-cache`.
#[derive(Debug, Deserialize)]
pub(super) struct ProxyCache {
    #[serde(default, deserialize_with = "or_default")]
    response_code: Vec<u16>,
    #[serde(default, deserialize_with = "or_default")]
    request_method: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    content_type: Vec<String>,
    cache_ttl: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    cache_control: bool,
    #[serde(default, deserialize_with = "or_default")]
    ignore_uri_case: bool,
    #[serde(default, deserialize_with = "or_default")]
    vary_query_params: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    vary_headers: Vec<String>,
}

/// What a `Cache-Control` says that keeps something out of the cache.
const NOT_TO_BE_KEPT: [&str; 3] = ["no-store", "no-cache", "private"];

impl Plugin for ProxyCache {
    fn access(&self, exchange: &mut Exchange, memory: &Memory) -> ControlFlow<Answer> {
        if !self.takes(exchange) {
            return ControlFlow::Continue(());
        }
        let key = self.key(exchange);
        set(&mut exchange.answer_headers, "x-cache-key", &key);
        let Some(kept) = memory.kept(&key) else {
            exchange.cache = Some(("Miss", key));
            return ControlFlow::Continue(());
        };
        let age = exchange.now.duration_since(kept.stored).unwrap_or_default();
        if age > self.ttl() {
            exchange.cache = Some(("Refresh", key));
            return ControlFlow::Continue(());
        }
        exchange.cache = Some(("Hit", key));
        let answer = Answer {
            status: kept.status,
            headers: kept.headers,
            body: Body::from(kept.body),
            upstream: true,
        };
        ControlFlow::Break(answer.with("age", &age.as_secs().to_string()))
    }

    fn answer(&self, exchange: &Exchange, answer: &mut Answer) {
        let status = match &exchange.cache {
            Some((status, _)) if *status == "Hit" || self.stores(exchange, answer) => status,
            _ => "Bypass",
        };
        set(&mut answer.headers, "x-cache-status", status);
    }

    fn stores(&self, exchange: &Exchange, answer: &Answer) -> bool {
        let waited_for = exchange
            .cache
            .as_ref()
            .is_some_and(|(status, _)| *status != "Hit");
        let content_type = text(&answer.headers, "content-type");
        waited_for
            && answer.upstream
            && self.response_code.contains(&answer.status.as_u16())
            && content_type
                .is_some_and(|found| self.content_type.iter().any(|wanted| is_same_type(wanted, found)))
            && self.may_be_kept(text(&answer.headers, "cache-control"))
    }

    fn store(&self, exchange: &Exchange, answer: &Answer, body: Bytes, memory: &Memory) {
        let Some((_, key)) = &exchange.cache else { return };
        let kept = Kept {
            status: answer.status,
            headers: answer.headers.clone(),
            body,
            stored: exchange.now,
        };
        memory.keep(key, kept);
    }
}

impl ProxyCache {
    fn takes(&self, exchange: &Exchange) -> bool {
        let method = self
            .request_method
            .iter()
            .any(|method| method == exchange.method.as_str());
        method && self.may_be_kept(text(&exchange.asked_headers, "cache-control"))
    }

    /// Whether a `Cache-Control` allows it, where it counts at all.
    fn may_be_kept(&self, cache_control: Option<&str>) -> bool {
        let words = cache_control.unwrap_or_default().split(',').map(str::trim);
        !self.cache_control || !words.into_iter().any(|word| NOT_TO_BE_KEPT.contains(&word))
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs_f64(self.cache_ttl.unwrap_or(300.0).max(0.0))
    }

    fn key(&self, exchange: &Exchange) -> String {
        let path = if self.ignore_uri_case {
            exchange.path.to_lowercase()
        } else {
            exchange.path.clone()
        };
        let mut pairs = query::pairs(exchange.asked_query.as_deref().unwrap_or_default());
        pairs.retain(|(key, _)| self.vary_query_params.is_empty() || self.vary_query_params.contains(key));
        pairs.sort();
        let headers = self
            .vary_headers
            .iter()
            .map(|name| text(&exchange.asked_headers, name).unwrap_or_default());
        let parts = [
            Exchange::id(exchange.consumer.as_ref())
                .unwrap_or_default()
                .to_owned(),
            Exchange::id(Some(&exchange.route)).unwrap_or_default().to_owned(),
            exchange.method.to_string(),
            path,
            query::written(&pairs),
            headers.collect::<Vec<_>>().join("|"),
        ];
        hexadecimal(digest(&SHA256, parts.join("\n").as_bytes()).as_ref())
    }
}

fn is_same_type(wanted: &str, found: &str) -> bool {
    let parts = |text: &str| {
        let mut parts: Vec<_> = text
            .to_lowercase()
            .split(';')
            .map(|part| part.trim().to_owned())
            .collect();
        parts[1..].sort();
        parts
    };
    let (wanted, found) = (parts(wanted), parts(found));
    let same_type = match wanted[0].strip_suffix("/*") {
        Some("*") => true,
        Some(family) => found[0].split('/').next() == Some(family),
        None => wanted[0] == found[0],
    };
    same_type && wanted[1..] == found[1..]
}
