//! Changes of headers, as AWS's parameter mappings.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{HeaderChanges, HeadersPolicy, Policy},
};
use serde_json::{Map, Value, json};

use super::{
    Kind,
    judge::{unsupported, with},
    scene::Scene,
};

/// Headers that HTTP APIs do not let be changed; those that end with `-` begin so.
const RESERVED: [&str; 23] = [
    "access-control-",
    "apigw-",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-amz-",
    "x-amzn-",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// The status codes (IANA registry) whose answers HTTP APIs are told to change: they know no rule for all.
const STATUSES: [u16; 57] = [
    200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402,
    403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426,
    428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

/// What becomes of a header in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Remove,
    Set(String),
    Add(String),
}

/// The changes of policies one after the other, by header.
fn net<'a>(changes: impl Iterator<Item = &'a HeaderChanges>) -> BTreeMap<String, Change> {
    let mut net: BTreeMap<String, Change> = BTreeMap::new();
    for changes in changes {
        for name in &changes.remove {
            net.insert(name.to_ascii_lowercase(), Change::Remove);
        }
        for (name, value) in &changes.set {
            net.insert(name.to_ascii_lowercase(), Change::Set(value.clone()));
        }
        for (name, value) in &changes.add {
            let name = name.to_ascii_lowercase();
            let change = match net.remove(&name) {
                Some(Change::Set(before)) => Change::Set(format!("{before},{value}")),
                Some(Change::Add(before)) => Change::Add(format!("{before},{value}")),
                Some(Change::Remove) => Change::Set(value.clone()),
                None => Change::Add(value.clone()),
            };
            net.insert(name, change);
        }
    }
    net
}

fn all<'a>(policies: &'a [&Policy]) -> impl Iterator<Item = &'a HeadersPolicy> {
    policies.iter().filter_map(|policy| match policy {
        Policy::Headers(headers) => Some(headers),
        _ => None,
    })
}

/// The mappings of request headers at a place.
pub(super) fn request(kind: Kind, policies: &[&Policy]) -> Map<String, Value> {
    let net = net(all(policies).map(|headers| &headers.request));
    match kind {
        Kind::Http => net
            .into_iter()
            .map(|(name, change)| mapping(&name, &change))
            .collect(),
        Kind::Rest => net
            .into_iter()
            .filter_map(|(name, change)| match change {
                Change::Set(value) | Change::Add(value) => Some((
                    format!("integration.request.header.{name}"),
                    json!(format!("'{value}'")),
                )),
                Change::Remove => None,
            })
            .collect(),
    }
}

/// The mappings of response headers at a place of an HTTP API, by status code.
pub(super) fn response(policies: &[&Policy]) -> Map<String, Value> {
    let net = net(all(policies).map(|headers| &headers.response));
    if net.is_empty() {
        return Map::new();
    }
    let mappings: Map<String, Value> = net.iter().map(|(name, change)| mapping(name, change)).collect();
    STATUSES
        .iter()
        .map(|status| (status.to_string(), json!(mappings)))
        .collect()
}

fn mapping(name: &str, change: &Change) -> (String, Value) {
    match change {
        Change::Remove => (format!("remove:header.{name}"), json!("''")),
        Change::Set(value) => (format!("overwrite:header.{name}"), json!(value)),
        Change::Add(value) => (format!("append:header.{name}"), json!(value)),
    }
}

/// How faithfully headers are changed.
pub(super) fn of_headers(scene: Scene<'_>, headers: &HeadersPolicy) -> Fidelity {
    for changes in [&headers.request, &headers.response] {
        let names = changes.set.iter().chain(&changes.add);
        for (name, value) in names {
            if let Some(reason) = unwritable(scene.kind, value) {
                return unsupported(format!("{reason} (`{name}`)"));
            }
        }
    }
    match scene.kind {
        Kind::Rest => of_rest(headers),
        Kind::Http => of_http(headers),
    }
}

fn of_rest(headers: &HeadersPolicy) -> Fidelity {
    if !headers.response.is_empty() {
        return unsupported(
            "a REST API passes on the headers of answers as they are; set `kind` to `http` or `auto` in the environment's settings, or let the upstream write them",
        );
    }
    if let Some(name) = headers
        .request
        .remove
        .iter()
        .find(|name| !is_written(&headers.request, name))
    {
        return unsupported(format!(
            "a REST API takes no header away (`{name}`); set it to a fixed value instead"
        ));
    }
    let added = headers
        .request
        .add
        .keys()
        .filter(|name| !headers.request.remove.contains(name));
    let differences: Vec<String> = added
        .map(|name| format!("`{name}` replaces what the caller sends, instead of standing beside it"))
        .collect();
    with(&differences)
}

fn is_written(changes: &HeaderChanges, name: &str) -> bool {
    let mut written = changes.set.keys().chain(changes.add.keys());
    written.any(|other| other.eq_ignore_ascii_case(name))
}

fn of_http(headers: &HeadersPolicy) -> Fidelity {
    for changes in [&headers.request, &headers.response] {
        let names = changes
            .remove
            .iter()
            .chain(changes.set.keys())
            .chain(changes.add.keys());
        if let Some(name) = names.into_iter().find(|name| is_reserved(name)) {
            return unsupported(format!("HTTP APIs do not let the header `{name}` be changed"));
        }
    }
    match headers.response.is_empty() {
        true => Fidelity::Exact,
        false => with(&[
            "answers are changed if their status is a registered one, and API Gateway's own answers are not changed",
        ]),
    }
}

fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED.iter().any(|reserved| match reserved.ends_with('-') {
        true => name.starts_with(reserved),
        false => name == *reserved,
    })
}

/// Why AWS does not write a value as it is.
pub(super) fn unwritable(kind: Kind, value: &str) -> Option<&'static str> {
    let is_plain = value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    match kind {
        _ if value.is_empty() => Some("API Gateway sets no empty values"),
        _ if !is_plain => Some("API Gateway writes values of ASCII characters only"),
        Kind::Rest if value.contains('\'') => Some("a REST API takes `'` in a value for its end"),
        Kind::Http if value.contains('$') => Some("HTTP APIs take `$` in a value for a variable"),
        _ => None,
    }
}
