//! Imports: findings of a discovery become catalogue entries or revisions of them, all in one transaction.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::{
    admin::{ApplyAction, ImportAction, ImportResult},
    problem::{FieldError, ProblemKind},
};
use gatehouse_control_plane_store::{
    ApiSource, DiscoveredRow, DiscoveredStatus, Import, ItemFilter, MAX_PAGE_SIZE, PageRequest, Resource,
    Transaction,
};
use gatehouse_schemas::{
    identity::{DiscoveredApiId, DiscoveryId, ExternalRef, ResourceName},
    observed::{Classification, DiscoveredItem, ObservedApi, resource_name},
    parse,
    resource::{Kind, Metadata},
    revision::RevisionContent,
};
use serde_json::json;

use super::{Prepared, Writer, Written, all, references};
use crate::{
    admin_api::discoveries::finished,
    failure::{Answer, Failure},
};

/// The name of an API whose gateway has no usable name for it.
const NAMELESS: &str = "api";
/// How long a name may be before a number is appended.
const STEM_MAX: usize = 55;

/// Takes findings into the catalog; without `items`, all that are new or changed.
pub(crate) async fn import(
    writer: &Writer,
    discovery_id: DiscoveryId,
    items: Option<&[DiscoveredApiId]>,
) -> Answer<Import> {
    let mut transaction = writer.begin().await?;
    let discovery = transaction.discovery(discovery_id).await?;
    let discovery = discovery.ok_or_else(|| Failure::not_found("discovery", discovery_id))?;
    finished(&discovery)?;
    let environment = transaction
        .resource_by_id(Kind::Environment, discovery.environment_id.0)
        .await?;
    let environment = environment.ok_or_else(|| {
        let detail = format!(
            "environment `{}` was deleted; its findings cannot be imported",
            discovery.environment
        );
        Failure::new(ProblemKind::WrongState, detail)
    })?;
    let rows = match items {
        Some(items) => chosen(&mut transaction, discovery_id, items).await?,
        None => importable(&mut transaction, discovery_id).await?,
    };
    let mut importer = Importer::new(&mut transaction, environment).await?;
    for row in rows {
        importer.decide(&mut transaction, row).await?;
    }
    let results = importer.carry_out(&mut transaction, writer).await?;
    let import = transaction.create_import(discovery_id, &json!(results)).await?;
    let details =
        json!({"discovery": discovery_id, "environment": discovery.environment, "results": results.len()});
    transaction
        .audit("import.created", &format!("import/{}", import.id), &details)
        .await?;
    transaction.commit().await?;
    Ok(import)
}

