//! What changes of a definition mean, operation by operation: OpenAPI 3.0, 3.1, and Swagger 2.0.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Changes,
    content::WHOLE,
    schema::{Direction, Schemas},
};
use crate::{
    canonical::canonical_json,
    openapi::{self, references::resolve},
    route::normalise,
};

pub(super) fn compare(before: &Value, after: &Value, changes: &mut Changes) {
    if before == after {
        return;
    }
    let started = changes.count();
    servers(before, after, changes);
    let (earlier, later) = (operations(before), operations(after));
    let mut schemas = Schemas::new(before, after);
    for (key, one) in &earlier {
        if let Some(other) = later.get(key) {
            operation(one, other, &mut schemas, changes);
        }
    }
    schemas.tell_decoration(changes);
    if changes.count() == started {
        changes.cosmetic(WHOLE, "the definition's texts, examples or order changed");
    }
}

fn servers(before: &Value, after: &Value, changes: &mut Changes) {
    let servers = |document: &Value| -> BTreeSet<String> {
        let urls = openapi::servers(document).into_iter();
        urls.map(|url| url.trim_end_matches('/').to_owned()).collect()
    };
    let (before, after) = (servers(before), servers(after));
    // Without servers, a definition says nothing about them.
    if before.is_empty() || after.is_empty() {
        return;
    }
    for url in before.difference(&after) {
        changes.breaking(WHOLE, format!("the definition's server `{url}` is gone"));
    }
    for url in after.difference(&before) {
        changes.compatible(WHOLE, format!("the definition has the server `{url}` too"));
    }
}

/// One operation in a document.
struct Written<'a> {
    document: &'a Value,
    place: String,
    fields: &'a Map<String, Value>,
    parameters: Parameters<'a>,
}

/// Parameters by where they are and what they are called; those of the path by their number, since nobody sends their
/// names.
type Parameters<'a> = BTreeMap<(String, String), &'a Value>;

const METHODS: [&str; 8] = [
    "delete", "get", "head", "options", "patch", "post", "put", "trace",
];

fn operations(document: &Value) -> BTreeMap<(String, &'static str), Written<'_>> {
    let mut found = BTreeMap::new();
    let paths = document.get("paths").and_then(Value::as_object);
    for (template, item) in paths.into_iter().flatten() {
        let Some(item) = resolve(document, item).and_then(Value::as_object) else {
            continue;
        };
        for method in METHODS {
            if let Some(fields) = item.get(method).and_then(Value::as_object) {
                let written = Written {
                    document,
                    place: format!("{} {template}", method.to_ascii_uppercase()),
                    fields,
                    parameters: parameters(document, template, [item, fields]),
                };
                found.insert((normalise(template), method), written);
            }
        }
    }
    found
}

/// Those of the path, and over them those of the operation.
fn parameters<'a>(
    document: &'a Value,
    template: &str,
    levels: [&'a Map<String, Value>; 2],
) -> Parameters<'a> {
    let lists = levels
        .into_iter()
        .filter_map(|fields| fields.get("parameters")?.as_array());
    let keyed = |parameter: &'a Value| {
        let parameter = resolve(document, parameter)?;
        let place = parameter.get("in")?.as_str()?;
        let name = parameter.get("name")?.as_str()?;
        let name = match place {
            "path" => {
                let before = template.split(&format!("{{{name}}}")).next()?;
                before.matches('{').count().to_string()
            }
            // Swagger 2.0 has one body, whatever it is called.
            "body" => String::new(),
            "header" => name.to_lowercase(),
            _ => name.to_owned(),
        };
        Some(((place.to_owned(), name), parameter))
    };
    lists.flatten().filter_map(keyed).collect()
}

fn operation<'a>(one: &Written<'a>, other: &Written<'a>, schemas: &mut Schemas<'a>, changes: &mut Changes) {
    let started = changes.count();
    compare_parameters(one, other, schemas, changes);
    bodies(one, other, schemas, changes);
    responses(one, other, schemas, changes);
    security(one, other, changes);
    schemas.compare_waiting(changes);
    let differs = one.fields != other.fields || one.parameters != other.parameters;
    if differs && changes.count() == started {
        changes.cosmetic(&one.place, "its texts, examples or order changed");
    }
}

fn is_true(value: &Value, field: &str) -> bool {
    value.get(field) == Some(&Value::Bool(true))
}

