//! Operations' paths as AWS's resources.
//!
//! AWS takes one variable segment at a place, so that parameters of several operations at the same place get one name.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    revision::{Operation, RevisionContent},
    route::{Segment, normalise},
};

use super::Kind;

/// What everything below an API without operations is called.
const PROXY: &str = "proxy";

/// A method at a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The resource in AWS's words: `/pets/{id}`, `/files/{path+}`.
    pub(super) path: String,
    /// The method; `ANY` for any.
    pub(super) method: String,
    /// The operation; none if it is all of an API without operations.
    pub(super) operation: Option<&'a Operation>,
    /// What the upstream is asked for, below its own path: `/files/{path}`.
    pub(super) target: String,
    /// The operation's parameters, each with the name it has here; without a name, it stands for nothing.
    pub(super) parameters: BTreeMap<String, Option<String>>,
    /// Whether the resource is the one that the operation's path writes.
    pub(super) is_written: bool,
}

impl Place<'_> {
    /// The parameters of the resource.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.values().flatten().map(String::as_str)
    }
}

/// Where an API answers, sorted.
pub(super) fn places(content: &RevisionContent, kind: Kind) -> Vec<Place<'_>> {
    let names = names(content);
    let mut places = Vec::new();
    if content.operations.is_empty() {
        let path = format!("/{{{PROXY}...}}");
        places.extend(of_path(&path, "*", None, &names, kind));
    }
    for operation in &content.operations {
        let it = &operation.r#match;
        places.extend(of_path(&it.path, &it.method, Some(operation), &names, kind));
    }
    without_shadowed(places)
}

/// `{rest...}` takes no segments, too, which AWS's greedy variables do not: that is a place of its own.
fn of_path<'a>(
    path: &str,
    method: &str,
    operation: Option<&'a Operation>,
    names: &BTreeMap<String, String>,
    kind: Kind,
) -> Vec<Place<'a>> {
    let written = place(path, method, operation, names, kind, true);
    let Some((parent, rest)) = path.rsplit_once('/') else {
        return vec![written];
    };
    let Segment::Rest(rest) = Segment::of(rest) else {
        return vec![written];
    };
    let parent = if parent.is_empty() { "/" } else { parent };
    let mut above = place(parent, method, operation, names, kind, false);
    above.parameters.insert(rest.to_owned(), None);
    vec![written, above]
}

fn place<'a>(
    path: &str,
    method: &str,
    operation: Option<&'a Operation>,
    names: &BTreeMap<String, String>,
    kind: Kind,
    is_written: bool,
) -> Place<'a> {
    let mut parameters = BTreeMap::new();
    let (mut resource, mut target, mut prefix) = (String::new(), String::new(), String::new());
    for segment in path.split('/').skip(1) {
        prefix = format!("{prefix}/{}", normalise(segment));
        let name = |own: &str| names.get(&prefix).cloned().unwrap_or_else(|| own.to_owned());
        let (here, there) = match Segment::of(segment) {
            Segment::Parameter(own) => {
                parameters.insert(own.to_owned(), Some(name(own)));
                (format!("{{{}}}", name(own)), format!("{{{}}}", name(own)))
            }
            Segment::Rest(own) => {
                parameters.insert(own.to_owned(), Some(name(own)));
                (format!("{{{}+}}", name(own)), format!("{{{}}}", name(own)))
            }
            Segment::Literal(_) | Segment::Mixed(_) => (segment.to_owned(), segment.to_owned()),
        };
        resource = format!("{resource}/{here}");
        target = format!("{target}/{there}");
    }
    Place {
        path: of_kind(resource, kind),
        method: if method == "*" {
            "ANY".to_owned()
        } else {
            method.to_owned()
        },
        operation,
        target,
        parameters,
        is_written,
    }
}

/// REST APIs know no slash at the end: it is the same resource with and without.
fn of_kind(path: String, kind: Kind) -> String {
    match path.strip_suffix('/') {
        Some("") => path,
        Some(trimmed) if kind == Kind::Rest => trimmed.to_owned(),
        _ => path,
    }
}

/// What another operation writes goes before what `{rest...}` takes along.
fn without_shadowed(places: Vec<Place<'_>>) -> Vec<Place<'_>> {
    let mut kept: BTreeMap<(String, String), Place<'_>> = BTreeMap::new();
    for place in places {
        let at = (place.path.clone(), place.method.clone());
        let is_taken = kept
            .get(&at)
            .is_some_and(|other| other.is_written || !place.is_written);
        if !is_taken {
            kept.insert(at, place);
        }
    }
    kept.into_values().collect()
}

/// The names of parameters by their places: paths without names, up to and with the parameter.
fn names(content: &RevisionContent) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for operation in &content.operations {
        let (mut prefix, mut used) = (String::new(), Vec::new());
        for segment in operation.r#match.path.split('/').skip(1) {
            prefix = format!("{prefix}/{}", normalise(segment));
            if let Segment::Parameter(own) | Segment::Rest(own) = Segment::of(segment) {
                let name = names.entry(prefix.clone()).or_insert_with(|| free(own, &used));
                used.push(name.clone());
            }
        }
    }
    names
}

/// A name that AWS takes and that nothing further out has.
fn free(own: &str, used: &[String]) -> String {
    let plain = |name: &&str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    let own = Some(own).filter(plain).map(str::to_owned);
    let numbered = (1_u32..).map(|number| format!("p{number}"));
    let mut names = own.into_iter().chain(numbered);
    names.find(|name| !used.contains(name)).unwrap_or_default()
}
