//! A stage's snapshot as a document, OpenAPI 3.0 or Swagger 2, with the extensions that are asked for.

mod components;
mod extensions;
mod operations;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use self::components::components;
use self::extensions::extensions;
use self::operations::operation;
use crate::control::suffix;
use crate::place::{Definition, Entity, change_object, entity, object, text};

/// What is exported, and how.
#[derive(Debug)]
pub(crate) struct Export<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) stage: &'a str,
    pub(crate) region: &'a str,
    /// Swagger 2, or else OpenAPI 3.0.
    pub(crate) swagger: bool,
    pub(crate) integrations: bool,
    pub(crate) authorizers: bool,
    /// All that is API Gateway's own.
    pub(crate) all: bool,
}

/// The document.
pub(crate) fn export(asked: &Export<'_>) -> Value {
    let mut document = head(asked);
    let mut paths = Map::new();
    for resource in asked.definition.resources.values() {
        let methods = object(resource, "resourceMethods").into_iter().flatten();
        for (name, method) in methods.filter_map(|(name, method)| Some((name, method.as_object()?))) {
            let word = match name.as_str() {
                "ANY" => "x-amazon-apigateway-any-method".to_owned(),
                name => name.to_lowercase(),
            };
            let operation = operation(asked, method);
            change_object(&mut paths, text(resource, "path"), |item| {
                item.insert(word, Value::Object(operation));
            });
        }
    }
    document.insert("paths".to_owned(), Value::Object(paths));
    components(asked, &mut document);
    if asked.all {
        extensions(asked.definition, &mut document);
    }
    Value::Object(document)
}

fn head(asked: &Export<'_>) -> Entity {
    let Export {
        definition,
        stage,
        region,
        ..
    } = asked;
    let api = &definition.api;
    let mut info = entity(json!({ "title": text(api, "name"), "version": version(definition) }));
    if let Some(description) = api.get("description") {
        info.insert("description".to_owned(), description.clone());
    }
    let suffix = suffix(region);
    let host = format!("{}.execute-api.{region}.{suffix}", text(api, "id"));
    if asked.swagger {
        return entity(json!({
            "swagger": "2.0", "info": info, "host": host, "basePath": format!("/{stage}"), "schemes": ["https"],
        }));
    }
    entity(json!({
        "openapi": "3.0.1", "info": info,
        "servers": [{
            "url": format!("https://{host}/{{basePath}}"), "variables": {"basePath": {"default": stage}},
        }],
    }))
}

/// The version of an API; one without is as old as it is.
pub(crate) fn version(definition: &Definition) -> String {
    let said = text(&definition.api, "version");
    if !said.is_empty() {
        return said.to_owned();
    }
    let made = definition.api.get("createdDate").and_then(Value::as_i64);
    let made = made.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    made.and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}
