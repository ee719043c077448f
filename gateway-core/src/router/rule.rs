//! Rules: what a request must look like beyond host and path, and which of several comes first.

use std::{cmp::Reverse, sync::Arc};

use gatehouse_schemas::{api::OperationMatch, identity::ExternalRef};
use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;

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
    headers: Vec<(HeaderName, String)>,
    query: Vec<(String, String)>,
    /// Decides between rules that are equal otherwise, the same way every time.
    api: ExternalRef,
    operation: usize,
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
            api,
            operation: 0,
            target,
        }
    }

    /// The rule of an operation; `operation` is its place in the API.
    pub(crate) fn new(
        wanted: &OperationMatch,
        api: ExternalRef,
        operation: usize,
        target: Arc<T>,
    ) -> Result<Self, String> {
        let mut headers = Vec::with_capacity(wanted.headers.len());
        for (name, value) in &wanted.headers {
            let parsed = HeaderName::try_from(name.as_str());
            headers.push((
                parsed.map_err(|_| format!("`{name}` is not a header name"))?,
                value.clone(),
            ));
        }
        Ok(Self {
            method: method(&wanted.method)?,
            headers,
            query: wanted.query.clone().into_iter().collect(),
            api,
            operation,
            target,
        })
    }

    /// The method it takes; none for every method.
    pub(crate) fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    fn accepts(&self, request: &RequestView<'_>) -> bool {
        self.accepts_method(request.method)
            && self
                .headers
                .iter()
                .all(|(name, value)| has_header(request, name, value))
            && self
                .query
                .iter()
                .all(|(name, value)| has_parameter(request, name, value))
    }

    fn accepts_method(&self, method: &Method) -> bool {
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

fn method(text: &str) -> Result<Option<Method>, String> {
    if text == "*" {
        return Ok(None);
    }
    Method::from_bytes(text.as_bytes())
        .map(Some)
        .map_err(|_| format!("`{text}` is not a method"))
}

fn has_header(request: &RequestView<'_>, name: &HeaderName, value: &str) -> bool {
    request
        .headers
        .get_all(name)
        .iter()
        .any(|given| given.as_bytes() == value.as_bytes())
}

fn has_parameter(request: &RequestView<'_>, name: &str, value: &str) -> bool {
    parameters(request.query.unwrap_or_default())
        .any(|(key, given)| decoded_equals(key, name) && decoded_equals(given, value))
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
    if !written.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return written == meaning;
    }
    let spaced = written.replace('+', " ");
    percent_decode_str(&spaced).eq(meaning.bytes())
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

    /// The first that takes the request. `HEAD` is answered by what answers `GET`, if nothing else does.
    pub(crate) fn find(&self, request: &RequestView<'_>) -> Option<&Arc<Rule<T>>> {
        if self.0.is_empty() {
            return None;
        }
        let found = self.0.iter().find(|rule| rule.accepts(request));
        if found.is_some() || request.method != Method::HEAD {
            return found;
        }
        let as_get = RequestView {
            method: &Method::GET,
            ..*request
        };
        self.0.iter().find(|rule| rule.accepts(&as_get))
    }
}
