//! Names and values of headers, and which of them a policy may change.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue};

use super::note;
use crate::{issue::Issue, pointer, policy::HeaderChanges};

/// A header name that is valid.
pub(super) fn name(text: &str) -> Result<(), String> {
    HeaderName::from_bytes(text.as_bytes())
        .map(drop)
        .map_err(|_| format!("`{text}` is not a header name: use letters, digits and `-`"))
}

/// A header value that is valid.
pub(super) fn value(text: &str) -> Result<(), String> {
    HeaderValue::from_str(text)
        .map(drop)
        .map_err(|_| "not a header value: no line breaks or control characters".to_owned())
}

/// Every rule of header changes.
pub(super) fn changes(changes: &HeaderChanges, at: &str, issues: &mut Vec<Issue>) {
    for (index, removed) in changes.remove.iter().enumerate() {
        note(issues, format!("{at}/remove/{index}"), changeable(removed));
    }
    values(&changes.set, &format!("{at}/set"), issues);
    values(&changes.add, &format!("{at}/add"), issues);
}

/// Every rule of headers with values that a policy writes.
pub(super) fn values(pairs: &BTreeMap<String, String>, at: &str, issues: &mut Vec<Issue>) {
    let mut seen = BTreeSet::new();
    for (header, text) in pairs {
        let place = pointer::join(at, header);
        let once = seen.insert(header.to_ascii_lowercase());
        note(issues, place.clone(), changeable(header));
        note(issues, place.clone(), value(text));
        if !once {
            issues.push(Issue::new(
                place,
                format!("header `{header}` is there twice: names are the same in any case"),
            ));
        }
    }
}

/// A header that a policy may change.
pub(super) fn changeable(header: &str) -> Result<(), String> {
    name(header)?;
    if !HeaderChanges::may_change(header) {
        return Err(format!(
            "`{header}` belongs to the connection and cannot be changed by a policy"
        ));
    }
    Ok(())
}
