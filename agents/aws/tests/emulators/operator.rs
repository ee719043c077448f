//! The connector in an environment on an emulator, and an API that it deploys.

use gatehouse_agent_aws::{ACCESS_KEY_ID, AwsConnector, SECRET_ACCESS_KEY};
use gatehouse_connector_conformance::{Connection, Operator};
use gatehouse_connector_sdk::{
    connector::{Connector as _, PageRequest},
    schemas::observed::DiscoveredItem,
};
use secrecy::SecretString;
use serde_json::{Value, json};

/// At an endpoint, with settings beside those that every test has.
pub(crate) fn operator(endpoint: &str, data_plane: &str, more: &Value) -> Operator<AwsConnector> {
    let mut settings = json!({
        "region": "eu-central-1", "stage": "live", "kind": "rest",
        "endpointUrl": endpoint, "stsEndpointUrl": endpoint, "dataPlaneUrl": data_plane,
    });
    let fields = settings.as_object_mut().unwrap();
    fields.extend(more.as_object().cloned().unwrap_or_default());
    let credential = |name: &str| (name.to_owned(), SecretString::from("test"));
    let connection = Connection {
        settings: fields.clone(),
        credentials: [ACCESS_KEY_ID, SECRET_ACCESS_KEY].map(credential).into(),
    };
    Operator::new(AwsConnector::new(), connection)
}

/// Everything that is there.
pub(crate) async fn discovered(operator: &Operator<AwsConnector>) -> Vec<DiscoveredItem> {
    let mut all = Vec::new();
    let mut position = None;
    loop {
        let request = PageRequest {
            position,
            limit: 20,
            ..PageRequest::default()
        };
        let page = operator.connector.discover(&operator.context, request).await;
        let page = page.unwrap();
        all.extend(page.items);
        position = Some(match page.next {
            Some(next) => next,
            None => return all,
        });
    }
}

/// An API whose upstream is at `url`.
pub(crate) fn content(url: &str, policies: &Value) -> Value {
    json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress",
        "basePath": "/orders",
        "upstreams": {"main": {"url": url, "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": policies,
        "operations": [
            {"id": "listItems", "match": {"method": "GET", "path": "/items"}, "summary": "All items"},
            {"id": "addItem", "match": {"method": "POST", "path": "/items"}},
            {"id": "getItem", "match": {"method": "GET", "path": "/items/{id}"}},
            {"id": "getMine", "match": {"method": "GET", "path": "/items/mine"}},
            {"id": "deletePart", "match": {"method": "DELETE", "path": "/items/{id}/parts/{part}"}},
            {"id": "files", "match": {"method": "*", "path": "/files/{rest...}"}},
        ],
    })
}
