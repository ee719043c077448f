//! What is to be done with one finding.

use gatehouse_control_plane_api::admin::ImportAction;
use gatehouse_control_plane_store::{
    ApiSource, DiscoveredRow, DiscoveredStatus, PackedDefinition, Resource, Store,
};
use gatehouse_schemas::{
    canonical::{Fingerprint, canonical_json},
    identity::{ApiId, EnvironmentId, ResourceName},
    observed::{Classification, DiscoveredItem, ObservedApi},
    openapi,
    resource::Kind,
    revision::RevisionContent,
    three_way::{MergeConflict, Merged},
};
use serde_json::{Value, json};

use super::{
    ownership::{canonical_spec, merged, with_descriptions},
    words::Story,
};
use crate::{
    failure::{Answer, Failure},
    state::AppState,
    write::{Prepared, off_the_reactor, prepare},
};

/// What is to be done with one finding.
#[derive(Debug)]
pub(super) enum Decision {
    /// Nothing.
    Leave(Left),
    /// A catalogue entry is made.
    Create(Box<Create>),
    /// What the gateway changed goes into the catalogue entry.
    Update(Box<Update>),
}

/// Why nothing is done.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) action: ImportAction,
    pub(super) api: Option<ResourceName>,
    pub(super) message: String,
}

/// A catalogue entry to make.
#[derive(Debug)]
pub(super) struct Create {
    pub(super) observed: ObservedApi,
    pub(super) definition: Option<PackedDefinition>,
    /// What was imported: the common ground of later merges.
    pub(super) base: Value,
    pub(super) story: Story,
}

/// A catalogue entry to bring up to date.
#[derive(Debug)]
pub(super) struct Update {
    /// As it was when this was decided.
    pub(super) api: Resource,
    /// What it becomes; none if it says so already.
    pub(super) prepared: Option<Prepared>,
    pub(super) source: ApiSource,
    pub(super) base: Value,
    pub(super) story: Story,
    pub(super) conflicts: Vec<MergeConflict>,
}

const IGNORED: &str = "it is on the ignore list";

/// Decides about a finding; what was put on the ignore list since it was found is left out, too.
pub(super) async fn decide(
    state: &AppState,
    environment_id: EnvironmentId,
    row: DiscoveredRow,
    is_ignored: bool,
) -> Answer<Decision> {
    match (row.status, row.item) {
        (Some(status), _) if is_ignored => Ok(skipped(status.api.map(|(_, name)| name), IGNORED)),
        (Some(status), Some(DiscoveredItem::Api(observed))) => {
            about_api(state, environment_id, status, *observed).await
        }
        (Some(status), _) => Ok(left(&status)),
        (None, _) => Ok(skipped(None, "it was not compared with the catalog")),
    }
}

async fn about_api(
    state: &AppState,
    environment_id: EnvironmentId,
    status: DiscoveredStatus,
    mut observed: ObservedApi,
) -> Answer<Decision> {
    match (&status.classification, &status.api) {
        (Classification::New { duplicates }, _) => {
            let found = definition(&state.store, &mut observed).await?;
            Ok(Decision::Create(Box::new(Create {
                base: canonical_spec(&observed.content)?,
                story: Story::of_new(duplicates.clone()).without_definition(found.missing),
                definition: found.packed,
                observed,
            })))
        }
        (Classification::Changed { .. }, Some((_, name))) if status.managed => Ok(skipped(
            Some(name.clone()),
            &format!(
                "Gatehouse deployed it, and the gateway was changed beside it; `gatehouse drift` shows how, and \
                 `gatehouse drift resolve {name}` puts that right or takes it over"
            ),
        )),
        (Classification::Changed { .. }, Some((id, name))) => {
            update(state, environment_id, (*id, name), observed).await
        }
        _ => Ok(left(&status)),
    }
}

async fn update(
    state: &AppState,
    environment_id: EnvironmentId,
    (api_id, name): (ApiId, &ResourceName),
    mut observed: ObservedApi,
) -> Answer<Decision> {
    let store = &state.store;
    let api = store.resource_by_id(Kind::Api, api_id.0).await?;
    let content = store.latest_contents(&[api_id]).await?.remove(&api_id);
    let Some((api, content)) = api.zip(content) else {
        let message = "its catalogue entry was deleted; run the discovery again";
        return Ok(skipped(Some(name.clone()), message));
    };
    let document = observed.definition.clone();
    let found = definition(store, &mut observed).await?;
    if let Some(reason) = found.missing.as_ref().filter(|_| content.definition.is_some()) {
        let message = format!(
            "the gateway's definition cannot be taken along: {reason}; the API keeps the one it has, and everything that \
             belongs to it"
        );
        return Ok(skipped(Some(name.clone()), &message));
    }
    let reference = std::slice::from_ref(&observed.external_ref);
    let base = store.imported_bases(environment_id, reference).await?;
    let before = store.api_source(environment_id, &observed.external_ref).await?;
    let (ours, theirs) = (canonical_spec(&content)?, canonical_spec(&observed.content)?);
    let merge = merged(base.get(&observed.external_ref), &ours, &theirs);
    let sides = Sides {
        api: &api,
        ours: (&ours, &content),
        theirs: (&theirs, &observed.content),
        packed: found.packed,
        document,
    };
    let prepared = match sides.prepared(state, &merge).await? {
        Ok(prepared) => prepared,
        Err(reason) => return Ok(skipped(Some(name.clone()), &reason)),
    };
    let known = before.and_then(|source| source.name);
    let renamed = known
        .is_some_and(|known| known != observed.name)
        .then(|| observed.name.clone());
    Ok(Decision::Update(Box::new(Update {
        story: Story::of_merge(&merge)
            .renamed(renamed)
            .without_definition(found.missing),
        conflicts: merge.conflicts,
        source: source(api_id, environment_id, &observed),
        base: theirs,
        prepared,
        api,
    })))
}

