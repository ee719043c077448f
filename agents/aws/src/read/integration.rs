//! Integrations: what answers a method, and what of it canonical words say.

mod parameters;

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::policy::{HeaderChanges, QueryChanges};
use serde_json::{Map, Value};

use self::parameters::Parameters;
use super::{
    methods::Method,
    secrets,
    snapshot::{Kind, Snapshot},
    url::Target,
};

/// An integration, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Integrated {
    /// Where requests go; none if canonical words do not say it.
    pub(super) target: Option<Target>,
    /// Whether the upstream is asked for the path of the request, whatever the URL says.
    pub(super) follows_path: bool,
    pub(super) timeout_ms: u32,
    /// Changes of request headers.
    pub(super) headers: HeaderChanges,
    /// Changes of the query.
    pub(super) query: QueryChanges,
    /// Fields that canonical words do not say.
    pub(super) native: Map<String, Value>,
    pub(super) notes: Vec<String>,
}

/// What AWS waits for where nobody says otherwise, in milliseconds.
const TIMEOUT_REST: u64 = 29_000;
const TIMEOUT_HTTP: u64 = 30_000;

/// Fields that a proxy integration needs not say, with what they say then.
const USUAL: [(&str, &[&str]); 4] = [
    ("connectionType", &["INTERNET"]),
    ("passthroughBehavior", &["when_no_match"]),
    ("payloadFormatVersion", &["1.0"]),
    ("responseTransferMode", &["BUFFERED"]),
];
/// Fields that are read, or that mean nothing to a proxy integration.
const READ: [&str; 8] = [
    "type",
    "uri",
    "httpMethod",
    "requestParameters",
    "timeoutInMillis",
    "responses",
    "cacheNamespace",
    "cacheKeyParameters",
];

/// What answers a method.
pub(super) fn integrated(snapshot: &Snapshot, method: &Method<'_>) -> Integrated {
    let Some(fields) = method.integration() else {
        return Integrated {
            notes: vec![format!("{}: nothing is said of what answers it", method.title())],
            ..Integrated::default()
        };
    };
    match kind(fields).as_str() {
        "http_proxy" => proxied(snapshot, method, fields),
        "http" => mapped(snapshot, method, fields),
        other => beyond(method, fields, beyond_reason(other)),
    }
}

/// The kind of an integration in lower case.
pub(super) fn kind(fields: &Map<String, Value>) -> String {
    let kind = fields.get("type").and_then(Value::as_str);
    kind.unwrap_or_default().to_ascii_lowercase()
}

fn beyond_reason(kind: &str) -> String {
    match kind {
        "aws_proxy" => "a function or service of AWS answers".to_owned(),
        "aws" => "a service of AWS answers, with mapped requests and answers".to_owned(),
        "mock" => "API Gateway answers itself, with what templates make".to_owned(),
        other => format!("integrations of type `{other}` are AWS's own"),
    }
}

/// What is kept as it is. Elsewhere than on AWS, requests go nowhere.
fn beyond(method: &Method<'_>, fields: &Map<String, Value>, reason: String) -> Integrated {
    let mut notes = vec![format!(
        "{}: its integration is kept as a `native` policy: {reason}",
        method.title()
    )];
    Integrated {
        native: kept(method, fields.clone(), &mut notes),
        notes,
        ..Integrated::default()
    }
}

fn kept(method: &Method<'_>, mut fields: Map<String, Value>, notes: &mut Vec<String>) -> Map<String, Value> {
    for place in secrets::take_out_of_integration(&mut fields) {
        notes.push(format!(
            "{}: `{place}` is a credential and is not taken along; put `{{secret}}` right before deploying it",
            method.title()
        ));
    }
    fields
}

fn proxied(snapshot: &Snapshot, method: &Method<'_>, fields: &Map<String, Value>) -> Integrated {
    let read = match destination(snapshot, method, fields) {
        Ok(read) => read,
        Err(reason) => return beyond(method, fields, reason),
    };
    let others = fields.iter().filter(|(field, value)| !is_said(field, value));
    let mut native: Map<String, Value> = others
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    if let Some(other) = other_method(method, fields) {
        native.insert("httpMethod".to_owned(), other.clone());
    }
    native.extend(read.native.clone());
    let mut notes = read.notes.clone();
    if !native.is_empty() {
        let names: Vec<String> = native.keys().map(|name| format!("`{name}`")).collect();
        let what = names.join(", ");
        notes.push(format!(
            "{}: {what} of its integration kept as a `native` policy",
            method.title()
        ));
    }
    Integrated {
        native: kept(method, native, &mut notes),
        notes,
        ..read
    }
}

