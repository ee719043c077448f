//! Rules: what a request must look like beyond host and path, and which of several comes first.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use gatehouse_schemas::{api::OperationMatch, identity::ExternalRef, route};
use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;
use regex::bytes::Regex;

/// What of a request is looked at once host and path have matched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestView<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
}

/// One way into an API.
#[derive(Debug)]
pub(crate) struct Rule<T> {
    /// None for `*`.
    method: Option<Method>,
    pub(crate) headers: Vec<(HeaderName, Wanted)>,
    pub(crate) query: Vec<(String, Wanted)>,
    /// What the path must match beside the place where the rule stands.
    regex: Option<PathRegex>,
    /// Whether a path with a slash at its end and one without are two.
    pub(crate) exact_slash: bool,
    /// Decides between rules that are equal otherwise, the same way every time.
    pub(crate) api: ExternalRef,
    pub(crate) operation: usize,
    /// What the request is then for.
    pub(crate) target: Arc<T>,
}

impl<T> Rule<T> {
    /// A rule that takes every request.
    pub(crate) fn everything(api: ExternalRef, target: Arc<T>) -> Self {
        Self {
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
            regex: None,
            exact_slash: false,
            api,
            operation: 0,
            target,
        }
    }

    /// The rule of an operation; `operation` is its place in the API, whose base path has `base_segments`.
    pub(crate) fn new(
        wanted: &OperationMatch,
        base_segments: usize,
        api: ExternalRef,
        operation: usize,
        target: Arc<T>,
    ) -> Result<Self, String> {
        let header = |(name, wanted): (String, Wanted)| {
            let parsed = HeaderName::try_from(name.as_str());
            Ok((
                parsed.map_err(|_| format!("`{name}` is not a header name"))?,
                wanted,
            ))
        };
        let headers = conditions(&wanted.headers, &wanted.header_regex, "headerRegex")?;
        Ok(Self {
            method: method(&wanted.method)?,
            headers: headers.into_iter().map(header).collect::<Result<_, String>>()?,
            query: conditions(&wanted.query, &wanted.query_regex, "queryRegex")?,
            regex: wanted
                .path_regex
                .as_deref()
                .map(|text| PathRegex::new(text, base_segments))
                .transpose()?,
            exact_slash: wanted.exact_slash,
            api,
            operation,
            target,
        })
    }

    /// The method it takes; none for every method.
    pub(crate) fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// Whether its regular expression takes a path; without one, it takes every path at its place.
    pub(crate) fn takes(&self, path: &WholePath<'_>) -> bool {
        self.regex.as_ref().is_none_or(|regex| regex.takes(path))
    }

    fn accepts(&self, request: &RequestView<'_>) -> bool {
        self.accepts_method(request.method) && self.unmet(request).is_none()
    }

    /// The first header or query parameter that a request lacks.
    pub(crate) fn unmet(&self, request: &RequestView<'_>) -> Option<Unmet<'_>> {
        let mut headers = self.headers.iter();
        let header = headers.find(|(name, value)| !has_header(request, name, value));
        if let Some((name, value)) = header {
            return Some(Unmet::Header(name.as_str(), value));
        }
        let mut query = self.query.iter();
        let parameter = query.find(|(name, value)| !has_parameter(request, name, value));
        parameter.map(|(name, value)| Unmet::Query(name, value))
    }

    pub(crate) fn accepts_method(&self, method: &Method) -> bool {
        match &self.method {
            None => true,
            Some(own) => own == method,
        }
    }

    fn precedence(&self) -> (bool, Reverse<usize>, Reverse<usize>, &ExternalRef, usize) {
        (
            self.method.is_none(),
            Reverse(self.headers.len()),
            Reverse(self.query.len()),
            &self.api,
            self.operation,
        )
    }
}

/// What a value must be.
#[derive(Debug)]
pub(crate) enum Wanted {
    Exactly(String),
    /// The whole of it matches this.
    Matching(Expression),
}

/// A regular expression as it was written, and compiled.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) text: String,
    regex: Regex,
}

impl Wanted {
    /// Whether some bytes are what is wanted.
    fn is(&self, given: &[u8]) -> bool {
        match self {
            Self::Exactly(value) => given == value.as_bytes(),
            Self::Matching(expression) => expression.regex.is_match(given),
        }
    }

    /// The same for a value as it is written in a query.
    fn is_written(&self, written: &str) -> bool {
        match self {
            Self::Exactly(value) => decoded_equals(written, value),
            Self::Matching(expression) if is_encoded(written) => {
                let decoded: Vec<u8> = percent_decode_str(&written.replace('+', " ")).collect();
                expression.regex.is_match(&decoded)
            }
            Self::Matching(expression) => expression.regex.is_match(written.as_bytes()),
        }
    }
}

