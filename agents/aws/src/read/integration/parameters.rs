//! What is mapped of a request on its way to the integration.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::policy::{HeaderChanges, QueryChanges};
use serde_json::{Map, Value};

use crate::read::{methods::Method, secrets, snapshot::Kind};

/// Mapped parameters, as far as canonical words say them.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// Parameters of the URL, by those of the method's path.
    pub(super) path: BTreeMap<String, String>,
    pub(super) follows_path: bool,
    pub(super) headers: HeaderChanges,
    pub(super) query: QueryChanges,
    /// What else is mapped.
    pub(super) beyond: Map<String, Value>,
}

/// Headers that belong to the connection; no policy changes them.
const UNCHANGEABLE: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

impl Parameters {
    /// The parameters of an integration.
    pub(super) fn of(kind: Kind, method: &Method<'_>, fields: &Map<String, Value>) -> Self {
        let mut parameters = Self::default();
        let mapped = fields.get("requestParameters").and_then(Value::as_object);
        for (name, value) in mapped.into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            let said = match kind {
                Kind::Rest => parameters.of_rest(name, text),
                Kind::Http | Kind::WebSocket => parameters.of_http(name, text),
            };
            if said.is_none() {
                parameters.beyond.insert(name.clone(), value.clone());
            }
        }
        if kind != Kind::Rest {
            // The URL of an HTTP API's integration uses the names of the route's path.
            let names = names(method.template);
            parameters.path = names.map(|name| (name.to_owned(), name.to_owned())).collect();
        }
        parameters
    }

    /// `integration.request.path.id: method.request.path.id`, `integration.request.header.X: 'text'`. None if canonical words
    /// do not say it.
    fn of_rest(&mut self, name: &str, value: &str) -> Option<()> {
        let (place, to) = name.strip_prefix("integration.request.")?.split_once('.')?;
        let written = value.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
        let from = value
            .strip_prefix("method.request.")
            .and_then(|it| it.split_once('.'));
        match (place, written, from) {
            ("path", None, Some(("path", from))) => {
                self.path.insert(to.to_owned(), from.to_owned());
                Some(())
            }
            // A proxy passes on headers and query anyway.
            ("header", None, Some(("header" | "multivalueheader", from))) => {
                from.eq_ignore_ascii_case(to).then_some(())
            }
            ("querystring", None, Some(("querystring" | "multivaluequerystring", from))) => {
                (from == to).then_some(())
            }
            ("header", Some(text), None) => self.set_header(to, text),
            ("querystring", Some(text), None) => self.set_query(to, text),
            _ => None,
        }
    }

    /// `overwrite:header.x: text`, `append:header.x: text`, `remove:header.x: ''`, `overwrite:path: $request.path`.
    fn of_http(&mut self, name: &str, value: &str) -> Option<()> {
        let (step, place) = name.split_once(':')?;
        let written = !value.contains('$');
        match (step, place.split_once('.').unwrap_or((place, ""))) {
            ("overwrite", ("path", "")) => (value == "$request.path").then(|| self.follows_path = true),
            ("overwrite", ("header", to)) if written => self.set_header(to, value),
            ("append", ("header", to)) if written => self.add_header(to, value),
            ("remove", ("header", to)) => named(to).map(|name| self.headers.remove.push(name)),
            ("overwrite", ("querystring", to)) if written => self.set_query(to, value),
            ("remove", ("querystring", to)) if !to.is_empty() => {
                self.query.remove.push(to.to_owned());
                Some(())
            }
            _ => None,
        }
    }

    fn set_query(&mut self, name: &str, value: &str) -> Option<()> {
        let plain = !name.is_empty() && !secrets::is_credential(name);
        plain.then(|| drop(self.query.set.insert(name.to_owned(), value.to_owned())))
    }

    fn set_header(&mut self, name: &str, value: &str) -> Option<()> {
        let name = changeable(name, value)?;
        self.headers.set.insert(name, value.to_owned());
        Some(())
    }

    fn add_header(&mut self, name: &str, value: &str) -> Option<()> {
        let name = changeable(name, value)?;
        self.headers.add.insert(name, value.to_owned());
        Some(())
    }
}

/// A header's name, if a policy may change it.
fn named(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let may_change = !name.is_empty() && !UNCHANGEABLE.contains(&name.as_str()) && name.bytes().all(token);
    may_change.then_some(name)
}

/// A header's name, if a policy may write this value there: no credential, nothing but text.
fn changeable(name: &str, value: &str) -> Option<String> {
    let plain = !secrets::is_credential(name) && !value.chars().any(char::is_control);
    named(name).filter(|_| plain)
}

/// The names of the parameters of a path.
fn names(template: &str) -> impl Iterator<Item = &str> {
    let opened = template.split('{').skip(1);
    let names = opened.filter_map(|rest| Some(rest.split_once('}')?.0.trim_end_matches('+')));
    names.collect::<BTreeSet<_>>().into_iter()
}
