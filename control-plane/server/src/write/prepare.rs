//! From values to validated documents, with the content of API revisions. No transaction yet.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::problem::FieldError;
use gatehouse_control_plane_store::PackedDefinition;
use gatehouse_schemas::{
    api::{ApiSpec, DefinitionSource, DocumentSource},
    canonical::{Fingerprint, canonical_json},
    identity::ResourceName,
    openapi::{self, Definition},
    parse::{self, Issue},
    resource::{Document, Kind, Metadata, Spec},
    revision::{self, RevisionContent},
};
use serde_json::Value;

use crate::{
    extract::field_errors,
    failure::{Answer, Failure},
    state::AppState,
};

const DEFINITION: &str = "/spec/definition/openapi";

/// A valid document, ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its position in the request, if the request has several.
    pub(crate) index: Option<usize>,
    /// The document.
    pub(crate) document: Document,
    /// What is stored of its spec.
    pub(crate) spec: Value,
    /// What an API's revision says.
    pub(crate) api: Option<PreparedApi>,
    /// What to know, although nothing is wrong.
    pub(crate) warnings: Vec<String>,
}

/// What an API's revision says.
#[derive(Debug)]
pub(crate) struct PreparedApi {
    /// The canonical content.
    pub(crate) content: RevisionContent,
    /// Its fingerprint.
    pub(crate) fingerprint: Fingerprint,
    /// The definition, if it came with the document.
    pub(crate) definition: Option<PackedDefinition>,
}

impl Prepared {
    pub(crate) fn kind(&self) -> Kind {
        self.document.kind()
    }

    pub(crate) fn name(&self) -> &ResourceName {
        &self.document.metadata.name
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.document.metadata
    }

    /// A document of an API whose content is known already, as an import makes it.
    pub(crate) fn api(metadata: Metadata, content: RevisionContent) -> Answer<Self> {
        let spec = revision::to_spec(&content);
        let fingerprint = Fingerprint::of(&content).map_err(Failure::internal)?;
        Ok(Self {
            index: None,
            spec: serde_json::to_value(&spec).map_err(Failure::internal)?,
            document: Document {
                metadata,
                spec: Spec::Api(Box::new(spec)),
            },
            api: Some(PreparedApi {
                content,
                fingerprint,
                definition: None,
            }),
            warnings: Vec::new(),
        })
    }
}

/// Validates documents; `numbered` says whether problems name the document by its position.
pub(crate) async fn prepare(state: &AppState, values: Vec<Value>, numbered: bool) -> Answer<Vec<Prepared>> {
    let parsed = off_the_reactor(move || parse_all(values)).await?;
    let mut prepared = Vec::with_capacity(parsed.len());
    let mut errors = Vec::new();
    for (position, outcome) in parsed.into_iter().enumerate() {
        let index = numbered.then_some(position);
        let outcome = match outcome {
            Ok(parsed) => complete(state, parsed, index).await?,
            Err(issues) => Err(issues),
        };
        match outcome {
            Ok(document) => prepared.push(document),
            Err(issues) => errors.extend(field_errors(issues, index)),
        }
    }
    errors.extend(named_twice(&prepared));
    if errors.is_empty() {
        Ok(prepared)
    } else {
        Err(Failure::invalid(errors))
    }
}

/// What was read from one value.
struct Parsed {
    document: Document,
    inline: Option<Inline>,
}

/// A definition that came with its document.
struct Inline {
    definition: Definition,
    text: String,
    fingerprint: Fingerprint,
}

fn parse_all(values: Vec<Value>) -> Vec<Result<Parsed, Vec<Issue>>> {
    values.iter().map(parse_one).collect()
}

fn parse_one(value: &Value) -> Result<Parsed, Vec<Issue>> {
    let mut document = parse::document(value)?;
    let Spec::Api(spec) = &mut document.spec else {
        return Ok(Parsed {
            document,
            inline: None,
        });
    };
    let inline = match spec.definition.take() {
        Some(DefinitionSource {
            openapi: DocumentSource::Inline(definition),
        }) => {
            let inline = read_inline(&definition)?;
            spec.definition = Some(DefinitionSource {
                openapi: DocumentSource::Fingerprint(inline.fingerprint.clone()),
            });
            Some(inline)
        }
        other => {
            spec.definition = other;
            None
        }
    };
    Ok(Parsed { document, inline })
}

fn read_inline(definition: &Value) -> Result<Inline, Vec<Issue>> {
    let definition =
        openapi::read(definition).map_err(|issues| below(&format!("{DEFINITION}/inline"), issues))?;
    let text = canonical_json(&definition.canonical);
    let fingerprint = Fingerprint::of_bytes(text.as_bytes());
    Ok(Inline {
        definition,
        text,
        fingerprint,
    })
}

