//! What a write changes, field by field, without secret values.

use gatehouse_control_plane_store::Resource;
use gatehouse_schemas::{
    diff::{Change, diff},
    resource::{Kind, Metadata},
};
use serde_json::{Value, json};

/// Where a secret has its value.
pub(crate) const SECRET_VALUE: &str = "/spec/value";
/// What stands in place of a secret's value.
const HIDDEN: &str = "(hidden)";

/// The part of a resource that people write.
pub(crate) fn written(kind: Kind, metadata: &Metadata, spec: &Value) -> Value {
    let mut fields = serde_json::Map::new();
    if kind != Kind::Project {
        fields.insert("project".into(), json!(metadata.project));
    }
    if !metadata.labels.is_empty() {
        fields.insert("labels".into(), json!(metadata.labels));
    }
    json!({"metadata": fields, "spec": spec})
}

/// The fields that differ; of a new resource, all of them.
pub(crate) fn between(
    current: Option<&Resource>,
    kind: Kind,
    metadata: &Metadata,
    spec: &Value,
) -> Vec<Change> {
    let nothing = json!({"metadata": {}, "spec": {}});
    let before = current.map_or(nothing, |current| written(kind, &current.metadata, &current.spec));
    diff(&before, &written(kind, metadata, spec))
}

/// A secret's value is new or different; neither is shown.
pub(crate) fn of_secret(existed: bool) -> Change {
    Change {
        path: SECRET_VALUE.to_owned(),
        before: existed.then(|| json!(HIDDEN)),
        after: Some(json!(HIDDEN)),
    }
}
