//! What a definition says of requests, taken out of it: whole, in one dialect of JSON Schema, and without the rest.
//!
//! Gateways are fed with this, so that none of them reads definitions.

mod answers;
mod bodies;
mod parameters;
mod schemas;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, cell::Cell, collections::BTreeMap};

use serde::Serialize;
use serde_json::{Map, Value};

use self::schemas::Schemas;
use super::{Definition, operations::path_item, references};
use crate::{
    api::OperationMatch,
    issue::Issue,
    pointer,
    policy::{DefinitionPart, ExpandedAnswers, ExpandedRequest, ExpandedRequests},
    revision::{DefinitionFormat, Operation},
};

/// The most that is told to be wrong with one definition.
const ISSUES_MAX: usize = 20;

/// The most that may be taken out of one definition for one policy, in bytes of JSON: revisions travel to agents.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the definition says of the requests of these operations.
///
/// Issues point into the definition.
pub(crate) fn requests<'a>(
    definition: &Definition,
    operations: impl Iterator<Item = &'a Operation>,
    parts: &[DefinitionPart],
) -> Result<ExpandedRequests, Vec<Issue>> {
    let mut reading = Reading::new(definition);
    let mut found = Vec::new();
    let size = Size::default();
    for operation in operations.take_while(|_| size.is_small()) {
        let request = reading.request(&operation.r#match, parts);
        size.add(&request);
        found.extend(request);
    }
    let expanded = ExpandedRequests {
        operations: found,
        schemas: reading.schemas.settle(),
    };
    let mut issues = reading.schemas.issues;
    if issues.is_empty() {
        issues.extend(too_large(&expanded));
    }
    match issues.is_empty() {
        true => Ok(expanded),
        false => Err(issues),
    }
}

/// The examples of these operations' responses, of this status or of what is usual.
///
/// Issues point into the definition.
pub(crate) fn answers<'a>(
    definition: &Definition,
    operations: impl Iterator<Item = &'a Operation>,
    status: Option<u16>,
) -> Result<ExpandedAnswers, Vec<Issue>> {
    let mut reading = Reading::new(definition);
    let mut found = Vec::new();
    let size = Size::default();
    for operation in operations.take_while(|_| size.is_small()) {
        let answer = reading.answer(&operation.r#match, status);
        size.add(&answer);
        found.extend(answer);
    }
    let expanded = ExpandedAnswers { operations: found };
    let mut issues = reading.schemas.issues;
    if issues.is_empty() {
        issues.extend(too_large(&expanded));
    }
    match issues.is_empty() {
        true => Ok(expanded),
        false => Err(issues),
    }
}

/// How much was taken out so far. What is said once may be taken out for each operation.
#[derive(Default)]
struct Size(Cell<usize>);

impl Size {
    fn add(&self, taken: &impl Serialize) {
        self.0.set(self.0.get().saturating_add(bytes(taken)));
    }

    fn is_small(&self) -> bool {
        self.0.get() <= BYTES_MAX
    }
}

fn bytes(taken: &impl Serialize) -> usize {
    serde_json::to_vec(taken).map_or(usize::MAX, |text| text.len())
}

fn too_large(expanded: &impl Serialize) -> Option<Issue> {
    (bytes(expanded) > BYTES_MAX).then(|| {
        let detail = format!(
            "what the policy takes out of it has more than {BYTES_MAX} bytes, the most that a revision holds; write the \
             policy at the operations that need it most"
        );
        Issue::new("", detail)
    })
}

/// A definition that is being read.
struct Reading<'a> {
    definition: &'a Definition,
    document: &'a Value,
    schemas: Schemas<'a>,
}

/// An operation in the document.
struct Written<'a> {
    /// Its path there.
    template: &'a str,
    /// A JSON Pointer to its path item.
    item_at: String,
    item: Cow<'a, Map<String, Value>>,
    /// A JSON Pointer to it.
    at: String,
    /// Its method, as documents write it.
    method: String,
}

