//! Whatever AWS answers, reading it never panics, and what is read could have been written by people.

use gatehouse_connector_sdk::schemas::revision::{build, to_spec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::aws::{a_plan, proxied, rest};
use crate::read::{Kind, Snapshot, read};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|it| json!(it)),
        "[~/a-z{}'$+.:*é -]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "http_proxy",
            "mock",
            "aws_proxy",
            "https://h.example/{id}",
            "'text'",
            "{\"statusCode\": 200}",
            "#/components/schemas/Order"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let names = prop_oneof![
            "[a-z$_./+{}]{1,10}",
            prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned)
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..6).prop_map(|it| json!(it)),
        ]
    })
}

const NAMES: [&str; 16] = [
    "get",
    "options",
    "parameters",
    "security",
    "x-amazon-apigateway-any-method",
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-request-validator",
    "type",
    "uri",
    "requestParameters",
    "responseParameters",
    "requestTemplates",
    "responses",
    "requestBody",
    "integration.request.path.id",
    "$ref",
];

fn broken(mut value: Value, replaced: &[(usize, Value)]) -> Value {
    for (at, by) in replaced {
        let mut places = Vec::new();
        pointers(&value, String::new(), &mut places);
        let place = places[at % places.len()].clone();
        if let Some(found) = value.pointer_mut(&place) {
            *found = by.clone();
        }
    }
    value
}

fn pointers(value: &Value, at: String, places: &mut Vec<String>) {
    if let Value::Object(fields) = value {
        for (field, value) in fields {
            let field = field.replace('~', "~0").replace('/', "~1");
            pointers(value, format!("{at}/{field}"), places);
        }
    }
    places.push(at);
}

fn usual(paths: Value) -> Snapshot {
    let mut snapshot = rest(paths);
    snapshot.usage_plans = vec![a_plan()];
    snapshot.cors = Some(json!({"allowOrigins": ["*"]}));
    snapshot
}

fn sound(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let Ok(read) = read(snapshot, None) else {
        return Ok(());
    };
    let content = &read.content;
    prop_assert!(
        content
            .operations
            .is_sorted_by_key(|it| (it.r#match.path.clone(), it.r#match.method.clone()))
    );
    prop_assert!(content.upstreams.contains_key("main"));
    for operation in &content.operations {
        let named = operation.upstream.as_ref();
        prop_assert!(named.is_none_or(|name| content.upstreams.contains_key(name)));
    }
    if content.definition.is_none()
        && let Ok(rebuilt) = build(&"read".parse().unwrap(), &to_spec(content), None)
    {
        prop_assert_eq!(&rebuilt, content);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_export_is_read_or_refused(export in any_value(), kind in prop::sample::select(vec![Kind::Rest, Kind::Http, Kind::WebSocket])) {
        let mut snapshot = usual(json!({}));
        snapshot.kind = kind;
        snapshot.export = json!({"openapi": "3.0.1", "paths": {"/a/{id}": export}});
        sound(&snapshot)?;
        snapshot.export = json!({"paths": export});
        sound(&snapshot)?;
        snapshot.export = export;
        sound(&snapshot)?;
    }

    #[test]
    fn exports_with_anything_in_them_are_read_or_refused(replaced in prop::collection::vec((any::<usize>(), any_value()), 1..5), policy in "[{}\"a-zA-Z:\\\\,\\[\\]]{0,40}") {
        let mut get = proxied("https://orders.internal/a/{id}");
        get["x-amazon-apigateway-integration"]["requestParameters"] = json!({"integration.request.path.id": "method.request.path.id"});
        get["security"] = json!([{"api_key": []}]);
        let mut snapshot = usual(json!({"/a/{id}": {"get": get, "post": get}}));
        snapshot.export["components"]["securitySchemes"] = json!({"api_key": {"type": "apiKey", "name": "x-api-key"}});
        snapshot.export = broken(snapshot.export, &replaced);
        snapshot.policy = Some(policy);
        sound(&snapshot)?;
    }

    #[test]
    fn any_snapshot_that_can_be_written_is_read(value in any_value()) {
        if let Ok(snapshot) = serde_json::from_value::<Snapshot>(value) {
            sound(&snapshot)?;
        }
    }
}
