//! What a path of a route matches, as templates.
//!
//! Kong's literal paths match whatever begins like them; `~` makes a path a regular expression that is anchored
//! at its start. The expressions that people write for paths are read into templates; others are refused.

mod parse;
mod render;

use std::collections::BTreeMap;

pub(super) use self::render::{check as template_check, literal};

/// One way to match a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variant {
    /// The whole path.
    pub(super) path: String,
    /// What of it the pattern itself does not match: nothing, or what follows.
    pub(super) after: String,
    /// What the groups of the expression hold, by number and by name.
    pub(super) captures: BTreeMap<String, String>,
    /// Whether the template does not match quite what the expression does.
    pub(super) inexact: bool,
}

/// What follows a prefix.
pub(super) const REST: &str = "/{rest...}";

/// The most variants that one pattern may have.
const VARIANTS_MAX: usize = 32;

/// The templates of a literal path, which is a prefix: the path itself, and what is below it.
pub(super) fn prefix(path: &str) -> Result<Vec<Variant>, String> {
    let path = literal(path.trim_end_matches('/'));
    template_check(&path)?;
    Ok(with_rest(
        Variant {
            path: String::new(),
            after: String::new(),
            captures: BTreeMap::new(),
            inexact: false,
        },
        &path,
    ))
}

/// The template of a path and nothing else.
pub(super) fn exact(path: &str) -> Result<Vec<Variant>, String> {
    let path = literal(path);
    template_check(&path)?;
    Ok(vec![Variant {
        path,
        after: String::new(),
        captures: BTreeMap::new(),
        inexact: false,
    }])
}

/// The templates of a regular expression (without its `~`).
pub(super) fn expression(text: &str) -> Result<Vec<Variant>, String> {
    let parsed = parse::parse(text)?;
    let mut variants: Vec<Variant> = Vec::new();
    for tokens in parsed.variants {
        let (variant, ends_open) = render::render(&tokens)?;
        let open = !parsed.anchored && !ends_open;
        let path = variant.path.clone();
        let found = if open {
            with_rest(variant, path.trim_end_matches('/'))
        } else {
            vec![variant]
        };
        for variant in found {
            if !variants.iter().any(|known| known.path == variant.path) {
                variants.push(variant);
            }
        }
    }
    Ok(variants)
}

/// A path, and what is below it.
fn with_rest(variant: Variant, path: &str) -> Vec<Variant> {
    let itself = if path.is_empty() { "/" } else { path };
    vec![
        Variant {
            path: itself.to_owned(),
            ..variant.clone()
        },
        Variant {
            path: format!("{path}{REST}"),
            after: REST.to_owned(),
            ..variant
        },
    ]
}
