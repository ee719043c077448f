//! What requests must look like: the request validators of a REST API.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{Policy, RequestSizePolicy, RequestValidatePolicy},
};
use serde_json::{Map, Value, json};

use super::{
    judge::{only_rest, unsupported, with},
    scene::Scene,
};

/// The largest body that AWS lets through.
const LARGEST_BODY: u64 = 10 * 1024 * 1024;

/// The words of JSON Schema that mean the same in AWS's models, which are of draft 4 and within OpenAPI 3.0.
const WORDS: [&str; 21] = [
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxLength",
    "maxProperties",
    "maximum",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
];

/// What is checked at a place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Checks {
    pub(super) headers: BTreeSet<String>,
    pub(super) query: BTreeSet<String>,
    pub(super) body: Option<Value>,
}

impl Checks {
    /// What policies ask for together.
    pub(super) fn of(policies: &[&Policy]) -> Self {
        let mut checks = Self::default();
        for policy in policies {
            if let Policy::RequestValidate(validate) = policy {
                checks.headers.extend(validate.required_headers.iter().cloned());
                checks.query.extend(validate.required_query.iter().cloned());
                let body = validate
                    .body_schema
                    .as_ref()
                    .map(|schema| Value::Object(without_identity(schema)));
                checks.body = checks.body.or(body);
            }
        }
        checks
    }

    /// The validator that a method needs, if it needs one.
    pub(super) fn validator(&self) -> Option<&'static str> {
        match (
            self.headers.is_empty() && self.query.is_empty(),
            self.body.is_some(),
        ) {
            (true, false) => None,
            (true, true) => Some("body"),
            (false, false) => Some("parameters"),
            (false, true) => Some("all"),
        }
    }
}

/// A validator by its name.
pub(super) fn validator(name: &str) -> Value {
    json!({
        "validateRequestBody": name != "parameters",
        "validateRequestParameters": name != "body",
    })
}

fn without_identity(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut schema = schema.clone();
    schema.remove("$schema");
    schema.remove("$id");
    schema
}

/// How faithfully requests are checked.
pub(super) fn of_requests(
    scene: Scene<'_>,
    validate: &RequestValidatePolicy,
    before: &[&Policy],
) -> Fidelity {
    if let Err(unsupported) = only_rest(scene, "check no requests") {
        return unsupported;
    }
    if !validate.definition.is_empty() {
        return unsupported(
            "API Gateway is not given what the definition says of requests; write `requiredHeaders`, `requiredQuery` and \
             `bodySchema`",
        );
    }
    let has_body =
        |policy: &&&Policy| matches!(policy, Policy::RequestValidate(other) if other.body_schema.is_some());
    if let Some(schema) = &validate.body_schema {
        if before.iter().any(|policy| has_body(&policy)) {
            return unsupported(
                "API Gateway checks a body by one model; put both into one `bodySchema` with `allOf`",
            );
        }
        if let Err(place) = known(&Value::Object(without_identity(schema)), "") {
            return unsupported(format!("API Gateway's models do not know `bodySchema{place}`"));
        }
    }
    let only_types = *validate
        == RequestValidatePolicy {
            content_types: validate.content_types.clone(),
            ..RequestValidatePolicy::default()
        };
    if only_types {
        return unsupported("API Gateway passes on bodies of every type");
    }
    with(&differences(validate))
}

fn differences(validate: &RequestValidatePolicy) -> Vec<&'static str> {
    let mut differences = Vec::new();
    if !validate.required_headers.is_empty() || !validate.required_query.is_empty() {
        differences.push("a required header or query parameter that is blank counts as missing");
    }
    if validate.body_schema.is_some() {
        differences.push("bodies of another type than `application/json` are not checked");
    }
    if !validate.content_types.is_empty() {
        differences.push("bodies of every type are passed on, whatever `contentTypes` says");
    }
    differences
}

/// Says where a schema has a word that AWS's models do not know.
fn known(schema: &Value, at: &str) -> Result<(), String> {
    let Value::Object(fields) = schema else {
        return Err(at.to_owned());
    };
    for (word, value) in fields {
        let place = format!("{at}/{word}");
        let is_known = WORDS.contains(&word.as_str()) && (word != "type" || value.is_string());
        match (is_known, word.as_str(), value) {
            (false, _, _) => return Err(place),
            (_, "properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    known(property, &format!("{place}/{name}"))?;
                }
            }
            (_, "allOf" | "anyOf", Value::Array(schemas)) => {
                for (index, schema) in schemas.iter().enumerate() {
                    known(schema, &format!("{place}/{index}"))?;
                }
            }
            (_, "items" | "not", schema) => known(schema, &place)?,
            (_, "additionalProperties", schema) if !schema.is_boolean() => known(schema, &place)?,
            _ => {}
        }
    }
    Ok(())
}

/// How faithfully large bodies are refused.
pub(super) fn of_size(size: &RequestSizePolicy) -> Fidelity {
    match size.max_bytes {
        0..LARGEST_BODY => unsupported("API Gateway refuses bodies over 10 MB and knows no smaller size"),
        _ => with(&["API Gateway refuses bodies over 10 MB, whatever larger size is asked for"]),
    }
}
