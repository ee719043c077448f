//! What documents in files may say and the control plane does not take: `definition.openapi.file` and a
//! secret's `valueFrom`. Both are replaced with what they refer to.

use std::path::Path;

use gatehouse_schemas::{issue::Issue, openapi};
use serde_json::{Map, Value, json};

use super::sources::read_text;

/// Puts everything the document refers to in place.
pub(super) fn resolve(document: &mut Value, folder: &Path) -> Result<(), Vec<Issue>> {
    match document.get("kind").and_then(Value::as_str) {
        Some("Api") => definition(document, folder),
        Some("Secret") => secret(document, folder),
        _ => Ok(()),
    }
}

fn definition(document: &mut Value, folder: &Path) -> Result<(), Vec<Issue>> {
    const AT: &str = "/spec/definition/openapi/file";
    let Some(file) = document.pointer(AT) else {
        return Ok(());
    };
    let Some(file) = file.as_str() else {
        return issue(AT, "must be the path of a file");
    };
    let path = folder.join(file);
    let text = read_text(&path).or_else(|failure| issue(AT, &failure.detail))?;
    let definition = openapi::parse(&text).or_else(|error| {
        issue(
            AT,
            &format!(
                "{}:{}:{}: {}",
                path.display(),
                error.line,
                error.column,
                error.message
            ),
        )
    })?;
    // Asked here, so that what is wrong is told for the file and not for the document that names it.
    openapi::read(&definition).map_err(|issues| {
        let tell = |found: Issue| Issue::new(AT, format!("{}: {found}", path.display()));
        issues.into_iter().map(tell).collect::<Vec<_>>()
    })?;
    replace(document, "/spec/definition/openapi", "file", "inline", definition);
    Ok(())
}

fn secret(document: &mut Value, folder: &Path) -> Result<(), Vec<Issue>> {
    const AT: &str = "/spec/valueFrom";
    let Some(from) = document.pointer(AT) else {
        return Ok(());
    };
    if document.pointer("/spec/value").is_some() {
        return issue(AT, "stands beside `value`; write one of them");
    }
    let value = value_from(from, folder).or_else(|detail| issue(AT, &detail))?;
    replace(document, "/spec", "valueFrom", "value", json!(value));
    Ok(())
}

fn value_from(from: &Value, folder: &Path) -> Result<String, String> {
    let only = from
        .as_object()
        .filter(|fields| fields.len() == 1)
        .and_then(|fields| fields.iter().next());
    match only.and_then(|(kind, of)| Some((kind.as_str(), of.as_str()?))) {
        Some(("env", name)) => std::env::var(name)
            .map_err(|_| format!("the environment variable `{name}` is not set, or is not UTF-8 text")),
        Some(("file", file)) => {
            let text = read_text(&folder.join(file)).map_err(|failure| failure.detail)?;
            // Editors end files with a line break that is no part of the secret.
            let value = text
                .strip_suffix('\n')
                .map(|text| text.strip_suffix('\r').unwrap_or(text));
            Ok(value.unwrap_or(&text).to_owned())
        }
        _ => Err("must be `{env: NAME}` or `{file: PATH}`".to_owned()),
    }
}

fn replace(document: &mut Value, parent: &str, old: &str, new: &str, value: Value) {
    if let Some(fields) = document.pointer_mut(parent).and_then(Value::as_object_mut) {
        let fields: &mut Map<String, Value> = fields;
        fields.remove(old);
        fields.insert(new.to_owned(), value);
    }
}

fn issue<T>(pointer: &str, detail: &str) -> Result<T, Vec<Issue>> {
    Err(vec![Issue::new(pointer, detail)])
}
