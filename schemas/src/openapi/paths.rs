//! Path templates of definitions, in the words of our routes.
//!
//! What OpenAPI allows is kept as it is written, parameters inside a segment (`/{name}.json`) included.
//! Documents in the wild contain more than that; each such form becomes the nearest route that lets at
//! least the same requests through, with a warning.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::{
    route::{Piece, Segment},
    validate::{is_dots, spelling},
};

/// What a path template became.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Route {
    /// The template.
    pub(super) path: String,
    /// Query parameters that were written into the path.
    pub(super) query: BTreeMap<String, String>,
    /// Headers that tell the operation apart.
    pub(super) headers: BTreeMap<String, String>,
    /// What was written after `#`, as pairs: never part of a request's path, but some documents name there
    /// the header or query parameter that tells their operations apart.
    pub(super) fragment: BTreeMap<String, String>,
    /// In which ways it differs from what was written.
    pub(super) departures: Vec<Departure>,
}

/// A way in which a route differs from the path template it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Departure {
    /// `/#action`: what follows `#` never reaches a server, and no parameter of the operation says it.
    Fragment,
    /// `/search?q={q}`: a query with parameters.
    QueryTemplate,
    /// A path that had to be respelled: a missing slash, two slashes in a row, unescaped characters.
    Respelled,
    /// `/{+name}/x`: several segments in the middle, of which one is matched.
    SeveralSegments,
    /// A parameter name that had to be changed.
    Renamed,
}

impl Departure {
    /// What to tell people; goes before the list of paths.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Fragment => {
                "what follows `#` never reaches a gateway, so these paths are told apart by nothing"
            }
            Self::QueryTemplate => "query parameters with variables are left out of the route",
            Self::Respelled => "the path was respelled to be valid in a URL",
            Self::SeveralSegments => {
                "a parameter for several segments is not last, so the route matches one segment there"
            }
            Self::Renamed => "parameter names were changed",
        }
    }
}

/// What must be escaped in a literal segment.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The route of a path template; none for a path that no request can have (`..`).
pub(super) fn route(template: &str) -> Option<Route> {
    let mut route = Route::default();
    let (path, query) = without_fragment(template, &mut route);
    read_query(query, &mut route);
    let path = path.strip_prefix('/').unwrap_or_else(|| {
        route.departures.push(Departure::Respelled);
        path
    });
    let segments: Vec<&str> = path.split('/').collect();
    let mut names = Vec::new();
    for (position, segment) in segments.iter().enumerate() {
        let last = position + 1 == segments.len();
        if segment.is_empty() && !last {
            route.departures.push(Departure::Respelled);
            continue;
        }
        let text = read_segment(segment, last, &mut names, &mut route.departures)?;
        route.path.push('/');
        route.path.push_str(&text);
    }
    route.departures.sort_unstable();
    route.departures.dedup();
    Some(route)
}

fn without_fragment<'a>(template: &'a str, route: &mut Route) -> (&'a str, &'a str) {
    let whole = match template.split_once('#') {
        Some((before, fragment)) => {
            for pair in fragment.split('&') {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                route.fragment.insert(name.to_owned(), value.to_owned());
            }
            before
        }
        None => template,
    };
    // `{?name}` is no query but a way to write one.
    match whole.find('?').filter(|at| !whole[..*at].ends_with('{')) {
        Some(at) => (&whole[..at], &whole[at + 1..]),
        None => (whole, ""),
    }
}

fn read_query(query: &str, route: &mut Route) {
    let decoded = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if pair.contains(['{', '}']) || name.is_empty() {
            route.departures.push(Departure::QueryTemplate);
        } else {
            route.query.insert(decoded(name), decoded(value));
        }
    }
}

fn read_segment(
    segment: &str,
    last: bool,
    names: &mut Vec<String>,
    departures: &mut Vec<Departure>,
) -> Option<String> {
    match Segment::of(segment) {
        Segment::Literal(text) if is_dots(text) => None,
        Segment::Literal(text) => Some(literal(text, departures)),
        Segment::Parameter(name) => Some(parameter(name, last, names, departures)),
        Segment::Rest(name) => Some(parameter(&format!("{name}*"), last, names, departures)),
        Segment::Mixed(pieces) => {
            let text = |piece: Piece<'_>| match piece {
                Piece::Literal(text) => literal(text, departures),
                Piece::Parameter(name) => parameter(name, false, names, departures),
            };
            Some(pieces.into_iter().map(text).collect())
        }
    }
}

