//! What became of a finding, in a sentence.

use gatehouse_control_plane_api::admin::{ApplyAction, ImportAction};
use gatehouse_schemas::{
    diff::Change,
    duplicate::Duplicate,
    identity::{ResourceName, RevisionNumber},
    three_way::Merged,
};

/// How many places a sentence names.
const NAMED: usize = 5;

/// What is told of an API that was written, or did not have to be.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// What was taken from the gateway, as JSON Pointers into the spec.
    taken: Vec<String>,
    /// What people edited and the gateway left alone.
    kept: Vec<String>,
    /// What both changed; people's was kept.
    contested: Vec<String>,
    /// What the gateway calls it now, if that is new.
    renamed: Option<String>,
    /// What it may be another place of.
    duplicates: Vec<Duplicate>,
    /// Why its definition was not taken along.
    without_definition: Option<String>,
}

impl Story {
    /// Of an API that is new.
    pub(super) fn of_new(duplicates: Vec<Duplicate>) -> Self {
        Self {
            duplicates,
            ..Self::default()
        }
    }

    /// Of an API that was there before.
    pub(super) fn of_merge(merged: &Merged) -> Self {
        let paths = |changes: &[Change]| changes.iter().map(|change| change.path.clone()).collect();
        Self {
            taken: paths(&merged.taken),
            kept: paths(&merged.kept),
            contested: merged
                .conflicts
                .iter()
                .map(|conflict| conflict.path.clone())
                .collect(),
            ..Self::default()
        }
    }

    /// The gateway calls it something else than before.
    #[must_use]
    pub(super) fn renamed(mut self, name: Option<String>) -> Self {
        self.renamed = name;
        self
    }

    /// The gateway's definition could not be used.
    #[must_use]
    pub(super) fn without_definition(mut self, reason: Option<String>) -> Self {
        self.without_definition = reason;
        self
    }

    /// What was done, and the sentence about it.
    pub(super) fn told(
        &self,
        name: &ResourceName,
        action: ApplyAction,
        revision: Option<RevisionNumber>,
    ) -> (ImportAction, String) {
        let (action, mut text) = match (action, revision) {
            (ApplyAction::Created, _) => (
                ImportAction::Created,
                format!("api `{name}` is in the catalog now"),
            ),
            (ApplyAction::Updated, Some(revision)) => (
                ImportAction::Updated,
                format!("api `{name}` has revision {revision} now"),
            ),
            (ApplyAction::Updated | ApplyAction::Unchanged, _) => {
                (ImportAction::Unchanged, format!("api `{name}` stays as it is"))
            }
        };
        for clause in self.clauses() {
            text.push_str("; ");
            text.push_str(&clause);
        }
        (action, text)
    }

    fn clauses(&self) -> Vec<String> {
        let mut clauses = Vec::new();
        if !self.taken.is_empty() {
            clauses.push(format!("taken from the gateway: {}", named(&self.taken)));
        }
        if !self.kept.is_empty() {
            clauses.push(format!("kept as edited here: {}", named(&self.kept)));
        }
        if !self.contested.is_empty() {
            clauses.push(format!(
                "changed here and on the gateway, and kept as edited here: {}",
                named(&self.contested)
            ));
        }
        if let Some(name) = &self.renamed {
            clauses.push(format!("the gateway calls it `{name}` now"));
        }
        for duplicate in &self.duplicates {
            clauses.push(format!(
                "it may be another place of api `{}` ({}): if it is, keep one of the two",
                duplicate.api,
                duplicate.evidence.join(", ")
            ));
        }
        if let Some(reason) = &self.without_definition {
            clauses.push(format!("the gateway's definition was left out: {reason}"));
        }
        clauses
    }
}

fn named(paths: &[String]) -> String {
    let shown = paths.iter().take(NAMED).map(|path| match path.as_str() {
        "" => "everything".to_owned(),
        path => format!("`{path}`"),
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if paths.len() > NAMED {
        text.push_str(&format!(" and {} more", paths.len() - NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_taken_and_what_was_kept() {
        let name: ResourceName = "orders".parse().expect("a name");
        let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let story = Story {
            taken: paths(&["/a", "/b", "/c", "/d", "/e", "/f", "/g"]),
            kept: paths(&["/displayName"]),
            contested: paths(&["/version"]),
            renamed: Some("Orders 2".to_owned()),
            duplicates: vec![Duplicate {
                api: "orders-eu".parse().expect("a name"),
                evidence: vec!["same definition".to_owned(), "same name".to_owned()],
            }],
            without_definition: None,
        };
        assert_eq!(
            story.told(&name, ApplyAction::Updated, Some(RevisionNumber(4))),
            (
                ImportAction::Updated,
                "api `orders` has revision 4 now; taken from the gateway: `/a`, `/b`, `/c`, `/d`, `/e` and 2 more; \
                 kept as edited here: `/displayName`; changed here and on the gateway, and kept as edited here: `/version`; \
                 the gateway calls it `Orders 2` now; it may be another place of api `orders-eu` (same definition, same \
                 name): if it is, keep one of the two"
                    .to_owned()
            )
        );
        assert_eq!(
            Story::default().told(&name, ApplyAction::Unchanged, None),
            (ImportAction::Unchanged, "api `orders` stays as it is".to_owned())
        );
    }
}
