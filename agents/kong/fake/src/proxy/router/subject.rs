//! What a router looks at: one request in the words of Kong's expression fields, and what a match found in it.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method};

/// One request as the router sees it.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a Method,
    /// The `Host` without its port, in lower case.
    pub(crate) host: &'a str,
    /// The path, normalised.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// The port that the proxy was reached at.
    pub(crate) port: u16,
}

/// A field of Kong's expression language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Method,
    Host,
    Path,
    Protocol,
    Port,
    /// The name in lower case with underscores, as in `http.headers.x_version`.
    Header(String),
    Query(String),
}

impl Subject<'_> {
    /// All values of a field; none when the request lacks it.
    pub(crate) fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Method => vec![self.method.as_str().to_owned()],
            Field::Host => vec![self.host.to_owned()],
            Field::Path => vec![self.path.to_owned()],
            Field::Protocol => vec!["http".to_owned()],
            Field::Port => vec![self.port.to_string()],
            Field::Header(name) => self.header(name),
            Field::Query(name) => self.query_values(name),
        }
    }

    fn header(&self, name: &str) -> Vec<String> {
        let all = self.headers.iter();
        let same = all.filter(|(header, _)| header.as_str().replace('-', "_") == name);
        same.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }

    fn query_values(&self, name: &str) -> Vec<String> {
        let pairs = crate::proxy::query::pairs(self.query.unwrap_or_default());
        let same = pairs.into_iter().filter(|(key, _)| key == name);
        same.map(|(_, value)| value.unwrap_or_default()).collect()
    }
}

/// What a match found in the path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The part of the path that matched, which `strip_path` takes away.
    pub(crate) path: Option<String>,
    /// The groups of the regular expression, by number and by name.
    pub(crate) captures: BTreeMap<String, String>,
}
