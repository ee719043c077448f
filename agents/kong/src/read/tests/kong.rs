//! Entities as Kong 3.9.3 gives them, defaults written out.

use serde_json::{Map, Value, json};

use crate::{
    entities::Entity,
    read::{Index, Read, Snapshot, service},
};

/// Lays fields over others.
fn over(mut base: Value, fields: Value) -> Entity {
    let (Some(into), Value::Object(fields)) = (base.as_object_mut(), fields) else {
        return Entity::default();
    };
    into.extend(fields);
    Entity::of(base)
}

/// The service `s1`, called `orders`, at `http://orders.internal:8080/api`.
pub(super) fn a_service(fields: Value) -> Entity {
    let usual = json!({
        "id": "s1", "name": "orders", "tags": ["team-a"], "retries": 5, "tls_verify": null, "tls_verify_depth": null,
        "port": 8080, "write_timeout": 60000, "ca_certificates": null, "connect_timeout": 60000,
        "client_certificate": null, "enabled": true, "protocol": "http", "host": "orders.internal",
        "updated_at": 1_795_253_049, "path": "/api", "created_at": 1_795_253_049, "read_timeout": 60000
    });
    over(usual, fields)
}

/// A route of the service `s1`.
pub(super) fn a_route(id: &str, fields: Value) -> Entity {
    let usual = json!({
        "id": id, "name": id, "snis": null, "tags": null, "service": {"id": "s1"}, "headers": null,
        "https_redirect_status_code": 426, "path_handling": "v0", "sources": null, "hosts": null, "regex_priority": 0,
        "destinations": null, "updated_at": 1_795_253_051, "request_buffering": true, "protocols": ["http", "https"],
        "methods": null, "response_buffering": true, "preserve_host": false, "created_at": 1_795_253_051,
        "strip_path": true, "paths": ["/orders"]
    });
    over(usual, fields)
}

/// A plugin with a configuration, global unless `fields` bind it.
pub(super) fn a_plugin(name: &str, config: Value, fields: Value) -> Entity {
    let usual = json!({
        "id": format!("p-{name}"), "name": name, "tags": null, "enabled": true, "service": null, "route": null,
        "consumer": null, "protocols": ["grpc", "grpcs", "http", "https"], "instance_name": null,
        "created_at": 1_795_253_052, "updated_at": 1_795_253_052
    });
    let mut plugin = over(usual, fields);
    plugin.0.insert("config".to_owned(), with_defaults(name, config));
    plugin
}

/// A plugin of the service `s1`.
pub(super) fn of_service(name: &str, config: Value) -> Entity {
    a_plugin(name, config, json!({"service": {"id": "s1"}}))
}

/// The configuration of a plugin as Kong completes it.
fn with_defaults(name: &str, config: Value) -> Value {
    let mut defaults = defaults(name);
    if let (Some(into), Value::Object(fields)) = (defaults.as_object_mut(), config) {
        complete(into, fields);
    }
    defaults
}

fn complete(into: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (field, value) in fields {
        match (into.get_mut(&field), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => complete(inner, value),
            (_, value) => drop(into.insert(field, value)),
        }
    }
}

