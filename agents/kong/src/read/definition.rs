//! OpenAPI documents made from operations, for APIs that nobody described.

use gatehouse_connector_sdk::schemas::{
    api::OperationMatch,
    canonical::Fingerprint,
    observed::resource_name,
    openapi,
    revision::{DefinitionFormat, DefinitionSummary, RevisionContent, build, to_spec},
    route::{Piece, Segment},
};
use serde_json::{Map, Value, json};

/// The methods that OpenAPI has a word for.
const METHODS: [&str; 8] = [
    "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// An OpenAPI 3.1 document of the operations of an API, in canonical form, with `x-gatehouse-synthesised: true`. None if
/// OpenAPI cannot say them: if there are none, or one is for every method or for one that OpenAPI has no word for.
pub fn definition(content: &RevisionContent, name: &str) -> Option<Value> {
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
    openapi::read(&document).ok().map(|read| read.canonical)
}

/// A content with the definition that is made from it, and the document. Without one where the operations that the
/// document says are not those of the content.
pub fn with_definition(content: RevisionContent, name: &str) -> (RevisionContent, Option<Value>) {
    match definition(&content, name).and_then(|document| Some((described_by(&content, &document)?, document)))
    {
        Some((described, document)) => (described, Some(document)),
        None => (content, None),
    }
}

fn described_by(content: &RevisionContent, document: &Value) -> Option<RevisionContent> {
    let read = openapi::read(document).ok()?;
    let fingerprint = Fingerprint::of_value(&read.canonical);
    let described = RevisionContent {
        definition: Some(DefinitionSummary {
            fingerprint: fingerprint.clone(),
            format: DefinitionFormat::OpenApi31,
            title: read.title.clone(),
            version: read.version.clone(),
        }),
        ..content.clone()
    };
    let name = resource_name(&content.display_name).or_else(|| resource_name("kong"))?;
    let built = build(&name, &to_spec(&described), Some((&fingerprint, &read))).ok()?;
    (built == described).then_some(described)
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