fn compare_parameters<'a>(
    one: &Written<'a>,
    other: &Written<'a>,
    schemas: &mut Schemas<'a>,
    changes: &mut Changes,
) {
    let title = |parameter: &Value| {
        let text = |field: &str| {
            parameter
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        format!("{} parameter `{}`", text("in"), text("name"))
    };
    for (key, before) in &one.parameters {
        let what = title(before);
        let Some(after) = other.parameters.get(key) else {
            changes.breaking(&one.place, format!("{what} is not taken any more"));
            continue;
        };
        match (is_true(before, "required"), is_true(after, "required")) {
            (false, true) if key.0 != "path" => changes.breaking(&one.place, format!("{what} is required")),
            (true, false) if key.0 != "path" => changes.compatible(&one.place, format!("{what} is optional")),
            _ => {}
        }
        let place = format!("{what} of {}", one.place);
        if SPELLING.iter().any(|field| before.get(field) != after.get(field)) {
            changes.breaking(&place, "its values are written in another way");
        }
        schemas.compare(&place, schema_of(before), schema_of(after), Direction::Request);
    }
    for (key, after) in &other.parameters {
        if one.parameters.contains_key(key) || key.0 == "path" {
            continue;
        }
        let what = title(after);
        match is_true(after, "required") {
            true => changes.breaking(&one.place, format!("{what} is new and required")),
            false => changes.compatible(&one.place, format!("{what} is new and optional")),
        }
    }
}

/// How lists and objects are written in a parameter.
const SPELLING: [&str; 3] = ["style", "explode", "collectionFormat"];

/// Where a parameter, a header or a medium keeps its schema: in `schema`, or (Swagger 2.0) in itself.
fn schema_of(value: &Value) -> &Value {
    value.get("schema").unwrap_or(value)
}

fn bodies<'a>(one: &Written<'a>, other: &Written<'a>, schemas: &mut Schemas<'a>, changes: &mut Changes) {
    let body = |written: &Written<'a>| resolve(written.document, written.fields.get("requestBody")?);
    match (body(one), body(other)) {
        (None, None) => {}
        (None, Some(after)) if is_true(after, "required") => {
            changes.breaking(&one.place, "it requires a body");
        }
        (None, Some(_)) => changes.compatible(&one.place, "it takes a body"),
        (Some(_), None) => changes.breaking(&one.place, "it does not take a body any more"),
        (Some(before), Some(after)) => {
            match (is_true(before, "required"), is_true(after, "required")) {
                (false, true) => changes.breaking(&one.place, "it requires its body"),
                (true, false) => changes.compatible(&one.place, "its body is optional"),
                _ => {}
            }
            let place = format!("body of {}", one.place);
            media(&place, before, after, Direction::Request, schemas, changes);
        }
    }
}

/// Media types, each with its schema.
fn media<'a>(
    place: &str,
    before: &'a Value,
    after: &'a Value,
    direction: Direction,
    schemas: &mut Schemas<'a>,
    changes: &mut Changes,
) {
    let before = before.get("content").and_then(Value::as_object);
    let after = after.get("content").and_then(Value::as_object);
    let is_new = |kind: &String| !before.is_some_and(|before| before.contains_key(kind));
    for (kind, medium) in before.into_iter().flatten() {
        let Some(now) = after.and_then(|after| after.get(kind)) else {
            changes.breaking(place, format!("`{kind}` is gone"));
            continue;
        };
        if let (Some(before), Some(after)) = (medium.get("schema"), now.get("schema")) {
            schemas.compare(place, before, after, direction);
        }
    }
    for (kind, _) in after.into_iter().flatten().filter(|(kind, _)| is_new(kind)) {
        changes.compatible(place, format!("`{kind}` is new"));
    }
}

fn responses<'a>(one: &Written<'a>, other: &Written<'a>, schemas: &mut Schemas<'a>, changes: &mut Changes) {
    let responses = |written: &Written<'a>| written.fields.get("responses").and_then(Value::as_object);
    let (before, after) = (responses(one), responses(other));
    let get = |responses: Option<&'a Map<String, Value>>, written: &Written<'a>, status: &str| {
        resolve(written.document, responses?.get(status)?)
    };
    for status in before.into_iter().flat_map(Map::keys) {
        let Some(earlier) = get(before, one, status) else {
            continue;
        };
        let place = format!("response {status} of {}", one.place);
        match get(after, other, status) {
            Some(later) => response(&place, earlier, later, schemas, changes),
            None if status.starts_with('2') => changes.breaking(&place, "it is not given any more"),
            None => changes.compatible(&place, "it is not given any more"),
        }
    }
    let is_new = |status: &&String| !before.is_some_and(|before| before.contains_key(*status));
    for status in after.into_iter().flat_map(Map::keys).filter(is_new) {
        changes.compatible(&format!("response {status} of {}", one.place), "it is new");
    }
}

fn response<'a>(
    place: &str,
    before: &'a Value,
    after: &'a Value,
    schemas: &mut Schemas<'a>,
    changes: &mut Changes,
) {
    media(place, before, after, Direction::Response, schemas, changes);
    // Swagger 2.0 has one schema for all media types.
    match (before.get("schema"), after.get("schema")) {
        (Some(before), Some(after)) => schemas.compare(place, before, after, Direction::Response),
        (Some(_), None) => changes.breaking(place, "it has no content any more"),
        (None, Some(_)) => changes.compatible(place, "it has content"),
        (None, None) => {}
    }
    let headers = |response: &'a Value| response.get("headers").and_then(Value::as_object);
    let (before, after) = (headers(before), headers(after));
    for name in before.into_iter().flat_map(Map::keys) {
        if !after.is_some_and(|after| after.keys().any(|other| other.eq_ignore_ascii_case(name))) {
            changes.breaking(place, format!("header `{name}` is not sent any more"));
        }
    }
}

/// The ways to be let in, each as its canonical text. Nothing written means that everybody is.
fn ways_in(written: &Written<'_>) -> BTreeSet<String> {
    let security = written
        .fields
        .get("security")
        .or_else(|| written.document.get("security"));
    let listed = security.and_then(Value::as_array).into_iter().flatten();
    let mut ways: BTreeSet<String> = listed.map(canonical_json).collect();
    if ways.is_empty() {
        ways.insert(EVERYBODY.to_owned());
    }
    ways
}

const EVERYBODY: &str = "{}";

fn security(one: &Written<'_>, other: &Written<'_>, changes: &mut Changes) {
    let (before, after) = (ways_in(one), ways_in(other));
    if before == after {
        return;
    }
    if before.is_subset(&after) || after.contains(EVERYBODY) {
        changes.compatible(&one.place, "callers may use other credentials too, or need none");
    } else {
        changes.breaking(&one.place, "callers need other credentials");
    }
}