fn literal(text: &str, departures: &mut Vec<Departure>) -> String {
    let mut escaped = utf8_percent_encode(text, SEGMENT).to_string();
    if spelling(&escaped).is_err() {
        // A `%` that escapes nothing, or a hidden slash.
        escaped = escaped.replace('%', "%25");
    }
    if escaped != text {
        departures.push(Departure::Respelled);
    }
    escaped
}

/// A parameter with a name that ours may have. The operators of RFC 6570 that some documents use say
/// whether it is a query (`{?q}`), which is no part of the path, or takes several segments (`{+name}`).
fn parameter(written: &str, last: bool, names: &mut Vec<String>, departures: &mut Vec<Departure>) -> String {
    if written.starts_with(['?', '&']) {
        departures.push(Departure::QueryTemplate);
        return String::new();
    }
    let several = written.starts_with('+') || written.ends_with(['*', '+']);
    if several && !last {
        departures.push(Departure::SeveralSegments);
    }
    let name = unique(&allowed_name(written, departures), names, departures);
    let rest = if several && last { "..." } else { "" };
    format!("{{{name}{rest}}}")
}

fn allowed_name(written: &str, departures: &mut Vec<Departure>) -> String {
    let operators: &[char] = &['+', '*', '.', ';', '#', '/'];
    let plain = written.trim_matches(operators);
    let allowed = |character: char| character.is_alphanumeric() || "_-.".contains(character);
    let replaced = plain
        .chars()
        .map(|character| if allowed(character) { character } else { '_' });
    let name: String = replaced.collect();
    let name = if name.is_empty() {
        "parameter".to_owned()
    } else {
        name
    };
    if name != plain {
        departures.push(Departure::Renamed);
    }
    name
}

fn unique(name: &str, names: &mut Vec<String>, departures: &mut Vec<Departure>) -> String {
    let mut chosen = name.to_owned();
    let mut number = 2;
    while names.contains(&chosen) {
        chosen = format!("{name}_{number}");
        number += 1;
    }
    if chosen != name {
        departures.push(Departure::Renamed);
    }
    names.push(chosen.clone());
    chosen
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(template: &str, expected: Expect) {
        let text = match route(template) {
            Some(route) if !route.fragment.is_empty() => format!("{} {:?}", route.path, route.fragment),
            Some(route) if route.query.is_empty() => format!("{} {:?}", route.path, route.departures),
            Some(route) => format!("{} {:?} {:?}", route.path, route.query, route.departures),
            None => "no route".to_owned(),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn plain_templates_stay_as_they_are() {
        check(
            "/repos/{owner}/{repo}/contents/{path}",
            expect!["/repos/{owner}/{repo}/contents/{path} []"],
        );
        check("/api/v1/", expect!["/api/v1/ []"]);
        check("/v1/items:batchGet", expect!["/v1/items:batchGet []"]);
        check("/", expect!["/ []"]);
    }

    #[test]
    fn parameters_inside_a_segment_stay_as_they_are() {
        check("/Accounts/{Sid}.json", expect!["/Accounts/{Sid}.json []"]);
        check("/a{b}", expect!["/a{b} []"]);
        check("/v1/{name}:enable", expect!["/v1/{name}:enable []"]);
        check("/{a}/x/{a}.json", expect!["/{a}/x/{a_2}.json [Renamed]"]);
        check("/compare/{base}...{head}", expect!["/compare/{base}...{head} []"]);
        check("/users('{id}')/items", expect!["/users('{id}')/items []"]);
    }

    #[test]
    fn forms_beyond_openapi_find_a_route() {
        check("/v1/{+name}", expect!["/v1/{name...} []"]);
        check(
            "/v1/{+parent}/products",
            expect!["/v1/{parent}/products [SeveralSegments]"],
        );
        check(
            "/#X-Amz-Target=CloudTrail.AddTags",
            expect![[r#"/ {"X-Amz-Target": "CloudTrail.AddTags"}"#]],
        );
        check(
            "/items?action=list&q={q}",
            expect![[r#"/items {"action": "list"} [QueryTemplate]"#]],
        );
        check("/search{?q,page}", expect!["/search [QueryTemplate]"]);
        check("no/slash", expect!["/no/slash [Respelled]"]);
        check("/a//b c", expect!["/a/b%20c [Respelled]"]);
        check("/a/{b", expect!["/a/%7Bb [Respelled]"]);
        check("/100%", expect!["/100%25 [Respelled]"]);
        check("/{a b}/{}", expect!["/{a_b}/{parameter} [Renamed]"]);
        check("/a/../b", expect!["no route"]);
    }
}
