//! `rewrite`: the path and query that the upstream is asked for in place of the caller's.

use std::borrow::Cow;

use gatehouse_schemas::policy::{CALLERS_HOST, RewritePolicy};
use http::{HeaderValue, uri::Authority};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::template::Template;
use crate::{
    proxy::problem::Problem,
    router::{
        path::{ESCAPED_SLASH, NormalPath},
        rule::{decoded_equals, parameters},
    },
};

/// What is written plainly in a query parameter: unreserved characters (RFC 3986).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is written plainly in a segment of a path: besides, what separates nothing there.
const PLAIN_IN_SEGMENT: &AsciiSet = &PLAIN
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The policy, taken apart.
#[derive(Debug)]
pub(crate) struct Rewrite {
    path: Option<Path>,
    host: Option<Host>,
    /// Taken away: what is removed, and what is set anew.
    hidden: Vec<String>,
    /// Put at the end.
    added: String,
}

/// A new path and where its parameters are found.
#[derive(Debug)]
pub(super) struct Path {
    written: Vec<Piece>,
    /// The operation's path, if parameters of it are needed.
    template: Option<Template>,
    /// Whether all that is left of the caller's path comes last, slash at its end included.
    ends_as_asked: bool,
}

/// A host in place of the upstream's own.
#[derive(Debug)]
enum Host {
    Fixed(HeaderValue),
    Callers,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Parameter(String),
}

impl Rewrite {
    /// Compiles the policy for an operation, by the template of its path.
    pub(crate) fn compile(policy: &RewritePolicy, operation: Option<&str>) -> Result<Self, String> {
        let path = policy.path.as_deref().map(|path| Path::compile(path, operation));
        let added = policy.query.set.iter().map(|(name, value)| {
            let encoded = |text: &str| percent_encode(text.as_bytes(), PLAIN).to_string();
            format!("{}={}", encoded(name), encoded(value))
        });
        Ok(Self {
            path: path.transpose()?,
            host: policy.host.as_deref().map(Host::compile).transpose()?,
            hidden: policy
                .query
                .remove
                .iter()
                .chain(policy.query.set.keys())
                .cloned()
                .collect(),
            added: added.collect::<Vec<_>>().join("&"),
        })
    }

    /// The path for the upstream; none if it stays.
    pub(crate) fn path(
        &self,
        asked: &NormalPath<'_>,
        base_segments: usize,
    ) -> Result<Option<String>, Problem> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        path.fill(asked, base_segments).map(Some)
    }

    /// The host that the upstream is asked for; none if it is its own.
    pub(crate) fn host(&self, asked: &HeaderValue) -> Option<HeaderValue> {
        match self.host.as_ref()? {
            Host::Fixed(host) => Some(host.clone()),
            Host::Callers => Some(asked.clone()).filter(|asked| !asked.is_empty()),
        }
    }

    /// The query for the upstream.
    pub(crate) fn query<'q>(&self, query: Option<Cow<'q, str>>) -> Option<Cow<'q, str>> {
        if self.hidden.is_empty() {
            return query;
        }
        let given = query.unwrap_or_default();
        let hidden = |pair: &str| {
            parameters(pair).any(|(name, _)| self.hidden.iter().any(|hidden| decoded_equals(name, hidden)))
        };
        let kept = given.split('&').filter(|pair| !pair.is_empty() && !hidden(pair));
        let added = Some(self.added.as_str()).filter(|added| !added.is_empty());
        let shown: Vec<&str> = kept.chain(added).collect();
        (!shown.is_empty()).then(|| Cow::Owned(shown.join("&")))
    }
}

impl Host {
    fn compile(text: &str) -> Result<Self, String> {
        if text == CALLERS_HOST {
            return Ok(Self::Callers);
        }
        let host = text.parse::<Authority>().ok();
        let host = host.filter(|host| !host.as_str().contains('@'));
        host.and_then(|host| HeaderValue::try_from(host.as_str()).ok())
            .map(Self::Fixed)
            .ok_or_else(|| format!("`{text}` is not a host"))
    }
}

impl Path {
    pub(super) fn compile(path: &str, operation: Option<&str>) -> Result<Self, String> {
        let written = pieces(path)?;
        let mut names = written.iter().filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name),
            Piece::Text(_) => None,
        });
        let template = operation.map(Template::parse).transpose()?;
        let known = |name: &String| template.as_ref().is_some_and(|template| template.has(name));
        if let Some(unknown) = names.clone().find(|name| !known(name)) {
            return Err(format!("`{{{unknown}}}` is not in the operation's path"));
        }
        let needed = names.next().is_some();
        let ends_as_asked = match &written[..] {
            [
                ..,
                Piece::Text(before),
                Piece::Parameter(name),
                Piece::Text(after),
            ] => {
                let is_rest = template.as_ref().is_some_and(|template| template.is_rest(name));
                is_rest && before.ends_with('/') && after.is_empty()
            }
            _ => false,
        };
        Ok(Self {
            template: template.filter(|_| needed),
            written,
            ends_as_asked,
        })
    }

    /// The path with the parameters of the one that was asked for.
    pub(super) fn fill(&self, asked: &NormalPath<'_>, base_segments: usize) -> Result<String, Problem> {
        let filled = self.filled(asked, base_segments);
        // A parameter must not turn into a way out of the place it was put in.
        let plain = NormalPath::parse(&filled).is_ok_and(|path| path.forward == filled);
        match plain {
            true => Ok(filled),
            false => Err(Problem::bad_request("The request's path cannot be rewritten.")),
        }
    }

    fn filled(&self, asked: &NormalPath<'_>, base_segments: usize) -> String {
        let found = match &self.template {
            Some(template) => template.find(&asked.key, base_segments),
            None => Vec::new(),
        };
        let mut text = String::new();
        for piece in &self.written {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Parameter(name) => {
                    let value = found.iter().find(|(known, _)| known == name);
                    text.push_str(&encoded(value.map_or(&[], |(_, value)| value)));
                }
            }
        }
        // All that is left may be nothing at all.
        while text.contains("//") {
            text = text.replace("//", "/");
        }
        if self.ends_as_asked {
            let bare = text.trim_end_matches('/').len();
            text.truncate(bare);
            if asked.trailing_slash || bare == 0 {
                text.push('/');
            }
        }
        text
    }
}

fn pieces(path: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = path;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, following) = after
            .split_once('}')
            .ok_or_else(|| format!("path `{path}` opens a brace and never closes it"))?;
        pieces.push(Piece::Text(plain(literal)?));
        pieces.push(Piece::Parameter(name.to_owned()));
        rest = following;
    }
    pieces.push(Piece::Text(plain(rest)?));
    Ok(pieces)
}

/// A literal in the one spelling that requests have.
fn plain(literal: &str) -> Result<String, String> {
    let inner: Result<Vec<String>, _> = literal
        .split('/')
        .map(|segment| crate::router::path::decode(segment.as_bytes()).map(|key| encoded(&key)))
        .collect();
    inner
        .map(|segments| segments.join("/"))
        .map_err(|error| format!("`{literal}`: {error}"))
}

/// Decoded segments, joined by slashes, as they are written in a path.
fn encoded(value: &[u8]) -> String {
    let segments = value.split(|byte| *byte == b'/').map(|segment| {
        let parts = segment.split(|byte| *byte == ESCAPED_SLASH);
        let written = parts.map(|part| percent_encode(part, PLAIN_IN_SEGMENT).to_string());
        written.collect::<Vec<_>>().join("%2F")
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
