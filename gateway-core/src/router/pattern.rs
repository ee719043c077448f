//! Path templates and host patterns, as they are written in an API, taken apart once.

use gatehouse_schemas::api::OperationMatch;

use super::path;

/// One segment of a template. The order of the variants is the order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// Exactly these decoded bytes.
    Literal(Box<[u8]>),
    /// Literal pieces with parameters between them: `{name}.json`, `{base}...{head}`.
    Mixed(Mixed),
    /// `{name}`: any one segment.
    Parameter,
}

/// A segment of literal pieces around parameters; each parameter takes at least one byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mixed {
    /// Longer literals are more specific, so this counts down.
    specificity: std::cmp::Reverse<usize>,
    prefix: Box<[u8]>,
    middle: Vec<Box<[u8]>>,
    suffix: Box<[u8]>,
}

impl Mixed {
    /// Whether the segment has this form.
    pub(crate) fn matches(&self, segment: &[u8]) -> bool {
        let Some(mut rest) = segment.strip_prefix(&*self.prefix) else {
            return false;
        };
        for piece in &self.middle {
            let Some(found) = find(rest, piece) else {
                return false;
            };
            rest = &rest[found + piece.len()..];
        }
        rest.len() > self.suffix.len() && rest.ends_with(&self.suffix)
    }
}

/// Where `piece` first begins after at least one byte of a parameter.
fn find(text: &[u8], piece: &[u8]) -> Option<usize> {
    (1..=text.len().checked_sub(piece.len())?).find(|start| text[*start..].starts_with(piece))
}

/// A template taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    /// The segments that must be there.
    pub(crate) segments: Vec<Segment>,
    /// Whether any number of further segments may follow.
    pub(crate) rest: bool,
    /// Whether the template is written with a slash at its end.
    pub(crate) trailing_slash: bool,
    /// Whether it is only the place below which a regular expression is tried.
    pub(crate) regex: bool,
}

impl PathPattern {
    /// Everything at and below a literal path, whatever follows.
    pub(crate) fn below(base_path: &str) -> Result<Self, String> {
        let mut pattern = Self::parse(base_path, "")?;
        pattern.rest = true;
        Ok(pattern)
    }

    /// The place of an operation below a base path.
    pub(crate) fn of(base_path: &str, wanted: &OperationMatch) -> Result<Self, String> {
        let mut pattern = Self::parse(base_path, &wanted.path)?;
        pattern.regex = wanted.path_regex.is_some();
        let literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        if pattern.regex && (pattern.rest || !pattern.segments.iter().all(literal)) {
            return Err(format!(
                "path `{}` has a regular expression beside it, so it must be literal",
                wanted.path
            ));
        }
        Ok(pattern)
    }

    /// The template of an operation below a base path.
    pub(crate) fn parse(base_path: &str, template: &str) -> Result<Self, String> {
        let mut pattern = Self {
            segments: Vec::new(),
            rest: false,
            trailing_slash: template.len() > 1 && template.ends_with('/'),
            regex: false,
        };
        for text in base_path.split('/').chain(template.split('/')) {
            if text.is_empty() {
                continue;
            }
            if pattern.rest {
                return Err(format!("in path `{template}`, `{{…...}}` must come last"));
            }
            match segment(text).map_err(|reason| format!("path `{base_path}{template}`: {reason}"))? {
                Some(segment) => pattern.segments.push(segment),
                None => pattern.rest = true,
            }
        }
        Ok(pattern)
    }
}

/// One segment, or none for `{name...}`.
fn segment(text: &str) -> Result<Option<Segment>, String> {
    if matches!(text, "." | "..") {
        return Err(format!("segment `{text}` cannot be reached"));
    }
    let pieces = literal_pieces(text)?;
    if pieces.len() == 1 {
        return Ok(Some(Segment::Literal(pieces[0].clone())));
    }
    if pieces.len() == 2 && pieces.iter().all(|piece| piece.is_empty()) {
        return Ok((!text.ends_with("...}")).then_some(Segment::Parameter));
    }
    Ok(Some(Segment::Mixed(mixed(pieces))))
}

