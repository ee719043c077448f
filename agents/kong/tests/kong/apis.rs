//! APIs as tests deploy them, and who deploys them.

use std::collections::BTreeMap;

use gatehouse_agent_kong::KongConnector;
use gatehouse_connector_conformance::{Connection, TestGateway as _};
pub(crate) use gatehouse_connector_conformance::{SECRET_BEGINNING as SECRET, desired};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::under_test::KongUnderTest;

pub(crate) type Operator = gatehouse_connector_conformance::Operator<KongConnector>;

/// A connector to the gateway, with its own settings and credentials.
pub(crate) fn operator_of(kong: &KongUnderTest) -> Operator {
    Operator::new(KongConnector::new().unwrap(), kong.connection())
}

/// A connector with other ones.
pub(crate) fn operator_with(settings: &Value, credentials: BTreeMap<String, SecretString>) -> Operator {
    let connection = Connection {
        settings: settings.as_object().cloned().unwrap(),
        credentials,
    };
    Operator::new(KongConnector::new().unwrap(), connection)
}

/// An API at `/orders/v1` whose upstream is at `url`.
pub(crate) fn content(url: &str, policies: &Value) -> Value {
    json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress",
        "basePath": "/orders/v1",
        "upstreams": {"main": {"url": url, "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": policies,
        "operations": [
            {"id": "root", "match": {"method": "GET", "path": "/"}},
            {"id": "listItems", "match": {"method": "GET", "path": "/items"}, "summary": "All items"},
            {"id": "addItem", "match": {"method": "POST", "path": "/items"}},
            {"id": "getItem", "match": {"method": "GET", "path": "/items/{id}"}},
            {"id": "getMine", "match": {"method": "GET", "path": "/items/mine"}, "deprecated": true},
            {"id": "export", "match": {"method": "GET", "path": "/export/{name}.json"}},
            {"id": "files", "match": {"method": "*", "path": "/files/{rest...}"}},
        ],
    })
}
