//! The OpenAPI document of an API, with AWS's extensions.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{identity::ResourceName, policy::Policy};
use serde_json::{Map, Value, json};

use super::{
    Kind,
    authorizers::{self, Scheme},
    cors, endpoint,
    integration::Spot,
    native,
    scene::Scene,
    source,
    validation::{self, Checks},
};

/// Bodies that are passed on as they are. Of others, REST APIs keep only what is UTF-8.
const BINARY: &str = "x-amazon-apigateway-binary-media-types";
/// Types that are never JSON: where bodies are checked, the type `*/*` would keep AWS from reading them.
const NOT_JSON: [&str; 8] = [
    "application/gzip",
    "application/octet-stream",
    "application/pdf",
    "application/zip",
    "audio/mpeg",
    "image/jpeg",
    "image/png",
    "multipart/form-data",
];

/// The document.
pub(super) fn document(scene: Scene<'_>, name: &ResourceName, spots: &[Spot<'_>]) -> Value {
    let content = scene.content;
    let title = if content.display_name.is_empty() {
        name.as_ref()
    } else {
        content.display_name.as_str()
    };
    let mut document = Map::new();
    document.insert("openapi".to_owned(), json!("3.0.1"));
    document.insert(
        "info".to_owned(),
        json!({"title": title, "version": content.version}),
    );
    if let Some(servers) = endpoint::servers(scene) {
        document.insert("servers".to_owned(), servers);
    }
    document.insert("paths".to_owned(), paths(scene, spots));
    let schemes = schemes(spots);
    if !schemes.is_empty() {
        document.insert("components".to_owned(), json!({"securitySchemes": schemes}));
    }
    match scene.kind {
        Kind::Rest => document.extend(of_rest(scene, spots)),
        Kind::Http => document.extend(of_http(scene, spots)),
    }
    native::document(&mut document, &scene.expressed(None));
    Value::Object(document)
}

fn paths(scene: Scene<'_>, spots: &[Spot<'_>]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for spot in spots {
        let item = paths.entry(&spot.place.path).or_default();
        item.insert(method_name(&spot.place.method), operation(spot));
    }
    if scene.kind == Kind::Rest {
        for (path, item) in &mut paths {
            if let Some(preflight) = preflight(path, spots) {
                item.entry("options").or_insert(preflight);
            }
        }
    }
    json!(paths)
}

fn preflight(path: &str, spots: &[Spot<'_>]) -> Option<Value> {
    let here: Vec<&Spot<'_>> = spots.iter().filter(|spot| spot.place.path == path).collect();
    let cors = here.iter().find_map(|spot| cors::at(&spot.policies))?;
    let places: Vec<_> = here.iter().map(|spot| spot.place).collect();
    Some(cors::preflight(cors, &places))
}

fn method_name(method: &str) -> String {
    match method {
        "ANY" => "x-amazon-apigateway-any-method".to_owned(),
        method => method.to_ascii_lowercase(),
    }
}

fn operation(spot: &Spot<'_>) -> Value {
    let mut fields = Map::new();
    if let Some(operation) = spot.place.operation {
        if let Some(id) = operation.id.as_ref().filter(|_| spot.place.is_written) {
            fields.insert("operationId".to_owned(), json!(id));
        }
        if let Some(summary) = &operation.summary {
            fields.insert("summary".to_owned(), json!(summary));
        }
        if operation.deprecated {
            fields.insert("deprecated".to_owned(), json!(true));
        }
    }
    let checks = Checks::of(&spot.policies);
    let parameters = parameters(spot, &checks);
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), json!(parameters));
    }
    if let Some(schema) = &checks.body {
        let content = json!({"application/json": {"schema": schema}});
        fields.insert(
            "requestBody".to_owned(),
            json!({"required": true, "content": content}),
        );
    }
    if let Some(validator) = checks.validator() {
        fields.insert(
            "x-amazon-apigateway-request-validator".to_owned(),
            json!(validator),
        );
    }
    fields.insert("responses".to_owned(), spot.responses());
    let asked = authorizers::schemes(spot.scene, &spot.policies).into_iter();
    let security: Map<String, Value> = asked.map(|scheme| (scheme.name, json!(scheme.scopes))).collect();
    if !security.is_empty() {
        fields.insert("security".to_owned(), json!([security]));
    }
    fields.insert(native::INTEGRATION.to_owned(), spot.integration());
    native::operation(&mut fields, &spot.policies);
    Value::Object(fields)
}

