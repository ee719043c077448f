//! The rules of changed bodies.

use serde_json::Value;

use crate::{
    issue::Issue,
    pointer,
    policy::{BodyFormat, BodyTransform, TransformPolicy, placeholders},
};

pub(super) fn transform(policy: &TransformPolicy, at: &str, issues: &mut Vec<Issue>) {
    if policy.request.is_none() && policy.response.is_none() {
        issues.push(Issue::new(at, "needs a `request` or a `response`"));
    }
    for (field, change) in [("request", &policy.request), ("response", &policy.response)] {
        if let Some(change) = change {
            body(change, &format!("{at}/{field}"), issues);
        }
    }
}

fn body(change: &BodyTransform, at: &str, issues: &mut Vec<Issue>) {
    let changes = change.from != change.to
        || !change.remove.is_empty()
        || !change.set.is_empty()
        || change.template.is_some();
    if !changes {
        issues.push(Issue::new(
            at,
            "changes nothing; it needs another format, `remove`, `set` or a `template`",
        ));
    }
    for (index, place) in change.remove.iter().enumerate() {
        let place_at = format!("{at}/remove/{index}");
        match place.is_empty() {
            true => issues.push(Issue::new(place_at, "cannot take away the whole body")),
            false => is_pointer(place, &place_at, issues),
        }
    }
    for place in change.set.keys() {
        is_pointer(place, &pointer::join(&format!("{at}/set"), place), issues);
    }
    if let Some(template) = &change.template {
        places(template, &format!("{at}/template"), issues);
    }
    if let Some(root) = &change.root {
        let place = format!("{at}/root");
        if change.to != BodyFormat::Xml {
            issues.push(Issue::new(
                place,
                "names an XML element, so it goes with `to: xml` only",
            ));
        } else if !is_name(root) {
            issues.push(Issue::new(
                place,
                format!("`{root}` is not the name of an XML element"),
            ));
        }
    }
}

fn is_pointer(text: &str, at: &str, issues: &mut Vec<Issue>) {
    if !(text.is_empty() || text.starts_with('/')) || !pointer::is_escaped(text) {
        issues.push(Issue::new(
            at,
            format!("`{text}` is not a JSON Pointer; write for example `/order/items/0`"),
        ));
    }
}

fn places(template: &Value, at: &str, issues: &mut Vec<Issue>) {
    match template {
        Value::String(text) => {
            for (_, _, place) in placeholders(text) {
                is_pointer(place, at, issues);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), issues);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &pointer::join(at, name), issues);
            }
        }
        _ => {}
    }
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    let begins = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    begins && characters.all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
}
