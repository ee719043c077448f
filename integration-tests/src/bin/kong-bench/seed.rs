//! A large Kong, as a declarative configuration.

use serde_json::{Value, json};

/// Services with a plugin each, and routes that are spread over them. The first service has the timeout given.
pub(crate) fn configuration(services: usize, routes: usize, read_timeout: u32) -> Value {
    let all = (0..services).map(|number| service(services, routes, number, read_timeout));
    json!({"_format_version": "3.0", "services": all.collect::<Vec<Value>>()})
}

fn service(services: usize, routes: usize, number: usize, read_timeout: u32) -> Value {
    let name = format!("service-{number:05}");
    let of_service = (number..routes).step_by(services.max(1));
    let routes: Vec<Value> = of_service.map(|route| self::route(&name, route)).collect();
    let limit =
        json!({"name": "rate-limiting", "config": {"minute": 600, "policy": "local", "limit_by": "ip"}});
    json!({
        "name": name,
        "url": format!("http://{name}.internal:8080/v1"),
        "read_timeout": if number == 0 { read_timeout } else { 60_000 },
        "tags": ["theirs"],
        "routes": routes,
        "plugins": [limit],
    })
}

fn route(service: &str, number: usize) -> Value {
    let (method, path) = match number % 3 {
        0 => ("GET", format!("/{service}/collection-{number}")),
        1 => ("GET", format!("~/{service}/things-{number}/(?<id>[^/]+)$")),
        _ => ("POST", format!("~/{service}/things-{number}$")),
    };
    json!({
        "name": format!("route-{number:05}"), "methods": [method], "paths": [path], "strip_path": false,
        "tags": ["theirs"],
    })
}
