//! One resource document: `apiVersion`, `kind`, `metadata`, `spec`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::strict::{nearest, spec};
use crate::{
    issue::Issue,
    pointer,
    resource::{API_VERSION, Document, Kind, Metadata, ProjectSpec, Spec},
    validate,
};

/// The fields of `metadata` that only the control plane writes. Documents that were read back carry
/// them; they are ignored.
const READ_ONLY: [&str; 4] = ["uid", "resourceVersion", "createdAt", "updatedAt"];

/// Reads one resource document strictly, and checks every rule that needs nothing but the document.
pub fn document(value: &Value) -> Result<Document, Vec<Issue>> {
    let Some(fields) = value.as_object() else {
        return Err(vec![Issue::new(
            "",
            "expected a resource: an object with `kind`, `metadata` and `spec`",
        )]);
    };
    let mut issues = envelope_issues(fields);
    let kind = kind(fields).map_err(|issue| issues.push(issue)).ok();
    let metadata = metadata(fields).map_err(|found| issues.extend(found)).ok();
    let spec = kind.and_then(|kind| read_spec(kind, fields).map_err(|found| issues.extend(found)).ok());
    match (metadata, spec) {
        (Some(metadata), Some(spec)) if issues.is_empty() => Ok(Document { metadata, spec }),
        _ => Err(issues),
    }
}

fn envelope_issues(fields: &Map<String, Value>) -> Vec<Issue> {
    let known = ["apiVersion", "kind", "metadata", "spec", "status"].map(str::to_owned);
    let unknown = fields.keys().filter(|key| !known.contains(key));
    let mut issues: Vec<Issue> = unknown
        .map(|key| {
            let remedy = nearest(key, &known).map_or_else(
                || "known fields: `apiVersion`, `kind`, `metadata`, `spec`".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            Issue::new(pointer::join("", key), format!("unknown field `{key}`; {remedy}"))
        })
        .collect();
    if fields
        .get("apiVersion")
        .is_some_and(|version| version != API_VERSION)
    {
        issues.push(Issue::new(
            "/apiVersion",
            format!("expected `{API_VERSION}`, or no `apiVersion` at all"),
        ));
    }
    issues
}

fn kind(fields: &Map<String, Value>) -> Result<Kind, Issue> {
    let all = Kind::ALL.map(|kind| kind.as_str().to_owned());
    let list = all
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match fields.get("kind") {
        None => Err(Issue::new(
            "",
            format!("missing field `kind`; it is one of {list}"),
        )),
        Some(Value::String(text)) => {
            let known = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
            known.ok_or_else(|| {
                let remedy = nearest(text, &all).map_or_else(
                    || format!("it is one of {list}"),
                    |meant| format!("did you mean `{meant}`?"),
                );
                Issue::new("/kind", format!("unknown kind `{text}`; {remedy}"))
            })
        }
        Some(_) => Err(Issue::new("/kind", format!("expected one of {list}"))),
    }
}

fn metadata(fields: &Map<String, Value>) -> Result<Metadata, Vec<Issue>> {
    let Some(value) = fields.get("metadata") else {
        return Err(vec![Issue::new(
            "",
            "missing field `metadata`; it holds at least `name`",
        )]);
    };
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|key, _| !READ_ONLY.contains(&key.as_str()));
    }
    let metadata: Metadata = spec(&value, "/metadata")?;
    settle(validate::metadata(&metadata, "/metadata"), metadata)
}

fn read_spec(kind: Kind, fields: &Map<String, Value>) -> Result<Spec, Vec<Issue>> {
    let empty = Value::Object(Map::new());
    let written = fields.get("spec").filter(|spec| !spec.is_null());
    let value = match (written, kind) {
        (Some(value), _) => value,
        (None, Kind::Project) => &empty,
        (None, _) => return Err(vec![Issue::new("", "missing field `spec`")]),
    };
    match kind {
        Kind::Api => checked(value, validate::api).map(|api| Spec::Api(Box::new(api))),
        Kind::Environment => {
            checked(value, validate::environment).map(|environment| Spec::Environment(Box::new(environment)))
        }
        Kind::Policy => checked(value, validate::policy_set).map(Spec::Policy),
        Kind::Project => checked(value, |_: &ProjectSpec, _| Vec::new()).map(Spec::Project),
        Kind::Secret => checked(value, validate::secret).map(Spec::Secret),
    }
}

fn checked<T: DeserializeOwned>(
    value: &Value,
    rules: impl Fn(&T, &str) -> Vec<Issue>,
) -> Result<T, Vec<Issue>> {
    let parsed: T = spec(value, "/spec")?;
    settle(rules(&parsed, "/spec"), parsed)
}

fn settle<T>(issues: Vec<Issue>, parsed: T) -> Result<T, Vec<Issue>> {
    if issues.is_empty() {
        Ok(parsed)
    } else {
        Err(issues)
    }
}

#[cfg(test)]
mod tests;
