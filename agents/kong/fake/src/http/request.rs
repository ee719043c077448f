//! A call to the Admin API, taken apart.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

/// A call to the Admin API.
#[derive(Debug, Clone)]
pub(crate) struct AdminRequest {
    pub(crate) method: Method,
    /// The path as it was sent, without its query.
    pub(crate) path: String,
    /// The decoded parts of the path.
    pub(crate) segments: Vec<String>,
    /// The decoded query, in its order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl AdminRequest {
    pub(crate) fn new(method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Self {
        let path = uri.path().to_owned();
        let segments = segments_of(&path);
        Self {
            method,
            path,
            segments,
            query: pairs(uri.query().unwrap_or_default()),
            headers,
            body,
        }
    }

    /// The same call to a path without its first part.
    pub(crate) fn beneath(&self, prefix: &str) -> Option<Self> {
        let path = self.path.strip_prefix(prefix)?;
        if !path.is_empty() && !path.starts_with('/') {
            return None;
        }
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        Some(Self {
            segments: segments_of(&path),
            path,
            ..self.clone()
        })
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

fn segments_of(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(|part| decoded(part, false))
        .collect()
}

/// The names and values of a query or a form.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let each = text.split('&').filter(|pair| !pair.is_empty());
    let split = each.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    split
        .map(|(name, value)| (decoded(name, true), decoded(value, true)))
        .collect()
}

fn decoded(text: &str, plus_is_space: bool) -> String {
    let text = if plus_is_space {
        text.replace('+', " ")
    } else {
        text.to_owned()
    };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}
