//! Resource policies: what is stored is not what was sent, and what is answered is quoted once more.

use serde_json::Value;

use crate::control::partition;

/// A resource policy as it is stored: `execute-api:/…` has become the ARN of the API.
pub(crate) fn expanded(policy: &Value, region: &str, account: &str, api: &str) -> String {
    let policy = match policy {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        other => other.clone(),
    };
    let full = format!("arn:{}:execute-api:{region}:{account}:{api}/", partition(region));
    replaced(policy, &full).to_string()
}

fn replaced(value: Value, full: &str) -> Value {
    match value {
        Value::String(text) => Value::from(match text.strip_prefix("execute-api:/") {
            Some(rest) => format!("{full}{rest}"),
            None => text,
        }),
        Value::Array(items) => items.into_iter().map(|item| replaced(item, full)).collect(),
        Value::Object(members) => {
            let members = members
                .into_iter()
                .map(|(name, value)| (name, replaced(value, full)));
            Value::Object(members.collect())
        }
        other => other,
    }
}

/// A resource policy as it is answered: its quotation marks are escaped, as if it were inside of another text.
pub(crate) fn quoted(stored: &str) -> String {
    stored.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A stored resource policy as a document.
pub(crate) fn document(stored: &str) -> Option<Value> {
    serde_json::from_str(stored).ok()
}
