//! Which requests a route takes, whatever the flavour of the router.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    expression,
    pattern::{self, Variant},
    secrets,
};
use crate::entities::Entity;

/// A path as a route gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PathPattern {
    /// Whatever begins like this.
    Prefix(String),
    /// This and nothing else.
    Exact(String),
    /// A regular expression.
    Expression(String),
}

impl PathPattern {
    /// Its templates.
    pub(super) fn variants(&self) -> Result<Vec<Variant>, String> {
        let (text, found) = match self {
            Self::Prefix(path) => (path, pattern::prefix(path)),
            Self::Exact(path) => (path, pattern::exact(path)),
            Self::Expression(text) => (text, pattern::expression(text)),
        };
        found.map_err(|reason| format!("path `{text}` is no template: {reason}"))
    }
}

/// What a route asks of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// Methods; `*` alone is any.
    pub(super) methods: Vec<String>,
    /// Host names, sorted; none is any.
    pub(super) hosts: Vec<String>,
    /// Paths, at least one.
    pub(super) paths: Vec<PathPattern>,
    /// Headers, one of these sets; the empty set asks for none.
    pub(super) headers: Vec<BTreeMap<String, String>>,
    /// Protocols.
    pub(super) protocols: Vec<String>,
}

/// The most sets of headers that one route may ask for.
const HEADER_SETS_MAX: usize = 32;

impl Conditions {
    /// What a route asks of requests, or what of it cannot be said in canonical words.
    pub(super) fn of(route: &Entity) -> Result<Self, String> {
        for field in ["snis", "sources", "destinations"] {
            if route
                .0
                .get(field)
                .and_then(Value::as_array)
                .is_some_and(|values| !values.is_empty())
            {
                return Err(format!("it asks for certain `{field}`"));
            }
        }
        if let Some(header) = credential(route) {
            return Err(format!(
                "it asks for header `{header}`, which carries a credential"
            ));
        }
        let found = match route.text("expression") {
            Some(text) => {
                expressed(text).map_err(|reason| format!("its expression is not understood: {reason}"))?
            }
            None => traditional(route)?,
        };
        found.checked()
    }

    /// Whether one of its paths is a regular expression.
    pub(super) fn has_expressions(&self) -> bool {
        self.paths
            .iter()
            .any(|path| matches!(path, PathPattern::Expression(_)))
    }

    fn checked(mut self) -> Result<Self, String> {
        let streams = ["tcp", "tls", "udp", "tls_passthrough"];
        if let Some(other) = self.protocols.iter().find(|it| streams.contains(&it.as_str())) {
            return Err(format!("it takes connections (`{other}`), not requests"));
        }
        if let Some(host) = self.hosts.iter().find(|host| !is_host(host)) {
            return Err(format!(
                "host `{host}` has a port or a `*` that is not at its start"
            ));
        }
        self.hosts = self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        self.hosts.sort_unstable();
        self.hosts.dedup();
        self.methods.sort_unstable();
        self.methods.dedup();
        if self.methods.is_empty() {
            self.methods.push("*".to_owned());
        }
        if self.paths.is_empty() {
            self.paths.push(PathPattern::Prefix("/".to_owned()));
        }
        Ok(self)
    }
}

/// A header whose value is a credential: it must not get into what is told of the route.
fn credential(route: &Entity) -> Option<&str> {
    let expression = route.text("expression").unwrap_or_default();
    let expressed = expression.split("http.headers.").skip(1).filter_map(|rest| {
        rest.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'))
            .next()
    });
    let fields = route
        .0
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let mut names = fields.map(|(name, _)| name.as_str()).chain(expressed);
    names.find(|name| secrets::is_credential(name))
}

fn expressed(text: &str) -> Result<Conditions, String> {
    let expressed = expression::read(text)?;
    Ok(Conditions {
        methods: expressed.methods,
        hosts: expressed.hosts,
        paths: expressed.paths,
        headers: header_sets(&expressed.headers)?,
        protocols: expressed.protocols,
    })
}

fn traditional(route: &Entity) -> Result<Conditions, String> {
    let owned = |field: &str| route.list(field).map(str::to_owned).collect();
    Ok(Conditions {
        methods: owned("methods"),
        hosts: owned("hosts"),
        paths: route.list("paths").map(path).collect(),
        headers: header_sets(&headers(route)?)?,
        protocols: owned("protocols"),
    })
}

fn path(text: &str) -> PathPattern {
    match text.strip_prefix('~') {
        Some(expression) => PathPattern::Expression(expression.to_owned()),
        None => PathPattern::Prefix(text.to_owned()),
    }
}

fn headers(route: &Entity) -> Result<BTreeMap<String, Vec<String>>, String> {
    let fields = route.0.get("headers").and_then(Value::as_object);
    fields
        .into_iter()
        .flatten()
        .map(|(name, values)| {
            let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
            let values: Vec<String> = values.map(str::to_owned).collect();
            if values.iter().any(|value| value.starts_with("~*")) {
                return Err(format!("header `{name}` is matched by a regular expression"));
            }
            Ok((name.to_ascii_lowercase(), values))
        })
        .collect()
}

/// Each header has one of several values: every way to choose.
fn header_sets(headers: &BTreeMap<String, Vec<String>>) -> Result<Vec<BTreeMap<String, String>>, String> {
    let mut sets = vec![BTreeMap::new()];
    for (name, values) in headers.iter().filter(|(_, values)| !values.is_empty()) {
        let with = |set: &BTreeMap<String, String>| {
            let set = set.clone();
            values.iter().map(move |value| {
                let mut set = set.clone();
                set.insert(name.clone(), value.clone());
                set
            })
        };
        sets = sets.iter().flat_map(with).collect();
        if sets.len() > HEADER_SETS_MAX {
            return Err(format!(
                "its headers have more than {HEADER_SETS_MAX} combinations"
            ));
        }
    }
    Ok(sets)
}

/// Exact, or `*.` and a domain.
fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        let edges = label.starts_with('-') || label.ends_with('-');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && !edges && label.bytes().all(allowed)
    };
    name.len() <= 253 && name.split('.').all(label)
}
