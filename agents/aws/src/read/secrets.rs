//! Credentials that people wrote into an API: they never leave the agent.

use serde_json::{Map, Value};

/// What stands in place of a credential.
const SECRET: &str = "{secret}";

/// Whether a header, parameter or variable of this name carries a credential.
pub(super) fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts = [
        "auth",
        "cookie",
        "token",
        "secret",
        "passw",
        "key",
        "credential",
        "signature",
    ];
    parts.iter().any(|part| name.contains(part))
}

/// Takes the credentials out of an integration; gives where they were.
pub(super) fn take_out_of_integration(fields: &mut Map<String, Value>) -> Vec<String> {
    let mut places = Vec::new();
    for field in ["requestParameters", "responseParameters"] {
        if let Some(parameters) = fields.get_mut(field) {
            walk(parameters, field, &mut places);
        }
    }
    if let Some(Value::String(uri)) = fields.get_mut("uri")
        && carries_credential(uri)
    {
        SECRET.clone_into(uri);
        places.push("uri".to_owned());
    }
    places
}

/// Takes what sounds like a credential out of stage variables; gives where they were.
pub(super) fn take_out_of_variables(variables: &mut Map<String, Value>) -> Vec<String> {
    let named = variables.iter_mut().filter(|(name, _)| is_credential(name));
    named
        .map(|(name, value)| {
            *value = Value::from(SECRET);
            name.clone()
        })
        .collect()
}

fn walk(value: &mut Value, place: &str, places: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    for (field, value) in fields {
        let place = format!("{place}.{field}");
        match value {
            Value::String(text) if is_written(text) && is_credential(last_word(field)) => {
                SECRET.clone_into(text);
                places.push(place);
            }
            value => walk(value, &place, places),
        }
    }
}

/// `integration.request.header.X-Key`, `overwrite:header.x-key`: the name at its end.
fn last_word(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}

/// Whether a value is written there, and not taken from the request.
fn is_written(text: &str) -> bool {
    let taken = ["method.", "context.", "stageVariables.", "integration.", "$"];
    !text.is_empty() && !taken.iter().any(|begin| text.starts_with(begin))
}

fn carries_credential(uri: &str) -> bool {
    let Some((_, rest)) = uri.split_once("://") else {
        return false;
    };
    let user = rest
        .split(['/', '?'])
        .next()
        .is_some_and(|authority| authority.contains('@'));
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    user || query
        .split('&')
        .any(|pair| is_credential(pair.split('=').next().unwrap_or_default()))
}
