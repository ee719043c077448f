//! Where APIs are reached, and which of them are in each other's way.

use std::collections::BTreeSet;

use crate::{
    api::OperationMatch,
    revision::{Operation, RevisionContent},
};

/// A place that two APIs both claim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteConflict {
    /// The host name, or `*` for any.
    pub host: String,
    /// The method, or `*` for any.
    pub method: String,
    /// The path, base path included, with the parameter names of the first of the two.
    pub path: String,
}

/// The places that two APIs both claim: the same host name (or both any host), the same method, and the
/// same path, whatever its parameters are called. An API without operations claims all of its base path.
///
/// A more specific place is no conflict: an exact host goes before any host, a literal segment before a
/// parameter, a longer base path before a shorter one.
pub fn conflicts(ours: &RevisionContent, theirs: &RevisionContent) -> Vec<RouteConflict> {
    let hosts = shared_hosts(ours, theirs);
    if hosts.is_empty() {
        return Vec::new();
    }
    let places = if ours.operations.is_empty() || theirs.operations.is_empty() {
        shared_base_path(ours, theirs)
    } else {
        shared_operations(ours, theirs)
    };
    let on_each_host = |host: String| {
        places.iter().map(move |(method, path)| RouteConflict {
            host: host.clone(),
            method: method.clone(),
            path: path.clone(),
        })
    };
    hosts.into_iter().flat_map(on_each_host).collect()
}

fn shared_hosts(ours: &RevisionContent, theirs: &RevisionContent) -> Vec<String> {
    if ours.hostnames.is_empty() && theirs.hostnames.is_empty() {
        return vec!["*".to_owned()];
    }
    let theirs: BTreeSet<String> = theirs.hostnames.iter().map(|host| host.to_lowercase()).collect();
    let ours: BTreeSet<String> = ours.hostnames.iter().map(|host| host.to_lowercase()).collect();
    ours.intersection(&theirs).cloned().collect()
}

fn shared_base_path(ours: &RevisionContent, theirs: &RevisionContent) -> Vec<(String, String)> {
    let same = normalise(&ours.base_path) == normalise(&theirs.base_path);
    if same {
        vec![("*".to_owned(), ours.base_path.clone())]
    } else {
        Vec::new()
    }
}

fn shared_operations(ours: &RevisionContent, theirs: &RevisionContent) -> Vec<(String, String)> {
    let claimed: BTreeSet<OperationMatch> = theirs.operations.iter().map(|it| place(theirs, it)).collect();
    ours.operations
        .iter()
        .filter(|operation| claimed.contains(&place(ours, operation)))
        .map(|operation| {
            let path = join(&ours.base_path, &operation.r#match.path);
            (operation.r#match.method.clone(), path)
        })
        .collect()
}

/// What tells one operation from another: its match, with the whole path and no parameter names.
fn place(api: &RevisionContent, operation: &Operation) -> OperationMatch {
    OperationMatch {
        path: normalise(&join(&api.base_path, &operation.r#match.path)),
        ..operation.r#match.clone()
    }
}

/// The path of an operation below a base path.
pub fn join(base_path: &str, path: &str) -> String {
    let base = base_path.trim_end_matches('/');
    match path {
        "" | "/" if base.is_empty() => "/".to_owned(),
        "" | "/" => base.to_owned(),
        path => format!("{base}{path}"),
    }
}

/// A path template without the names of its parameters: `/orders/{id}` and `/orders/{order}` are the
/// same place.
pub fn normalise(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for (position, segment) in path.split('/').enumerate() {
        if position > 0 {
            text.push('/');
        }
        match Segment::of(segment) {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Parameter(_) => text.push_str("{}"),
            Segment::Rest(_) => text.push_str("{...}"),
        }
    }
    text
}

/// One segment of a path template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Itself and nothing else.
    Literal(&'a str),
    /// `{name}`: any one segment.
    Parameter(&'a str),
    /// `{name...}`: everything that is left.
    Rest(&'a str),
}

impl<'a> Segment<'a> {
    /// What a segment of a template stands for.
    pub fn of(segment: &'a str) -> Self {
        let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match inner {
            Some(name) if name.contains(['{', '}']) => Self::Literal(segment),
            Some(name) => name.strip_suffix("...").map_or(Self::Parameter(name), Self::Rest),
            None => Self::Literal(segment),
        }
    }
}

#[cfg(test)]
mod tests;
