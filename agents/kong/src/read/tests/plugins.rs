//! Plugins as policies, and which of several acts.

mod callers;
mod kept;
mod traffic;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::kong::{a_plugin, a_route, consumers, of_service, read, told, with_plugins, with_routes};
use crate::entities::Entity;

fn check(plugins: Vec<Entity>, expected: Expect) {
    let told = told(read(&with_plugins(plugins)));
    let (first, rest) = told.split_once('\n').unwrap_or((&told, ""));
    assert_eq!(first, "/orders -> http://orders.internal:8080/api", "{rest}");
    expected.assert_eq(rest);
}

fn one(name: &str, config: Value, expected: Expect) {
    check(vec![of_service(name, config)], expected);
}

#[test]
fn the_closest_plugin_of_a_name_acts() {
    let size = |id: &str, bytes: u64, scope: Value| {
        let mut plugin = a_plugin(
            "request-size-limiting",
            json!({"allowed_payload_size": bytes, "size_unit": "bytes"}),
            scope,
        );
        plugin.0.insert("id".to_owned(), json!(id));
        plugin
    };
    let of_service = json!({"service": {"id": "s1"}});
    check(
        vec![size("1", 1, json!({})), size("2", 2, of_service.clone())],
        expect![[r#"{"type":"request.size","with":{"maxBytes":2}}"#]],
    );
    check(
        vec![size("1", 1, json!({}))],
        expect![[r#"
        {"type":"request.size","with":{"maxBytes":1}}
        note: plugin `request-size-limiting` is global on Kong; it is read into each API"#]],
    );
    check(
        vec![
            size("1", 1, json!({})),
            size("2", 2, json!({"service": {"id": "s1"}, "enabled": false})),
        ],
        expect![[r#"
            {"type":"request.size","with":{"maxBytes":1}}
            note: plugin `request-size-limiting` is global on Kong; it is read into each API"#]],
    );
    check(
        vec![size(
            "1",
            1,
            json!({"service": {"id": "s1"}, "consumer": {"id": "alice"}}),
        )],
        expect![
            "note: plugin `request-size-limiting` acts for consumer `alice` alone; it is not taken along"
        ],
    );
    check(
        vec![size("1", 1, json!({"service": {"id": "other"}}))],
        expect![[""]],
    );

    let routes =
        ["/orders", "/stock"].map(|path| a_route(path, json!({"paths": [path], "strip_path": false})));
    let mut snapshot = with_routes(routes.to_vec());
    snapshot.plugins = vec![
        size("1", 1, of_service),
        size("2", 2, json!({"route": {"id": "/stock"}})),
    ];
    consumers(&mut snapshot);
    expect![[r#"
        / -> http://orders.internal:8080/api
        * /orders {"type":"request.size","with":{"maxBytes":1}}
        * /orders/{rest...} {"type":"request.size","with":{"maxBytes":1}}
        * /stock {"type":"request.size","with":{"maxBytes":2}}
        * /stock/{rest...} {"type":"request.size","with":{"maxBytes":2}}"#]]
    .assert_eq(&told(read(&snapshot)));
}