/// Values and expressions by name, in one order.
fn conditions(
    values: &BTreeMap<String, String>,
    expressions: &BTreeMap<String, String>,
    field: &str,
) -> Result<Vec<(String, Wanted)>, String> {
    let values = values
        .iter()
        .map(|(name, value)| Ok((name.clone(), Wanted::Exactly(value.clone()))));
    let expressions = expressions.iter().map(|(name, text)| {
        let regex = route::whole_regex(text)
            .map_err(|reason| format!("`{text}` in `{field}` of `{name}`: {reason}"))?;
        let text = text.clone();
        Ok((name.clone(), Wanted::Matching(Expression { text, regex })))
    });
    values.chain(expressions).collect()
}

/// What a request lacks, with what is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unmet<'a> {
    Header(&'a str, &'a Wanted),
    Query(&'a str, &'a Wanted),
}

/// A request's path as regular expressions see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholePath<'a> {
    /// Decoded segments joined by `/`.
    pub(crate) key: &'a [u8],
    /// Whether a slash follows.
    pub(crate) slash: bool,
}

/// A regular expression for what is below a base path.
#[derive(Debug)]
struct PathRegex {
    regex: Regex,
    base_segments: usize,
}

impl PathRegex {
    fn new(text: &str, base_segments: usize) -> Result<Self, String> {
        let regex = route::whole_regex(text).map_err(|reason| format!("`{text}`: {reason}"))?;
        Ok(Self { regex, base_segments })
    }

    fn takes(&self, path: &WholePath<'_>) -> bool {
        let mut below = path.key;
        for _ in 0..self.base_segments {
            let end = below.iter().position(|byte| *byte == b'/');
            below = end.map_or(&[], |end| &below[end + 1..]);
        }
        let mut text = Vec::with_capacity(below.len() + 2);
        text.push(b'/');
        text.extend_from_slice(below);
        if path.slash && !below.is_empty() {
            text.push(b'/');
        }
        self.regex.is_match(&text)
    }
}

fn method(text: &str) -> Result<Option<Method>, String> {
    if text == "*" {
        return Ok(None);
    }
    Method::from_bytes(text.as_bytes())
        .map(Some)
        .map_err(|_| format!("`{text}` is not a method"))
}

fn has_header(request: &RequestView<'_>, name: &HeaderName, wanted: &Wanted) -> bool {
    let mut given = request.headers.get_all(name).iter();
    given.any(|given| wanted.is(given.as_bytes()))
}

fn has_parameter(request: &RequestView<'_>, name: &str, wanted: &Wanted) -> bool {
    parameters(request.query.unwrap_or_default())
        .any(|(key, given)| decoded_equals(key, name) && wanted.is_written(given))
}

/// The parameters of a query as they are written.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Whether a written name or value means this text; `+` is a space.
pub(crate) fn decoded_equals(written: &str, meaning: &str) -> bool {
    if !is_encoded(written) {
        return written == meaning;
    }
    let spaced = written.replace('+', " ");
    percent_decode_str(&spaced).eq(meaning.bytes())
}

fn is_encoded(written: &str) -> bool {
    written.bytes().any(|byte| matches!(byte, b'%' | b'+'))
}

/// Rules at one place of the tree, the most specific first.
#[derive(Debug)]
pub(crate) struct Rules<T>(Vec<Arc<Rule<T>>>);

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Clone for Rules<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Rules<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Rule<T>>> {
        self.0.iter()
    }

    pub(crate) fn insert(&mut self, rule: Arc<Rule<T>>) {
        let place = self
            .0
            .partition_point(|other| other.precedence() <= rule.precedence());
        self.0.insert(place, rule);
    }

    pub(crate) fn remove(&mut self, api: &ExternalRef) {
        self.0.retain(|rule| rule.api != *api);
    }

    /// The first that takes the request and is `taken` for its path. `HEAD` is answered by what answers `GET`, if nothing else does.
    pub(crate) fn find(
        &self,
        request: &RequestView<'_>,
        taken: impl Fn(&Rule<T>) -> bool,
    ) -> Option<&Arc<Rule<T>>> {
        if self.0.is_empty() {
            return None;
        }
        let found = self.0.iter().find(|rule| rule.accepts(request) && taken(rule));
        if found.is_some() || request.method != Method::HEAD {
            return found;
        }
        let as_get = RequestView {
            method: &Method::GET,
            ..*request
        };
        self.0.iter().find(|rule| rule.accepts(&as_get) && taken(rule))
    }
}
