//! Where requests go, and routes without a service.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::kong::{a_plugin, a_route, a_service, read, told, with_routes};
use crate::{
    entities::Entity,
    read::{Index, Snapshot, route_without_service},
};

fn check(service: Value, targets: &[&str], expected: Expect) {
    let mut snapshot = with_routes(vec![a_route("r1", json!({}))]);
    snapshot.services[0] = a_service(service);
    snapshot.upstreams.push(Entity::of(
        json!({"id": "u1", "name": "pool", "slots": 100, "tags": null, "hash_on_header": null}),
    ));
    for target in targets {
        let target = json!({"id": target, "target": target, "weight": 100, "upstream": {"id": "u1"}, "created_at": 1.5});
        snapshot.targets.push(Entity::of(target));
    }
    let read = read(&snapshot);
    let main = read.as_ref().map(|read| read.content.upstreams["main"].clone());
    let times = main
        .map(|it| format!("\n{} {}", it.timeout_ms, it.connect_timeout_ms))
        .unwrap_or_default();
    expected.assert_eq(&(told(read) + &times));
}

#[test]
fn urls_times_and_repetitions_are_those_of_the_service() {
    check(
        json!({"protocol": "https", "port": 443, "path": null}),
        &[],
        expect![[r#"
        /orders -> https://orders.internal
        60000 60000"#]],
    );
    check(
        json!({"read_timeout": 7000, "write_timeout": 7000, "connect_timeout": 500, "retries": 2}),
        &[],
        expect![[r#"
        /orders -> http://orders.internal:8080/api
        {"type":"retry","with":{"attempts":2,"backoffMs":0,"methods":["DELETE","GET","HEAD","OPTIONS","PUT"],"on":["connectFailure","timeout"]}}
        7000 500"#]],
    );
    check(
        json!({"host": "::1"}),
        &[],
        expect![[r#"
        /orders -> http://[::1]:8080/api
        60000 60000"#]],
    );
}

#[test]
fn what_an_upstream_cannot_say_is_kept() {
    check(
        json!({"write_timeout": 1, "tls_verify": true, "read_timeout": 2_000_000_000, "retries": 50}),
        &[],
        expect![[r#"
        /orders -> http://orders.internal:8080/api
        {"type":"retry","with":{"attempts":10,"backoffMs":0,"methods":["DELETE","GET","HEAD","OPTIONS","PUT"],"on":["connectFailure","timeout"]}}
        {"type":"native","with":{"config":{"service":{"read_timeout":2000000000,"retries":50,"tls_verify":true,"write_timeout":1}},"gatewayType":"kong"}}
        note: `read_timeout`, `retries`, `tls_verify`, `write_timeout` of the service: kept as a `native` policy
        3600000 60000"#]],
    );
    check(
        json!({"protocol": "grpcs"}),
        &[],
        expect![[r#"
        /orders -> https://orders.internal:8080/api
        {"type":"native","with":{"config":{"service":{"protocol":"grpcs"}},"gatewayType":"kong"}}
        note: `protocol` of the service: kept as a `native` policy
        60000 60000"#]],
    );
    check(
        json!({"enabled": false}),
        &[],
        expect![[r#"
        /orders -> http://orders.internal:8080/api
        note: the service is disabled on Kong, so nobody is served
        60000 60000"#]],
    );
}

#[test]
fn the_only_target_is_where_requests_go() {
    check(
        json!({"host": "pool"}),
        &["10.0.0.1:9000"],
        expect![[r#"
        /orders -> http://10.0.0.1:9000/api
        60000 60000"#]],
    );
    check(
        json!({"host": "pool"}),
        &["10.0.0.1:9000", "10.0.0.2:9000"],
        expect![[r#"
        /orders -> http://pool:8080/api
        {"type":"native","with":{"config":{"upstream":{"name":"pool","slots":100,"targets":[{"target":"10.0.0.1:9000","weight":100},{"target":"10.0.0.2:9000","weight":100}]}},"gatewayType":"kong"}}
        note: requests go to upstream `pool` with 2 targets, which is kept as a `native` policy; elsewhere than on Kong, write where they go
        60000 60000"#]],
    );
}

#[test]
fn what_passes_on_connections_is_no_api() {
    check(
        json!({"protocol": "tcp"}),
        &[],
        expect![
            "refused: service `orders` passes on connections (`tcp`), not requests; leave it to Kong, and put it on the environment's ignore list"
        ],
    );
    check(
        json!({"host": ""}),
        &[],
        expect![
            "refused: service `orders` names no host and port that requests could go to; correct it on Kong"
        ],
    );
}

#[test]
fn a_route_without_service_is_what_its_plugins_answer() {
    let mut snapshot = with_routes(vec![a_route("r1", json!({"service": null, "tags": ["t"]}))]);
    let lone = |snapshot: &Snapshot| told(route_without_service(&Index::new(snapshot), &snapshot.routes[0]));
    expect!["refused: route `r1` has no service and no plugin that answers; give it a service on Kong, or put it on the environment's ignore list"].assert_eq(&lone(&snapshot));
    let closed = json!({"status_code": 410, "message": "gone"});
    snapshot.plugins.push(a_plugin(
        "request-termination",
        closed,
        json!({"route": {"id": "r1"}}),
    ));
    expect![[r#"
        /orders -> http://upstream.invalid
        {"type":"respond","with":{"body":"{\"message\":\"gone\"}","headers":{"content-type":"application/json; charset=utf-8"},"status":410}}
        note: the route has no service: a plugin answers, and no upstream is asked"#]].assert_eq(&lone(&snapshot));
}
