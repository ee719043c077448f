//! A consumer's request, and where it has come to.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::domains::Mapped;

/// A consumer's request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request_id: String,
    pub(crate) peer: SocketAddr,
    pub(crate) api: String,
    pub(crate) stage: String,
    pub(crate) method: Method,
    /// The path below the stage, as it was sent.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What the variable parts of the path are, when the request is routed; as they were sent.
    pub(crate) variables: Vec<(String, String)>,
    /// The resource or the route, when the request is routed.
    pub(crate) resource: String,
    /// Whether it came by a custom domain.
    pub(crate) by_domain: bool,
    /// The interface endpoint of a private network by which it came.
    pub(crate) endpoint: Option<String>,
}

impl Exchange {
    pub(crate) fn new(peer: SocketAddr, head: Parts, body: Bytes, mapped: Mapped) -> Self {
        Self {
            request_id: Uuid::new_v4().to_string(),
            peer,
            api: mapped.api,
            stage: mapped.stage,
            method: head.method,
            path: mapped.path,
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
            body,
            variables: Vec::new(),
            resource: String::new(),
            by_domain: false,
            endpoint: None,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A decoded part of the query.
    pub(crate) fn argument(&self, name: &str) -> Option<String> {
        let pairs = self.query.as_deref().unwrap_or_default().split('&');
        let mut named = pairs.filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key) == name).then(|| decoded(value))
        });
        named.next()
    }

    /// A variable part of the path.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}
