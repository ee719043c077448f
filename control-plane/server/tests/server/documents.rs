//! The OpenAPI documents that are checked in are those the server serves.
//!
//! `UPDATE_GENERATED=1 cargo test -p gatehouse-control-plane-server documents` writes them.

use std::{env, fs, path::PathBuf};

use gatehouse_control_plane_server::openapi;
use serde_json::Value;

#[test]
fn the_document_of_the_admin_api_is_current() {
    check("admin.json", &openapi::admin_document());
}

#[test]
fn the_document_of_the_agent_api_is_current() {
    check("agent.json", &openapi::agent_document());
}

fn check(name: &str, document: &Value) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/generated/openapi");
    let (file, text) = (folder.join(name), openapi::text(document));
    if env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(&file, &text).expect("a file");
    }
    let checked_in = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        checked_in == text,
        "{} is stale; run `UPDATE_GENERATED=1 cargo test -p gatehouse-control-plane-server documents`; review the \
         difference",
        file.display()
    );
}

#[test]
fn every_operation_is_described() {
    for document in [openapi::admin_document(), openapi::agent_document()] {
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let what = format!("{method} {path}");
                assert!(operation["operationId"].is_string(), "{what}");
                assert!(operation["summary"].is_string(), "{what}");
                assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{what}");
                for status in ["500", "503"] {
                    assert!(operation["responses"].get(status).is_some(), "{what}: {status}");
                }
                if operation.get("requestBody").is_some() {
                    for status in ["400", "413", "415"] {
                        assert!(operation["responses"].get(status).is_some(), "{what}: {status}");
                    }
                }
            }
        }
    }
}

/// Fields are sent in camelCase; a document that calls one otherwise misleads whoever writes a client from it.
#[test]
fn fields_are_called_as_they_are_sent() {
    for document in [openapi::admin_document(), openapi::agent_document()] {
        let mut wrong = Vec::new();
        collect_snake_case(&document, &mut wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

fn collect_snake_case(value: &Value, wrong: &mut Vec<String>) {
    if let Some(properties) = value.get("properties").and_then(Value::as_object) {
        wrong.extend(properties.keys().filter(|name| name.contains('_')).cloned());
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|field| collect_snake_case(field, wrong)),
        Value::Array(items) => items.iter().for_each(|item| collect_snake_case(item, wrong)),
        _ => {}
    }
}
