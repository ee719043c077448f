//! `key-auth`: a key in a header or in the query, looked up among the consumers' keys.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::http::Method;
use serde::Deserialize;

use super::{Plugin, credentials, or_default};
use crate::proxy::answer::{Answer, text};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;
use crate::proxy::query;

/// Settings of `key-auth`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyAuth {
    key_names: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    hide_credentials: bool,
    #[serde(default, deserialize_with = "or_default")]
    key_in_header: bool,
    #[serde(default, deserialize_with = "or_default")]
    key_in_query: bool,
    #[serde(default, deserialize_with = "or_default")]
    run_on_preflight: bool,
    anonymous: Option<String>,
    realm: Option<String>,
}

impl Plugin for KeyAuth {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        let preflight = exchange.method == Method::OPTIONS && !self.run_on_preflight;
        if preflight || (self.anonymous.is_some() && exchange.credential.is_some()) {
            return ControlFlow::Continue(());
        }
        match self.authenticate(exchange) {
            Ok(()) => ControlFlow::Continue(()),
            Err(message) => {
                let refusal = Answer::error(401, message, &exchange.request_id)
                    .with("www-authenticate", &self.challenge());
                credentials::anonymous_or(exchange, self.anonymous.as_deref(), refusal)
            }
        }
    }
}

impl KeyAuth {
    fn challenge(&self) -> String {
        self.realm
            .as_ref()
            .map_or_else(|| "Key".to_owned(), |realm| format!("Key realm=\"{realm}\""))
    }

    fn authenticate(&self, exchange: &mut Exchange) -> Result<(), &'static str> {
        let key = self.key(exchange).ok_or("No API key found in request")?;
        let configuration = Arc::clone(&exchange.configuration);
        let credential =
            credentials::find(&configuration, "keyauth_credentials", "key", &key).ok_or("Unauthorized")?;
        let consumer = credentials::consumer_of(&configuration, credential).ok_or("Unauthorized")?;
        let id = Exchange::id(Some(credential)).map(str::to_owned);
        exchange.authenticate(consumer, id);
        Ok(())
    }

    fn key(&self, exchange: &mut Exchange) -> Option<String> {
        let asked = exchange.asked_query.clone().unwrap_or_default();
        let in_header = |name: &str| text(&exchange.asked_headers, name).map(str::to_owned);
        let (name, key) = self.key_names.iter().find_map(|name| {
            let header = self.key_in_header.then(|| in_header(name)).flatten();
            let key = header.or_else(|| self.key_in_query.then(|| query::value(&asked, name)).flatten())?;
            Some((name, key))
        })?;
        if self.hide_credentials {
            hide(exchange, name);
        }
        Some(key).filter(|key| !key.is_empty())
    }
}

fn hide(exchange: &mut Exchange, name: &str) {
    exchange.upstream.headers.remove(name);
    let mut pairs = query::pairs(exchange.upstream.query.as_deref().unwrap_or_default());
    let before = pairs.len();
    pairs.retain(|(key, _)| key != name);
    if pairs.len() < before {
        exchange.upstream.query = Some(query::written(&pairs)).filter(|query| !query.is_empty());
    }
}
