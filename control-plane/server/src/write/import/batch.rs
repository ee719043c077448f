//! Some findings, decided about outside of any transaction and written in one.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::admin::{ApplyAction, ImportResult};
use gatehouse_control_plane_store::{ApiSource, Resource, Transaction};
use gatehouse_schemas::{
    identity::{DiscoveredApiId, ExternalRef, ResourceName},
    observed::resource_name,
    parse,
    resource::{Kind, Metadata},
    three_way::MergeConflict,
};
use serde_json::{Value, json};

use super::{
    decision::{Create, Decision, Left, Update, decide, source},
    words::Story,
};
use crate::{
    failure::Answer,
    write::{Prepared, Writer, Written, all, references},
};

/// The name of an API whose gateway has no usable name for it.
const NAMELESS: &str = "api";
/// How long a name may be before a number is appended.
const STEM_MAX: usize = 55;

/// Some findings, and what is to be done with each.
pub(super) struct Batch {
    decisions: Vec<(DiscoveredApiId, Decision)>,
}

impl Batch {
    pub(super) async fn decide(
        writer: &Writer,
        environment: &Resource,
        ids: &[DiscoveredApiId],
    ) -> Answer<Self> {
        let ignored = writer
            .state
            .store
            .ignored_apis(environment.environment_id())
            .await?;
        let ignored: BTreeSet<ExternalRef> =
            ignored.into_iter().map(|ignored| ignored.external_ref).collect();
        let mut rows = writer.state.store.discovered_items_by_id(ids).await?;
        let position = |id: DiscoveredApiId| ids.iter().position(|chosen| *chosen == id);
        rows.sort_by_key(|row| position(row.id));
        let mut decisions = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id;
            let is_ignored = ignored.contains(&row.external_ref);
            let decision = decide(&writer.state, environment.environment_id(), row, is_ignored).await?;
            decisions.push((id, decision));
        }
        Ok(Self { decisions })
    }

    /// Carries out what was decided, where nothing changed since.
    pub(super) async fn write(self, writer: &Writer, environment: &Resource) -> Answer<Vec<ImportResult>> {
        let mut transaction = writer.begin().await?;
        let mut writing = Writing {
            environment,
            names: BTreeSet::new(),
            documents: Vec::new(),
            sources: Vec::new(),
            outcomes: Vec::new(),
        };
        for (item, decision) in self.decisions {
            let outcome = writing.admit(&mut transaction, decision).await?;
            writing.outcomes.push((item, outcome));
        }
        let results = writing.carry_out(&mut transaction, writer).await?;
        transaction.commit().await?;
        Ok(results)
    }
}

/// What becomes of a finding.
enum Outcome {
    Left(Left),
    /// It is told when the documents are written.
    Written {
        /// The API's name, and the document's position; none if nothing has to be written.
        name: ResourceName,
        document: Option<usize>,
        story: Story,
        conflicts: Vec<MergeConflict>,
    },
}

/// Where the API of a source is: in the catalog, or among the documents.
struct NewSource {
    source: ApiSource,
    document: Option<usize>,
    base: Value,
}

struct Writing<'a> {
    environment: &'a Resource,
    /// Names that were given out in this batch.
    names: BTreeSet<ResourceName>,
    documents: Vec<Prepared>,
    sources: Vec<NewSource>,
    outcomes: Vec<(DiscoveredApiId, Outcome)>,
}

