//! Where APIs are reached, and which of them are in each other's way.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use regex::bytes::{Regex, RegexBuilder};

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

/// How large the program of a regular expression may become, in bytes.
pub(crate) const REGEX_PROGRAM_MAX: usize = 256 * 1024;

/// A regular expression of an operation, which whole paths, or whole values of headers and query parameters, must
/// match. It takes linear time, whatever it is given.
pub fn whole_regex(text: &str) -> Result<Regex, String> {
    // Alone first: a parenthesis too many must not end the group that keeps it between the anchors.
    compiled(text)?;
    compiled(&format!("^(?:{text})$"))
}

fn compiled(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .size_limit(REGEX_PROGRAM_MAX)
        .dfa_size_limit(REGEX_PROGRAM_MAX)
        .build();
    built.map_err(|error| regex_reason(&error))
}

/// Why something is not a regular expression, in one line.
pub(crate) fn regex_reason(error: &regex::Error) -> String {
    // The error shows the expression with a mark below it; its last line is the reason.
    let shown = error.to_string();
    let reason = shown.lines().last().unwrap_or_default();
    format!(
        "not a regular expression: {}",
        reason.trim_start_matches("error: ")
    )
}

/// A path template without the names of its parameters, and in one spelling: `/orders/{id}` and
/// `/orders/{order}` are the same place, and so are `/a%7eb` and `/a~b`.
pub fn normalise(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(normalised_segment).collect();
    segments.join("/")
}

fn normalised_segment(segment: &str) -> String {
    match Segment::of(segment) {
        Segment::Rest(_) => "{...}".to_owned(),
        Segment::Parameter(_) => "{}".to_owned(),
        Segment::Literal(literal) => respelled(literal),
        Segment::Mixed(pieces) => pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Literal(literal) => respelled(literal),
                Piece::Parameter(_) => "{}".to_owned(),
            })
            .collect(),
    }
}

/// Decoded, and only what must be escaped escaped again.
fn respelled(literal: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(literal).collect();
    percent_encode(&decoded, ESCAPED).to_string()
}

/// What is escaped in the one spelling of a literal: all but what RFC 3986 lets stand in a segment.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// One segment of a path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Itself and nothing else.
    Literal(&'a str),
    /// `{name}`: any one segment.
    Parameter(&'a str),
    /// `{name}.json`: parameters and text between them; each parameter takes at least one character.
    Mixed(Vec<Piece<'a>>),
    /// `{name...}`: everything that is left.
    Rest(&'a str),
}

/// A piece of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text.
    Literal(&'a str),
    /// The name of a parameter.
    Parameter(&'a str),
}

impl<'a> Segment<'a> {
    /// What a segment of a template stands for. Braces that do not pair are text.
    pub fn of(segment: &'a str) -> Self {
        let Some(pieces) = pieces(segment) else {
            return Self::Literal(segment);
        };
        match pieces[..] {
            [] | [Piece::Literal(_)] => Self::Literal(segment),
            [Piece::Parameter(name)] => name.strip_suffix("...").map_or(Self::Parameter(name), Self::Rest),
            _ => Self::Mixed(pieces),
        }
    }
}

fn pieces(segment: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = segment;
    while let Some((literal, inside)) = rest.split_once('{') {
        let (name, after) = inside.split_once('}').filter(|(name, _)| !name.contains('{'))?;
        pieces.extend((!literal.is_empty()).then_some(Piece::Literal(literal)));
        pieces.push(Piece::Parameter(name));
        rest = after;
    }
    pieces.extend((!rest.is_empty()).then_some(Piece::Literal(rest)));
    Some(pieces)
}

#[cfg(test)]
mod tests;
