//! What canonical words cannot say, in AWS's: fragments of the policy type `native`.
//!
//! What can be deployed again is in the fields that `translate` understands: `operation` (the integration and other
//! extensions of an operation), `document` (extensions of the document) and `stage` (settings of the stage). What cannot is
//! in fragments of their own: `authorizer` (`{name, scheme, scopes}`: a security scheme with its extensions),
//! `apiKeyRequired`, `requestValidator`, `methodSettings`, `resourcePolicy`, `cors`, `usagePlans`, `domainNames`,
//! `stageSettings` and `extensions`. Nothing in them has a time, and no key's value is in them.

use gatehouse_connector_sdk::schemas::policy::{NativePolicy, Policy};
use serde_json::{Map, Value, json};

/// The extension that says what answers an operation.
const INTEGRATION: &str = "x-amazon-apigateway-integration";

/// A policy of one field; none if there is nothing in it.
pub(super) fn policy(field: &str, value: Value) -> Option<Policy> {
    let empty = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let gateway_type = crate::config::gateway_type();
    let config = Map::from_iter([(field.to_owned(), value)]);
    (!empty).then(|| Policy::Native(NativePolicy { gateway_type, config }).canonical())
}

/// Fields of an integration, or all of it.
pub(super) fn integration(fields: &Map<String, Value>) -> Option<Policy> {
    (!fields.is_empty()).then(|| policy("operation", json!({INTEGRATION: fields})))?
}

/// Whether a fragment is all that is said of what answers an operation.
pub(super) fn is_whole_integration(native: &NativePolicy) -> bool {
    let operation = native.config.get("operation");
    let integration = operation.and_then(|fields| fields.get(INTEGRATION));
    integration.is_some_and(|fields| fields.get("type").is_some())
}