impl Writing<'_> {
    async fn admit(&mut self, transaction: &mut Transaction, decision: Decision) -> Answer<Outcome> {
        match decision {
            Decision::Leave(left) => Ok(Outcome::Left(left)),
            Decision::Create(create) => self.create(transaction, *create).await,
            Decision::Update(update) => self.update(transaction, *update).await,
        }
    }

    async fn create(&mut self, transaction: &mut Transaction, create: Create) -> Answer<Outcome> {
        let observed = create.observed;
        let environment_id = self.environment.environment_id();
        let known = transaction
            .api_source(environment_id, &observed.external_ref)
            .await?;
        let twice = |new: &NewSource| new.source.external_ref == observed.external_ref;
        if known.is_some() || self.sources.iter().any(twice) {
            return Ok(left(
                None,
                "it was imported since; run the discovery again to compare it",
            ));
        }
        let name = self.free_name(transaction, &observed.name).await?;
        let mut metadata = Metadata::named(name.clone());
        metadata.project = self.environment.metadata.project.clone();
        let mut prepared = Prepared::api(metadata, observed.content.clone())?;
        if let Some(api) = &mut prepared.api {
            api.definition = create.definition;
        }
        if let Some(problem) = problems(transaction, &prepared).await?.first() {
            let message = format!("it cannot be expressed in the catalog: {problem}");
            return Ok(left(None, &message));
        }
        self.names.insert(name.clone());
        let document = self.push(prepared);
        self.sources.push(NewSource {
            // The document's API has no identity before it is written.
            source: source(
                gatehouse_schemas::identity::ApiId(uuid::Uuid::nil()),
                environment_id,
                &observed,
            ),
            document: Some(document),
            base: create.base,
        });
        Ok(Outcome::Written {
            name,
            document: Some(document),
            story: create.story,
            conflicts: Vec::new(),
        })
    }

    async fn update(&mut self, transaction: &mut Transaction, update: Update) -> Answer<Outcome> {
        let name = update.api.metadata.name.clone();
        let current = transaction.resource_by_id(Kind::Api, update.api.id).await?;
        if current.is_none_or(|current| current.version != update.api.version) {
            let message = "it was changed here at the same time; import it again";
            return Ok(left(Some(name), message));
        }
        let document = match update.prepared {
            Some(prepared) => {
                if let Some(problem) = problems(transaction, &prepared).await?.first() {
                    let message = format!("it cannot be expressed in the catalog: {problem}");
                    return Ok(left(Some(name), &message));
                }
                Some(self.push(prepared))
            }
            None => None,
        };
        self.sources.push(NewSource {
            source: update.source,
            document: None,
            base: update.base,
        });
        Ok(Outcome::Written {
            name,
            document,
            story: update.story,
            conflicts: update.conflicts,
        })
    }

    fn push(&mut self, prepared: Prepared) -> usize {
        self.documents.push(prepared);
        self.documents.len() - 1
    }

    /// The gateway's name as a resource name that nobody has.
    async fn free_name(&self, transaction: &mut Transaction, name: &str) -> Answer<ResourceName> {
        let stem = resource_name(name).map_or_else(|| NAMELESS.to_owned(), |name| name.to_string());
        let mut short = stem.clone();
        short.truncate(STEM_MAX);
        let short = short.trim_end_matches('-').to_owned();
        let numbered = (2_u64..).map(|number| format!("{short}-{number}"));
        for text in std::iter::once(stem).chain(numbered) {
            let Ok(name) = text.parse::<ResourceName>() else {
                continue;
            };
            if !self.names.contains(&name) && transaction.resource(Kind::Api, &name).await?.is_none() {
                return Ok(name);
            }
        }
        // There are more numbers than APIs, so one was free.
        Ok(self.environment.metadata.name.clone())
    }

    async fn carry_out(self, transaction: &mut Transaction, writer: &Writer) -> Answer<Vec<ImportResult>> {
        let written = all(transaction, &writer.state, self.documents).await?;
        let mut sources = Vec::with_capacity(self.sources.len());
        for new in self.sources {
            let mut source = new.source;
            if let Some(document) = new.document {
                source.api_id = written[document].resource.api_id();
            }
            sources.push((source, Some(new.base)));
        }
        transaction.set_api_sources(&sources).await?;
        let outcomes = self.outcomes.into_iter();
        Ok(outcomes
            .map(|(item, outcome)| outcome.result(item, &written))
            .collect())
    }
}

impl Outcome {
    fn result(self, item: DiscoveredApiId, written: &[Written]) -> ImportResult {
        match self {
            Self::Left(left) => ImportResult {
                item,
                action: left.action,
                api: left.api,
                message: left.message,
                conflicts: Vec::new(),
            },
            Self::Written {
                name,
                document,
                story,
                conflicts,
            } => {
                let result = document.map(|document| &written[document].result);
                let done = result.map_or(ApplyAction::Unchanged, |result| result.action);
                let revision = result.and_then(|result| result.revision);
                let (action, message) = story.told(&name, done, revision);
                ImportResult {
                    item,
                    action,
                    api: Some(name),
                    message,
                    conflicts,
                }
            }
        }
    }
}

fn left(api: Option<ResourceName>, message: &str) -> Outcome {
    Outcome::Left(Left::skipped(api, message))
}

/// What of an API breaks the catalog's rules.
async fn problems(transaction: &mut Transaction, prepared: &Prepared) -> Answer<Vec<String>> {
    let metadata = prepared.metadata();
    let value = json!({
        "kind": Kind::Api,
        "metadata": {"name": metadata.name, "project": metadata.project, "labels": metadata.labels},
        "spec": prepared.spec,
    });
    if let Err(issues) = parse::document(&value) {
        return Ok(issues.iter().map(ToString::to_string).collect());
    }
    let errors = references::errors(transaction, std::slice::from_ref(prepared)).await?;
    Ok(errors
        .into_iter()
        .map(|error| format!("{}: {}", error.pointer, error.detail))
        .collect())
}