async fn chosen(
    transaction: &mut Transaction,
    discovery_id: DiscoveryId,
    items: &[DiscoveredApiId],
) -> Answer<Vec<DiscoveredRow>> {
    let (mut rows, mut errors, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (index, id) in items.iter().enumerate() {
        let found = transaction
            .discovered_item(*id)
            .await?
            .filter(|row| row.discovery_id == discovery_id);
        match found {
            Some(row) if seen.insert(*id) => rows.push(row),
            Some(_) => {}
            None => errors.push(FieldError {
                document: None,
                pointer: format!("/items/{index}"),
                detail: format!("discovery `{discovery_id}` has no finding `{id}`"),
            }),
        }
    }
    if errors.is_empty() {
        Ok(rows)
    } else {
        Err(Failure::invalid(errors))
    }
}

async fn importable(transaction: &mut Transaction, discovery_id: DiscoveryId) -> Answer<Vec<DiscoveredRow>> {
    let mut rows = Vec::new();
    for class in ["new", "changed"] {
        let filter = ItemFilter {
            class: Some(class.to_owned()),
        };
        let mut request = PageRequest {
            limit: Some(MAX_PAGE_SIZE),
            cursor: None,
        };
        loop {
            let page = transaction
                .discovered_items(discovery_id, &filter, &request)
                .await?;
            rows.extend(page.items);
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
    }
    Ok(rows)
}

/// What is done with one finding.
enum Decision {
    /// Written, as this document.
    Write {
        position: usize,
        external_ref: ExternalRef,
        name: String,
    },
    /// Not written.
    Leave {
        action: ImportAction,
        api: Option<ResourceName>,
        message: String,
    },
}

struct Importer {
    environment: Resource,
    names: BTreeSet<ResourceName>,
    known: BTreeSet<ExternalRef>,
    decisions: Vec<(DiscoveredApiId, Decision)>,
    documents: Vec<Prepared>,
}

impl Importer {
    async fn new(transaction: &mut Transaction, environment: Resource) -> Answer<Self> {
        let apis = transaction.all_resources(Kind::Api).await?;
        let sources = transaction
            .environment_sources(environment.environment_id())
            .await?;
        Ok(Self {
            environment,
            names: apis.into_iter().map(|api| api.metadata.name).collect(),
            known: sources.into_iter().map(|source| source.external_ref).collect(),
            decisions: Vec::new(),
            documents: Vec::new(),
        })
    }

    async fn decide(&mut self, transaction: &mut Transaction, row: DiscoveredRow) -> Answer<()> {
        let id = row.id;
        let decision = match (row.status, row.item) {
            (Some(status), Some(DiscoveredItem::Api(observed))) => {
                self.decide_api(transaction, status, *observed).await?
            }
            (Some(status), _) => left(&status),
            (None, _) => skipped(None, "it was not compared with the catalog"),
        };
        self.decisions.push((id, decision));
        Ok(())
    }

    async fn decide_api(
        &mut self,
        transaction: &mut Transaction,
        status: DiscoveredStatus,
        observed: ObservedApi,
    ) -> Answer<Decision> {
        let name = status.api.as_ref().map(|(_, name)| name.clone());
        match (&status.classification, &status.api) {
            (Classification::New { .. }, _) if self.known.contains(&observed.external_ref) => Ok(skipped(
                None,
                "it was imported since; run the discovery again to compare it",
            )),
            (Classification::New { .. }, _) => {
                let name = self.free_name(&observed.name);
                let mut metadata = Metadata::named(name);
                metadata.project = self.environment.metadata.project.clone();
                self.write(transaction, metadata, observed).await
            }
            (Classification::Changed { .. }, _) if status.managed => Ok(skipped(
                name,
                "Gatehouse deployed it, and the gateway was changed beside it; deploy it again to put that right",
            )),
            (Classification::Changed { .. }, Some((id, _))) => {
                match transaction.resource_by_id(Kind::Api, id.0).await? {
                    Some(api) => self.write(transaction, api.metadata, observed).await,
                    None => Ok(skipped(
                        name,
                        "its catalogue entry was deleted; run the discovery again",
                    )),
                }
            }
            _ => Ok(left(&status)),
        }
    }

    async fn write(
        &mut self,
        transaction: &mut Transaction,
        metadata: Metadata,
        observed: ObservedApi,
    ) -> Answer<Decision> {
        let name = metadata.name.clone();
        let content = self.importable_content(transaction, observed.content).await?;
        let prepared = Prepared::api(metadata, content)?;
        let problems = problems(transaction, &prepared).await?;
        if let Some(first) = problems.first() {
            return Ok(skipped(
                None,
                &format!("it cannot be expressed in the catalog: {first}"),
            ));
        }
        self.names.insert(name);
        self.known.insert(observed.external_ref.clone());
        self.documents.push(prepared);
        Ok(Decision::Write {
            position: self.documents.len() - 1,
            external_ref: observed.external_ref,
            name: observed.name,
        })
    }

    /// A definition that this control plane does not hold cannot be referred to.
    async fn importable_content(
        &self,
        transaction: &mut Transaction,
        mut content: RevisionContent,
    ) -> Answer<RevisionContent> {
        if let Some(definition) = &content.definition
            && !transaction.has_definition(&definition.fingerprint).await?
        {
            content.definition = None;
        }
        Ok(content)
    }

    /// The gateway's name as a resource name that nobody has.
    fn free_name(&self, name: &str) -> ResourceName {
        let stem = resource_name(name).map_or_else(|| NAMELESS.to_owned(), |name| name.to_string());
        let mut short = stem.clone();
        short.truncate(STEM_MAX);
        let short = short.trim_end_matches('-');
        let numbered = (2_u64..).map(|number| format!("{short}-{number}"));
        let free = std::iter::once(stem.clone())
            .chain(numbered)
            .filter_map(|text| text.parse::<ResourceName>().ok())
            .find(|name| !self.names.contains(name));
        // There are more numbers than APIs, so one is free.
        free.unwrap_or_else(|| self.environment.metadata.name.clone())
    }

    async fn carry_out(self, transaction: &mut Transaction, writer: &Writer) -> Answer<Vec<ImportResult>> {
        let written = all(transaction, &writer.state, self.documents).await?;
        let mut results = Vec::with_capacity(self.decisions.len());
        for (item, decision) in self.decisions {
            results.push(match decision {
                Decision::Leave { action, api, message } => ImportResult {
                    item,
                    action,
                    api,
                    message,
                    conflicts: Vec::new(),
                },
                Decision::Write {
                    position,
                    external_ref,
                    name,
                } => {
                    let written = &written[position];
                    let source = ApiSource {
                        api_id: written.resource.api_id(),
                        environment_id: self.environment.environment_id(),
                        external_ref,
                        name: Some(name),
                        imported: None,
                    };
                    transaction.set_api_source(&source, None).await?;
                    result(item, written)
                }
            });
        }
        Ok(results)
    }
}

fn result(item: DiscoveredApiId, written: &Written) -> ImportResult {
    let name = &written.result.name;
    let (action, message) = match (written.result.action, written.result.revision) {
        (ApplyAction::Created, _) => (
            ImportAction::Created,
            format!("api `{name}` is in the catalog now"),
        ),
        (ApplyAction::Updated, Some(revision)) => (
            ImportAction::Updated,
            format!("api `{name}` has revision {revision} now"),
        ),
        (ApplyAction::Updated | ApplyAction::Unchanged, _) => (
            ImportAction::Unchanged,
            format!("api `{name}` says the same already"),
        ),
    };
    ImportResult {
        item,
        action,
        api: Some(name.clone()),
        message,
        conflicts: Vec::new(),
    }
}

fn skipped(api: Option<ResourceName>, message: &str) -> Decision {
    Decision::Leave {
        action: ImportAction::Skipped,
        api,
        message: message.to_owned(),
    }
}

/// What is neither new nor changed stays as it is.
fn left(status: &DiscoveredStatus) -> Decision {
    let api = status.api.as_ref().map(|(_, name)| name.clone());
    match &status.classification {
        Classification::Unchanged => Decision::Leave {
            action: ImportAction::Unchanged,
            api,
            message: "the catalog says the same already".to_owned(),
        },
        Classification::Ignored { .. } => skipped(api, "it is on the ignore list"),
        Classification::Gone { .. } => skipped(
            api,
            "it is not on the gateway any more; delete it from the catalog if that is meant",
        ),
        Classification::Conflict { reason } | Classification::Error { reason } => skipped(api, reason),
        Classification::New { .. } | Classification::Changed { .. } => {
            skipped(api, "what the gateway holds was not kept")
        }
    }
}

/// What of an observed API breaks the catalog's rules.
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
