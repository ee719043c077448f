//! Finding the operation that people mean: written as a pattern, or as a request has it.

use std::cmp::Reverse;

use gatehouse_control_plane_api::problem::ProblemKind;
use gatehouse_schemas::{
    identity::ResourceName,
    revision::{Operation, RevisionContent},
    route::{Piece, Segment, normalise},
};

use super::malformed;
use crate::failure::{Answer, Failure};

/// The operation that is asked for.
#[derive(Debug)]
pub(super) enum Wanted {
    /// By its place in the revision.
    At(usize),
    Named(NamedOperation),
}

/// An operation as people name it.
#[derive(Debug)]
pub(super) struct NamedOperation {
    method: String,
    path: String,
}

impl Wanted {
    /// From the parameters of a request; none if none is given.
    pub(super) fn of(
        place: Option<usize>,
        method: Option<String>,
        path: Option<String>,
    ) -> Answer<Option<Self>> {
        match (place, method, path) {
            (None, method, path) => Ok(NamedOperation::of(method, path)?.map(Self::Named)),
            (Some(place), None, None) => Ok(Some(Self::At(place))),
            (Some(_), ..) => Err(malformed(
                "`operation` says which operation it is already; leave `method` and `path` out",
            )),
        }
    }

    /// Its index in the content; none for an API without operations, which serves everything alike.
    pub(super) fn find(&self, api: &ResourceName, content: &RevisionContent) -> Answer<Option<usize>> {
        match self {
            Self::Named(named) => named.find(api, content),
            Self::At(place) if *place < content.operations.len() => Ok(Some(*place)),
            Self::At(place) => Err(Failure::new(
                ProblemKind::NotFound,
                format!(
                    "api `{api}` has {} operations, counted from 0; there is none at {place}",
                    content.operations.len()
                ),
            )),
        }
    }

    /// The operation in the words of the API, or as it was asked for.
    pub(super) fn told(&self, content: &RevisionContent, index: Option<usize>) -> String {
        match (index.and_then(|index| content.operations.get(index)), self) {
            (Some(operation), _) => name(operation),
            (None, Self::At(place)) => place.to_string(),
            (None, Self::Named(NamedOperation { method, path })) => format!("{method} {path}"),
        }
    }
}

impl NamedOperation {
    fn of(method: Option<String>, path: Option<String>) -> Answer<Option<Self>> {
        match (method, path) {
            (None, None) => Ok(None),
            (Some(method), Some(path)) if path.starts_with('/') && !method.is_empty() => Ok(Some(Self {
                method: method.to_uppercase(),
                path,
            })),
            (Some(_), Some(_)) => Err(malformed(
                "an operation is a method and a path that begins with `/`: `?method=GET&path=/orders/{id}`",
            )),
            _ => Err(malformed(
                "`method` and `path` belong together: `?method=GET&path=/orders/{id}`; without both, the API as a whole is explained",
            )),
        }
    }

    fn find(&self, api: &ResourceName, content: &RevisionContent) -> Answer<Option<usize>> {
        if content.operations.is_empty() {
            return Ok(None);
        }
        let below = self.below_base_path(content);
        let paths = std::iter::once(self.path.as_str()).chain(below);
        let found = paths.into_iter().find_map(|path| {
            self.written(content, path)
                .or_else(|| self.requested(content, path))
        });
        found.map(Some).ok_or_else(|| self.unknown(api, content))
    }