fn defaults(name: &str) -> Value {
    let pairs = json!({"headers": [], "body": [], "querystring": []});
    let answers = json!({"headers": [], "json": [], "json_types": []});
    match name {
        "key-auth" => json!({
            "key_in_header": true, "key_in_query": true, "hide_credentials": false, "anonymous": null,
            "run_on_preflight": true, "key_in_body": false, "key_names": ["apikey"], "realm": null
        }),
        "acl" => json!({
            "allow": null, "deny": null, "hide_groups_header": false, "always_use_authenticated_groups": false
        }),
        "basic-auth" => json!({"anonymous": null, "hide_credentials": false, "realm": "service"}),
        "ip-restriction" => json!({"allow": null, "deny": null, "status": null, "message": null}),
        "rate-limiting" => json!({
            "sync_rate": -1, "header_name": null, "redis_port": 6379, "redis_host": null, "redis_password": null,
            "limit_by": "consumer", "redis_ssl": false, "second": null, "redis_server_name": null,
            "redis_timeout": 2000, "policy": "local", "redis_database": 0, "redis_ssl_verify": false,
            "redis_username": null, "fault_tolerant": true, "path": null, "hide_client_headers": false,
            "redis": {"timeout": 2000, "ssl_verify": false, "database": 0, "host": null, "server_name": null,
                      "username": null, "port": 6379, "password": null, "ssl": false},
            "minute": null, "hour": null, "day": null, "month": null, "year": null, "error_code": 429,
            "error_message": "API rate limit exceeded"
        }),
        "cors" => json!({
            "origins": null, "headers": null, "exposed_headers": null, "max_age": null, "credentials": false,
            "methods": ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"],
            "private_network": false, "preflight_continue": false
        }),
        "request-size-limiting" => json!({
            "allowed_payload_size": 128, "size_unit": "megabytes", "require_content_length": false
        }),
        "request-transformer" => json!({
            "http_method": null, "remove": pairs, "rename": pairs, "add": pairs, "append": pairs,
            "replace": {"headers": [], "body": [], "querystring": [], "uri": null}
        }),
        "response-transformer" => json!({
            "remove": {"headers": [], "json": []}, "rename": {"headers": [], "json": []}, "replace": answers,
            "add": answers, "append": answers
        }),
        "request-termination" => json!({
            "status_code": 503, "message": null, "content_type": null, "body": null, "echo": false, "trigger": null
        }),
        "proxy-cache" => json!({
            "response_code": [200, 301, 404], "request_method": ["GET", "HEAD"],
            "content_type": ["text/plain", "application/json"], "cache_ttl": 300, "strategy": "memory",
            "cache_control": false, "ignore_uri_case": false, "storage_ttl": null,
            "memory": {"dictionary_name": "kong_db_cache"}, "vary_query_params": null, "vary_headers": null,
            "response_headers": {"age": true, "X-Cache-Status": true, "X-Cache-Key": true}
        }),
        _ => json!({}),
    }
}

/// Consumers `alice` (group `gold`) and `bob`, each with a key and a password.
pub(super) fn consumers(snapshot: &mut Snapshot) {
    for (name, group) in [("alice", Some("gold")), ("bob", None)] {
        let consumer = json!({"id": name});
        let of = |fields: Value| {
            over(
                json!({"id": format!("c-{name}"), "consumer": consumer, "tags": null}),
                fields,
            )
        };
        snapshot.consumers.push(Entity::of(
            json!({"id": name, "username": name, "custom_id": null, "tags": null}),
        ));
        snapshot
            .key_auths
            .push(of(json!({"key": format!("key-of-{name}"), "ttl": null})));
        snapshot
            .basic_auths
            .push(of(json!({"username": name, "password": "0a1b2c"})));
        snapshot
            .acls
            .extend(group.map(|group| of(json!({"group": group}))));
    }
}

/// The service with one route at `/orders`, and plugins.
pub(super) fn with_plugins(plugins: Vec<Entity>) -> Snapshot {
    let mut snapshot = with_routes(vec![a_route("r1", json!({}))]);
    snapshot.plugins = plugins;
    consumers(&mut snapshot);
    snapshot
}

/// The service with routes.
pub(super) fn with_routes(routes: Vec<Entity>) -> Snapshot {
    Snapshot {
        services: vec![a_service(json!({}))],
        routes,
        ..Snapshot::default()
    }
}

/// Reads the first service.
pub(super) fn read(snapshot: &Snapshot) -> Result<Read, String> {
    service(&Index::new(snapshot), &snapshot.services[0])
}

/// What was read, line by line: hosts, base path and upstream; policies; operations; notes.
pub(super) fn told(read: Result<Read, String>) -> String {
    let read = match read {
        Ok(read) => read,
        Err(reason) => return format!("refused: {reason}"),
    };
    let content = &read.content;
    let hosts = if content.hostnames.is_empty() {
        String::new()
    } else {
        content.hostnames.join(",")
    };
    let mut lines = vec![format!(
        "{hosts}{} -> {}",
        content.base_path, content.upstreams["main"].url
    )];
    let policy = |policy: &_| canonical(&json!(policy));
    lines.extend(content.policies.iter().map(policy));
    for operation in &content.operations {
        let it = &operation.r#match;
        let headers: Vec<String> = it
            .headers
            .iter()
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        let policies: Vec<String> = operation
            .policies
            .iter()
            .map(|it| format!(" {}", policy(it)))
            .collect();
        lines.push(format!(
            "{} {}{}{}",
            it.method,
            it.path,
            headers.concat(),
            policies.concat()
        ));
    }
    lines.extend(read.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn canonical(value: &Value) -> String {
    gatehouse_connector_sdk::schemas::canonical::canonical_json(value)
}
