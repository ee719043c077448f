//! Path templates of definitions, in the words of our routes.
//!
//! Our routes know literal segments, `{name}` for one whole segment, and `{name...}` for the rest. OpenAPI
//! also allows parameters inside a segment, and documents in the wild contain more than OpenAPI allows.
//! Each such form becomes the nearest route that lets at least the same requests through, with a warning.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

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
    /// `/{name}.json`: a parameter that is not a whole segment.
    PartialSegment,
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
            Self::PartialSegment => {
                "a parameter is only part of a path segment, so the route matches any whole segment there"
            }
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
    match Parts::of(segment) {
        Parts::Literal => literal(segment, departures),
        Parts::Parameters { names: found, whole }
            if found.iter().all(|name| name.starts_with(['?', '&'])) =>
        {
            // `/search{?q}`: only a query.
            departures.push(Departure::QueryTemplate);
            let start = segment.split('{').next().filter(|_| !whole).unwrap_or_default();
            literal(start, departures)
        }
        Parts::Parameters { names: found, whole } => {
            if !whole {
                departures.push(Departure::PartialSegment);
            }
            let several = found
                .iter()
                .any(|name| name.starts_with('+') || name.ends_with(['*', '+']) || name.ends_with("..."));
            if several && !last {
                departures.push(Departure::SeveralSegments);
            }
            let name = unique(&joined(&found, departures), names, departures);
            let rest = if several && last { "..." } else { "" };
            Some(format!("{{{name}{rest}}}"))
        }
    }
}

/// What a segment is made of.
enum Parts {
    /// No parameter.
    Literal,
    /// Parameters; whether one of them is the whole segment.
    Parameters { names: Vec<String>, whole: bool },
}

impl Parts {
    fn of(segment: &str) -> Self {
        let mut names = Vec::new();
        let mut rest = segment;
        let mut between = false;
        while let Some((before, inside)) = rest.split_once('{') {
            let Some((name, after)) = inside.split_once('}') else {
                return Self::Literal;
            };
            between |= !before.is_empty();
            names.push(name.to_owned());
            rest = after;
        }
        let whole = names.len() == 1 && !between && rest.is_empty();
        if names.is_empty() {
            Self::Literal
        } else {
            Self::Parameters { names, whole }
        }
    }
}

fn literal(segment: &str, departures: &mut Vec<Departure>) -> Option<String> {
    if matches!(
        segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
        "." | ".."
    ) {
        return None;
    }
    let mut text = utf8_percent_encode(segment, SEGMENT).to_string();
    if crate::validate::check_template(&format!("/{text}")).is_err() {
        // A `%` that escapes nothing.
        text = text.replace('%', "%25");
    }
    if text != segment {
        departures.push(Departure::Respelled);
    }
    Some(text)
}

/// One name for all parameters of a segment, of characters that a name may have.
fn joined(names: &[String], departures: &mut Vec<Departure>) -> String {
    let written = names.join("_");
    let operators: &[char] = &['+', '*', '.', '?', '&', ';', '#', '/'];
    let trimmed: Vec<&str> = names.iter().map(|name| name.trim_matches(operators)).collect();
    let allowed = |character: char| character.is_alphanumeric() || "_-.".contains(character);
    let name: String = trimmed
        .join("_")
        .chars()
        .map(|character| if allowed(character) { character } else { '_' })
        .collect();
    let name = if name.is_empty() {
        "parameter".to_owned()
    } else {
        name
    };
    if names.len() == 1 && name != written.trim_matches(operators) {
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
    fn parameters_inside_a_segment_take_the_whole_segment() {
        check(
            "/Accounts/{Sid}.json",
            expect!["/Accounts/{Sid} [PartialSegment]"],
        );
        check("/a{b}", expect!["/{b} [PartialSegment]"]);
        check("/v1/{name}:enable", expect!["/v1/{name} [PartialSegment]"]);
        check(
            "/{a}/x/{a}.json",
            expect!["/{a}/x/{a_2} [PartialSegment, Renamed]"],
        );
        check(
            "/compare/{base}...{head}",
            expect!["/compare/{base_head} [PartialSegment]"],
        );
        check("/users('{id}')/items", expect!["/{id}/items [PartialSegment]"]);
    }

    #[test]
    fn forms_beyond_openapi_find_a_route() {
        check("/v1/{+name}", expect!["/v1/{name...} []"]);
        check(
            "/v1/{+parent}/products",
            expect!["/v1/{parent}/products [SeveralSegments]"],
        );
        check("/#X-Amz-Target=CloudTrail.AddTags", expect![[r#"/ {"X-Amz-Target": "CloudTrail.AddTags"}"#]]);
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