/// What a method must be told of, so that it can be checked or mapped.
fn parameters(spot: &Spot<'_>, checks: &Checks) -> Vec<Value> {
    let parameter = |place: &str, name: &str, required: bool| json!({"name": name, "in": place, "required": required, "schema": {"type": "string"}});
    let mut parameters: Vec<Value> = spot
        .place
        .names()
        .map(|name| parameter("path", name, true))
        .collect();
    let (headers, query) = spot.cache_parameters();
    parameters.extend(
        headers
            .union(&checks.headers)
            .map(|name| parameter("header", name, checks.headers.contains(name))),
    );
    parameters.extend(
        query
            .union(&checks.query)
            .map(|name| parameter("query", name, checks.query.contains(name))),
    );
    parameters
}

fn schemes(spots: &[Spot<'_>]) -> BTreeMap<String, Value> {
    let all = spots
        .iter()
        .flat_map(|spot| authorizers::schemes(spot.scene, &spot.policies));
    all.map(|Scheme { name, definition, .. }| (name, definition))
        .collect()
}

fn of_rest(scene: Scene<'_>, spots: &[Spot<'_>]) -> Map<String, Value> {
    let mut extensions = Map::new();
    let checks: Vec<Checks> = spots.iter().map(|spot| Checks::of(&spot.policies)).collect();
    let reads_bodies = checks.iter().any(|checks| checks.body.is_some());
    let binary = if reads_bodies {
        json!(NOT_JSON)
    } else {
        json!(["*/*"])
    };
    extensions.insert(BINARY.to_owned(), binary);
    let validators: Map<String, Value> = checks
        .iter()
        .filter_map(Checks::validator)
        .map(|name| (name.to_owned(), validation::validator(name)))
        .collect();
    if !validators.is_empty() {
        extensions.insert(
            "x-amazon-apigateway-request-validators".to_owned(),
            Value::Object(validators),
        );
    }
    if let Some(policy) = source::policy(scene) {
        extensions.insert("x-amazon-apigateway-policy".to_owned(), policy);
    }
    if spots.iter().any(|spot| has_keys(&spot.policies)) {
        extensions.insert("x-amazon-apigateway-api-key-source".to_owned(), json!("HEADER"));
    }
    let responses = gateway_responses(scene, spots);
    if !responses.is_empty() {
        extensions.insert(native::GATEWAY_RESPONSES.to_owned(), Value::Object(responses));
    }
    extensions
}

fn has_keys(policies: &[&Policy]) -> bool {
    policies
        .iter()
        .any(|policy| matches!(policy, Policy::AuthApiKey(_)))
}

/// The gateway's own answers, with the status codes that our words promise: AWS says 403 to what is not there, and to
/// callers without a key.
fn gateway_responses(scene: Scene<'_>, spots: &[Spot<'_>]) -> Map<String, Value> {
    let policies = scene.expressed(None);
    let headers = cors::at(&policies).map(cors::of_gateway).unwrap_or_default();
    let mut responses = Map::new();
    let mut add = |name: &str, status: Option<(&str, &str)>| {
        let mut response = Map::new();
        if let Some((code, message)) = status {
            let text = json!({"message": message}).to_string();
            response.insert("statusCode".to_owned(), json!(code));
            response.insert("responseTemplates".to_owned(), json!({"application/json": text}));
        }
        if !headers.is_empty() {
            response.insert("responseParameters".to_owned(), json!(headers));
        }
        if !response.is_empty() {
            responses.insert(name.to_owned(), Value::Object(response));
        }
    };
    add("DEFAULT_4XX", None);
    add("DEFAULT_5XX", None);
    if spots.iter().any(|spot| has_keys(&spot.policies)) {
        add("INVALID_API_KEY", Some(("401", "Unauthorized")));
    }
    // Callers who do not sign what they must sign get the same answer as those who ask for what is not there.
    if !spots.iter().any(|spot| native::is_signed(&spot.policies)) {
        add("MISSING_AUTHENTICATION_TOKEN", Some(("404", "Not Found")));
    }
    responses
}

fn of_http(scene: Scene<'_>, spots: &[Spot<'_>]) -> Map<String, Value> {
    let places: Vec<_> = spots.iter().map(|spot| spot.place.clone()).collect();
    let policies = scene.expressed(None);
    let cors = cors::at(&policies).map(|cors| cors::of_http(cors, &places));
    let name = "x-amazon-apigateway-cors".to_owned();
    cors.map(|cors| (name, cors)).into_iter().collect()
}
