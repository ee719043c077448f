//! Path templates in Kong's words.
//!
//! Kong matches a plain path as a prefix of characters, and braces literally (3.9.3: `/pets/{id}` matches nothing but
//! itself), so that every path of an operation becomes a regular expression with an end. Groups are written
//! `(?P<name>…)`, which all of Kong's routers know.

use gatehouse_connector_sdk::schemas::route::{Piece, Segment, join};

/// What of a path's match is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keep {
    /// Nothing: the upstream is asked for the caller's own path.
    Nothing,
    /// The path below the base path, as `path`.
    Path,
    /// The parameters, as `p1`, `p2` and so on.
    Parameters,
}

/// The regular expression of a path, without the `~` that tells it from a plain one.
pub(crate) fn pattern(base_path: &str, path: &str, keep: Keep) -> String {
    let base = escaped(&normalised(base_path.trim_end_matches('/')));
    let below = match path {
        // The base path itself: `/orders`, not `/orders/`.
        "/" | "" if !base.is_empty() => String::new(),
        path => segments(path, keep),
    };
    match keep {
        Keep::Path => format!("{base}(?P<path>{below})$"),
        Keep::Nothing | Keep::Parameters => format!("{base}{below}$"),
    }
}

fn segments(path: &str, keep: Keep) -> String {
    let mut number = 0;
    let mut group = |expression: &str| {
        number += 1;
        match keep {
            Keep::Parameters => format!("(?P<p{number}>{expression})"),
            Keep::Nothing | Keep::Path => expression.to_owned(),
        }
    };
    let segments = path
        .trim_start_matches('/')
        .split('/')
        .map(|segment| match Segment::of(segment) {
            Segment::Literal(literal) => escaped(&normalised(literal)),
            Segment::Parameter(_) => group("[^/]+"),
            Segment::Rest(_) => group(".*"),
            Segment::Mixed(pieces) => pieces
                .into_iter()
                .map(|piece| match piece {
                    Piece::Literal(literal) => escaped(&normalised(literal)),
                    Piece::Parameter(_) => group("[^/]+"),
                })
                .collect(),
        });
    segments.fold(String::new(), |all, segment| format!("{all}/{segment}"))
}

/// The places of a template's parameters, by their names.
pub(crate) fn parameters(path: &str) -> Vec<String> {
    let name = |name: &str| name.trim_end_matches("...").to_owned();
    let segments = path.split('/').flat_map(|segment| match Segment::of(segment) {
        Segment::Literal(_) => Vec::new(),
        Segment::Parameter(parameter) | Segment::Rest(parameter) => vec![name(parameter)],
        Segment::Mixed(pieces) => pieces
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Parameter(parameter) => Some(name(parameter)),
                Piece::Literal(_) => None,
            })
            .collect(),
    });
    segments.collect()
}

/// A target that names parameters (`/v2/{id}`), with the groups of the match in their places.
pub(crate) fn with_groups(target: &str, path: &str) -> String {
    let names = parameters(path);
    names
        .iter()
        .zip(1..)
        .fold(target.to_owned(), |target, (name, number)| {
            let group = format!("$(uri_captures.p{number})");
            target
                .replace(&format!("{{{name}}}"), &group)
                .replace(&format!("{{{name}...}}"), &group)
        })
}

/// Text as Kong compares it (`kong/tools/uri.lua`): it decodes what callers escaped, but for characters that mean
/// something in a URL.
fn normalised(text: &str) -> String {
    const RESERVED: &[u8] = b"!*'();:@&=+$,/?%#[]";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code {
            Some(code) if RESERVED.contains(&code) => bytes.extend(format!("%{code:02X}").bytes()),
            Some(code) => bytes.push(code),
            None => bytes.push(*first),
        }
        rest = if code.is_some() { &after[2..] } else { after };
    }
    // Bytes that are no text match nothing in any spelling.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// What a regular expression takes for more than itself.
pub(super) fn escaped(literal: &str) -> String {
    let special = |character: char| r"\.+*?()|[]{}^$".contains(character);
    literal.chars().fold(String::new(), |mut text, character| {
        if special(character) {
            text.push('\\');
        }
        text.push(character);
        text
    })
}

/// How specific a path is where several match: segment by segment, a literal goes before a mixture, that before a
/// parameter, and that before a rest.
pub(crate) fn specificity(path: &str) -> String {
    let rank = |segment: &str| match Segment::of(segment) {
        Segment::Literal(_) => '3',
        Segment::Mixed(_) => '2',
        Segment::Parameter(_) => '1',
        Segment::Rest(_) => '0',
    };
    path.split('/').map(rank).collect()
}

/// Whether a request can match both.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let (mut these, mut those) = (one.split('/'), other.split('/'));
    loop {
        match (these.next().map(Segment::of), those.next().map(Segment::of)) {
            (None, None) | (Some(Segment::Rest(_)), _) | (_, Some(Segment::Rest(_))) => return true,
            (None, _) | (_, None) => return false,
            (Some(Segment::Literal(this)), Some(Segment::Literal(that))) if this != that => return false,
            _ => {}
        }
    }
}

/// The places of an API without operations: its base path itself, and everything below.
pub(crate) fn everything_below(base_path: &str) -> Vec<String> {
    match base_path {
        "/" | "" => vec!["/".to_owned()],
        base => {
            let base = normalised(base);
            vec![format!("{}/", join(&base, "")), format!("~{}$", escaped(&base))]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_patterns_with_an_end() {
        let table = [
            ("/orders", "/items", Keep::Nothing, "/orders/items$"),
            ("/", "/items/{id}", Keep::Nothing, "/items/[^/]+$"),
            (
                "/v1.0",
                "/items/{id}",
                Keep::Path,
                r"/v1\.0(?P<path>/items/[^/]+)$",
            ),
            ("/a", "/{name}.json", Keep::Parameters, r"/a/(?P<p1>[^/]+)\.json$"),
            ("/a", "/x/{rest...}", Keep::Parameters, "/a/x/(?P<p1>.*)$"),
            ("/a", "/", Keep::Path, "/a(?P<path>)$"),
            ("/", "/", Keep::Nothing, "/$"),
            (
                "/my%20shop",
                "/caf%c3%a9/{id}",
                Keep::Nothing,
                "/my shop/caf\u{e9}/[^/]+$",
            ),
            ("/a", "/50%25%2b", Keep::Nothing, r"/a/50%25%2B$"),
            ("/a", "/%ff", Keep::Nothing, "/a/%ff$"),
        ];
        for (base, path, keep, expected) in table {
            assert_eq!(pattern(base, path, keep), expected, "{base} {path}");
        }
    }

    #[test]
    fn what_is_more_specific_is_told_from_left_to_right() {
        assert!(specificity("/pets/mine") > specificity("/pets/{id}"));
        assert!(specificity("/pets/{id}.json") > specificity("/pets/{id}"));
        assert!(specificity("/pets/{id}") > specificity("/pets/{rest...}"));
        assert!(overlap("/pets/{id}", "/pets/mine"));
        assert!(overlap("/{rest...}", "/pets/mine"));
        assert!(!overlap("/pets/{id}", "/shops/{id}"));
        assert!(!overlap("/pets/{id}", "/pets/{id}/toys"));
    }

    #[test]
    fn a_target_gets_the_groups_of_the_match() {
        let target = with_groups("/v2/{id}/of/{rest}", "/pets/{id}/{rest...}");
        assert_eq!(target, "/v2/$(uri_captures.p1)/of/$(uri_captures.p2)");
    }
}
