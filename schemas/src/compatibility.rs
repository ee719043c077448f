//! What a change of an API means for its consumers.

mod content;
mod document;
mod policies;
mod schema;
mod view;

use std::cmp::Reverse;

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
///
/// What cannot be told to be harmless counts as breaking.
pub fn compare(
    before: &RevisionContent,
    after: &RevisionContent,
    definitions: Option<(&Value, &Value)>,
) -> Vec<ClassifiedChange> {
    let mut changes = Changes::default();
    content::compare(before, after, &mut changes);
    if let Some((before, after)) = definitions {
        document::compare(before, after, &mut changes);
    }
    changes.settle()
}

/// What all changes together mean for consumers.
pub fn gravest(changes: &[ClassifiedChange]) -> ChangeClass {
    changes
        .iter()
        .map(|change| change.class)
        .max()
        .unwrap_or_default()
}

/// So many changes are told; of two APIs that have nothing in common, nobody reads more.
const TOLD_MAX: usize = 500;

/// Changes as they are found.
#[derive(Default)]
struct Changes {
    found: Vec<ClassifiedChange>,
}

impl Changes {
    fn breaking(&mut self, place: &str, message: impl Into<String>) {
        self.add(ChangeClass::Breaking, place, message);
    }

    fn compatible(&mut self, place: &str, message: impl Into<String>) {
        self.add(ChangeClass::Compatible, place, message);
    }

    fn cosmetic(&mut self, place: &str, message: impl Into<String>) {
        self.add(ChangeClass::Cosmetic, place, message);
    }

    fn add(&mut self, class: ChangeClass, place: &str, message: impl Into<String>) {
        self.found.push(ClassifiedChange {
            place: place.to_owned(),
            class,
            message: message.into(),
        });
    }

    fn count(&self) -> usize {
        self.found.len()
    }

    fn settle(mut self) -> Vec<ClassifiedChange> {
        let by_gravity = |change: &ClassifiedChange| (Reverse(change.class), change.place.clone());
        self.found.sort_by_cached_key(by_gravity);
        self.found.dedup();
        let more = self.found.len().saturating_sub(TOLD_MAX);
        if let Some(class) = self.found.get(TOLD_MAX).map(|change| change.class) {
            self.found.truncate(TOLD_MAX);
            self.add(class, "the API", format!("{more} more changes, none graver"));
        }
        self.found
    }
}

#[cfg(test)]
mod tests;