fn below(place: &str, issues: Vec<Issue>) -> Vec<Issue> {
    let moved = |issue: Issue| Issue::new(format!("{place}{}", issue.pointer), issue.detail);
    issues.into_iter().map(moved).collect()
}

/// Adds what needs the store or more time: definitions known by fingerprint, packing, the revision's content.
async fn complete(
    state: &AppState,
    parsed: Parsed,
    index: Option<usize>,
) -> Answer<Result<Prepared, Vec<Issue>>> {
    let Parsed { document, inline } = parsed;
    let (stored, mut warnings) = match &document.spec {
        Spec::Api(api) => (serde_json::to_value(api), Vec::new()),
        Spec::Environment(environment) => (serde_json::to_value(environment), Vec::new()),
        Spec::Policy(policy) => (serde_json::to_value(policy), Vec::new()),
        Spec::Project(project) => (serde_json::to_value(project), Vec::new()),
        Spec::Secret(_) => (Ok(Value::Object(serde_json::Map::new())), Vec::new()),
    };
    let spec = stored.map_err(Failure::internal)?;
    let api = match &document.spec {
        Spec::Api(api) => {
            match prepare_api(state, &document.metadata.name, api, inline, &mut warnings).await? {
                Ok(api) => Some(api),
                Err(issues) => return Ok(Err(issues)),
            }
        }
        _ => None,
    };
    Ok(Ok(Prepared {
        index,
        document,
        spec,
        api,
        warnings,
    }))
}

async fn prepare_api(
    state: &AppState,
    name: &ResourceName,
    spec: &ApiSpec,
    inline: Option<Inline>,
    warnings: &mut Vec<String>,
) -> Answer<Result<PreparedApi, Vec<Issue>>> {
    let (definition, text) = match (inline, &spec.definition) {
        (Some(inline), _) => (Some((inline.fingerprint, inline.definition)), Some(inline.text)),
        (
            None,
            Some(DefinitionSource {
                openapi: DocumentSource::Fingerprint(fingerprint),
            }),
        ) => match known_definition(state, fingerprint).await? {
            Ok(definition) => (Some((fingerprint.clone(), definition)), None),
            Err(issues) => return Ok(Err(issues)),
        },
        (None, _) => (None, None),
    };
    if let Some((_, definition)) = &definition {
        warnings.extend(definition.warnings.iter().cloned());
    }
    let (name, spec) = (name.clone(), spec.clone());
    let built = off_the_reactor(move || build(&name, &spec, definition)).await?;
    let (content, fingerprint) = match built {
        Ok(built) => built,
        Err(issues) => return Ok(Err(below("/spec", issues))),
    };
    let definition = match text {
        Some(text) => Some(PackedDefinition::of(text).await?),
        None => None,
    };
    Ok(Ok(PreparedApi {
        content,
        fingerprint,
        definition,
    }))
}

fn build(
    name: &ResourceName,
    spec: &ApiSpec,
    definition: Option<(Fingerprint, Definition)>,
) -> Result<(RevisionContent, Fingerprint), Vec<Issue>> {
    let definition = definition
        .as_ref()
        .map(|(fingerprint, definition)| (fingerprint, definition));
    let content = revision::build(name, spec, definition)?;
    let fingerprint = Fingerprint::of(&content).map_err(|error| vec![Issue::new("", error.to_string())])?;
    Ok((content, fingerprint))
}

async fn known_definition(
    state: &AppState,
    fingerprint: &Fingerprint,
) -> Answer<Result<Definition, Vec<Issue>>> {
    let Some(text) = state.store.definition(fingerprint).await? else {
        let detail = format!("there is no definition `{fingerprint}` here; give it in place, as `inline`");
        return Ok(Err(vec![Issue::new(format!("{DEFINITION}/fingerprint"), detail)]));
    };
    let read = off_the_reactor(move || {
        let value: Value =
            serde_json::from_str(&text).map_err(|error| vec![Issue::new("", error.to_string())])?;
        openapi::read(&value)
    });
    Ok(read.await?.map_err(|issues| below(DEFINITION, issues)))
}

fn named_twice(prepared: &[Prepared]) -> Vec<FieldError> {
    let mut seen = BTreeSet::new();
    let twice = prepared
        .iter()
        .filter(|document| !seen.insert((document.kind(), document.name())));
    twice
        .map(|document| FieldError {
            document: document.index,
            pointer: "/metadata/name".to_owned(),
            detail: format!(
                "{} `{}` is in this request twice; keep one",
                document.kind(),
                document.name()
            ),
        })
        .collect()
}

/// Runs work that takes a while where it keeps nobody waiting.
pub(crate) async fn off_the_reactor<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Answer<T> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::internal)
}
