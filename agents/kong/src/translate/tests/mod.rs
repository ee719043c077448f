//! What becomes of whole APIs, as tables: each test is one kind of policy or place.

mod callers;
mod fidelity;
mod policies;
mod routes;

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    identity::{ApiId, EnvironmentId, ExternalRef, RevisionNumber},
    revision::RevisionContent,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Form, IssuerKeys, Names, Occasion, Secrets};
use crate::{
    client::node::{Edition, Flavor},
    entities::Collection,
};

/// An API at `/shop` with these policies and operations, each `(method, path, policies)`.
fn api(policies: &Value, operations: &[(&str, &str, Value)]) -> DesiredApi {
    let operation = |(number, (method, path, policies)): (usize, &(&str, &str, Value))| json!({"id": format!("o{number}"), "match": {"method": method, "path": path}, "policies": policies});
    let operations: Vec<Value> = operations.iter().enumerate().map(operation).collect();
    let content = json!({
        "displayName": "Shop", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/shop",
        "upstreams": {"main": {"url": "http://shop.internal/api", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": policies, "operations": operations,
    });
    let content: RevisionContent = serde_json::from_value(content).expect("content as it is written");
    DesiredApi {
        mark: Mark {
            environment_id: EnvironmentId(Uuid::from_u128(7)),
            api_id: ApiId(Uuid::from_u128(42)),
            api_name: "shop".parse().expect("a name"),
            revision: RevisionNumber(1),
        },
        fingerprint: Fingerprint::of_value(&json!(content)),
        content,
        secrets: Vec::new(),
    }
}

fn form_with(desired: &DesiredApi, keys: &IssuerKeys, flavor: Flavor) -> Form {
    let occasion = Occasion {
        desired,
        names: &Names::new(desired, 1),
        secrets: &Secrets::default(),
        edition: Edition::OpenSource,
        keys,
        flavor,
        reference: &ExternalRef("shop".to_owned()),
        is_probed: false,
    };
    occasion.form()
}

fn form(desired: &DesiredApi) -> Form {
    form_with(desired, &IssuerKeys::new(), Flavor::Traditional)
}

/// The configuration of the first plugin of a name, wherever it is.
fn config(form: &Form, plugin: &str) -> Value {
    let mut plugins = form.of(Collection::Plugins);
    let found = plugins.find(|part| part.fields["name"] == *plugin);
    found.map_or(Value::Null, |part| part.fields["config"].clone())
}
