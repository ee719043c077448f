//! Exports and snapshots as AWS gives them, and what was read, line by line.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::canonical::canonical_json;
use serde_json::{Value, json};

use crate::read::{Key, Kind, Read, Snapshot, Stage, UsagePlan, read};

/// A method of a REST API that a proxy integration answers.
pub(super) fn proxied(uri: &str) -> Value {
    json!({
        "x-amazon-apigateway-integration": {
            "type": "http_proxy",
            "httpMethod": "ANY",
            "uri": uri,
            "passthroughBehavior": "when_no_match",
            "responses": {"default": {"statusCode": "200"}},
        },
    })
}

/// A method whose URL takes `id` from the path.
pub(super) fn proxied_with_id(uri: &str) -> Value {
    let mut method = proxied(uri);
    method["parameters"] =
        json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    method["x-amazon-apigateway-integration"]["requestParameters"] =
        json!({"integration.request.path.id": "method.request.path.id"});
    method
}

/// A JSON value with fields of another one laid over it.
pub(super) fn over(mut value: Value, fields: Value) -> Value {
    if let (Some(known), Value::Object(fields)) = (value.as_object_mut(), fields) {
        known.extend(fields);
    }
    value
}

/// An export with paths and other fields.
pub(super) fn export(paths: Value, others: Value) -> Value {
    let document = json!({
        "openapi": "3.0.1",
        "info": {"title": "orders", "version": "2026-01-02T03:04:05Z"},
        "servers": [{
            "url": "https://abc123.execute-api.eu-west-1.amazonaws.com/{basePath}",
            "variables": {"basePath": {"default": "prod"}},
        }],
        "paths": paths,
        "components": {"schemas": {"Order": {
            "title": "Order", "type": "object", "required": ["id"],
            "properties": {"id": {"type": "string"}, "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}}},
        }, "Line": {"type": "object", "properties": {"count": {"type": "integer"}}}}},
    });
    over(document, others)
}

/// A REST API on stage `prod`.
pub(super) fn rest(paths: Value) -> Snapshot {
    Snapshot {
        kind: Kind::Rest,
        id: "abc123".to_owned(),
        name: "orders".to_owned(),
        export: export(paths, json!({})),
        endpoint_types: vec!["REGIONAL".to_owned()],
        stage: Stage {
            name: "prod".to_owned(),
            deployment_id: Some("d1".to_owned()),
            ..Stage::default()
        },
        own_url: "https://abc123.execute-api.eu-west-1.amazonaws.com/prod".to_owned(),
        ..Snapshot::default()
    }
}

/// An HTTP API on its default stage.
pub(super) fn http(paths: Value) -> Snapshot {
    let mut snapshot = rest(paths);
    snapshot.kind = Kind::Http;
    snapshot.stage.name = "$default".to_owned();
    snapshot
}

/// A usage plan with the keys `alice` and `bob`.
pub(super) fn a_plan() -> UsagePlan {
    let key = |name: &str, enabled| Key {
        id: format!("key-of-{name}"),
        name: name.to_owned(),
        enabled,
    };
    UsagePlan {
        id: "plan1".to_owned(),
        name: "gold".to_owned(),
        keys: vec![key("alice", true), key("bob", true), key("carol", false)],
        methods: BTreeMap::new(),
        ..UsagePlan::default()
    }
}

/// What was read, line by line: where it is reached and where requests go; policies; operations; notes.
pub(super) fn told(snapshot: &Snapshot) -> String {
    match read(snapshot, None) {
        Ok(read) => lines(&read),
        Err(reason) => format!("refused: {reason}"),
    }
}

/// See [`told`].
pub(super) fn lines(read: &Read) -> String {
    let content = &read.content;
    let upstreams = content.upstreams.iter();
    let upstreams: Vec<String> = upstreams
        .map(|(name, it)| format!("{name}={} ({} ms)", it.url, it.timeout_ms))
        .collect();
    let mut lines = vec![format!(
        "{}{} -> {}",
        content.hostnames.join(","),
        content.base_path,
        upstreams.join(", ")
    )];
    let policy = |policy: &_| canonical_json(&json!(policy));
    lines.extend(content.policies.iter().map(policy));
    for operation in &content.operations {
        let it = &operation.r#match;
        let upstream = operation.upstream.iter().map(|name| format!(" -> {name}"));
        let policies = operation.policies.iter().map(|it| format!("\n  {}", policy(it)));
        lines.push(format!(
            "{} {}{}{}",
            it.method,
            it.path,
            upstream.collect::<String>(),
            policies.collect::<String>()
        ));
    }
    if read.definition.is_none() {
        lines.push("no definition".to_owned());
    }
    lines.extend(read.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}
