//! The rules of where requests come from and what they look like.

use serde_json::Value;

use super::{headers, note};
use crate::{
    issue::Issue,
    policy::{IpFilterPolicy, Network, RequestValidatePolicy},
};

pub(super) fn ip_filter(policy: &IpFilterPolicy, at: &str, issues: &mut Vec<Issue>) {
    if policy.allow.is_empty() && policy.deny.is_empty() {
        issues.push(Issue::new(at, "needs at least one network in `allow` or `deny`"));
    }
    for (field, networks) in [("allow", &policy.allow), ("deny", &policy.deny)] {
        for (index, text) in networks.iter().enumerate() {
            note(issues, format!("{at}/{field}/{index}"), text.parse::<Network>());
        }
    }
}

pub(super) fn request_validate(policy: &RequestValidatePolicy, at: &str, issues: &mut Vec<Issue>) {
    if *policy == RequestValidatePolicy::default() {
        let detail = "needs at least one of `requiredHeaders`, `requiredQuery`, `contentTypes`, `bodySchema` and \
                      `definition`";
        issues.push(Issue::new(at, detail));
    }
    if policy.expanded.is_some() {
        issues.push(Issue::new(
            format!("{at}/expanded"),
            "is taken from the definition and never written; leave it out",
        ));
    }
    for (index, text) in policy.required_headers.iter().enumerate() {
        note(
            issues,
            format!("{at}/requiredHeaders/{index}"),
            headers::name(text),
        );
    }
    for (index, text) in policy.required_query.iter().enumerate() {
        if text.is_empty() {
            let place = format!("{at}/requiredQuery/{index}");
            issues.push(Issue::new(place, "the query parameter needs a name"));
        }
    }
    for (index, text) in policy.content_types.iter().enumerate() {
        note(issues, format!("{at}/contentTypes/{index}"), media_type(text));
    }
    if let Some(schema) = &policy.body_schema {
        for (field, value) in schema {
            references(
                value,
                field,
                &crate::pointer::join(&format!("{at}/bodySchema"), field),
                issues,
            );
        }
    }
}

/// A media type without parameters.
fn media_type(text: &str) -> Result<(), String> {
    let token = |part: &str| http::HeaderName::from_bytes(part.as_bytes()).is_ok();
    match text.split_once('/') {
        Some((kind, subtype)) if token(kind) && token(subtype) && !text.contains('*') => Ok(()),
        _ => Err(format!(
            "`{text}` is not a media type without parameters, for example `application/json`"
        )),
    }
}

/// Nothing is fetched to check a request, so a schema must be whole.
fn references(value: &Value, field: &str, at: &str, issues: &mut Vec<Issue>) {
    match value {
        Value::String(target) if matches!(field, "$ref" | "$dynamicRef") && !target.starts_with('#') => {
            issues.push(Issue::new(
                at,
                "refers to another document; put what it says under `$defs` and refer to `#/$defs/…`",
            ));
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                references(value, field, &crate::pointer::join(at, field), issues);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                references(value, "", &format!("{at}/{index}"), issues);
            }
        }
        _ => {}
    }
}