fn mixed(mut pieces: Vec<Box<[u8]>>) -> Mixed {
    let specificity = std::cmp::Reverse(pieces.iter().map(|piece| piece.len()).sum());
    let suffix = pieces.pop().unwrap_or_default();
    let prefix = pieces.remove(0);
    Mixed {
        specificity,
        prefix,
        middle: pieces,
        suffix,
    }
}

/// The decoded text around the parameters: one more piece than there are parameters.
fn literal_pieces(text: &str) -> Result<Vec<Box<[u8]>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let (_, following) = after
            .split_once('}')
            .ok_or_else(|| format!("segment `{text}` opens a brace and never closes it"))?;
        pieces.push(decoded(literal)?);
        rest = following;
    }
    pieces.push(decoded(rest)?);
    Ok(pieces)
}

fn decoded(literal: &str) -> Result<Box<[u8]>, String> {
    path::decode(literal.as_bytes())
        .map(Vec::into_boxed_slice)
        .map_err(|error| format!("`{literal}`: {error}"))
}

/// The host names an API answers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HostPattern {
    /// This name alone.
    Exact(String),
    /// Every name that ends in `.` and this.
    Wildcard(String),
    /// Every name.
    Any,
}

impl HostPattern {
    /// Reads an exact name or `*.example.com`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lower = text.trim_end_matches('.').to_ascii_lowercase();
        let (wildcard, name) = match lower.strip_prefix("*.") {
            Some(suffix) => (true, suffix),
            None => (false, lower.as_str()),
        };
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
        };
        // Requests are matched without their port, so a port would never match.
        let has_port = name.contains(':') && !name.ends_with(']');
        if name.is_empty() || has_port || !name.bytes().all(allowed) {
            return Err(format!(
                "`{text}` is not a host name; use `api.example.com` or `*.example.com`, without a port"
            ));
        }
        Ok(match wildcard {
            true => Self::Wildcard(name.to_owned()),
            false => Self::Exact(name.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed_matches(template: &str, segment: &str) -> bool {
        let pattern = PathPattern::parse("/", &format!("/{template}")).expect("a template");
        match &pattern.segments[0] {
            Segment::Mixed(mixed) => mixed.matches(segment.as_bytes()),
            other => panic!("`{template}` is {other:?}"),
        }
    }

    #[test]
    fn parameters_may_stand_beside_literals() {
        assert!(mixed_matches("{name}.json", "a.json"));
        assert!(!mixed_matches("{name}.json", ".json"));
        assert!(mixed_matches("{base}...{head}", "main...dev"));
        assert!(!mixed_matches("{base}...{head}", "main..dev"));
        assert!(mixed_matches("v{x}:run", "v1:run"));
        assert!(!mixed_matches("v{x}:run", "v:run"));
    }

    #[test]
    fn the_rest_comes_last() {
        let pattern = PathPattern::parse("/files", "/{owner}/{path...}").expect("a template");
        assert_eq!(pattern.segments.len(), 2);
        assert!(pattern.rest);
        PathPattern::parse("/", "/{path...}/a").expect_err("not last");
        PathPattern::parse("/", "/{path").expect_err("never closed");
    }

    #[test]
    fn host_names_are_exact_or_begin_with_a_star() {
        assert_eq!(
            HostPattern::parse("API.example.com"),
            Ok(HostPattern::Exact("api.example.com".into()))
        );
        assert_eq!(
            HostPattern::parse("*.example.com"),
            Ok(HostPattern::Wildcard("example.com".into()))
        );
        assert_eq!(
            HostPattern::parse("[::1]"),
            Ok(HostPattern::Exact("[::1]".into()))
        );
        for refused in ["", "*", "a.*.com", "*.", "a b", "a.com:8080", "[::1]:80"] {
            HostPattern::parse(refused).expect_err(refused);
        }
    }
}
