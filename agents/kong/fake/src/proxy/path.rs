//! Paths: how Kong reads the one it was asked and makes the one that it asks the upstream.
//!
//! Normalising and joining are taken from `kong/tools/uri.lua` and `kong/router/utils.lua` (`path_handling: v0`) of Kong 3.9.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What is written with percent signs in a path that goes to the upstream.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'?')
    .add(b'#');

/// The path as the router sees it: slashes merged, dots resolved, unreserved characters decoded.
pub(crate) fn normalised(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let decoded = decoded(path);
    let segments: Vec<&str> = decoded.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in &segments {
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let directory = decoded.ends_with('/') || matches!(segments.last(), Some(&("." | "..")));
    let end = if directory && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

/// Decodes percent signs but for characters that mean something in a URI.
fn decoded(path: &str) -> String {
    let mut text = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let code = rest
            .get(at..at + 3)
            .filter(|code| u8::from_str_radix(&code[1..], 16).is_ok());
        let length = code.map_or(1, str::len);
        text.extend_from_slice(&rest.as_bytes()[..at]);
        match code {
            Some(code) if !is_reserved(code) => text.extend(percent_decode_str(code)),
            Some(code) => text.extend_from_slice(code.to_uppercase().as_bytes()),
            None => text.push(b'%'),
        }
        rest = &rest[at + length..];
    }
    text.extend_from_slice(rest.as_bytes());
    String::from_utf8(text).unwrap_or_else(|_| path.to_owned())
}

fn is_reserved(code: &str) -> bool {
    percent_decode_str(code)
        .next()
        .is_some_and(|byte| b"!*'();:@&=+$,/?%#[]".contains(&byte))
}

/// The path at the upstream, escaped.
pub(crate) fn escaped(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}

/// The path that is asked of the upstream: the service's path and what is left of the request's.
///
/// `stripped` is what `strip_path` takes away; without it all of the path is kept.
pub(crate) fn upstream_path(base: &str, asked: &str, stripped: Option<&str>) -> String {
    let trimmed = base.strip_suffix('/').unwrap_or(base);
    let Some(prefix) = stripped else {
        return if asked == "/" {
            base.to_owned()
        } else {
            format!("{trimmed}{asked}")
        };
    };
    let rest = asked.strip_prefix(prefix).unwrap_or_default();
    let rest = match rest {
        "." | ".." => "",
        other => other
            .strip_prefix("../")
            .or_else(|| other.strip_prefix("./"))
            .unwrap_or(other),
    };
    match rest {
        "" if base == "/" => "/".to_owned(),
        "" if asked.len() > 1 && asked.ends_with('/') => format!("{trimmed}/"),
        "" => trimmed.to_owned(),
        rest if rest.starts_with('/') => format!("{trimmed}{rest}"),
        rest => format!("{trimmed}/{rest}"),
    }
}

#[cfg(test)]
mod tests;