    /// People may write the whole path.
    fn below_base_path<'a>(&'a self, content: &RevisionContent) -> Option<&'a str> {
        let base = content.base_path.trim_end_matches('/');
        let rest = self.path.strip_prefix(base).filter(|_| !base.is_empty())?;
        match rest {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }

    fn candidates<'a>(
        &'a self,
        content: &'a RevisionContent,
    ) -> impl Iterator<Item = (usize, &'a Operation)> {
        let method = |operation: &Operation| {
            let method = &operation.r#match.method;
            method == "*" || *method == self.method
        };
        content
            .operations
            .iter()
            .enumerate()
            .filter(move |(_, operation)| method(operation))
    }

    fn written(&self, content: &RevisionContent, path: &str) -> Option<usize> {
        let path = normalise(path);
        let same = self
            .candidates(content)
            .filter(|(_, operation)| normalise(&operation.r#match.path) == path);
        same.min_by_key(|(_, operation)| preference(operation))
            .map(|(index, _)| index)
    }

    fn requested(&self, content: &RevisionContent, path: &str) -> Option<usize> {
        let matching = self
            .candidates(content)
            .filter(|(_, operation)| takes(&operation.r#match.path, path));
        matching
            .min_by_key(|(_, operation)| (generality(&operation.r#match.path), preference(operation)))
            .map(|(index, _)| index)
    }

    fn unknown(&self, api: &ResourceName, content: &RevisionContent) -> Failure {
        let asked = format!("{} {}", self.method, self.path);
        let nearest = content.operations.iter().min_by_key(|operation| {
            let shared = shared_start(&operation.r#match.path, &self.path);
            (Reverse(shared), distance(&name(operation), &asked))
        });
        let nearest = nearest.map(name);
        let remedy = nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
        Failure::new(
            ProblemKind::NotFound,
            format!("api `{api}` has no operation `{asked}`{remedy}"),
        )
    }
}

fn name(operation: &Operation) -> String {
    format!("{} {}", operation.r#match.method, operation.r#match.path)
}

/// What holds for all requests goes before what holds for those with certain headers; a method before any.
fn preference(operation: &Operation) -> (usize, bool) {
    let matched = &operation.r#match;
    (matched.headers.len() + matched.query.len(), matched.method == "*")
}

/// How general a path is: literal segments go before parameters, parameters before the rest.
fn generality(path: &str) -> Vec<u8> {
    let rank = |segment: &str| match Segment::of(segment) {
        Segment::Literal(_) => 0,
        Segment::Mixed(_) => 1,
        Segment::Parameter(_) => 2,
        Segment::Rest(_) => 3,
    };
    path.split('/').map(rank).collect()
}

/// Whether a path template takes the path of a request.
fn takes(template: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let mut segments = path.split('/');
    for part in template.split('/') {
        match (Segment::of(part), segments.next()) {
            (Segment::Rest(_), Some(first)) => return !first.is_empty() || segments.next().is_some(),
            (Segment::Literal(literal), Some(segment)) if normalise(literal) == normalise(segment) => {}
            (Segment::Parameter(_), Some(segment)) if !segment.is_empty() => {}
            (Segment::Mixed(pieces), Some(segment)) if fits(&pieces, segment) => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

fn fits(pieces: &[Piece<'_>], text: &str) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Literal(literal), rest @ ..] => {
            text.strip_prefix(*literal).is_some_and(|text| fits(rest, text))
        }
        [Piece::Parameter(_), rest @ ..] => {
            let ends = text
                .char_indices()
                .map(|(at, character)| at + character.len_utf8());
            ends.into_iter().any(|end| fits(rest, &text[end..]))
        }
    }
}

/// With how many of the same characters two texts begin.
fn shared_start(one: &str, other: &str) -> usize {
    let pairs = one.chars().zip(other.chars());
    pairs.take_while(|(one, other)| one == other).count()
}

/// How many characters have to be put in, taken out or changed to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, character) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *candidate);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content() -> RevisionContent {
        let operation = |text: &str| {
            let (method, path) = text.split_once(' ').expect("a method and a path");
            json!({"match": {"method": method, "path": path}})
        };
        let operations = [
            "GET /orders/{id}",
            "GET /orders/open",
            "* /orders",
            "GET /files/{name}.json",
            "GET /rest/{path...}",
        ];
        serde_json::from_value(json!({
            "displayName": "An API", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/shop",
            "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
            "operations": operations.map(operation),
        }))
        .expect("content")
    }

    fn check(method: &str, path: &str) -> Result<String, String> {
        let (content, api) = (content(), "orders".parse().expect("a name"));
        let wanted = Wanted::of(None, Some(method.to_owned()), Some(path.to_owned()))
            .expect("an operation")
            .expect("one");
        let found = wanted.find(&api, &content);
        found
            .map(|index| wanted.told(&content, index))
            .map_err(|failure| failure.problem().detail.clone())
    }

    #[test]
    fn finds_an_operation_as_it_is_written_and_as_a_request_has_it() {
        for (method, path, expected) in [
            ("GET", "/orders/{id}", "GET /orders/{id}"),
            ("get", "/orders/{order}", "GET /orders/{id}"),
            ("GET", "/orders/42", "GET /orders/{id}"),
            ("GET", "/orders/open", "GET /orders/open"),
            ("GET", "/shop/orders/42", "GET /orders/{id}"),
            ("DELETE", "/orders", "* /orders"),
            ("GET", "/files/a.b.json", "GET /files/{name}.json"),
            ("GET", "/rest/a/b/c", "GET /rest/{path...}"),
        ] {
            assert_eq!(check(method, path), Ok(expected.to_owned()), "{method} {path}");
        }
    }

    #[test]
    fn finds_an_operation_by_its_place() {
        let (content, api) = (content(), "orders".parse().expect("a name"));
        let told = |place: usize| {
            let wanted = Wanted::of(Some(place), None, None)
                .expect("an operation")
                .expect("one");
            let found = wanted.find(&api, &content);
            found
                .map(|index| wanted.told(&content, index))
                .map_err(|failure| failure.problem().detail.clone())
        };
        assert_eq!(told(1), Ok("GET /orders/open".to_owned()));
        assert_eq!(
            told(5),
            Err("api `orders` has 5 operations, counted from 0; there is none at 5".to_owned())
        );
        let both = Wanted::of(Some(1), Some("GET".to_owned()), None);
        let refused = both.expect_err("one or the other");
        assert_eq!(
            refused.problem().detail,
            "`operation` says which operation it is already; leave `method` and `path` out"
        );
    }

    #[test]
    fn names_the_nearest_operation_if_there_is_none() {
        for (method, path, expected) in [
            (
                "POST",
                "/orders/42",
                "api `orders` has no operation `POST /orders/42`; did you mean `GET /orders/{id}`?",
            ),
            (
                "GET",
                "/order/{id}",
                "api `orders` has no operation `GET /order/{id}`; did you mean `GET /orders/{id}`?",
            ),
            (
                "GET",
                "/files/x.yaml",
                "api `orders` has no operation `GET /files/x.yaml`; did you mean `GET /files/{name}.json`?",
            ),
        ] {
            assert_eq!(check(method, path), Err(expected.to_owned()));
        }
    }

    #[test]
    fn counts_what_has_to_be_changed() {
        for (one, other, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("kitten", "sitting", 3),
            ("", "ab", 2),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }
}
