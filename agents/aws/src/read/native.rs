//! What canonical words cannot say, in AWS's: fragments of the policy type `native`.
//!
//! At an operation, or at the API for all of them, a fragment has the fields `integration` (fields of
//! `x-amazon-apigateway-integration`, laid over ours field by field), `authorizer` (`{name, scheme, scopes}`: a security
//! scheme with its extensions), `authorization` (`AWS_IAM`), `apiKeyRequired`, `requestValidator`, `methodSettings` and
//! `method` (other extensions of the operation). At the API alone, it has `api` (settings of the API), `resourcePolicy`,
//! `gatewayResponses`, `cors`, `stage` (settings of the stage), `usagePlans`, `domainNames` and `extensions` (other
//! extensions of the document). Nothing in them has a time, and no key's value is in them.

use gatehouse_connector_sdk::schemas::policy::{NativePolicy, Policy};
use serde_json::{Map, Value};

/// A policy of one field; none if the gateway type cannot be named, which does not happen.
pub(super) fn policy(field: &str, value: Value) -> Option<Policy> {
    of_fields(Map::from_iter([(field.to_owned(), value)]))
}

/// A policy of several fields; none if there are none.
pub(super) fn of_fields(config: Map<String, Value>) -> Option<Policy> {
    let gateway_type = "aws".parse().ok()?;
    (!config.is_empty()).then(|| Policy::Native(NativePolicy { gateway_type, config }).canonical())
}
