//! `cors`: answers preflights itself and says on every other answer who may read it.
//!
//! Taken from `kong/plugins/cors/handler.lua` of Kong 3.9.

use std::ops::ControlFlow;

use axum::http::{HeaderMap, Method};
use regex::Regex;
use serde::Deserialize;

use super::{Plugin, or_default};
use crate::proxy::answer::{Answer, append, set, text};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;

/// Settings of `cors`.
#[derive(Debug, Deserialize)]
pub(super) struct Cors {
    #[serde(default, deserialize_with = "or_default")]
    origins: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    headers: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    exposed_headers: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    methods: Vec<String>,
    max_age: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    credentials: bool,
    #[serde(default, deserialize_with = "or_default")]
    private_network: bool,
    #[serde(default, deserialize_with = "or_default")]
    preflight_continue: bool,
}

/// The methods that are allowed when none are named.
const ALL_METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";

impl Plugin for Cors {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        if !is_preflight(exchange) || self.preflight_continue {
            return ControlFlow::Continue(());
        }
        let mut answer = Answer::empty(200);
        self.allow_origin(exchange, &mut answer.headers);
        self.allow_preflight(&exchange.asked_headers, &mut answer.headers);
        ControlFlow::Break(answer)
    }

    fn answer(&self, exchange: &Exchange, answer: &mut Answer) {
        if is_preflight(exchange) {
            return;
        }
        self.allow_origin(exchange, &mut answer.headers);
        if !self.exposed_headers.is_empty() {
            set(
                &mut answer.headers,
                "access-control-expose-headers",
                &self.exposed_headers.join(","),
            );
        }
    }
}

fn is_preflight(exchange: &Exchange) -> bool {
    let asked = |name: &str| exchange.asked_headers.contains_key(name);
    exchange.method == Method::OPTIONS && asked("origin") && asked("access-control-request-method")
}

impl Cors {
    fn allow_preflight(&self, asked: &HeaderMap, headers: &mut HeaderMap) {
        let wanted = text(asked, "access-control-request-headers");
        let allowed = if self.headers.is_empty() {
            wanted.map(str::to_owned)
        } else {
            Some(self.headers.join(","))
        };
        if let Some(allowed) = allowed {
            set(headers, "access-control-allow-headers", &allowed);
        }
        let methods = if self.methods.is_empty() {
            ALL_METHODS.to_owned()
        } else {
            self.methods.join(",")
        };
        set(headers, "access-control-allow-methods", &methods);
        if let Some(age) = self.max_age {
            set(headers, "access-control-max-age", &age.to_string());
        }
        if self.private_network && text(asked, "access-control-request-private-network") == Some("true") {
            set(headers, "access-control-allow-private-network", "true");
        }
    }

    fn allow_origin(&self, exchange: &Exchange, headers: &mut HeaderMap) {
        let origin = text(&exchange.asked_headers, "origin");
        let everybody = self.origins.is_empty() || self.origins == ["*"];
        if !everybody {
            append(headers, "vary", "Origin");
        }
        match (everybody, self.allowed(origin)) {
            (true, _) => set(headers, "access-control-allow-origin", "*"),
            (false, Some(allowed)) => set(headers, "access-control-allow-origin", &allowed),
            (false, None) => drop(headers.remove("access-control-allow-origin")),
        }
        self.allow_credentials(everybody, origin, headers);
    }

    /// With credentials, `*` is no origin: the one that asks is named.
    fn allow_credentials(&self, everybody: bool, origin: Option<&str>, headers: &mut HeaderMap) {
        if !self.credentials {
            return;
        }
        match (everybody, origin) {
            (false, _) => set(headers, "access-control-allow-credentials", "true"),
            (true, Some(origin)) => {
                append(headers, "vary", "Origin");
                set(headers, "access-control-allow-origin", origin);
                set(headers, "access-control-allow-credentials", "true");
            }
            (true, None) => {}
        }
    }

    fn allowed(&self, origin: Option<&str>) -> Option<String> {
        if let [only] = self.origins.as_slice()
            && is_plain(only)
        {
            return Some(only.clone());
        }
        let origin = origin?;
        if self.origins.iter().any(|entry| entry == "*") {
            return Some("*".to_owned());
        }
        self.origins
            .iter()
            .any(|entry| fits(entry, origin))
            .then(|| without_usual_port(origin).to_owned())
    }
}

fn is_plain(entry: &str) -> bool {
    entry
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '-'))
}

/// Whether an origin is the entry, or matches it as a regular expression from its start to its end.
///
/// An expression without a colon is matched against the host alone.
fn fits(entry: &str, origin: &str) -> bool {
    let origin = without_usual_port(origin);
    if is_plain(entry) {
        return without_usual_port(entry) == origin;
    }
    let host = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let subject = if entry.contains(':') { origin } else { host };
    let pattern = format!("^(?:{})$", entry.trim_start_matches('^').trim_end_matches('$'));
    Regex::new(&pattern).is_ok_and(|regex| regex.is_match(subject))
}

fn without_usual_port(origin: &str) -> &str {
    let usual = if origin.starts_with("https://") {
        ":443"
    } else {
        ":80"
    };
    origin.strip_suffix(usual).unwrap_or(origin)
}