/// Where an API comes from, once this observation of it is imported.
pub(super) fn source(api_id: ApiId, environment_id: EnvironmentId, observed: &ObservedApi) -> ApiSource {
    ApiSource {
        api_id,
        environment_id,
        external_ref: observed.external_ref.clone(),
        name: Some(observed.name.clone()),
        imported: Some(observed.fingerprint.clone()),
    }
}

/// The two sides of a merge.
struct Sides<'a> {
    api: &'a Resource,
    ours: (&'a Value, &'a RevisionContent),
    theirs: (&'a Value, &'a RevisionContent),
    packed: Option<PackedDefinition>,
    /// The gateway's definition itself.
    document: Option<Value>,
}

impl Sides<'_> {
    /// What the API becomes, none if it says so already; or why it cannot become that.
    async fn prepared(self, state: &AppState, merge: &Merged) -> Answer<Result<Option<Prepared>, String>> {
        if merge.value == *self.ours.0 {
            return Ok(Ok(None));
        }
        if merge.value == *self.theirs.0 {
            let mut prepared = Prepared::api(self.api.metadata.clone(), self.theirs.1.clone())?;
            if let Some(api) = &mut prepared.api {
                api.definition = self.packed;
            }
            return Ok(Ok(Some(prepared)));
        }
        match prepare(state, vec![self.document(&merge.value)], false).await {
            Ok(prepared) => Ok(Ok(self.described(prepared)?)),
            Err(failure) if failure.problem().status == 422 => Ok(Err(format!(
                "what was edited here and what the gateway changed do not go together: {}; edit the API, and import again",
                failure.problem().detail
            ))),
            Err(failure) => Err(failure),
        }
    }

    /// The merged document; the gateway's definition, if that is in it, in place.
    fn document(&self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        let theirs = self.theirs.0.pointer("/definition");
        if let Some(document) = &self.document
            && theirs.is_some()
            && spec.pointer("/definition") == theirs
        {
            spec["definition"] = json!({"openapi": {"inline": document}});
        }
        let metadata = &self.api.metadata;
        json!({
            "kind": Kind::Api,
            "metadata": {"name": metadata.name, "project": metadata.project, "labels": metadata.labels},
            "spec": spec,
        })
    }

    fn described(&self, prepared: Vec<Prepared>) -> Answer<Option<Prepared>> {
        let Some(mut prepared) = prepared.into_iter().next() else {
            return Ok(None);
        };
        if let Some(api) = &mut prepared.api {
            let ours = with_descriptions(api.content.clone(), self.ours.1);
            api.content = with_descriptions(ours, self.theirs.1);
            api.fingerprint = Fingerprint::of(&api.content).map_err(Failure::internal)?;
        }
        Ok(Some(prepared))
    }
}

/// The definition of an observed API, as far as it can be used.
#[derive(Default)]
struct Found {
    packed: Option<PackedDefinition>,
    /// Why it is left out.
    missing: Option<String>,
}

/// Takes the definition out of what was observed. One that neither came along nor is held here already cannot be
/// referred to, and one that is not what its fingerprint says is not to be trusted.
async fn definition(store: &Store, observed: &mut ObservedApi) -> Answer<Found> {
    let Some(named) = observed
        .content
        .definition
        .as_ref()
        .map(|it| it.fingerprint.clone())
    else {
        return Ok(Found::default());
    };
    let missing = match observed.definition.take() {
        Some(document) => {
            let read = off_the_reactor(move || canonical_text(&document)).await?;
            match read {
                Ok(text) if Fingerprint::of_bytes(text.as_bytes()) == named => {
                    return Ok(Found {
                        packed: Some(PackedDefinition::of(text).await?),
                        missing: None,
                    });
                }
                Ok(_) => "it is not the one that its fingerprint names".to_owned(),
                Err(reason) => reason,
            }
        }
        None if store.has_definition(&named).await? => return Ok(Found::default()),
        None => "the agent did not send it".to_owned(),
    };
    observed.content.definition = None;
    Ok(Found {
        packed: None,
        missing: Some(missing),
    })
}

fn canonical_text(document: &Value) -> Result<String, String> {
    let read = openapi::read(document).map_err(|issues| {
        let first = issues.first().map(ToString::to_string);
        first.unwrap_or_else(|| "it cannot be read".to_owned())
    })?;
    Ok(canonical_json(&read.canonical))
}

impl Left {
    /// Nothing is done, for this reason.
    pub(super) fn skipped(api: Option<ResourceName>, message: &str) -> Self {
        Self {
            action: ImportAction::Skipped,
            api,
            message: message.to_owned(),
        }
    }
}

fn skipped(api: Option<ResourceName>, message: &str) -> Decision {
    Decision::Leave(Left::skipped(api, message))
}

/// What is neither new nor changed stays as it is.
fn left(status: &DiscoveredStatus) -> Decision {
    let api = status.api.as_ref().map(|(_, name)| name.clone());
    match &status.classification {
        Classification::Unchanged => Decision::Leave(Left {
            action: ImportAction::Unchanged,
            api,
            message: "the catalog says the same already".to_owned(),
        }),
        Classification::Ignored { .. } => skipped(api, IGNORED),
        Classification::Gone { message } => skipped(api, &format!("the gateway does not show it: {message}")),
        Classification::Conflict { reason } | Classification::Error { reason } => skipped(api, reason),
        Classification::New { .. } | Classification::Changed { .. } => skipped(
            api,
            "what the gateway holds is not known any more; run the discovery again",
        ),
    }
}
