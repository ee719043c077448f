//! `$ref` inside one document.
//!
//! Only what is needed is followed, one step at a time, so that references in circles do no harm.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Longer chains of references lead nowhere.
const STEPS_MAX: usize = 32;

/// What a value stands for: itself, or what its `$ref` leads to. None if it leads nowhere or outside.
pub(crate) fn resolve<'a>(document: &'a Value, mut value: &'a Value) -> Option<&'a Value> {
    for _ in 0..STEPS_MAX {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return Some(value);
        };
        value = target(document, reference)?;
    }
    None
}

/// What one `$ref` leads to.
pub(crate) fn target<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    let fragment = reference.strip_prefix('#')?;
    document
        .pointer(fragment)
        .or_else(|| document.pointer(&percent_decode_str(fragment).decode_utf8().ok()?))
}

/// Where one `$ref` leads, as a pointer into the document.
pub(crate) fn pointer(document: &Value, reference: &str) -> String {
    let fragment = reference.trim_start_matches('#');
    match document.pointer(fragment) {
        Some(_) => fragment.to_owned(),
        None => percent_decode_str(fragment).decode_utf8_lossy().into_owned(),
    }
}
