//! The template of an operation's path, to find what a request has in place of its parameters.

use crate::router::path;

/// A template, by segments.
#[derive(Debug)]
pub(crate) struct Template(Vec<Segment>);

/// Literals (decoded) around parameters; there is one literal more than parameters.
#[derive(Debug)]
struct Segment {
    names: Vec<String>,
    literals: Vec<Vec<u8>>,
    /// Whether its one parameter takes this segment and all that follow.
    rest: bool,
}

impl Template {
    pub(crate) fn parse(template: &str) -> Result<Self, String> {
        let segments = template.split('/').filter(|text| !text.is_empty());
        segments.map(Segment::parse).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0
            .iter()
            .flat_map(|segment| &segment.names)
            .any(|known| known == name)
    }

    pub(crate) fn is_rest(&self, name: &str) -> bool {
        let last = self.0.last().filter(|segment| segment.rest);
        last.is_some_and(|segment| segment.names.iter().any(|known| known == name))
    }

    /// Parameters by name, decoded, from the match key of a path that the template matches.
    pub(crate) fn find(&self, key: &[u8], base_segments: usize) -> Vec<(&str, Vec<u8>)> {
        let segments = key
            .split(|byte| *byte == b'/')
            .filter(|segment| !segment.is_empty());
        let mut segments = segments.skip(base_segments);
        let mut found = Vec::new();
        for expected in &self.0 {
            if expected.rest {
                let rest: Vec<&[u8]> = segments.by_ref().collect();
                found.extend(
                    expected
                        .names
                        .iter()
                        .map(|name| (name.as_str(), rest.join(&b'/'))),
                );
                break;
            }
            let Some(segment) = segments.next() else { break };
            found.extend(expected.captures(segment));
        }
        found
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        let mut segment = Self {
            names: Vec::new(),
            literals: Vec::new(),
            rest: false,
        };
        let decoded =
            |literal: &str| path::decode(literal.as_bytes()).map_err(|error| format!("`{literal}`: {error}"));
        let mut left = text;
        while let Some((literal, after)) = left.split_once('{') {
            let (name, following) = after
                .split_once('}')
                .ok_or_else(|| format!("segment `{text}` opens a brace and never closes it"))?;
            segment.literals.push(decoded(literal)?);
            segment.rest = text.starts_with('{') && text.ends_with("...}") && following.is_empty();
            let name = if segment.rest {
                name.trim_end_matches('.')
            } else {
                name
            };
            segment.names.push(name.to_owned());
            left = following;
        }
        segment.literals.push(decoded(left)?);
        Ok(segment)
    }

    /// Each parameter takes at least one byte, and as few as it can but for the last.
    fn captures<'a>(&'a self, segment: &[u8]) -> Vec<(&'a str, Vec<u8>)> {
        let mut found = Vec::new();
        let mut rest = segment.strip_prefix(&*self.literals[0]).unwrap_or_default();
        for (position, name) in self.names.iter().enumerate() {
            let literal = &self.literals[position + 1];
            let last = position + 1 == self.names.len();
            let end = match last {
                true => rest.len().checked_sub(literal.len()),
                false => (1..rest.len()).find(|start| rest[*start..].starts_with(literal)),
            };
            let end = end.unwrap_or(rest.len());
            found.push((name.as_str(), rest[..end].to_vec()));
            rest = rest.get(end + literal.len()..).unwrap_or_default();
        }
        found
    }
}
