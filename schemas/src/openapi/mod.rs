//! OpenAPI 3.0, OpenAPI 3.1 and Swagger 2.0, read into one form.
//!
//! All three are read through [`Value`]: documents in the wild break the letter of the specification in
//! places that do not matter here, and a typed reader of one version would refuse them.

pub(crate) mod expand;
mod operations;
mod paths;
pub(crate) mod references;
mod servers;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    api::OperationMatch,
    issue::Issue,
    parse::{self, SyntaxError},
    revision::{DefinitionFormat, Operation},
};

/// What a definition says, whatever language it is written in.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The language.
    pub format: DefinitionFormat,
    /// Its title.
    pub title: String,
    /// Its own version.
    pub version: String,
    /// Where it says the API is served, variables replaced by their defaults.
    pub servers: Vec<String>,
    /// Its operations, sorted by path and method.
    pub operations: Vec<Operation>,
    /// What was read differently from how it is written, one sentence each.
    pub warnings: Vec<String>,
    /// The whole document in canonical form.
    pub canonical: Value,
    /// The path under which the document has each operation, by the operation's match in its normal spelling.
    pub(crate) templates: BTreeMap<OperationMatch, String>,
}

/// Reads the text of a definition: JSON or YAML.
pub fn parse(text: &str) -> Result<Value, SyntaxError> {
    parse::one_value(text)
}

/// Reads a definition.
///
/// Documents are read as generously as the tools people already use read them. Whatever is read
/// differently from how it is written is told in [`Definition::warnings`].
pub fn read(document: &Value) -> Result<Definition, Vec<Issue>> {
    let format = format(document).map_err(|issue| vec![issue])?;
    if let Some(paths) = document.get("paths").filter(|paths| !paths.is_object()) {
        let found = if paths.is_array() {
            "a list"
        } else {
            "something else"
        };
        return Err(vec![Issue::new(
            "/paths",
            format!("expected an object with one field for each path, found {found}"),
        )]);
    }
    let info = |field: &str| text(document.pointer(&format!("/info/{field}")));
    let operations::Operations {
        operations,
        templates,
        warnings,
    } = operations::read(document);
    Ok(Definition {
        format,
        title: info("title"),
        version: info("version"),
        servers: servers::read(document, format),
        operations,
        warnings,
        canonical: canonical(document),
        templates,
    })
}

/// Where a definition says its API is served; nowhere if it is no definition.
pub(crate) fn servers(document: &Value) -> Vec<String> {
    format(document).map_or_else(|_| Vec::new(), |format| servers::read(document, format))
}

fn format(document: &Value) -> Result<DefinitionFormat, Issue> {
    if !document.is_object() {
        return Err(Issue::new("", format!("{NOT_OPENAPI}; it is not even an object")));
    }
    if let Some(version) = document.get("openapi") {
        let version = text(Some(version));
        return match version.split('.').take(2).collect::<Vec<_>>()[..] {
            ["3", "0"] => Ok(DefinitionFormat::OpenApi30),
            ["3", "1"] => Ok(DefinitionFormat::OpenApi31),
            _ => Err(unsupported("/openapi", "OpenAPI", &version)),
        };
    }
    if let Some(version) = document.get("swagger") {
        let version = text(Some(version));
        return match version.as_str() {
            "2.0" | "2" => Ok(DefinitionFormat::Swagger20),
            _ => Err(unsupported("/swagger", "Swagger", &version)),
        };
    }
    if let Some(version) = document.get("swaggerVersion") {
        return Err(unsupported("/swaggerVersion", "Swagger", &text(Some(version))));
    }
    Err(Issue::new("", NOT_OPENAPI))
}

const NOT_OPENAPI: &str =
    "not an OpenAPI document: expected a field `openapi` (3.0 or 3.1) or `swagger` (2.0) at the top";

fn unsupported(pointer: &str, language: &str, version: &str) -> Issue {
    let shown: String = version.chars().take(20).collect();
    Issue::new(
        pointer,
        format!(
            "{language} `{shown}` is not supported; convert the document to OpenAPI 3.0 or 3.1, or Swagger 2.0"
        ),
    )
}

/// A text, also where YAML made a number of it: `version: 1.0`.
fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The document with its keys sorted and whole numbers written as such.
fn canonical(document: &Value) -> Value {
    crate::canonical::canonical(document)
}

#[cfg(test)]
mod tests;
