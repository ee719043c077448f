//! Every public item has an example that shows it, so that authors of connectors find one wherever they look, and so
//! that what they find compiles and is true.
//!
//! Types, traits, functions and modules have their own. A method has its own or is called in its type's. What is
//! re-exported from other crates is not asked for, nor are fields and variants.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod items;
mod modules;

use items::{Item, Kind};

#[test]
fn every_public_item_has_an_example_that_shows_it() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
    let shown = modules::shown(root.as_ref());
    assert!(shown.len() > 100, "only {} public items were found", shown.len());
    let missing = without_example(&shown);
    assert!(
        missing.is_empty(),
        "write an example for each of these, or call the method in its type's example:\n{}",
        missing.join("\n")
    );
}

/// Where the items are that no example shows.
fn without_example(shown: &[Item]) -> Vec<String> {
    let missing = shown.iter().filter(|item| !is_exemplified(item, shown));
    missing
        .map(|item| format!("{}:{}: `{}`", item.file, item.line, item.full_name()))
        .collect()
}

fn is_exemplified(item: &Item, shown: &[Item]) -> bool {
    let own = item.example();
    match (item.kind, &item.owner) {
        (Kind::Module, _) => !own.is_empty(),
        (Kind::Member, Some(owner)) => {
            let types = shown.iter().filter(|other| other.kind == Kind::Item);
            let mut owners = types.filter(|other| other.name == *owner);
            !own.is_empty() || owners.any(|owner| calls(&owner.example(), &item.name))
        }
        _ => words(&own).any(|word| word == item.name),
    }
}

/// Whether code calls, names or defines a member of a type.
fn calls(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let is_member = [".", "::", "fn "].iter().any(|mark| before.ends_with(mark));
        is_member && !after.starts_with(|next: char| next.is_alphanumeric() || next == '_')
    })
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !character.is_alphanumeric() && character != '_')
}

#[test]
fn what_no_example_shows_is_named() {
    let source = r"
/// A route.
///
/// ```
/// let route = Route::new();
/// assert!(route.is_open());
/// ```
#[derive(Debug)]
pub struct Route;

impl Route {
    /// A new one.
    pub fn new() -> Self {
        Self
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        true
    }

    /// Whether it is closed.
    pub const fn is_closed(&self) -> bool {
        false
    }

    fn secret(&self) {}
}

/// Counts.
///
/// ```text
/// count()
/// ```
pub fn count() {}

/// Speaks.
///
/// ```
/// struct Dog;
/// impl Speaks for Dog { fn speak(&self) {} }
/// ```
pub trait Speaks {
    /// Does it.
    fn speak(&self);
    /// Does it not.
    async fn listen(&self) {}
}

impl Speaks for Route {
    fn speak(&self) {}
}

pub(crate) fn hidden() {}

#[cfg(test)]
mod tests {
    pub fn hidden() {}
}
";
    let items = items::read("route.rs", source).items;
    assert_eq!(
        without_example(&items),
        [
            "route.rs:23: `Route::is_closed`",
            "route.rs:35: `count`",
            "route.rs:47: `Speaks::listen`"
        ]
    );
}