/// An integration whose requests and answers AWS maps: the upstream is known, what AWS does with the messages is not said.
fn mapped(snapshot: &Snapshot, method: &Method<'_>, fields: &Map<String, Value>) -> Integrated {
    let read = beyond(
        method,
        fields,
        "it maps requests, statuses and bodies; elsewhere than on AWS, they pass through".to_owned(),
    );
    match destination(snapshot, method, fields) {
        Ok(known) => Integrated {
            target: known.target,
            timeout_ms: known.timeout_ms,
            ..read
        },
        Err(_) => read,
    }
}

/// Where requests go, with what is changed of them on the way.
fn destination(
    snapshot: &Snapshot,
    method: &Method<'_>,
    fields: &Map<String, Value>,
) -> Result<Integrated, String> {
    let uri = fields
        .get("uri")
        .and_then(Value::as_str)
        .ok_or("it names no URL")?;
    let uri = with_variables(uri, &snapshot.stage.variables)?;
    let parameters = Parameters::of(snapshot.kind, method, fields);
    if parameters.beyond.contains_key("overwrite:path") {
        return Err("it makes the path of what else the request has".to_owned());
    }
    let mut target = Target::of(&uri, &parameters.path)?;
    let mut query = parameters.query;
    query.set.append(&mut target.query);
    if query.set.keys().any(|name| secrets::is_credential(name)) {
        return Err("it sends a credential in the query".to_owned());
    }
    let mut native = Map::new();
    if !parameters.beyond.is_empty() {
        native.insert("requestParameters".to_owned(), Value::Object(parameters.beyond));
    }
    Ok(Integrated {
        target: Some(target),
        follows_path: parameters.follows_path,
        timeout_ms: timeout(snapshot.kind, fields),
        headers: parameters.headers,
        query,
        native,
        ..Integrated::default()
    })
}

fn timeout(kind: Kind, fields: &Map<String, Value>) -> u32 {
    let usual = if kind == Kind::Rest {
        TIMEOUT_REST
    } else {
        TIMEOUT_HTTP
    };
    let said = fields.get("timeoutInMillis").and_then(Value::as_u64);
    u32::try_from(said.unwrap_or(usual).clamp(1, 3_600_000)).unwrap_or(u32::MAX)
}

fn is_said(field: &str, value: &Value) -> bool {
    let usual = USUAL.iter().find(|(name, _)| *name == field);
    let text = value.as_str().unwrap_or_default();
    let as_usual = usual.is_some_and(|(_, texts)| texts.iter().any(|usual| usual.eq_ignore_ascii_case(text)));
    let empty = value.as_object().is_some_and(Map::is_empty) || value.is_null();
    READ.contains(&field) || as_usual || empty
}

/// The method that the upstream is asked with, if it is another one than that of the request.
fn other_method<'a>(method: &Method<'_>, fields: &'a Map<String, Value>) -> Option<&'a Value> {
    let same = |asked: &str| asked.eq_ignore_ascii_case(method.method) || asked.eq_ignore_ascii_case("ANY");
    fields
        .get("httpMethod")
        .filter(|asked| asked.as_str().is_some_and(|asked| !same(asked)))
}

/// A URL with the stage's variables put in.
fn with_variables(uri: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut written = String::new();
    let mut rest = uri;
    while let Some((before, after)) = rest.split_once("${stageVariables.") {
        let (name, after) = after.split_once('}').ok_or("the braces of its URL do not pair")?;
        let value = variables
            .get(name)
            .filter(|_| !secrets::is_credential(name))
            .ok_or_else(|| {
                format!("its URL needs stage variable `{name}`, which is not there or not to be read")
            })?;
        written.push_str(before);
        written.push_str(value);
        rest = after;
    }
    written.push_str(rest);
    Ok(written)
}
