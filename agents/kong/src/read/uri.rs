//! Paths that a `request-transformer` writes for the upstream, `replace.uri`: text, and what groups of the route's
//! expression hold.

use super::{
    pattern::{Variant, literal, template_check},
    places::{Place, segments},
};

/// The place that a path of the plugin makes of a variant of a route's path; none if it says more than text and groups.
pub(super) fn place(variant: &Variant, uri: &str) -> Option<Place> {
    let mut upstream = String::new();
    let mut last = None;
    let mut rest = uri;
    while let Some((before, after)) = rest.split_once("$(") {
        let (inside, after) = after.split_once(')')?;
        let captured = variant.captures.get(group(inside)?)?;
        upstream.push_str(&literal(before));
        upstream.push_str(captured);
        last = Some(captured).filter(|_| after.is_empty());
        rest = after;
    }
    upstream.push_str(&literal(rest));
    if !upstream.starts_with('/') || template_check(&upstream).is_err() {
        return None;
    }
    let path = segments(&variant.path);
    let base = last.and_then(|captured| base(&variant.path, captured));
    Some(Place {
        path,
        upstream: segments(&upstream),
        base,
    })
}

/// `uri_captures.name`, `uri_captures['name']`, `uri_captures[1]`.
fn group(inside: &str) -> Option<&str> {
    let name = inside.trim().strip_prefix("uri_captures")?;
    let name = match name.strip_prefix('.') {
        Some(name) => name,
        None => name
            .strip_prefix('[')?
            .strip_suffix(']')?
            .trim_matches(['\'', '"']),
    };
    let allowed = |it: char| it.is_ascii_alphanumeric() || it == '_';
    (!name.is_empty() && name.chars().all(allowed)).then_some(name)
}

/// How many segments stand before what goes on to the upstream as it is, if that begins with a segment.
fn base(path: &str, captured: &str) -> Option<usize> {
    let before = path.strip_suffix(captured)?;
    let whole = captured.is_empty() || captured.starts_with('/');
    whole.then(|| segments(before).len())
}
