//! Credentials in the configuration of plugins: they never leave the agent.

use serde_json::{Map, Value};

/// What stands in place of a credential.
const SECRET: &str = "{secret}";

/// Parts of the names of fields that hold credentials.
const PARTS: [&str; 10] = [
    "password",
    "passphrase",
    "secret",
    "private_key",
    "apikey",
    "api_key",
    "credential",
    "hmac_key",
    "jwk",
    "signing_key",
];

/// Fields that hold credentials, or that Kong itself keeps encrypted.
const FIELDS: [&str; 21] = [
    "account_email",
    "account_key",
    "authorization",
    "aws_access_key_id",
    "aws_assume_role_arn",
    "aws_key",
    "aws_key_id",
    "clientid",
    "cookie",
    "eab_kid",
    "gcp_service_account_json",
    "header_value",
    "http_endpoint",
    "http_proxy_authorization",
    "https_proxy_authorization",
    "key",
    "param_value",
    "provision_key",
    "token",
    "username",
    "x_api_key",
];

/// Fields that sound like credentials and say where to find them.
const NAMES: [&str; 3] = ["credential_claim", "extra_jwks_uris", "jwks_uri"];

/// Takes the credentials out of a configuration; gives where they were.
pub(super) fn take_out(config: &mut Value, place: &str) -> Vec<String> {
    let mut places = Vec::new();
    walk(config, place, false, &mut places);
    places
}

/// Takes the credentials out of what a route asks for.
pub(super) fn take_out_of_route(fields: &mut Map<String, Value>) -> Vec<String> {
    let mut places = Vec::new();
    let headers = fields.get_mut("headers").and_then(Value::as_object_mut);
    for (name, values) in headers
        .into_iter()
        .flatten()
        .filter(|(name, _)| is_credential(name))
    {
        walk(values, &format!("headers.{name}"), true, &mut places);
    }
    if let Some(Value::String(text)) = fields.get_mut("expression")
        && text
            .split("http.headers.")
            .skip(1)
            .any(|rest| is_credential(rest.split(' ').next().unwrap_or(rest)))
    {
        SECRET.clone_into(text);
        places.push("expression".to_owned());
    }
    places
}

fn walk(value: &mut Value, place: &str, secret: bool, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => object(fields, place, secret, places),
        Value::Array(items) => {
            for item in items {
                walk(item, place, secret, places);
            }
        }
        Value::String(text) if is_secret(text, secret) => {
            places.push(place.to_owned());
            SECRET.clone_into(text);
        }
        Value::String(text) => pair(text, place, places),
        _ => {}
    }
}

fn object(fields: &mut Map<String, Value>, place: &str, secret: bool, places: &mut Vec<String>) {
    // Headers that a plugin sends are a map, or a list of `name:value`.
    let headers = place.ends_with(".headers");
    for (field, value) in fields {
        let secret = secret || headers || is_secret_field(field);
        walk(value, &format!("{place}.{field}"), secret, places);
    }
}

fn is_secret(text: &str, secret: bool) -> bool {
    let reference = text.starts_with("{vault://") && text.ends_with('}');
    !reference && !text.is_empty() && text != SECRET && (secret || has_user_info(text))
}

fn has_user_info(text: &str) -> bool {
    let authority = text
        .split_once("://")
        .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    authority.is_some_and(|authority| authority.contains('@'))
}

/// `name:value` of a header, a query parameter or a field of a body.
fn pair(text: &mut String, place: &str, places: &mut Vec<String>) {
    let in_pairs = [".headers", ".querystring", ".body", ".json"]
        .iter()
        .any(|end| place.ends_with(end));
    let Some((name, value)) = text.split_once(':').filter(|_| in_pairs) else {
        return;
    };
    if is_credential(name) && is_secret(value.trim(), true) && !place.contains(".rename.") {
        let replaced = format!("{name}:{SECRET}");
        places.push(format!("{place}[{name}]"));
        *text = replaced;
    }
}

/// Whether a header or parameter of this name carries a credential.
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

fn is_secret_field(field: &str) -> bool {
    let field = field.to_ascii_lowercase().replace('-', "_");
    let part = PARTS.iter().any(|part| field.contains(part));
    let named = FIELDS.contains(&field.as_str()) || field.ends_with("_token");
    (part || named) && !NAMES.contains(&field.as_str())
}
