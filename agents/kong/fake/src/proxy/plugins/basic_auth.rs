//! `basic-auth`: a name and a password, compared with the hash that Kong keeps.

use std::ops::ControlFlow;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::{Plugin, credentials, hexadecimal, or_default};
use crate::proxy::answer::{Answer, text};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;
use crate::proxy::router::reference;

/// Settings of `basic-auth`.
#[derive(Debug, Deserialize)]
pub(super) struct BasicAuth {
    #[serde(default, deserialize_with = "or_default")]
    hide_credentials: bool,
    anonymous: Option<String>,
    realm: Option<String>,
}

impl Plugin for BasicAuth {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        if self.anonymous.is_some() && exchange.credential.is_some() {
            return ControlFlow::Continue(());
        }
        if self.authenticate(exchange).is_some() {
            return ControlFlow::Continue(());
        }
        let challenge = format!("Basic realm=\"{}\"", self.realm.as_deref().unwrap_or("service"));
        let refusal =
            Answer::error(401, "Unauthorized", &exchange.request_id).with("www-authenticate", &challenge);
        credentials::anonymous_or(exchange, self.anonymous.as_deref(), refusal)
    }
}

impl BasicAuth {
    fn authenticate(&self, exchange: &mut Exchange) -> Option<()> {
        let (header, shown) = ["proxy-authorization", "authorization"]
            .into_iter()
            .find_map(|name| Some((name, shown(text(&exchange.asked_headers, name)?)?)))?;
        if self.hide_credentials {
            exchange.upstream.headers.remove(header);
        }
        let (name, password) = shown;
        let configuration = Arc::clone(&exchange.configuration);
        let credential = credentials::find(&configuration, "basicauth_credentials", "username", &name)?;
        let consumer = reference(credential, "consumer")?;
        if credential.get("password").and_then(Value::as_str) != Some(hash(&password, consumer).as_str()) {
            return None;
        }
        let consumer = credentials::consumer_of(&configuration, credential)?;
        exchange.authenticate(consumer, Some(name));
        Some(())
    }
}

fn shown(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.trim().split_once(char::is_whitespace)?;
    let decoded = scheme
        .eq_ignore_ascii_case("basic")
        .then(|| STANDARD.decode(encoded.trim()).ok())??;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':')
        .map(|(name, password)| (name.to_owned(), password.to_owned()))
}

/// What Kong keeps of a password: the SHA-1 of it with the id of its consumer.
fn hash(password: &str, consumer: &str) -> String {
    hexadecimal(
        digest(
            &SHA1_FOR_LEGACY_USE_ONLY,
            format!("{password}{consumer}").as_bytes(),
        )
        .as_ref(),
    )
}
