//! Answers that a REST API gives itself, with a mock integration.

use gatehouse_connector_sdk::schemas::policy::RespondPolicy;
use serde_json::{Map, Value, json};

use crate::translate::{Kind, headers};

/// The types of request bodies that a mock integration is told of: it knows no rule for all.
const TYPES: [&str; 7] = [
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data",
    "text/plain",
    "text/xml",
];

/// The integration that gives an answer.
pub(super) fn integration(respond: &RespondPolicy) -> Value {
    let status = respond.status.to_string();
    let request = format!("{{\"statusCode\": {status}}}");
    let requests: Map<String, Value> = TYPES
        .iter()
        .map(|it| ((*it).to_owned(), json!(request)))
        .collect();
    let mut response = json!({
        "statusCode": status,
        "responseTemplates": {media_type(respond): template(respond.body.as_deref().unwrap_or_default())},
    });
    if !respond.headers.is_empty() {
        let header = |(name, value): (&String, &String)| {
            (
                format!("method.response.header.{name}"),
                json!(format!("'{value}'")),
            )
        };
        response["responseParameters"] = respond.headers.iter().map(header).collect::<Map<_, _>>().into();
    }
    json!({
        "type": "mock",
        "contentHandling": "CONVERT_TO_TEXT",
        "passthroughBehavior": "never",
        "requestTemplates": requests,
        "responses": {"default": response},
    })
}

/// The answers of the method: headers must be declared before they are written.
pub(super) fn responses(respond: &RespondPolicy) -> Value {
    let header = |name: &String| (name.clone(), json!({"schema": {"type": "string"}}));
    let headers: Map<String, Value> = respond.headers.keys().map(header).collect();
    json!({respond.status.to_string(): {"description": "The answer of the gateway itself", "headers": headers}})
}

fn media_type(respond: &RespondPolicy) -> String {
    let mut headers = respond.headers.iter();
    let written = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let written = written
        .and_then(|(_, value)| value.split(';').next())
        .map(str::trim);
    written
        .filter(|it| !it.is_empty())
        .unwrap_or("application/json")
        .to_owned()
}

/// A text as Velocity writes it: `$` and `#` mean something there.
fn template(body: &str) -> String {
    if !body.contains(['$', '#']) {
        return body.to_owned();
    }
    let escaped: String = body
        .chars()
        .map(|character| match character {
            '$' => "${dollar}".to_owned(),
            '#' => "${hash}".to_owned(),
            other => other.to_string(),
        })
        .collect();
    format!("#set($dollar = '$')#set($hash = '#'){escaped}")
}

/// Why an answer cannot be given.
pub(super) fn unwritable(respond: &RespondPolicy) -> Option<String> {
    let body = respond.body.as_deref().unwrap_or_default();
    if body.contains("\\$") || body.contains("\\#") {
        return Some("API Gateway's templates take `\\` before `$` and `#` away".to_owned());
    }
    let mut headers = respond.headers.iter();
    headers.find_map(|(name, value)| {
        headers::unwritable(Kind::Rest, value).map(|reason| format!("{reason} (`{name}`)"))
    })
}
