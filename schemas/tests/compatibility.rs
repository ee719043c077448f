//! Real OpenAPI documents, compared with themselves as somebody might change them.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test stops where something is wrong, and says what it leaves out"
)]

use std::{env, fs, path::PathBuf, time::Instant};

use gatehouse_schemas::{
    compatibility::{ChangeClass, ClassifiedChange, compare, gravest},
    openapi,
    revision::RevisionContent,
};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    let shared = env::var_os("GATEHOUSE_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    shared.unwrap_or_else(beside).join("data/openapi")
}

/// The documents by name; none if they are not there.
fn documents() -> Vec<(String, Value)> {
    let Ok(files) = fs::read_dir(folder()) else {
        println!(
            "skipped: no documents in {}; real definitions were not compared",
            folder().display()
        );
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a document");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).expect("JSON"))
    };
    paths.into_iter().map(read).collect()
}

fn content(document: &Value) -> RevisionContent {
    let mut content: RevisionContent = serde_json::from_value(json!({
        "displayName": "x", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/",
        "upstreams": {"main": {"url": "http://a"}},
    }))
    .expect("content");
    content.operations = openapi::read(document).expect("a definition").operations;
    content
}

fn changes(before: &Value, after: &Value) -> Vec<ClassifiedChange> {
    compare(&content(before), &content(after), Some((before, after)))
}

#[test]
fn other_words_are_decoration_in_every_document() {
    for (name, document) in documents() {
        let mut other = document.clone();
        other["info"]["title"] = json!("Another title");
        reworded(&mut other);
        let started = Instant::now();
        let found = changes(&document, &other);
        assert_eq!(
            gravest(&found),
            ChangeClass::Cosmetic,
            "{name}: {:?}",
            found.first()
        );
        assert!(
            started.elapsed().as_secs() < 20,
            "{name} took {:?}",
            started.elapsed()
        );
    }
}

/// Rewrites all texts named `description`; not properties of that name, which are objects.
fn reworded(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "description" => text.push_str(" (reworded)"),
                    _ if matches!(
                        key.as_str(),
                        "example" | "examples" | "default" | "enum" | "const"
                    ) => {}
                    value => reworded(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(reworded),
        _ => {}
    }
}

#[test]
fn an_operation_that_goes_breaks_and_one_that_comes_does_not() {
    for (name, document) in documents() {
        let mut fewer = document.clone();
        let Some(paths) = fewer["paths"].as_object_mut().filter(|paths| paths.len() > 1) else {
            continue;
        };
        let first = paths.keys().next().cloned().expect("a path");
        paths.remove(&first);
        let (before, after) = (content(&document), content(&fewer));
        if before.operations == after.operations {
            continue;
        }
        assert_eq!(
            gravest(&compare(&before, &after, Some((&document, &fewer)))),
            ChangeClass::Breaking,
            "{name}"
        );
        let back = compare(&after, &before, Some((&fewer, &document)));
        assert_eq!(
            gravest(&back),
            ChangeClass::Compatible,
            "{name}: {:?}",
            back.first()
        );
    }
}
