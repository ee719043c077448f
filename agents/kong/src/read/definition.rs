//! OpenAPI documents made from operations, for APIs that nobody described.

use gatehouse_connector_sdk::schemas::{
    api::OperationMatch,
    canonical::Fingerprint,
    observed::resource_name,
    openapi::{self, Definition},
    revision::{DefinitionSummary, RevisionContent, build, to_spec},
    route::{Piece, Segment},
};
use serde_json::{Map, Value, json};

/// The methods that OpenAPI has a word for.
const METHODS: [&str; 8] = [
    "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// An OpenAPI 3.1 document of the operations of an API, in canonical form, with `x-gatehouse-synthesised: true`; what was
/// seen and is not said otherwise is in `x-gatehouse-notes` of its `info`. None if
/// OpenAPI cannot say them: if there are none, or one is for every method or for one that OpenAPI has no word for.
pub fn definition(content: &RevisionContent, name: &str, notes: &[String]) -> Option<Value> {
    let sayable = content
        .operations
        .iter()
        .all(|it| METHODS.contains(&it.r#match.method.as_str()));
    if content.operations.is_empty() || !sayable {
        return None;
    }
    let mut paths = Map::new();
    for operation in &content.operations {
        let matched = &operation.r#match;
        let item = paths.entry(key(matched)).or_insert_with(|| json!({}));
        item[matched.method.to_ascii_lowercase()] = described(matched);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": content.version,
            "description": "Made from the routes of the gateway: it says which requests are taken, and nothing of what \
                            they and their answers look like.",
        },
        "x-gatehouse-synthesised": true,
        "servers": [{"url": content.base_path}],
        "paths": paths,
    });
    let mut document = document;
    if !notes.is_empty() {
        document["info"]["x-gatehouse-notes"] = json!(notes);
    }
    openapi::read(&document).ok().map(|read| read.canonical)
}

/// A content with the definition that is made from it, and the document. Without one where the operations that the
/// document says are not those of the content.
pub fn with_definition(
    content: RevisionContent,
    name: &str,
    notes: &[String],
) -> (RevisionContent, Option<Value>) {
    match definition(&content, name, notes)
        .and_then(|document| Some((described_by(&content, &document)?, document)))
    {
        Some((described, document)) => (described, Some(document)),
        None => (content, None),
    }
}

fn described_by(content: &RevisionContent, document: &Value) -> Option<RevisionContent> {
    let read = openapi::read(document).ok()?;
    let described = RevisionContent {
        definition: Some(summary(&read)),
        ..content.clone()
    };
    (built(&described, &read)? == described).then_some(described)
}

/// A content with the definition that people wrote of it. Routes often take everything below a path, and then it is the
/// definition that says which operations there are; otherwise it must say those that the routes take.
pub(crate) fn with_written(content: &RevisionContent, written: &Definition) -> Option<RevisionContent> {
    let mut described = RevisionContent {
        definition: Some(summary(written)),
        ..content.clone()
    };
    if takes_everything(content) {
        described.operations = Vec::new();
    }
    let built = built(&described, written)?;
    (takes_everything(content) || built.operations == described.operations).then_some(built)
}

/// Whether its operations are only what a path prefix takes, and nothing holds for one of them alone.
fn takes_everything(content: &RevisionContent) -> bool {
    content.operations.iter().all(|operation| {
        let it = &operation.r#match;
        let is_rest =
            it.path == "/" || matches!(Segment::of(it.path.trim_start_matches('/')), Segment::Rest(_));
        is_rest && it.headers.is_empty() && operation.policies.is_empty() && operation.upstream.is_none()
    })
}

fn summary(definition: &Definition) -> DefinitionSummary {
    DefinitionSummary {
        fingerprint: Fingerprint::of_value(&definition.canonical),
        format: definition.format,
        title: definition.title.clone(),
        version: definition.version.clone(),
    }
}

fn built(described: &RevisionContent, definition: &Definition) -> Option<RevisionContent> {
    let name = resource_name(&described.display_name).or_else(|| resource_name("kong"))?;
    let fingerprint = Fingerprint::of_value(&definition.canonical);
    build(&name, &to_spec(described), Some((&fingerprint, definition))).ok()
}

/// A path, with the headers that tell operations apart behind `#`.
fn key(matched: &OperationMatch) -> String {
    let headers: Vec<String> = matched
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    match headers.is_empty() {
        true => matched.path.clone(),
        false => format!("{}#{}", matched.path, headers.join("&")),
    }
}

fn described(matched: &OperationMatch) -> Value {
    let in_path = parameters(&matched.path)
        .into_iter()
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let headers = matched.headers.iter().map(|(name, value)| {
        json!({"name": name, "in": "header", "required": true, "schema": {"type": "string", "enum": [value]}})
    });
    let parameters: Vec<Value> = in_path.chain(headers).collect();
    let mut operation = json!({"responses": {"default": {"description": "Whatever the upstream answers."}}});
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    operation
}

fn parameters(path: &str) -> Vec<String> {
    let of_segment = |segment| match Segment::of(segment) {
        Segment::Literal(_) => Vec::new(),
        Segment::Parameter(name) => vec![name.to_owned()],
        Segment::Rest(name) => vec![format!("{name}...")],
        Segment::Mixed(pieces) => pieces
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Parameter(name) => Some(name.to_owned()),
                Piece::Literal(_) => None,
            })
            .collect(),
    };
    path.split('/').flat_map(of_segment).collect()
}
