//! The export as the definition of the API: what it says of requests and answers, without what is AWS's own.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    observed::resource_name,
    openapi::{self, Definition},
    revision::{DefinitionSummary, RevisionContent, build, to_spec},
    route::normalise,
};
use serde_json::{Map, Value, json};

use super::methods::Method;

/// A content with the definition that the export gives, and the document. Without one where the document says other
/// operations than the content has: where a method is for all methods, or an operation is not sayable in OpenAPI.
pub(super) fn with_definition(
    content: RevisionContent,
    export: &Value,
    methods: &[Method<'_>],
    (servers, notes): (&[String], &[String]),
) -> (RevisionContent, Option<Value>) {
    let document = document(&content, export, methods, (servers, notes));
    let described = openapi::read(&document).ok().and_then(|read| {
        let described = described(&content, &read);
        (built(&described, &read)? == described).then_some((described, read.canonical))
    });
    match described {
        Some((described, document)) => (described, Some(document)),
        None => (content, None),
    }
}

/// The document with the methods that are operations.
fn document(
    content: &RevisionContent,
    export: &Value,
    methods: &[Method<'_>],
    (servers, notes): (&[String], &[String]),
) -> Value {
    let mut document = without_extensions(export);
    let kept: BTreeSet<(&str, String)> = methods
        .iter()
        .map(|it| (it.template, it.method.to_ascii_lowercase()))
        .collect();
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (template, item) in paths.iter_mut() {
            if let Some(fields) = item.as_object_mut() {
                fields.retain(|field, _| {
                    !is_method(field) || kept.contains(&(template.as_str(), field.clone()))
                });
            }
        }
        paths.retain(|_, item| {
            item.as_object()
                .is_some_and(|fields| fields.keys().any(|field| is_method(field)))
        });
    }
    document["info"] = information(&document, content, notes);
    document["servers"] = json!(servers.iter().map(|url| json!({"url": url})).collect::<Vec<_>>());
    document
}

fn information(document: &Value, content: &RevisionContent, notes: &[String]) -> Value {
    let said = document.get("info").and_then(Value::as_object);
    let mut information = said.cloned().unwrap_or_default();
    information.insert("title".to_owned(), json!(content.display_name));
    information.insert("version".to_owned(), json!(content.version));
    if !notes.is_empty() {
        information.insert("x-gatehouse-notes".to_owned(), json!(notes));
    }
    Value::Object(information)
}

fn is_method(field: &str) -> bool {
    matches!(
        field,
        "delete" | "get" | "head" | "options" | "patch" | "post" | "put" | "trace"
    )
}

fn without_extensions(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let said = fields
                .iter()
                .filter(|(field, _)| !field.starts_with("x-amazon-apigateway-"));
            let fields: Map<String, Value> = said
                .map(|(field, value)| (field.clone(), without_extensions(value)))
                .collect();
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.iter().map(without_extensions).collect()),
        other => other.clone(),
    }
}

/// What the definition says of operations goes with them.
fn described(content: &RevisionContent, definition: &Definition) -> RevisionContent {
    let mut described = RevisionContent {
        definition: Some(DefinitionSummary {
            fingerprint: Fingerprint::of_value(&definition.canonical),
            format: definition.format,
            title: definition.title.clone(),
            version: definition.version.clone(),
        }),
        ..content.clone()
    };
    for operation in &mut described.operations {
        let place = (&operation.r#match.method, normalise(&operation.r#match.path));
        let said = definition.operations.iter();
        let mut same = said.filter(|it| (&it.r#match.method, normalise(&it.r#match.path)) == place);
        if let Some(said) = same.next() {
            operation.id.clone_from(&said.id);
            operation.summary.clone_from(&said.summary);
            operation.deprecated = said.deprecated;
        }
    }
    described
}

fn built(described: &RevisionContent, definition: &Definition) -> Option<RevisionContent> {
    let name = resource_name(&described.display_name).or_else(|| resource_name("aws"))?;
    let fingerprint = Fingerprint::of_value(&definition.canonical);
    build(&name, &to_spec(described), Some((&fingerprint, definition))).ok()
}
