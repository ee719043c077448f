//! Fragments laid over what we write.

use gatehouse_connector_sdk::schemas::policy::Policy;
use serde_json::{Map, Value};

/// The extension of an operation that says where its requests go.
pub(in crate::translate) const INTEGRATION: &str = "x-amazon-apigateway-integration";

/// The extension of an operation that asks callers to sign with credentials of AWS.
pub(in crate::translate) const AUTH: &str = "x-amazon-apigateway-auth";
/// The extension of a document that says how API Gateway answers itself.
pub(in crate::translate) const GATEWAY_RESPONSES: &str = "x-amazon-apigateway-gateway-responses";

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
    let fragments = field(policies, "operation")
        .into_iter()
        .filter_map(Value::as_object);
    for (name, value) in fragments.flatten() {
        let ours = operation.get(name).and_then(Value::as_object);
        let ours = ours.filter(|_| name == INTEGRATION && value.get("type").is_none());
        let laid = match (ours, value) {
            (Some(ours), Value::Object(theirs)) => merged(ours.clone(), theirs),
            _ => value.clone(),
        };
        operation.insert(name.clone(), laid);
    }
}

/// Whether callers must sign their requests.
pub(in crate::translate) fn is_signed(policies: &[&Policy]) -> bool {
    let fragments = field(policies, "operation");
    fragments.iter().any(|fragment| fragment.get(AUTH).is_some())
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
    for kind in ["extensions", "document"] {
        let fragments = field(policies, kind).into_iter().filter_map(Value::as_object);
        fragments.flatten().for_each(|(name, value)| lay(name, value));
    }
    for (name, extension) in [
        ("resourcePolicy", "x-amazon-apigateway-policy"),
        ("cors", "x-amazon-apigateway-cors"),
    ] {
        field(policies, name)
            .into_iter()
            .for_each(|value| lay(extension, value));
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
