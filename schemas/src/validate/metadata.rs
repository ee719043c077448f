//! Labels, with the rules of Kubernetes, so that they can be written through to it.

use crate::{issue::Issue, pointer, resource::Metadata};

/// The rules of metadata.
pub(crate) fn metadata(metadata: &Metadata, at: &str) -> Vec<Issue> {
    labels(&metadata.labels, &format!("{at}/labels"))
}

/// The rules of labels.
pub(super) fn labels(labels: &std::collections::BTreeMap<String, String>, at: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (key, value) in labels {
        let place = pointer::join(at, key);
        if !is_key(key) {
            issues.push(Issue::new(
                place.clone(),
                format!("`{key}` is not a label key: up to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; a prefix like `example.com/` may go before"),
            ));
        }
        if !value.is_empty() && !is_name(value) {
            issues.push(Issue::new(
                place,
                format!("`{value}` is not a label value: up to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends"),
            ));
        }
    }
    issues
}

fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name(key),
        Some((prefix, name)) => is_name(name) && is_domain(prefix),
    }
}

fn is_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    text.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(allowed)
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(allowed)
    };
    text.len() <= 253 && text.split('.').all(label)
}
