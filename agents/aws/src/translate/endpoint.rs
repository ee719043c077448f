//! Where an API is reached from, as far as a document says it.

use serde_json::{Map, Value, json};

use super::{Kind, certificates, scene::Scene};

/// The extension of a server that says it.
const CONFIGURATION: &str = "x-amazon-apigateway-endpoint-configuration";

/// The servers of the document, if there is something to say. What it does not say, AWS forgets of an API whose definition is
/// replaced.
pub(super) fn servers(scene: Scene<'_>) -> Option<Value> {
    let mut configuration = Map::new();
    if scene.settings.domain_name.is_some() {
        let is_off = certificates::trust(scene).is_some();
        configuration.insert("disableExecuteApiEndpoint".to_owned(), json!(is_off));
    }
    let ids = &scene.settings.vpc_endpoint_ids;
    let is_private = scene.kind == Kind::Rest && scene.settings.is_private();
    if is_private && !ids.is_empty() {
        configuration.insert("vpcEndpointIds".to_owned(), json!(ids));
    }
    (!configuration.is_empty()).then(|| json!([{"url": "/", CONFIGURATION: configuration}]))
}
