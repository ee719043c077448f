//! Routes in the words of the `expressions` router.

use serde_json::{Map, Value, json};

/// The fields that an expression says.
const SAID: [&str; 5] = ["paths", "methods", "hosts", "headers", "regex_priority"];

/// Paths, methods, hosts and headers as one expression.
pub(super) fn route(mut fields: Map<String, Value>) -> Map<String, Value> {
    let expression = expression(&fields);
    let priority = fields
        .get("regex_priority")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    for field in SAID {
        fields.remove(field);
    }
    fields.insert("expression".to_owned(), json!(expression));
    // Above routes of others that say nothing of their priority.
    fields.insert("priority".to_owned(), json!(priority + 1));
    fields
}

fn expression(fields: &Map<String, Value>) -> String {
    let texts = |field: &str| -> Vec<&str> {
        let list = fields.get(field).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let headers = fields
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let headers = headers.flat_map(|(name, values)| {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        values.map(move |value| header(name, value))
    });
    let conditions = [
        any(texts("methods")
            .into_iter()
            .map(|method| format!("http.method == {}", quoted(method)))),
        any(texts("hosts").into_iter().map(host)),
        any(texts("paths").into_iter().map(path)),
    ];
    let conditions: Vec<String> = conditions.into_iter().flatten().chain(headers).collect();
    conditions.join(" && ")
}

/// Alternatives in parentheses; none if there is nothing to choose from.
fn any(conditions: impl Iterator<Item = String>) -> Option<String> {
    let conditions: Vec<String> = conditions.collect();
    (!conditions.is_empty()).then(|| format!("({})", conditions.join(" || ")))
}

fn host(host: &str) -> String {
    match host.strip_prefix('*') {
        Some(suffix) => format!("http.host =^ {}", quoted(suffix)),
        None => format!("http.host == {}", quoted(host)),
    }
}

fn path(path: &str) -> String {
    match path.strip_prefix('~') {
        Some(pattern) => format!("http.path ~ {}", quoted(&format!("^{pattern}"))),
        None => format!("http.path ^= {}", quoted(path)),
    }
}

fn header(name: &str, value: &str) -> String {
    format!(
        "http.headers.{} == {}",
        name.to_lowercase().replace('-', "_"),
        quoted(value)
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_becomes_an_expression() {
        let fields = json!({
            "paths": ["~/a/[^/]+\\.json$", "/b"], "methods": ["GET", "PUT"], "hosts": ["*.example.com"],
            "headers": {"X-Kind": ["new"]}, "regex_priority": 2, "strip_path": false,
        });
        let Value::Object(fields) = fields else {
            unreachable!("it is written as an object")
        };
        let route = Value::Object(route(fields));
        assert_eq!(
            route["expression"],
            r#"(http.method == "GET" || http.method == "PUT") && (http.host =^ ".example.com") && (http.path ~ "^/a/[^/]+\\.json$" || http.path ^= "/b") && http.headers.x_kind == "new""#
        );
        assert_eq!(route["priority"], 3);
        assert_eq!(route["strip_path"], false);
        assert!(route.get("paths").is_none());
    }
}
