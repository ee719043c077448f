//! Routes in the words of the `expressions` router.

use serde_json::{Map, Value, json};

/// The fields that an expression says.
const SAID: [&str; 5] = ["paths", "methods", "hosts", "headers", "regex_priority"];

/// Paths, methods, hosts and headers as one expression.
pub(super) fn route(mut fields: Map<String, Value>) -> Map<String, Value> {
    let (expression, priority) = (expression(&fields), priority(&fields));
    for field in SAID {
        fields.remove(field);
    }
    fields.insert("expression".to_owned(), json!(expression));
    fields.insert("priority".to_owned(), json!(priority));
    fields
}

/// What the other flavours do by themselves (`kong/router/transform.lua`): a route with more attributes goes first, then
/// one with plain hosts, more headers, a regular expression of higher priority, a longer path. It is never 0, so that ours
/// are above routes of others that say nothing of it, and below Kong's limit of 2^46.
fn priority(fields: &Map<String, Value>) -> u64 {
    let texts = |field: &str| -> Vec<&str> { texts(fields, field) };
    let headers = fields
        .get("headers")
        .and_then(Value::as_object)
        .map_or(0, Map::len);
    let attributes = [
        !texts("methods").is_empty(),
        !texts("hosts").is_empty(),
        headers > 0,
        !texts("paths").is_empty(),
    ];
    let attributes = attributes.into_iter().filter(|is_there| *is_there).count();
    let hosts = texts("hosts");
    let is_plain = !hosts.is_empty() && hosts.iter().all(|host| !host.contains('*'));
    let prefixes = texts("paths")
        .into_iter()
        .filter(|path| !path.starts_with('~'))
        .map(str::len);
    let prefix = prefixes.max();
    let regex_priority = fields
        .get("regex_priority")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let parts = [
        (attributes as u64, 3),
        (is_plain.into(), 1),
        (headers as u64, 8),
        (prefix.is_none().into(), 1),
        (regex_priority, 16),
        (prefix.unwrap_or_default() as u64, 13),
    ];
    let number = parts.into_iter().fold(0, |number, (part, bits): (u64, u32)| {
        (number << bits) | part.min((1 << bits) - 1)
    });
    number + 1
}

fn texts<'a>(fields: &'a Map<String, Value>, field: &str) -> Vec<&'a str> {
    let list = fields.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn expression(fields: &Map<String, Value>) -> String {
    let texts = |field: &str| -> Vec<&str> { texts(fields, field) };
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

/// As in the other flavours, one of several values is enough, and their case means nothing. Kongs before 3.6 compare with
/// values in small letters anyway.
fn header(name: &str, value: &str) -> String {
    let field = format!(
        "any(lower(http.headers.{}))",
        name.to_lowercase().replace('-', "_")
    );
    let value = value.to_lowercase();
    match value.strip_prefix("~*") {
        Some(pattern) => format!("{field} ~ {}", quoted(pattern)),
        None => format!("{field} == {}", quoted(&value)),
    }
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
            "headers": {"X-Kind": ["New"]}, "regex_priority": 2, "strip_path": false,
        });
        let Value::Object(fields) = fields else {
            unreachable!("it is written as an object")
        };
        let route = Value::Object(route(fields));
        assert_eq!(
            route["expression"],
            r#"(http.method == "GET" || http.method == "PUT") && (http.host =^ ".example.com") && (http.path ~ "^/a/[^/]+\\.json$" || http.path ^= "/b") && any(lower(http.headers.x_kind)) == "new""#
        );
        assert!(route["priority"].as_u64().is_some_and(|priority| priority > 0));
        assert_eq!(route["strip_path"], false);
        assert!(route.get("paths").is_none());
    }

    #[test]
    fn routes_go_before_each_other_as_in_the_other_flavours() {
        let in_order = [
            json!({"paths": ["/"]}),
            json!({"paths": ["/a/", "~/a$"]}),
            json!({"paths": ["/a/b/", "~/a/b$"]}),
            json!({"paths": ["~/a/[^/]+$"], "regex_priority": 0}),
            json!({"paths": ["~/a/b$"], "regex_priority": 1}),
            json!({"paths": ["~/a/[^/]+$"], "methods": ["GET"], "regex_priority": 0}),
            json!({"paths": ["~/a/[^/]+$"], "methods": ["GET"], "hosts": ["*.example.com"]}),
            json!({"paths": ["~/a/[^/]+$"], "methods": ["GET"], "hosts": ["a.example.com"]}),
            json!({"paths": ["~/a/[^/]+$"], "methods": ["GET"], "hosts": ["a.example.com"], "headers": {"a": ["b"]}}),
            json!({"paths": ["~/a$"], "methods": ["GET"], "hosts": ["a.example.com"], "headers": {"a": ["b"], "c": ["d"]}}),
        ];
        let priorities = in_order.map(|fields| priority(&crate::entities::Entity::of(fields).0));
        assert!(
            priorities.is_sorted_by(|one, other| one < other),
            "{priorities:?}"
        );
        assert!(priorities.iter().all(|priority| (1..1 << 46).contains(priority)));
    }
}
