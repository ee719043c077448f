//! Where a definition says its API is served.

use serde_json::Value;

use super::text;
use crate::revision::DefinitionFormat;

/// The URLs, variables replaced by their defaults, each once, in the document's order.
pub(super) fn read(document: &Value, format: DefinitionFormat) -> Vec<String> {
    let urls = match format {
        DefinitionFormat::Swagger20 => swagger(document),
        DefinitionFormat::OpenApi30 | DefinitionFormat::OpenApi31 => openapi(document),
    };
    let mut once: Vec<String> = Vec::new();
    for url in urls {
        if !url.is_empty() && !once.contains(&url) {
            once.push(url);
        }
    }
    once
}

fn openapi(document: &Value) -> Vec<String> {
    let servers = document.get("servers").and_then(Value::as_array);
    servers.into_iter().flatten().map(substituted).collect()
}

/// A variable without a default stays as it is written.
fn substituted(server: &Value) -> String {
    let mut url = text(server.get("url"));
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        if variable.get("default").is_some() {
            url = url.replace(&format!("{{{name}}}"), &text(variable.get("default")));
        }
    }
    url
}

fn swagger(document: &Value) -> Vec<String> {
    let host = text(document.get("host"));
    let base_path = text(document.get("basePath"));
    if host.is_empty() {
        return vec![base_path];
    }
    let schemes = document.get("schemes").and_then(Value::as_array);
    let mut schemes: Vec<String> = schemes
        .into_iter()
        .flatten()
        .map(|scheme| text(Some(scheme)))
        .collect();
    if schemes.is_empty() {
        schemes.push("https".to_owned());
    }
    let path = base_path.trim_end_matches('/');
    schemes
        .into_iter()
        .map(|scheme| format!("{scheme}://{host}{path}"))
        .collect()
}