impl Written<'_> {
    fn field(&self, name: &str) -> Option<&Value> {
        self.item.get(&self.method)?.get(name)
    }

    /// Its parameters: those of the path, then those of the operation, each list with a JSON Pointer to it.
    fn parameters(&self) -> [(&[Value], String); 2] {
        [
            (
                list(self.item.get("parameters")),
                pointer::join(&self.item_at, "parameters"),
            ),
            (
                list(self.field("parameters")),
                pointer::join(&self.at, "parameters"),
            ),
        ]
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl<'a> Reading<'a> {
    fn new(definition: &'a Definition) -> Self {
        Self {
            definition,
            document: &definition.canonical,
            schemas: Schemas::new(&definition.canonical, definition.format),
        }
    }

    fn request(&mut self, matched: &OperationMatch, parts: &[DefinitionPart]) -> Option<ExpandedRequest> {
        let Some(written) = self.written(matched) else {
            self.schemas.issue("", unknown(matched));
            return None;
        };
        let wants = |part| parts.contains(&part);
        let mut request = ExpandedRequest {
            r#match: matched.clone(),
            parameters: Vec::new(),
            body: None,
        };
        if wants(DefinitionPart::Parameters) {
            request.parameters = self.parameters(&written, &matched.path);
        }
        if wants(DefinitionPart::Body) || wants(DefinitionPart::ContentType) {
            request.body = self.body(&written, wants(DefinitionPart::Body));
        }
        Some(request)
    }

    /// Where an operation of the revision is in the document. One with headers or query of its own is a special case
    /// of one that the document has.
    fn written(&self, matched: &OperationMatch) -> Option<Written<'a>> {
        let place = matched.normalised();
        let general = OperationMatch {
            method: place.method.clone(),
            path: place.path.clone(),
            ..OperationMatch::default()
        };
        let templates = &self.definition.templates;
        let template = templates.get(&place).or_else(|| templates.get(&general))?;
        let item_at = pointer::join("/paths", template);
        let item = path_item(self.document, self.document.pointer(&item_at)?)?;
        let method = matched.method.to_ascii_lowercase();
        item.get(&method)?.as_object()?;
        Some(Written {
            at: pointer::join(&item_at, &method),
            template,
            item_at,
            item,
            method,
        })
    }

    /// What a value stands for, and where that is; an issue if its `$ref` leads nowhere.
    fn resolve<'b>(&mut self, value: &'b Value, at: String) -> Option<(&'b Value, String)>
    where
        'a: 'b,
    {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return Some((value, at));
        };
        match references::resolve(self.document, value) {
            Some(found) => Some((found, references::pointer(self.document, reference))),
            None => {
                self.schemas.issue(&at, nowhere(reference));
                None
            }
        }
    }

    fn is_swagger(&self) -> bool {
        self.definition.format == DefinitionFormat::Swagger20
    }
}

fn unknown(matched: &OperationMatch) -> String {
    format!("there is no operation `{} {}`", matched.method, matched.path)
}

fn nowhere(reference: &str) -> String {
    match reference.starts_with('#') {
        true => format!("`$ref` to `{reference}` leads nowhere in this document"),
        false => {
            format!("`$ref` to `{reference}` leads to another document; put what it says into this one")
        }
    }
}

fn is_true(value: &Value, field: &str) -> bool {
    value.get(field) == Some(&Value::Bool(true))
}

/// Whether bodies of a media type are JSON.
fn is_json(media_type: &str) -> bool {
    let subtype = media_type.split_once('/').map_or("", |(_, subtype)| subtype);
    matches!(subtype, "json" | "*") || subtype.ends_with("+json")
}

/// A media type as it is compared: lower case, no parameters.
fn media_type(written: &str) -> String {
    let plain = written.split(';').next().unwrap_or_default();
    plain.trim().to_ascii_lowercase()
}

/// Values by name, each as it is first found.
type Named<T> = BTreeMap<String, T>;
