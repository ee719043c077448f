//! What requests must have: parameters and bodies that a validator checks.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::policy::{Policy, RequestValidatePolicy};
use serde_json::{Map, Value, json};

use super::kept;
use crate::read::methods::{Method, resolved};

/// Where a document keeps its models, and where a schema keeps what it refers to.
const MODELS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";

/// What a method's validator checks.
pub(super) fn validated(method: &Method<'_>, notes: &mut Vec<String>) -> Option<Policy> {
    let document = method.document;
    let own = method.extension("request-validator");
    let name = own
        .or_else(|| document.get("x-amazon-apigateway-request-validator"))?
        .as_str()?;
    let Some(validator) = document
        .get("x-amazon-apigateway-request-validators")
        .and_then(|all| all.get(name))
    else {
        let reason = "the export does not say what it checks";
        return kept(
            method,
            ("its validator", "requestValidator", json!(name)),
            reason,
            notes,
        );
    };
    let checks = |field: &str| validator.get(field) == Some(&Value::Bool(true));
    let mut policy = RequestValidatePolicy::default();
    if checks("validateRequestParameters") {
        policy.required_headers = required(method, "header");
        policy.required_query = required(method, "query");
    }
    if checks("validateRequestBody") {
        policy.body_schema = body(method, notes);
    }
    (policy != RequestValidatePolicy::default()).then_some(Policy::RequestValidate(policy))
}

fn required(method: &Method<'_>, place: &'static str) -> Vec<String> {
    let parameters = method
        .parameters(place)
        .filter(|it| it.get("required") == Some(&Value::Bool(true)));
    let names = parameters.filter_map(|it| it.get("name")?.as_str());
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let valid = |name: &&str| !name.is_empty() && (place == "query" || name.bytes().all(token));
    names.filter(valid).map(str::to_owned).collect()
}

fn body(method: &Method<'_>, notes: &mut Vec<String>) -> Option<Map<String, Value>> {
    let content = resolved(method.document, method.fields.get("requestBody")?)?
        .get("content")?
        .as_object()?;
    let (media_type, described) = content
        .get_key_value("application/json")
        .or_else(|| content.iter().next())?;
    if content.len() > 1 {
        notes.push(format!(
            "{}: bodies are checked by their type on AWS; elsewhere, only by the model of `{media_type}`",
            method.title()
        ));
    }
    let Some(schema) = self_contained(method.document, described.get("schema")?) else {
        notes.push(format!(
            "{}: the model of its body refers to what the export does not say, and is left out; look at it on AWS",
            method.title()
        ));
        return None;
    };
    (!schema.is_empty()).then_some(schema)
}

/// A schema with everything that it refers to under `$defs`; none if it refers to what is not there.
fn self_contained(document: &Value, schema: &Value) -> Option<Map<String, Value>> {
    let mut definitions: BTreeMap<String, Value> = BTreeMap::new();
    let mut waiting = BTreeSet::new();
    let mut written = with_references(schema, &mut waiting)?;
    while let Some(name) = waiting.pop_first() {
        if definitions.contains_key(&name) {
            continue;
        }
        let model = document.get("components")?.get("schemas")?.get(&name)?;
        definitions.insert(name, with_references(model, &mut waiting)?);
    }
    let fields = written.as_object_mut()?;
    if !definitions.is_empty() {
        fields.insert("$defs".to_owned(), json!(definitions));
    }
    Some(std::mem::take(fields))
}

/// A schema whose references lead to definitions; none if one leads elsewhere.
fn with_references(schema: &Value, waiting: &mut BTreeSet<String>) -> Option<Value> {
    Some(match schema {
        Value::Object(fields) => {
            let mut written = Map::new();
            for (field, value) in fields {
                let value = match (field.as_str(), value) {
                    ("$ref", Value::String(target)) => Value::from(definition(target, waiting)?),
                    ("$dynamicRef", Value::String(_)) => return None,
                    (_, value) => with_references(value, waiting)?,
                };
                written.insert(field.clone(), value);
            }
            Value::Object(written)
        }
        Value::Array(items) => {
            let items: Option<Vec<Value>> = items.iter().map(|item| with_references(item, waiting)).collect();
            Value::Array(items?)
        }
        other => other.clone(),
    })
}

fn definition(target: &str, waiting: &mut BTreeSet<String>) -> Option<String> {
    let name = target.strip_prefix(MODELS).filter(|name| !name.contains('/'))?;
    waiting.insert(name.to_owned());
    Some(format!("{DEFINITIONS}{name}"))
}
