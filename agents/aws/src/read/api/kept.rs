//! What canonical words do not say of an API and its stage. It is kept as a `native` policy, and said.

use serde_json::{Map, Value, json};

use super::super::{
    policies::{certificates, limits},
    secrets,
    snapshot::{Kind, Snapshot},
};

/// How stage variables begin that hold the record of what was applied.
const RECORD: &str = "gatehouseRecord";
/// Extensions of the document that are read elsewhere, or that the list of APIs says, too.
const READ: [&str; 8] = [
    "cors",
    "policy",
    "gateway-responses",
    "request-validators",
    "request-validator",
    "importexport-version",
    "endpoint-configuration",
    "integrations",
];

const GATEWAY_RESPONSES: &str = "x-amazon-apigateway-gateway-responses";
/// Settings of an API, and the extensions of a document that say them.
const SETTINGS: [(&str, &str); 2] = [
    ("binaryMediaTypes", "x-amazon-apigateway-binary-media-types"),
    (
        "minimumCompressionSize",
        "x-amazon-apigateway-minimum-compression-size",
    ),
];
/// Settings of a stage that can be deployed again.
const STAGE: [&str; 5] = [
    "cacheClusterSize",
    "dataTraceEnabled",
    "loggingLevel",
    "metricsEnabled",
    "tracingEnabled",
];

/// Answers of API Gateway itself in another form than usual. Headers for other origins go along with `cors`.
pub(super) fn gateway_responses(
    snapshot: &Snapshot,
    has_preflights: bool,
    notes: &mut Vec<String>,
) -> Map<String, Value> {
    let responses = snapshot.export.get(GATEWAY_RESPONSES).and_then(Value::as_object);
    let of_cors = |response: &Value| {
        let parameters = response.get("responseParameters").and_then(Value::as_object);
        let mut names = parameters
            .into_iter()
            .flatten()
            .map(|(name, _)| name.to_ascii_lowercase());
        names.all(|name| name.starts_with("gatewayresponse.header.access-control-"))
            && response.get("responseTemplates").is_none_or(is_usual_template)
            && response.get("statusCode").is_none_or(Value::is_null)
    };
    let others: Map<String, Value> = responses
        .into_iter()
        .flatten()
        .filter(|(_, response)| !(has_preflights && of_cors(response)))
        .map(|(kind, response)| (kind.clone(), said(response)))
        .collect();
    if !others.is_empty() {
        notes.push(
            "answers of API Gateway itself have another form than usual, kept as a `native` policy"
                .to_owned(),
        );
    }
    others
}

/// An answer without what is empty in it, which some exports write and documents need not.
fn said(response: &Value) -> Value {
    let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    let mut said = response.clone();
    if let Some(fields) = said.as_object_mut() {
        fields.retain(|_, value| !is_empty(value));
    }
    said
}

fn is_usual_template(templates: &Value) -> bool {
    let templates = templates.as_object().into_iter().flatten();
    templates
        .into_iter()
        .all(|(_, text)| text.as_str() == Some("{\"message\":$context.error.messageString}"))
}

/// Settings of the API and of the stage that no canonical policy says.
pub(super) fn settings(snapshot: &Snapshot, kept: &mut Vec<(&'static str, Value)>, notes: &mut Vec<String>) {
    let stage = stage(snapshot, notes);
    let mut of_api = snapshot.settings.clone();
    of_api.retain(|_, value| !is_everything(value));
    for (what, fields) in [("API", &of_api), ("stage", &stage)] {
        if !fields.is_empty() {
            let names: Vec<String> = fields.keys().map(|name| format!("`{name}`")).collect();
            notes.push(format!(
                "{} of the {what}: kept as a `native` policy",
                names.join(", ")
            ));
        }
    }
    let trusted = certificates::untold(snapshot, notes);
    let deployable = |name: &str| snapshot.kind == Kind::Rest && STAGE.contains(&name);
    let (stage, others): (Map<String, Value>, Map<String, Value>) =
        stage.into_iter().partition(|(name, _)| deployable(name));
    kept.push(("stage", Value::Object(stage)));
    kept.push(("stageSettings", Value::Object(others)));
    kept.push(("domainNames", Value::Object(trusted)));
    kept.push(("extensions", Value::Object(extensions(snapshot))));
}

/// Bodies that are passed on as they are, of whatever type: what canonical words mean where they say nothing.
fn is_everything(media_types: &Value) -> bool {
    *media_types == json!(["*/*"])
}

/// Settings of the API, by the extensions that say them.
pub(super) fn document(snapshot: &Snapshot, responses: Map<String, Value>) -> Map<String, Value> {
    let mut document = Map::new();
    for (name, extension) in SETTINGS {
        if let Some(value) = snapshot.settings.get(name).filter(|value| !is_everything(value)) {
            document.insert(extension.to_owned(), value.clone());
        }
    }
    if !responses.is_empty() {
        document.insert(GATEWAY_RESPONSES.to_owned(), Value::Object(responses));
    }
    document
}

fn stage(snapshot: &Snapshot, notes: &mut Vec<String>) -> Map<String, Value> {
    let mut stage = snapshot.stage.settings.clone();
    let others = limits::other_settings(snapshot);
    if !others.is_empty() {
        stage.extend(others);
    }
    let foreign = snapshot
        .stage
        .variables
        .iter()
        .filter(|(name, _)| !name.starts_with(RECORD));
    let mut variables: Map<String, Value> = foreign.map(|(name, text)| (name.clone(), json!(text))).collect();
    for name in secrets::take_out_of_variables(&mut variables) {
        notes.push(format!(
            "stage variable `{name}` sounds like a credential and is not taken along; put `{{secret}}` right before \
             deploying it"
        ));
    }
    if !variables.is_empty() {
        stage.insert("variables".to_owned(), Value::Object(variables));
    }
    if stage.contains_key("canarySettings") {
        notes.push(
            "part of the requests go to another deployment of AWS (a canary), which is not read".to_owned(),
        );
    }
    stage
}

fn extensions(snapshot: &Snapshot) -> Map<String, Value> {
    let said = ["api-key-source", "binary-media-types", "minimum-compression-size"];
    let fields = snapshot.export.as_object().into_iter().flatten();
    let others = fields.filter(|(field, _)| {
        let name = field.strip_prefix("x-amazon-apigateway-");
        name.is_some_and(|name| !READ.contains(&name) && !said.contains(&name))
    });
    others
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}
