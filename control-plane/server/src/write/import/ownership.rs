//! Whose is what: people keep the fields they edited, and the gateway leads in the others.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    api::OperationMatch,
    revision::{Operation, RevisionContent, to_spec},
    route::normalise,
    three_way::{Merged, merge},
};
use serde_json::Value;

use crate::failure::{Answer, Failure};

/// What an API's spec says, in its canonical form: only so are those of the gateway and those of people comparable.
pub(super) fn canonical_spec(content: &RevisionContent) -> Answer<Value> {
    serde_json::to_value(to_spec(content)).map_err(Failure::internal)
}

/// What comes of an observed API and the catalog's: `base` is what was last imported. Without one (the API was not
/// imported from there before), nothing that people wrote is touched: where the two differ, it is a conflict.
pub(super) fn merged(base: Option<&Value>, ours: &Value, theirs: &Value) -> Merged {
    let nothing = Value::Object(serde_json::Map::new());
    merge(base.unwrap_or(&nothing), ours, theirs)
}

/// Gives operations that were built from a spec back what a spec does not say of them: their ids and summaries, and
/// whether they are deprecated. With a definition, they have it from there.
pub(super) fn with_descriptions(mut content: RevisionContent, observed: &RevisionContent) -> RevisionContent {
    if content.definition.is_some() {
        return content;
    }
    let known: BTreeMap<OperationMatch, &Operation> = observed
        .operations
        .iter()
        .map(|operation| (key(&operation.r#match), operation))
        .collect();
    for operation in &mut content.operations {
        if let Some(described) = known.get(&key(&operation.r#match)) {
            operation.id.clone_from(&described.id);
            operation.summary.clone_from(&described.summary);
            operation.deprecated = described.deprecated;
        }
    }
    content
}

fn key(matched: &OperationMatch) -> OperationMatch {
    OperationMatch {
        path: normalise(&matched.path),
        ..matched.clone()
    }
}
