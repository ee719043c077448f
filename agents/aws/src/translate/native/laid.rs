//! Fragments laid over what we write.

use gatehouse_connector_sdk::schemas::policy::Policy;
use serde_json::{Map, Value, json};

/// The extension of an operation that says where its requests go.
pub(in crate::translate) const INTEGRATION: &str = "x-amazon-apigateway-integration";

/// A field of the fragments that hold at a place, in order.
pub(in crate::translate) fn field<'a>(policies: &[&'a Policy], name: &str) -> Vec<&'a Value> {
    let of = |policy: &&'a Policy| match policy {
        Policy::Native(native) => native.config.get(name),
        _ => None,
    };
    policies.iter().filter_map(of).collect()
}

/// The security scheme that fragments ask for: its name, what it is, and its scopes.
pub(in crate::translate) fn scheme(policy: &Policy) -> Option<(String, Value, Vec<String>)> {
    let Policy::Native(native) = policy else {
        return None;
    };
    let authorizer = native.config.get("authorizer")?;
    let scopes = authorizer.get("scopes").and_then(Value::as_array);
    let scopes = scopes.into_iter().flatten().filter_map(Value::as_str);
    Some((
        authorizer.get("name")?.as_str()?.to_owned(),
        authorizer.get("scheme")?.clone(),
        scopes.map(str::to_owned).collect(),
    ))
}

/// Lays what holds at a place over an operation. An integration of another type stands alone.
pub(in crate::translate) fn operation(operation: &mut Map<String, Value>, policies: &[&Policy]) {
    for fragment in field(policies, "method").into_iter().filter_map(Value::as_object) {
        operation.extend(fragment.clone());
    }
    for fragment in field(policies, "integration")
        .into_iter()
        .filter_map(Value::as_object)
    {
        let ours = operation.get(INTEGRATION).and_then(Value::as_object);
        let ours = ours
            .filter(|_| !fragment.contains_key("type"))
            .cloned()
            .unwrap_or_default();
        operation.insert(INTEGRATION.to_owned(), merged(ours, fragment));
    }
    if let Some(kind) = field(policies, "authorization").last() {
        operation.insert("x-amazon-apigateway-auth".to_owned(), json!({"type": kind}));
    }
}

/// Lays what holds for the whole API over a document.
pub(in crate::translate) fn document(document: &mut Map<String, Value>, policies: &[&Policy]) {
    let mut lay = |name: &str, value: &Value| {
        let ours = document.get(name).and_then(Value::as_object).cloned();
        let value = match (ours, value) {
            (Some(ours), Value::Object(theirs)) => merged(ours, theirs),
            _ => value.clone(),
        };
        document.insert(name.to_owned(), value);
    };
    for (name, value) in field(policies, "extensions")
        .into_iter()
        .filter_map(Value::as_object)
        .flatten()
    {
        lay(name, value);
    }
    for fragment in field(policies, "api") {
        for (setting, extension) in [
            ("binaryMediaTypes", "x-amazon-apigateway-binary-media-types"),
            (
                "minimumCompressionSize",
                "x-amazon-apigateway-minimum-compression-size",
            ),
        ] {
            if let Some(value) = fragment.get(setting) {
                lay(extension, value);
            }
        }
    }
    for (name, extension) in [
        ("gatewayResponses", "x-amazon-apigateway-gateway-responses"),
        ("resourcePolicy", "x-amazon-apigateway-policy"),
        ("cors", "x-amazon-apigateway-cors"),
    ] {
        for value in field(policies, name) {
            lay(extension, value);
        }
    }
}

fn merged(mut ours: Map<String, Value>, theirs: &Map<String, Value>) -> Value {
    for (name, value) in theirs {
        match (ours.get_mut(name), value) {
            (Some(Value::Object(fields)), Value::Object(more)) => fields.extend(more.clone()),
            _ => {
                ours.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(ours)
}
