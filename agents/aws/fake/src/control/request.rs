//! A call to the control plane, taken apart.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::AwsError;
use crate::place::Entity;

/// A call to the control plane.
#[derive(Debug, Clone)]
pub(crate) struct ControlRequest {
    pub(crate) method: Method,
    /// The path and the query as they were sent.
    pub(crate) path_and_query: String,
    /// The decoded parts of the path.
    pub(crate) segments: Vec<String>,
    /// The decoded query, in its order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl ControlRequest {
    pub(crate) fn new(method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Self {
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            method,
            path_and_query: path_and_query.to_owned(),
            segments: segments_of(uri.path()),
            query: pairs(uri.query().unwrap_or_default()),
            headers,
            body,
        }
    }

    /// The decoded path.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        let mut named = self.query.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// All values of a part of the query that may come more than once.
    pub(crate) fn arguments(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let named = self.query.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, as well as it can be read.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The members of the body, which is an object in JSON; one that is absent has none.
    pub(crate) fn members(&self) -> Result<Entity, AwsError> {
        if self.body.is_empty() {
            return Ok(Entity::new());
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err(AwsError::serialization()),
        }
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
